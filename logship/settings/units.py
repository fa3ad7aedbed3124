"""Sizes and durations as people write them: ``64KiB``, ``10MB``, ``500ms``, ``1m30s``, ``90d``."""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["format_duration", "format_size", "parse_duration", "parse_size"]

SIZES = {
    "TiB": 1 << 40,
    "GiB": 1 << 30,
    "MiB": 1 << 20,
    "KiB": 1 << 10,
    "TB": 10**12,
    "GB": 10**9,
    "MB": 10**6,
    "KB": 10**3,
    "B": 1,
}
DURATIONS = {
    "d": Decimal(86_400),
    "h": Decimal(3_600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
NUMBER = r"[0-9]{1,18}(?:\.[0-9]{1,18})?"
SIZE_PATTERN = rf"{NUMBER} ?(?:[KMGTkmgt][Ii]?)?[Bb]|[0-9]{{1,18}}"
DURATION_PATTERN = "(?=.)" + "".join(rf"(?:{NUMBER}{unit})?" for unit in DURATIONS)

_SIZE = re.compile(rf"({NUMBER})(?: ?([KMGT]i?B|B))?\Z", re.IGNORECASE)
_DURATION = re.compile("".join(rf"(?:(?P<{unit}>{NUMBER}){unit})?" for unit in DURATIONS) + r"\Z")
_FACTORS = {unit.lower(): factor for unit, factor in SIZES.items()}


def parse_size(text: str) -> int:
    """Return the bytes that *text* stands for.

    KB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024, in any case; without a unit: bytes.

    Raises:
        ValueError: *text* is no size; the text says what to write.
    """
    match = _SIZE.match(text)
    if match is None:
        raise ValueError("is no size; write for example 64KiB, 5MiB or 10MB")
    size = Decimal(match[1]) * _FACTORS[(match[2] or "B").lower()]
    if size != int(size):
        raise ValueError("is not a whole number of bytes")
    return int(size)


def parse_duration(text: str) -> float:
    """Return the seconds that *text* stands for.

    Units are d, h, m, s and ms, each at most once, larger ones first. Only 0 needs none.

    Raises:
        ValueError: *text* is no duration; the text says what to write.
    """
    if re.fullmatch(NUMBER, text):
        if Decimal(text) == 0:
            return 0.0
        raise ValueError("has no unit; add a unit, for example 5s")
    match = _DURATION.match(text)
    if match is None or not text:
        raise ValueError("is no duration; write for example 500ms, 5s, 1m30s or 90d")
    parts = match.groupdict()
    return float(sum(Decimal(parts[unit] or 0) * DURATIONS[unit] for unit in DURATIONS))


def format_size(size: int) -> str:
    """Return *size* bytes in the largest unit that keeps it whole; `parse_size` reads it back."""
    for unit, factor in SIZES.items():
        if size >= factor and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def format_duration(seconds: float) -> str:
    """Return *seconds* in as few units as are exact; `parse_duration` reads it back."""
    exact = Decimal(repr(float(seconds)))
    for unit, factor in DURATIONS.items():
        if exact >= factor and exact % factor == 0:
            return f"{int(exact / factor)}{unit}"
    return f"{exact:f}s" if exact else "0s"
