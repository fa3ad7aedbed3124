"""Tailers over files that grow in steps, for tests."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from io import FileIO
from typing import Any

from logship.checkpoints.rows import FileRow
from logship.lines import PLAIN, LineForm
from logship.model import Chunk
from logship.sources.file.content import FileContent
from logship.sources.file.log_file import PlainFile
from logship.sources.file.tailer import Tailer

__all__ = ["TODAY", "FixedClock", "Notes", "Reading", "content_of", "read"]

NOW = 1_795_000_000.0
TODAY = "2026-11-18"


class FixedClock:
    """A clock that stands still."""

    def monotonic(self) -> float:
        """Return one second."""
        return 1.0

    def time(self) -> float:
        """Return a moment of the day of the records."""
        return NOW


class _Memory:
    last_time = None
    tail = b""
    confirmed_note = (b"", None)

    def moved(self, path: str) -> None:
        pass

    def begin_at(self, offset: int, tail: bytes) -> None:
        pass


class Notes:
    """Stands for the checkpoint store: keeps marks, and fails when told to."""

    def __init__(self) -> None:
        self.splits: list[tuple[int, int]] = []
        self.is_full = False

    async def add_split_mark(self, seed: str, start: int, end: int) -> None:
        if self.is_full:
            raise OSError("full")
        self.splits.append((start, end))

    async def add_day_mark(self, file: int, offset: int, day: str) -> None:
        raise AssertionError("no day begins here")

    async def set_read_limit(self, file: int, limit: int) -> None:
        if self.is_full:
            raise OSError("full")


class _Growing(PlainFile):
    """A file that has grown by so much, in turn, whenever it is read."""

    def __init__(self, path: str, pool: Executor, sizes: Sequence[int], size: int) -> None:
        super().__init__(FileIO(path), pool)
        self.sizes, self.turn, self.length = sizes, 0, size

    async def read(self, offset: int, count: int, first: int) -> tuple[bytes, bytes]:
        self.length += self.sizes[self.turn % len(self.sizes)]
        self.turn += 1
        return await super().read(offset, min(count, max(0, self.length - offset)), first)


def content_of(
    *,
    offset: int = 0,
    days: Sequence[tuple[int, str]] = ((0, TODAY),),
    splits: Sequence[tuple[int, int]] = (),
    notes: Notes | None = None,
    fingerprint: bytes = b"",
) -> FileContent:
    """Return a content of which *offset* is confirmed, with these marks."""
    row = FileRow(
        id=1, source="s", path="/a.log", device=1, inode=1, fingerprint=fingerprint, first_line=b"",
        salt=b"", seed="seed", offset=offset, tail=b"", last_time=None, size=0, boot="",
        confirmed_at=0.0, day_marks=tuple(days), split_marks=tuple(splits),
    )  # fmt: skip
    make: Any = lambda *_: _Memory()  # noqa: E731
    store: Any = notes or Notes()
    return FileContent(row, store, make)


class Reading:
    """What a tailer made of a file."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.cut_lines = self.skipped_lines = self.position = self.pending = 0
        self.is_rewritten = False


def read(
    data: bytes,
    sizes: Sequence[int] = (1 << 20,),
    *,
    start: int = 0,
    max_line: int = 1 << 20,
    finish: bool = False,
    form: LineForm = PLAIN,
    skips: bool = False,
    fingerprint: bytes = b"",
    **content: Any,
) -> Reading:
    """Return what a tailer makes of a file that holds *data*, read in pieces of *sizes*."""

    async def run(path: str, pool: ThreadPoolExecutor) -> Reading:
        file = _Growing(path, pool, sizes, max(start, len(fingerprint)))
        tailer = Tailer(
            file, path, position=start, clock=FixedClock(), pool=pool,
            max_line_bytes=max_line, form=form, skips_long_lines=skips,
        )  # fmt: skip
        tail = data[max(0, start - 256) : start]
        tailer.start_from(content_of(offset=start, fingerprint=fingerprint, **content), tail)
        reading = Reading()
        before = -1
        while file.length < len(data) or tailer.position > before:
            before = tailer.position
            reading.chunks += await tailer.read()
        if finish:
            reading.chunks += await tailer.finish()
        reading.cut_lines, reading.position = tailer.cut_lines, tailer.position
        reading.skipped_lines = tailer.skipped_lines
        reading.pending, reading.is_rewritten = tailer.pending_bytes, tailer.is_rewritten
        await tailer.close()
        return reading

    with tempfile.NamedTemporaryFile() as file, ThreadPoolExecutor(1) as pool:
        file.write(data)
        file.flush()
        return asyncio.run(run(file.name, pool))
