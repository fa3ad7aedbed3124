"""What services do to log files: numbered lines, written in pieces, rotated in the middle."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable
from pathlib import Path

__all__ = ["NumberedWriter", "json_line", "numbered"]

DAYS = ("2026-11-19", "2026-11-20", "2026-11-21")


def json_line(number: int, *, pad: int = 0) -> bytes:
    """Return line *number*: JSON with a time (its day follows from the number) and a message."""
    day = DAYS[number // 997 % len(DAYS)]
    return (
        b'{"@timestamp":"%bT%02d:%02d:%02d.%03dZ","level":"INFO","message":"line %d","n":%d%b}\n'
        % (
            day.encode(),
            number // 3600 % 24,
            number // 60 % 60,
            number % 60,
            number % 1000,
            number,
            number,
            b',"pad":"%b"' % (b"x" * pad) if pad else b"",
        )
    )


def index_of(number: int) -> str:
    """Return the daily index in which line *number* belongs."""
    return f"logs-{DAYS[number // 997 % len(DAYS)].replace('-', '.')}"


def numbered(numbers: Iterable[int]) -> bytes:
    """Return the lines of *numbers*."""
    return b"".join(map(json_line, numbers))


class NumberedWriter:
    """Appends numbered lines to one path, in pieces that do not respect lines.

    Attributes:
        written: Complete lines so far; they have the numbers below this one.
    """

    def __init__(self, path: Path, rng: random.Random) -> None:
        self.path, self.written = path, 0
        self._rng, self._rest = rng, b""
        self._file = path.open("ab", buffering=0)
        self._rotations = 0

    def write(self, lines: int) -> None:
        """Append *lines* more, of which the last may lack its end until the next call."""
        data = self._rest + numbered(range(self.written, self.written + lines))
        self.written += lines
        cut = len(data) - self._rng.randrange(60)
        self._rest = data[cut:]
        position = 0
        while position < cut:
            size = self._rng.choice((1, 30, 4000, 100_000))
            self._file.write(data[position : min(cut, position + size)])
            position += size

    def rotate(self) -> None:
        """Finish the line under way, rename the file, and go on in a new one."""
        self._file.write(self._rest)
        self._rest = b""
        self._rotations += 1
        os.rename(self.path, f"{self.path}.{self._rotations}")
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def close(self) -> None:
        """Finish the line under way and close the file."""
        self._file.write(self._rest)
        self._rest = b""
        self._file.close()
