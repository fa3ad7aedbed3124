"""A look at the few fields that decide whether a JSON line can be shipped as it stands.

The line is checked as JSON in full, but only these fields become Python objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from logship.schema.flat import RESERVED, SCALARS, TEXTS
from logship.schema.levels import LEVELS

__all__ = ["DECIDING", "Look"]

DECIDING = ("@timestamp", "level", "trace_id", "span_id")
_ATTRIBUTES = ("time", "level", "trace", "span")

_Unset = msgspec.UnsetType
# A type that nothing has: a record that holds the field is refused while it is decoded.
_Absent = Annotated[str, msgspec.Meta(min_length=2**31)] | _Unset


def _hex(digits: int) -> Any:
    return Annotated[str, msgspec.Meta(min_length=digits, max_length=digits)] | _Unset


class Look:
    """Decodes lines into objects of the deciding fields.

    Their attributes are ``time``, ``level``, ``trace`` and ``span``, and ``constant_0``, … for
    the fields that the source adds itself. The decoder refuses records that hold a reserved
    root or a deciding field of another shape, so what it returns can be shipped once the time
    and the letters of the ids are checked.

    Args:
        constants: Fields that the source adds itself.
        order: Keys of a record as they come. The decoder looks for each key from where it
            found the last one, so fields in this order are found at once.
    """

    def __init__(self, constants: Sequence[str] = (), order: Sequence[str] = ()) -> None:
        text: Any = str | None | _Unset
        scalar: Any = str | int | float | bool | None | _Unset
        types: dict[str, Any] = {
            "@timestamp": str,
            "level": Literal[LEVELS] | None | _Unset,
            **dict.fromkeys(TEXTS, text),
            **dict.fromkeys(SCALARS, scalar),
            "trace_id": _hex(32),
            "span_id": _hex(16),
            **dict.fromkeys(RESERVED, _Absent),
        }
        for name in constants:
            # A null under one of these roots gives way to the constant.
            types[name] = str | _Unset if types.get(name) == text else types.get(name, Any)
        attributes = dict(zip(DECIDING, _ATTRIBUTES, strict=True))
        attributes |= {name: f"constant_{number}" for number, name in enumerate(constants)}
        first = [name for name in dict.fromkeys(order) if name in types]
        names = [*first, *(name for name in types if name not in first)]
        struct = msgspec.defstruct(
            "Look",
            [
                (
                    attributes.get(name, f"other_{number}"),
                    types[name],
                    msgspec.field(name=name)
                    if name == "@timestamp"
                    else msgspec.field(name=name, default=msgspec.UNSET),
                )
                for number, name in enumerate(names)
            ],
            kw_only=True,
            gc=False,
        )
        self._decoder = msgspec.json.Decoder(struct)

    def at_all(self, data: bytes) -> list[Any] | None:
        """Return the fields of every line of a chunk; None when one cannot be shipped as is."""
        if not is_utf8(data):
            return None
        try:
            return self._decoder.decode_lines(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def at(self, line: bytes) -> Any | None:
        """Return the fields of one line; None when it cannot be shipped as it is."""
        if not line.startswith(b"{") or not is_utf8(line):
            return None
        try:
            return self._decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None


def is_utf8(data: bytes) -> bool:
    """Whether *data* is UTF-8 throughout; the decoder checks only what it makes text of."""
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
