"""Reads one open file into chunks of complete lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import TypeVar

from logship.ids import TAIL_BYTES
from logship.interfaces import Clock
from logship.model import Chunk
from logship.sources.file.content import FileContent
from logship.sources.file.identity import FINGERPRINT_BYTES, fingerprint_of
from logship.sources.file.log_file import LogFile
from logship.sources.file.long_line import LongLine

__all__ = ["Tailer", "day_of"]

# What fits the processor's cache beside what is made of it; larger reads are slower.
READ_BYTES = 128 << 10
T = TypeVar("T")


class Tailer:
    """Reads one file from a position on, and closes it.

    Attributes:
        file: What it reads.
        path: Where the file lies now, as far as known.
        content: What is known of the content; None until its first line is complete.
        position: Offset up to which bytes were read.
        at_end: Whether the last read found less than it asked for.
        is_rewritten: Whether the bytes before the position are not those that were read: the
            file was truncated, or written anew. Nothing more is read of it.
        grown_at: Monotonic seconds of the last read that found something.
        opened_at: Monotonic seconds since when it is open.
        modified: When the file was changed last, as the last look at its folder told.
        gone_since: Monotonic seconds since when the globs name it no more; None while they do.
        is_ready: Whether it waits for its turn to be read.
        is_blocked: Whether something has to be noted first that the disk does not take.
        cut_lines: Lines so far that were longer than allowed.
        skipped_nul_bytes: NUL bytes so far that were passed over without making a line of them.
    """

    def __init__(
        self, file: LogFile, path: str, *, position: int, clock: Clock, pool: Executor,
        max_line_bytes: int,
    ) -> None:  # fmt: skip
        self.file, self.path, self.position = file, path, position
        self.content: FileContent | None = None
        self.at_end = self.is_rewritten = self.is_ready = self.is_blocked = False
        self.grown_at = float("-inf")
        self.opened_at = clock.monotonic()
        self.modified = 0
        self.gone_since: float | None = None
        self.cut_lines = self.skipped_nul_bytes = 0
        self._clock, self._pool = clock, pool
        self._max_line_bytes = max_line_bytes
        self._start = position  # of what was read and not given out yet
        self._carry = b""
        self._read_at = 0.0
        self._before = b""  # the last bytes that were read, and those before _start
        self._tail = b""
        self._hole_end = 0
        self._continues = False
        self._long: LongLine | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode of the file."""
        return self.file.key

    @property
    def given_out(self) -> int:
        """Offset up to which chunks were given out."""
        return self._start

    @property
    def pending_bytes(self) -> int:
        """How much was read and is no complete line yet."""
        return self.position - self._start

    @property
    def active_at(self) -> float:
        """Monotonic seconds of when something happened to it last."""
        return max(self.grown_at, self.opened_at)

    @property
    def is_at_rest(self) -> bool:
        """Whether everything was given out and nothing more is to be done about the file now."""
        return (
            not (self.is_ready or self.is_blocked or self.is_rewritten or self.pending_bytes)
            and self.gone_since is None
            and (self.position == 0 if self.content is None else self.at_end)
        )

    def close_unless_changed(self) -> tuple[int, int] | None:
        """Close the descriptor when the file ends at the position. Blocking.

        Returns:
            Its size and its time of change in nanoseconds; None when there is more to read.

        Raises:
            OSError: It cannot be looked at.
        """
        if self.file.size() != self.position:
            return None
        status = self.file.status()
        self.file.close()
        return status.st_size, status.st_mtime_ns

    def start_from(self, content: FileContent, tail: bytes) -> None:
        """Begin giving out chunks of *content*; *tail* are the bytes before the position."""
        self.content = content
        self._tail = self._before = tail[-TAIL_BYTES:]
        content.state.begin_at(self._start, self._tail)
        ended_here = any(end == self._start for _, end in content.splits)
        self._continues = ended_here and not tail.endswith(b"\n")

    async def read(self) -> list[Chunk]:
        """Read once and return what is complete, in order; an empty list at the end.

        NUL bytes at the end of the file are not there yet: they may be written to later.

        Raises:
            OSError, sqlite3.Error: The file cannot be read, or a mark that its next records
                depend on could not be made durable; nothing was read.

        Cancelled, the bytes of a read under way are lost to this tailer: it is done for.
        """
        content = self.content
        assert content is not None, "a tailer reads only after its content is established"
        today = day_of(self._clock.time())
        if today > content.last_day:
            await content.mark_day(self._start, today)
        data = await self._read_on(content)
        if data.endswith(b"\0"):
            written = data.rstrip(b"\0")
            if not written and (self.at_end or not await self._goes_on_behind_nul_bytes()):
                self.at_end = True
                return []
            if not written and not self.pending_bytes:
                return [self._skip_hole(content)]
            data = written or data
        if not data:
            return []
        now = self._clock.monotonic()
        if not self.pending_bytes:
            self._read_at = now
        self._learn_beginning(content, data)
        self._advance(data, len(data), content, now)
        pieces = self._pieces(data, content)
        self._read_at = now
        return pieces

    async def finish(self) -> list[Chunk]:
        """Return the last line although it has no newline; noted durably as a split first.

        What follows it later is a record of its own. Nothing pending: an empty list.

        Raises:
            sqlite3.Error: The note is not durable; nothing has changed.
        """
        if not self.pending_bytes or self.content is None:
            return []
        if not self._carry.strip(b"\0\r") and self._long is None:
            return []
        await self.content.mark_split(self._start, self.position)
        if self._long is not None:
            return [self._end_long_line(b"")]
        line, self._carry = self._carry, b""
        chunks = self._chunks(line)
        self._continues = True
        return chunks

    async def is_deleted(self) -> bool:
        """Return whether the open file has no name any more: what is left unread is lost."""
        return (await self._in_thread(self.file.status)).st_nlink == 0

    async def size(self) -> int:
        """Return the size of the content, wherever the file lies now."""
        return await self._in_thread(self.file.size)

    async def close(self) -> None:
        """Close the descriptor."""
        await self._in_thread(self.file.close)

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    async def _read_on(self, content: FileContent) -> bytes:
        """Read from the position on, and see that what lies before it is what was read.

        Size alone does not tell a truncated file that has grown again. The bytes before are
        read in the same call, so that nothing can happen between.
        """
        before, was_at_end = self._before, self.at_end
        data = await self.file.read(self.position - len(before), len(before) + READ_BYTES)
        self.at_end = len(data) < len(before) + READ_BYTES
        if not data.startswith(before + content.fingerprint[self.position :]) or (
            was_at_end and not await self._begins_as(content.fingerprint)
        ):
            self.is_rewritten = self.at_end = True
            return b""
        return data[len(before) :]

    async def _begins_as(self, fingerprint: bytes) -> bool:
        """Whether the file still begins as it did: it may be as long and end as before.

        Looked at after a rest, not in every read: nobody truncates a file that is behind and
        writes the same bytes before the reader's place.
        """
        count = min(self.position, len(fingerprint))
        if count <= len(self._before) and self.position == count:
            return True  # the bytes before the position are all there is
        beginning = await self._in_thread(self.file.read_at, 0, count)
        return beginning == fingerprint[:count]

    async def _goes_on_behind_nul_bytes(self) -> bool:
        if self._hole_end <= self.position:
            found = await self._in_thread(self.file.find_data, self.position)
            self._hole_end = found or 0
        return self._hole_end > self.position

    def _skip_hole(self, content: FileContent) -> Chunk:
        self._advance(bytes(TAIL_BYTES), self._hole_end - self.position, content,
                      self._clock.monotonic())  # fmt: skip
        self._read_at = self.grown_at
        return self._skip(self.pending_bytes)

    def _advance(self, data: bytes, count: int, content: FileContent, now: float) -> None:
        self._before = (self._before + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        self.position += count
        self.grown_at = now
        content.size = max(content.size, self.position)

    def _learn_beginning(self, content: FileContent, data: bytes) -> None:
        if self.position <= len(content.fingerprint) < FINGERPRINT_BYTES:
            seen = content.fingerprint[: self.position] + data[:FINGERPRINT_BYTES]
            content.fingerprint = fingerprint_of(seen)

    def _pieces(self, data: bytes, content: FileContent) -> list[Chunk]:
        chunks: list[Chunk] = []
        splits = sorted(end for _, end in content.splits if end > self._start)
        if self._long is not None:
            length = _line_length(data, splits, self._start + self._long.length)
            if length is None:
                self._long.add(data)
                return []
            chunks.append(self._end_long_line(data[:length]))
            data = data[length:]
        buffer = self._carry + data if self._carry else self._without_hole(data, chunks)
        self._carry = b""
        for end in splits:
            if self._start < end <= self._start + len(buffer):
                part, buffer = buffer[: end - self._start], buffer[end - self._start :]
                chunks += self._complete(part)
                if chunks:
                    chunks[-1].is_split = True
                self._continues = not part.endswith(b"\n")
        complete = buffer.rfind(b"\n") + 1
        if complete:
            chunks += self._complete(buffer[:complete])
        self._carry = self._without_hole(buffer[complete:], chunks)
        if len(self._carry) > self._max_line_bytes:
            self._long = LongLine(self._carry, self._max_line_bytes)
            self._carry = b""
        return chunks

    def _complete(self, part: bytes) -> list[Chunk]:
        """Chunks of *part*, all of whose lines are complete; too long ones on their own."""
        if len(part) <= self._max_line_bytes:
            return self._chunks(part)
        chunks: list[Chunk] = []
        begin = position = 0
        while position < len(part):
            newline = part.find(b"\n", position)
            end, after = (newline, newline + 1) if newline >= 0 else (len(part), len(part))
            if end - position > self._max_line_bytes:
                chunks += self._chunks(part[begin:position])
                line = self._without_hole(part[position:after], chunks)
                if len(line) - (after - end) > self._max_line_bytes:
                    self._long = LongLine(b"", self._max_line_bytes)
                    chunks.append(self._end_long_line(line))
                else:
                    chunks += self._chunks(line)
                begin = after
            position = after
        return chunks + self._chunks(part[begin:])

    def _chunks(self, data: bytes) -> list[Chunk]:
        """Chunks of the next lines: cut where another day's mark begins."""
        assert self.content is not None
        chunks: list[Chunk] = []
        while data:
            day, following = self.content.day_at(self._start)
            length = len(data)
            if following is not None and following < self._start + length:
                length = _lines_before(data, following - self._start)
                if not length:  # the mark lies among the NUL bytes before the line
                    data = self._without_hole(data, chunks)
                    continue
            chunks.append(self._chunk(data[:length], length, day))
            data = data[length:]
        return chunks

    def _chunk(self, data: bytes, length: int, day: str) -> Chunk:
        self._tail = (self._tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        end = self._start + length
        chunk = Chunk(
            data, self._start, end, day, self._read_at, self._tail, is_continued=self._continues
        )
        self._start, self._continues = end, False
        return chunk

    def _without_hole(self, data: bytes, chunks: list[Chunk]) -> bytes:
        """Return *data*, at whose beginning a line begins, without NUL bytes before it."""
        if not data.startswith(b"\0"):
            return data
        rest = data.lstrip(b"\0")
        chunks.append(self._skip(len(data) - len(rest)))
        return rest

    def _skip(self, count: int) -> Chunk:
        """A chunk without lines that stands for *count* NUL bytes."""
        assert self.content is not None
        self.skipped_nul_bytes += count
        self._tail = (self._tail + bytes(min(count, TAIL_BYTES)))[-TAIL_BYTES:]
        day, _ = self.content.day_at(self._start)
        start, self._start = self._start, self._start + count
        return Chunk(b"", start, self._start, day, self._read_at, self._tail)

    def _end_long_line(self, data: bytes) -> Chunk:
        long, self._long = self._long, None
        assert long is not None
        assert self.content is not None
        line = data.removesuffix(b"\n")
        long.add(line)
        self.cut_lines += 1
        end = self._start + long.length + (len(data) - len(line))
        day, _ = self.content.day_at(self._start)
        self._tail = (self._tail + long.tail + data[len(line) :])[-TAIL_BYTES:]
        chunk = Chunk(
            long.kept() + b"\n", self._start, end, day, self._read_at, self._tail,
            is_cut=True, is_continued=self._continues, crc=long.crc,
        )  # fmt: skip
        self._start, self._continues = end, not data.endswith(b"\n")
        return chunk


def _line_length(data: bytes, splits: list[int], start: int) -> int | None:
    """How much of *data*, which lies at *start*, ends the line under way; None: none of it."""
    newline = data.find(b"\n") + 1
    for end in splits:
        if start < end <= start + len(data) and (not newline or end - start < newline):
            return end - start
    return newline or None


def _lines_before(data: bytes, mark: int) -> int:
    """How much of *data* begins before *mark*: a line belongs where it begins, NUL bytes aside."""
    line = data.rfind(b"\n", 0, mark) + 1
    if not data[line:mark].strip(b"\0"):
        return line
    return data.find(b"\n", mark) + 1 or len(data)


def day_of(seconds: float) -> str:
    """Return the UTC day of an epoch time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
