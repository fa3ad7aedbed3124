"""The tailer: whatever the reads are, the chunks are the lines, and marks hold in replays."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logship.ids import TAIL_BYTES
from logship.lines import line_form
from logship.model import Chunk
from logship.sources.file.log_file import PlainFile
from logship.sources.file.tailer import Tailer
from tests.support.tailing import TODAY, FixedClock, Notes, content_of, read

Line = tuple[int, int, bytes]


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


def test_file_that_was_written_anew_beyond_the_position_is_noticed(tmp_path: Any) -> None:
    """While it is read, too, and where the bytes before the position are the same ones."""
    path = tmp_path / "a.log"
    filler = b"x" * 300_000 + b"\n"

    async def run() -> None:
        path.write_bytes(b"first\n" + filler)
        with ThreadPoolExecutor(1) as pool:
            tailer = Tailer(
                PlainFile(FileIO(path), pool), str(path), position=0, clock=FixedClock(), pool=pool,
                max_line_bytes=1 << 20,
            )  # fmt: skip
            tailer.start_from(content_of(), b"")
            assert lines_of(await tailer.read()) == expected_lines(b"first\n")
            assert tailer.pending_bytes, "it is not at the end"
            path.write_bytes(b"other\n" + filler * 2)
            assert await tailer.read() == []
            assert tailer.is_rewritten
            await tailer.close()

    asyncio.run(run())


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


class Endless:
    """A log file of *size* times one byte, and an end, of which nothing is kept."""

    is_archive = False
    key = (1, 1)

    def __init__(self, byte: bytes, size: int, end: bytes) -> None:
        self.block, self.length, self.end = byte * (1 << 17), size, end

    def read_at(self, offset: int, count: int) -> bytes:
        if offset + count <= self.length:
            return self.block[:count] if count <= len(self.block) else self.block[:1] * count
        return (
            self.block[:1] * max(0, self.length - offset) + self.end[max(0, offset - self.length) :]
        )

    async def read(self, offset: int, count: int, first: int) -> tuple[bytes, bytes]:
        return self.read_at(offset, count), self.read_at(0, first)

    def find_data(self, offset: int) -> int:
        return offset if self.block[:1] != b"\0" else self.length

    def size(self) -> int:
        return self.length + len(self.end)

    def close(self) -> None:
        pass


@pytest.mark.parametrize("skips", [True, False])
@pytest.mark.parametrize("before", [b"\0", b"x"])
@pytest.mark.parametrize("delimiter", ["\n", "\r\n"])
def test_memory_is_bounded_for_a_line_of_any_length(
    before: bytes, skips: bool, delimiter: str
) -> None:
    """100 MB in one line, of zeros or of text, take a few times max_line_bytes."""
    size, max_line = 100_000_000, 1 << 20

    async def run() -> tuple[list[Chunk], int]:
        chunks: list[Chunk] = []
        with ThreadPoolExecutor(1) as pool:
            file: Any = Endless(before, size, delimiter.encode())
            tailer = Tailer(
                file, "/a.log", position=0, clock=FixedClock(), pool=pool, max_line_bytes=max_line,
                form=line_form("utf-8", delimiter), skips_long_lines=skips,
            )  # fmt: skip
            tailer.start_from(content_of(), b"")
            tracemalloc.start()
            try:
                while not tailer.at_end:
                    chunks += await tailer.read()
                chunks += await tailer.finish()
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            await tailer.close()
        assert tailer.position == file.size()
        return chunks, peak

    chunks, peak = asyncio.run(run())
    assert peak < 6 * max_line
    assert chunks[-1].end == size + len(delimiter)
    kept = b"".join(chunk.data for chunk in chunks)
    if before == b"\0":
        assert kept.strip(b"\0") == delimiter.encode()
    else:
        assert len(kept.rstrip(b"\r\n")) == (0 if skips else max_line)


def test_long_lines_that_are_skipped_are_counted_and_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With ``skip`` they leave no record; the rest has the offsets that it has anyway."""
    data = b"a\n" + b"x" * 100 + b"\nb\n" + b"y" * 99 + b"\nc\n"
    for sizes in ((7,), (1 << 20,)):
        caplog.clear()
        reading = read(data, sizes, max_line=10, skips=True)
        check_contiguous(reading.chunks, data, 0)
        assert lines_of(reading.chunks) == [
            line for line in expected_lines(data) if len(line[2]) <= 10
        ]
        assert (reading.cut_lines, reading.skipped_lines) == (2, 2)
        (said,) = caplog.messages
        assert "the line at offset 2 has 100 bytes, more than max_line_bytes (10)" in said
