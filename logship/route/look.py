"""A look at the few fields that decide whether a JSON line can be shipped as it stands.

The line is checked as JSON in full, but only these fields become Python objects.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from logship.schema.flat import RESERVED
from logship.schema.levels import LEVELS

__all__ = ["DECIDING", "PLAIN_LEVELS", "Look", "is_plain_time"]

_UNSET = msgspec.UNSET
# Calendar days are checked where the index name is made, once per day.
is_plain_time = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII
).fullmatch
PLAIN_LEVELS = frozenset((*LEVELS, None, _UNSET))
DECIDING = ("@timestamp", "level", "trace_id", "span_id")
_TEXTS = ("message", "service", "logger")
_SCALARS = ("user_id", "request_id")


class Look:
    """Decodes lines into tuples of the fields that decide.

    Attributes:
        constants: Slice of a tuple with the fields that the source adds itself.
        absent: Slice of a tuple with what must not be there: the reserved roots.
        nothing: How the *absent* slice looks when none of them is there.
    """

    def __init__(self, constants: Sequence[str] = ()) -> None:
        text: Any = str | None | msgspec.UnsetType
        scalar: Any = str | int | float | None | msgspec.UnsetType
        names: list[tuple[str, Any]] = [(name, text) for name in DECIDING]
        names += [(name, Any) for name in constants]
        self.constants = slice(len(DECIDING), len(names))
        reserved = [name for name in RESERVED if name not in constants]
        names += [(name, Any) for name in reserved]
        self.absent = slice(self.constants.stop, len(names))
        self.nothing = (_UNSET,) * len(reserved)
        names += [(name, text) for name in _TEXTS if name not in constants]
        names += [(name, scalar) for name in _SCALARS if name not in constants]
        struct = msgspec.defstruct(
            "Look",
            [
                (f"field_{number}", type_, msgspec.field(name=name, default=_UNSET))
                for number, (name, type_) in enumerate(names)
            ],
        )
        self._decoder = msgspec.json.Decoder(struct)

    def at(self, data: bytes, lines: Sequence[bytes]) -> list[tuple[Any, ...] | None]:
        """Return the fields of every line; None for a line that cannot be shipped as it is."""
        as_tuple = msgspec.structs.astuple
        if is_utf8(data):
            try:
                looks = self._decoder.decode_lines(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                looks = []
            if len(looks) == len(lines):
                return [as_tuple(look) for look in looks]
        return [self._one(line) for line in lines]

    def _one(self, line: bytes) -> tuple[Any, ...] | None:
        if not line.startswith(b"{") or not is_utf8(line):
            return None
        try:
            return msgspec.structs.astuple(self._decoder.decode(line))
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
