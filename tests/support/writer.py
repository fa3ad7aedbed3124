"""What services do to log files: numbered lines, written in pieces, rotated in the middle."""

from __future__ import annotations

import gzip
import os
import random
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

__all__ = ["NumberedWriter", "RotatedService", "index_of", "json_line", "numbered"]

PAUSE_SECONDS = 0.01  # between two pieces that a service writes
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
        ends: For each rotation, how many lines there were then.
    """

    def __init__(self, path: Path, rng: random.Random, *, keep: int | None = None) -> None:
        """Begin to write.

        Args:
            keep: How many rotated files are kept by ``rotating``; all of them when None.
        """
        self.path, self.written, self.ends = path, 0, list[int]()
        self._rng, self._rest, self._keep = rng, b"", keep
        self._file = path.open("ab", buffering=0)

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
        self._end_line()
        self.ends.append(self.written)
        os.rename(self.path, f"{self.path}.{len(self.ends)}")
        self._reopen()

    def rotating(self, style: str) -> Iterator[str]:
        """Rotate as logrotate does, step by step; yields what has just been done.

        The rotated file becomes ``.1``, what had that name before ``.2``, and so on. Between the
        steps of ``"copytruncate"`` nothing may be written: whoever copies and truncates loses it.

        Args:
            style: ``"create"`` (rename, and go on in a new file), ``"compress"`` (the same, and
                the renamed file is compressed) or ``"copytruncate"``.
        """
        self._end_line()
        self._shift()
        rotated = Path(f"{self.path}.1")
        if style == "copytruncate":
            self.ends.append(self.written)
            yield from _written_in_halves(rotated, self.path.read_bytes(), "copied")
            os.truncate(self.path, 0)
            yield "truncated"
            return
        self.path.rename(rotated)
        yield "renamed"
        self._end_line()
        self.ends.append(self.written)
        self._reopen()
        yield "created"
        if style == "compress":
            archive = Path(f"{rotated}.gz")
            yield from _written_in_halves(
                archive, gzip.compress(rotated.read_bytes()), "compressed"
            )
            shutil.copystat(rotated, archive)
            rotated.unlink()
            yield "unlinked"

    def close(self) -> None:
        """Finish the line under way and close the file."""
        self._end_line()
        self._file.close()

    def _end_line(self) -> None:
        self._file.write(self._rest)
        self._rest = b""

    def _reopen(self) -> None:
        self._file.close()
        self._file = self.path.open("ab", buffering=0)

    def _shift(self) -> None:
        """Give every rotated file the next higher number; the last of too many is removed."""
        for number in range(len(self.ends), 0, -1):
            for suffix in ("", ".gz"):
                path = Path(f"{self.path}.{number}{suffix}")
                if path.exists():
                    if number == self._keep:
                        path.unlink()
                    else:
                        path.rename(f"{self.path}.{number + 1}{suffix}")


def _written_in_halves(path: Path, data: bytes, done: str) -> Iterator[str]:
    with path.open("wb", buffering=0) as file:
        file.write(data[: len(data) // 2])
        yield f"half {done}"
        file.write(data[len(data) // 2 :])
    yield done


class RotatedService(threading.Thread):
    """Writes numbered lines, some at a time, and has its log rotated again and again.

    Attributes:
        on_step: Called after every step of a rotation with its name, on this thread.
    """

    def __init__(
        self,
        writer: NumberedWriter,
        style: str,
        *,
        every_seconds: float,
        may_rotate: Callable[[], bool],
    ) -> None:
        super().__init__(name="service")
        self.on_step: Callable[[str], None] | None = None
        self._writer, self._style = writer, style
        self._every_seconds, self._may_rotate = every_seconds, may_rotate
        self._ended = threading.Event()
        self._rng = random.Random(0)
        self._error: BaseException | None = None

    def run(self) -> None:
        rotate_at = time.monotonic() + self._every_seconds
        try:
            while not self._ended.wait(PAUSE_SECONDS):
                self._writer.write(self._rng.randint(1, 24))
                if time.monotonic() >= rotate_at and self._may_rotate():
                    self._rotate()
                    rotate_at = time.monotonic() + self._every_seconds
        except BaseException as error:
            self._error = error

    def end(self) -> None:
        """Write no more; what went wrong is raised."""
        self._ended.set()
        self.join()
        self._writer.close()
        if self._error is not None:
            raise self._error

    def _rotate(self) -> None:
        for step in self._writer.rotating(self._style):
            if self.on_step is not None:
                self.on_step(step)
            if step == "renamed":  # the service has not heard of it yet
                self._writer.write(self._rng.randint(0, 3))
