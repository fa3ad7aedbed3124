"""The tailer: whatever the reads are, the chunks are the lines, and marks hold in replays."""

from __future__ import annotations

import asyncio
import os
import tempfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logship.checkpoints.store import FileRow
from logship.ids import TAIL_BYTES
from logship.model import Chunk
from logship.sources.file.content import FileContent
from logship.sources.file.log_file import PlainFile
from logship.sources.file.tailer import Tailer

NOW = 1_795_000_000.0
TODAY = "2026-11-18"
Line = tuple[int, int, bytes]


class FixedClock:
    def monotonic(self) -> float:
        return 1.0

    def time(self) -> float:
        return NOW


class Memory:
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


class Growing(FileIO):
    """A file that has grown by so much, in turn, whenever it is read."""

    def __init__(self, path: str, sizes: Sequence[int], size: int) -> None:
        super().__init__(path)
        self.sizes, self.turn, self.size = sizes, 0, size

    def read(self, size: int = -1) -> bytes:
        self.size += self.sizes[self.turn % len(self.sizes)]
        self.turn += 1
        return super().read(min(size, max(0, self.size - self.tell())))


def content_of(
    *,
    offset: int = 0,
    days: Sequence[tuple[int, str]] = ((0, TODAY),),
    splits: Sequence[tuple[int, int]] = (),
    notes: Notes | None = None,
) -> FileContent:
    row = FileRow(
        id=1, source="s", path="/a.log", device=1, inode=1, fingerprint=b"", first_line=b"",
        salt=b"", seed="seed", offset=offset, tail=b"", last_time=None, size=0, boot="",
        confirmed_at=0.0, day_marks=tuple(days), split_marks=tuple(splits),
    )  # fmt: skip
    make: Any = lambda *_: Memory()  # noqa: E731
    store: Any = notes or Notes()
    return FileContent(row, store, make)


class Reading:
    """What a tailer made of a file."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.cut_lines = self.position = self.pending = 0
        self.is_rewritten = False


def read(
    data: bytes,
    sizes: Sequence[int] = (1 << 20,),
    *,
    start: int = 0,
    max_line: int = 1 << 20,
    finish: bool = False,
    **content: Any,
) -> Reading:
    """Return what a tailer makes of a file that holds *data*, read in pieces of *sizes*."""

    async def run(path: str, pool: ThreadPoolExecutor) -> Reading:
        raw = Growing(path, sizes, start)
        tailer = Tailer(
            PlainFile(raw, pool), path, position=start, clock=FixedClock(), pool=pool,
            max_line_bytes=max_line,
        )  # fmt: skip
        tailer.start_from(content_of(offset=start, **content), data[max(0, start - 256) : start])
        reading = Reading()
        before = -1
        while raw.size < len(data) or tailer.position > before:
            before = tailer.position
            reading.chunks += await tailer.read()
        if finish:
            reading.chunks += await tailer.finish()
        reading.cut_lines, reading.position = tailer.cut_lines, tailer.position
        reading.pending, reading.is_rewritten = tailer.pending_bytes, tailer.is_rewritten
        await tailer.close()
        return reading

    with tempfile.NamedTemporaryFile() as file, ThreadPoolExecutor(1) as pool:
        file.write(data)
        file.flush()
        return asyncio.run(run(file.name, pool))


def lines_of(chunks: Sequence[Chunk]) -> list[Line]:
    """(offset, checksum, bytes) of every line, as the route makes them."""
    found = []
    for chunk in chunks:
        if chunk.is_cut:
            found.append((chunk.start, chunk.crc, chunk.data.removesuffix(b"\n")))
            continue
        offset = chunk.start
        for line in chunk.data.removesuffix(b"\n").split(b"\n") if chunk.data else []:
            stripped = line.lstrip(b"\0")
            if stripped not in (b"", b"\r"):
                at = offset + len(line) - len(stripped)
                found.append((at, zlib.crc32(stripped), stripped))
            offset += len(line) + 1
    return found


def expected_lines(
    data: bytes, *, start: int = 0, ends: Sequence[int] = (), max_line: int = 1 << 20
) -> list[Line]:
    """The same from the whole content: complete lines, and those that end at *ends*."""
    found, position = [], start
    stops = sorted(
        {n + 1 for n in range(start, len(data)) if data[n : n + 1] == b"\n"}
        | {end for end in ends if start < end <= len(data)}
    )
    for stop in stops:
        line = data[position:stop].removesuffix(b"\n")
        stripped = line.lstrip(b"\0")
        if stripped not in (b"", b"\r"):
            at = position + len(line) - len(stripped)
            kept = stripped if len(stripped) <= max_line else whole(stripped[:max_line])
            found.append((at, zlib.crc32(stripped), kept))
        position = stop
    return found


def whole(text: bytes) -> bytes:
    """*text* without a character that was cut at its end."""
    for back in (1, 2, 3):
        tail = text[-back:]
        if back <= len(text) and tail[0] >= 0xC0:
            needed = 4 if tail[0] >= 0xF0 else 3 if tail[0] >= 0xE0 else 2
            return text[:-back] if needed > back else text
        if not tail or tail[0] & 0xC0 != 0x80:
            return text
    return text


def check_contiguous(chunks: Sequence[Chunk], data: bytes, start: int) -> None:
    """Chunks follow one another without gaps; each tail is what stands before its end."""
    for chunk in chunks:
        assert chunk.start == start
        assert chunk.end >= chunk.start + len(chunk.data) or chunk.is_cut
        assert chunk.tail == data[max(0, chunk.end - TAIL_BYTES) : chunk.end]
        start = chunk.end


pieces = st.sampled_from(
    [b"a", b"{}", b"\n", b"\n\n", b"\r\n", b"\0", b"\0" * 7, "é€😀".encode(), b"x" * 40, b"\xff"]
)
contents = st.lists(pieces, max_size=40).map(b"".join)
read_sizes = st.lists(st.integers(1, 50), min_size=1, max_size=6)


@given(contents, read_sizes, st.integers(1, 60))
@example(b"\0\0a\n", [1], 1)
@example(b"aaaa", [2], 1)
@settings(max_examples=300, deadline=None)
def test_lines_are_the_same_whatever_the_reads(
    data: bytes, sizes: list[int], max_line: int
) -> None:
    """Any content in pieces of any sizes gives each complete line once, with its own offset and
    checksum; chunks join without gaps; long lines keep only their beginning.
    """
    reading = read(data, sizes, max_line=max_line)
    assert not reading.is_rewritten
    check_contiguous(reading.chunks, data, 0)
    assert lines_of(reading.chunks) == expected_lines(data, max_line=max_line)
    too_long = [line for _, _, line in expected_lines(data) if len(line) > max_line]
    assert reading.cut_lines == sum(chunk.is_cut for chunk in reading.chunks) == len(too_long)
    complete = len(data.rstrip(b"\0"))
    assert reading.position == complete
    rest = data[data.rfind(b"\n") + 1 : complete].lstrip(b"\0")
    assert reading.pending == len(rest)


@given(contents, read_sizes, st.data())
@settings(max_examples=200, deadline=None)
def test_reading_may_begin_at_the_end_of_any_line(
    data: bytes, sizes: list[int], more: st.DataObject
) -> None:
    """Resumed after any complete line, the rest has the same offsets and checksums."""
    ends = [0, *(n + 1 for n in range(len(data)) if data[n : n + 1] == b"\n")]
    start = more.draw(st.sampled_from(ends))
    reading = read(data, sizes, start=start)
    check_contiguous(reading.chunks, data, start)
    assert lines_of(reading.chunks) == expected_lines(data, start=start)


@given(contents, read_sizes, read_sizes, st.integers(1, 60), st.data())
@settings(max_examples=200, deadline=None)
def test_split_marks_hold_in_every_replay(
    data: bytes, sizes: list[int], again: list[int], max_line: int, more: st.DataObject
) -> None:
    """A last line that was shipped without its end is that same record in every replay, and what
    follows it is a record of its own, tagged.
    """
    cut = more.draw(st.integers(0, len(data)))
    first = read(data[:cut], sizes, max_line=max_line, finish=True)
    check_contiguous(first.chunks, data[:cut], 0)
    rest = data[:cut].rstrip(b"\0")
    has_rest = bool(rest[rest.rfind(b"\n") + 1 :].strip(b"\0\r"))
    ends = [len(rest)] if has_rest else []
    assert lines_of(first.chunks) == expected_lines(data[:cut], ends=ends, max_line=max_line)
    splits = [(0, end) for end in ends]
    replay = read(data, again, max_line=max_line, splits=splits)
    check_contiguous(replay.chunks, data, 0)
    assert lines_of(replay.chunks) == expected_lines(data, ends=ends, max_line=max_line)
    for end in ends:
        resumed = read(data, again, start=end, max_line=max_line, splits=splits)
        check_contiguous(resumed.chunks, data, end)
        replayed = [line for line in lines_of(replay.chunks) if line[0] >= end]
        assert lines_of(resumed.chunks) == replayed
        lines = [chunk for chunk in resumed.chunks if chunk.data]
        if lines:
            assert lines[0].is_continued
        assert not any(chunk.is_continued for chunk in lines[1:])


@given(contents, read_sizes, st.data())
@example(b"\0a\n", [1], None).via("the mark lies in a hole")
@settings(max_examples=200, deadline=None)
def test_lines_belong_to_the_day_in_which_they_begin(
    data: bytes, sizes: list[int], more: st.DataObject | None
) -> None:
    """A chunk has one day mark: the last one at or before the beginning of each of its lines."""
    begins = [offset for offset, _, _ in expected_lines(data)]
    near = st.sampled_from(begins or [1]).flatmap(lambda at: st.integers(at - 1, at + 1))
    anywhere = st.integers(1, len(data) + 1)
    offsets = {1}
    if more is not None:
        offsets = more.draw(st.sets((near | anywhere).filter(lambda at: at > 0), max_size=4))
    days = [(0, "2026-11-01"), *((o, f"2026-11-{n + 2:02}") for n, o in enumerate(sorted(offsets)))]
    days[-1] = (days[-1][0], TODAY)
    reading = read(data, sizes, days=days)
    check_contiguous(reading.chunks, data, 0)
    assert lines_of(reading.chunks) == expected_lines(data)
    for chunk in reading.chunks:
        for offset, _, _ in lines_of([chunk]):
            assert chunk.day == [day for at, day in days if at <= offset][-1]


@pytest.mark.parametrize("size", [255, 256, 257, 1000])
def test_file_that_was_written_anew_is_noticed_at_the_next_read(tmp_path: Any, size: int) -> None:
    """Shorter, equal or longer: what stands before the position is compared, not the size."""
    path = tmp_path / "a.log"
    line = b"x" * (size - 1) + b"\n"

    async def run(new: bytes) -> tuple[bool, list[Chunk]]:
        path.write_bytes(line)
        with ThreadPoolExecutor(1) as pool:
            tailer = Tailer(
                PlainFile(FileIO(path), pool), str(path), position=0, clock=FixedClock(), pool=pool,
                max_line_bytes=1 << 20,
            )  # fmt: skip
            tailer.start_from(content_of(), b"")
            assert lines_of(await tailer.read()) == expected_lines(line)
            with path.open("r+b") as file:
                file.truncate(0)
                file.write(new)
            chunks = await tailer.read()
            await tailer.close()
            return tailer.is_rewritten, chunks

    for new in (
        b"",
        b"y",
        b"y" * (size - 1) + b"\n",
        b"y" * size + b"\nmore\n",
        line[:-2] + b"z\n",
    ):
        assert asyncio.run(run(new)) == (True, []), new
    for new in (line, line + b"mo"):
        assert asyncio.run(run(new)) == (False, []), new


def test_unnoted_split_changes_nothing(tmp_path: Any) -> None:
    """When the disk takes no note, the pending line stays pending, and is whole later."""
    path = tmp_path / "a.log"
    path.write_bytes(b"half")
    notes = Notes()
    notes.is_full = True

    async def run() -> list[Line]:
        with ThreadPoolExecutor(1) as pool:
            tailer = Tailer(
                PlainFile(FileIO(path), pool), str(path), position=0, clock=FixedClock(), pool=pool,
                max_line_bytes=1 << 20,
            )  # fmt: skip
            tailer.start_from(content_of(notes=notes), b"")
            chunks = await tailer.read()
            with pytest.raises(OSError, match="full"):
                await tailer.finish()
            with path.open("ab") as file:
                file.write(b" and half\n")
            chunks += await tailer.read()
            await tailer.close()
            return lines_of(chunks)

    assert asyncio.run(run()) == expected_lines(b"half and half\n")
    assert notes.splits == []
    assert os.path.getsize(path) == 14
