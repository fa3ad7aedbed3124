"""JSON values as the types of fields read them, and the words in which they refuse."""

from __future__ import annotations

import ipaddress
import math
import re
import struct
from collections.abc import Callable
from typing import Any

from logship.node.errors import Json
from logship.node.jsontext import JsonFault, Span

INTEGER = {
    "long": (-(2**63), 2**63 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "short": (-(2**15), 2**15 - 1),
    "byte": (-128, 127),
    "unsigned_long": (0, 2**64 - 1),
}


_INTEGER_TEXT = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")


class BadValue(Exception):
    """A value does not fit its field.

    Attributes:
        build: Makes the error object below, from the source and the value's place in it.
    """

    def __init__(self, build: Callable[[bytes, Span], Json]) -> None:
        super().__init__("value does not fit its field")
        self.build = build


def refuse(reason: str, type_: str = "illegal_argument_exception") -> BadValue:
    """Return the refusal of a value in one sentence."""
    return BadValue(lambda _data, _span: {"type": type_, "reason": reason})


def expected_text() -> BadValue:
    """Return the refusal of an object where a text was expected."""

    def build(data: bytes, span: Span) -> Json:
        reason = f"Expected text at 1:{span[0] + 1} but found START_OBJECT"
        return {"type": "illegal_argument_exception", "reason": reason}

    return BadValue(build)


def _parser_fault(
    what: str, *, below: str = "json_parse_exception", inside: bool = False
) -> BadValue:
    def build(data: bytes, span: Span) -> Json:
        at = span[0] + 1 if inside else span[1]
        cause = JsonFault(what, data, at, span[0]).cause()
        cause["caused_by"]["type"] = below
        return cause

    return BadValue(build)


def _not_numeric(value: Any) -> BadValue | None:
    if isinstance(value, dict):
        return refuse("Cannot parse object as number")
    if isinstance(value, bool):
        token = "VALUE_TRUE" if value else "VALUE_FALSE"
        what = f"Current token ({token}) not numeric, can not use numeric value accessors"
        return _parser_fault(what)
    return None


def integer_of(type_: str, value: Any) -> int:
    """Return *value* as an integer of *type_*; decimals are cut.

    Raises:
        BadValue: It is no number, or out of range.
    """
    problem = _not_numeric(value)
    if problem is not None:
        raise problem
    low, high = INTEGER[type_]
    if isinstance(value, str):
        is_whole = re.fullmatch(r"[+-]?\d{1,400}", value, re.ASCII)
        if not is_whole and not _INTEGER_TEXT.fullmatch(value):
            raise refuse(f'For input string: "{value}"')
        if is_whole:
            number = int(value)
        else:
            decimal = float(value)
            number = high + 1 if math.isinf(decimal) else int(decimal)
    elif isinstance(value, float):
        if math.isinf(value):
            raise _out_of_range(type_, value)
        number = int(value)
    else:
        number = value
    if not low <= number <= high:
        if isinstance(value, str) or type_ in {"short", "byte"}:
            article = "an" if type_ == "integer" else "a"
            raise refuse(f"Value [{value}] is out of range for {article} {type_}")
        raise _out_of_range(type_, value)
    return number


def _out_of_range(type_: str, value: Any) -> BadValue:
    low, high = INTEGER[type_]
    name = "int" if type_ == "integer" else type_

    def build(data: bytes, span: Span) -> Json:
        shown = data[span[0] : span[1]].decode("utf-8", "replace") or value
        what = f"Numeric value ({shown}) out of range of {name} ({low} - {high})"
        below = "input_coercion_exception"
        return _parser_fault(what, below=below).build(data, span)

    return BadValue(build)


def float_of(type_: str, value: Any) -> float:
    """Return *value* as a number of *type_*, rounded as that type stores it.

    Raises:
        BadValue: It is no finite number.
    """
    problem = _not_numeric(value)
    if problem is not None:
        raise problem
    try:
        number = float(value)
        if isinstance(value, str) and ("_" in value or value.strip() != value):
            raise ValueError(value)
    except (ValueError, OverflowError):
        raise refuse(f'For input string: "{value}"', "number_format_exception") from None
    if type_ in {"float", "half_float"}:
        number = single(number)
    if not math.isfinite(number):
        shown = "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")
        raise refuse(f"[{type_}] supports only finite values, but got [{shown}]")
    return number


def single(number: float) -> float:
    """Return *number* as a 32-bit float holds it."""
    try:
        packed: float = struct.unpack("f", struct.pack("f", number))[0]
    except OverflowError:
        return math.copysign(math.inf, number)
    return packed


def boolean_of(value: Any) -> bool:
    """Return *value* as a boolean; the empty text is false.

    Raises:
        BadValue: It is neither true nor false.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        if value in {"true", "false", ""}:
            return value == "true"
        raise refuse(f"Failed to parse value [{value}] as only [true] or [false] are allowed.")
    if isinstance(value, dict):
        raise _parser_fault("Current token (START_OBJECT) not of boolean type", inside=True)
    kind = "FLOAT" if isinstance(value, float) else "INT"
    raise _parser_fault(f"Current token (VALUE_NUMBER_{kind}) not of boolean type")


def address_of(value: Any) -> bytes:
    """Return an address as 16 bytes; IPv4 as mapped into IPv6.

    Raises:
        BadValue: It is no address.
    """
    if isinstance(value, dict):
        raise expected_text()
    try:
        address = ipaddress.ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise refuse(f"'{value_text(value)}' is not an IP string literal.") from None
    packed = address.packed
    return packed if len(packed) == 16 else b"\0" * 10 + b"\xff\xff" + packed


def address_text(packed: bytes) -> str:
    """Return the usual spelling of 16 bytes."""
    address = ipaddress.IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def value_text(value: Any) -> str:
    """Return a JSON scalar as the text that Elasticsearch takes it for."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    return value if isinstance(value, str) else str(value)


def flattened_leaves(value: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Return every leaf of an object as (dotted key, text)."""
    if isinstance(value, dict):
        return [
            leaf
            for key, below in value.items()
            for leaf in flattened_leaves(below, f"{prefix}.{key}" if prefix else key)
        ]
    if isinstance(value, list):
        return [leaf for below in value for leaf in flattened_leaves(below, prefix)]
    return [] if value is None else [(prefix, value_text(value))]
