"""Whether times can be passed on letter by letter, for many of them at once.

Plain is ``YYYY-MM-DDTHH:MM:SS[.fraction](Z|+00:00)`` with up to nine digits of fraction: what
Elasticsearch's ``strict_date_optional_time`` takes and logship would write itself.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

__all__ = ["is_plain_time", "joined_plain_times"]

# Calendar days are checked where the index name is made, once per day.
is_plain_time = re.compile(
    r"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:Z|\+00:00)", re.ASCII
).fullmatch

_DIGITS_AS_ZERO = bytes.maketrans(b"123456789", b"000000000")
_BASE = b"0000-00-00T00:00:00"
_SHAPES = frozenset(
    _BASE + fraction + zone
    for fraction in (b"", *(b"." + b"0" * digits for digits in range(1, 10)))
    for zone in (b"Z", b"+00:00")
)


def joined_plain_times(times: Sequence[str]) -> bytes | None:
    """Return all of *times* as one text when they are plain and equal in shape, else None.

    None does not mean that one of them is wrong: writers may leave trailing zeros out.
    """
    shape = times[0].encode().translate(_DIGITS_AS_ZERO)
    if shape not in _SHAPES or len(set(map(len, times))) != 1:
        return None
    joined = "".join(times).encode()
    if joined.translate(_DIGITS_AS_ZERO) != shape * len(times):
        return None
    if not shape.endswith(b"Z") and joined.count(b"+00:00") != len(times):
        return None
    try:
        for _ in map(datetime.fromisoformat, times):
            pass
    except ValueError:
        return None
    return joined
