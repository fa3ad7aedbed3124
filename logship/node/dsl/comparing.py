"""Comparing values with bounds, and words with phrases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logship.node.errors import NodeError, failed_query
from logship.node.fields import Field
from logship.node.values import BadValue, address_of, float_of, single, value_text


def converter(field: Field) -> Callable[[Any], Any]:
    """Return how a bound of a range over *field* is read."""

    def convert(value: Any) -> Any:
        try:
            if field.family == "ip":
                return address_of(value)
            if field.family == "boolean":
                return wanted_boolean(value)
            number = float_of("double", value)
        except BadValue as error:
            reason = str(error.build(b"", (0, 0))["reason"])
            if field.family in {"integer", "float"}:
                reason = f'For input string: "{value}"'
            cause = {"type": "number_format_exception", "reason": reason}
            raise not_created(reason, cause) from None
        if field.type in {"float", "half_float"}:
            return single(number)
        return value if isinstance(value, int) else number

    return convert


def wanted_boolean(value: Any) -> bool:
    """Return what a query looks for in a boolean field; unlike in documents, "" is not false.

    Raises:
        NodeError: It is neither true nor false.
    """
    text = value_text(value)
    if text not in {"true", "false"}:
        raise not_created(f"Can't parse boolean value [{text}], expected [true] or [false]")
    return text == "true"


def between(bounds: dict[str, Any], convert: Callable[[Any], Any]) -> Callable[[Any], bool]:
    """Return whether a term lies between *bounds*."""
    given = {
        name: convert(bounds[name])
        for name in ("gt", "gte", "lt", "lte")
        if bounds.get(name) is not None
    }

    def accepts(term: Any) -> bool:
        return (
            ("gte" not in given or term >= given["gte"])
            and ("gt" not in given or term > given["gt"])
            and ("lte" not in given or term <= given["lte"])
            and ("lt" not in given or term < given["lt"])
        )

    return accepts


def follows(found: list[str], wanted: list[str], slop: int, prefix: bool) -> bool:
    """Whether *wanted* stands in *found*, its words moved by at most *slop* steps in sum."""
    last = len(wanted) - 1

    def fits(token: str, number: int) -> bool:
        if prefix and number == last:
            return token.startswith(wanted[number])
        return token == wanted[number]

    places = [
        [at - number for at, token in enumerate(found) if fits(token, number)]
        for number in range(len(wanted))
    ]
    if not all(places):
        return False
    if slop == 0:
        shared = set(places[0])
        for one in places[1:]:
            shared.intersection_update(one)
        return bool(shared)
    # Each word's place minus its number is where the phrase would begin: how far these
    # beginnings lie apart is what the words have to move.
    return any(
        all(any(start <= one <= start + slop for one in row) for row in places)
        for start in {one for row in places for one in row}
    )


def not_created(reason: str, cause: dict[str, Any] | None = None) -> NodeError:
    """Return the failure of a query whose value does not fit its field."""
    cause = cause or {"type": "illegal_argument_exception", "reason": reason}
    return failed_query(f"failed to create query: {reason}", cause)
