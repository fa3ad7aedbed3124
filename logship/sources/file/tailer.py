"""Reads one open file into chunks of complete lines."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import TypeVar

from logship.ids import TAIL_BYTES
from logship.interfaces import Clock
from logship.lines import PLAIN, LineForm
from logship.model import Chunk
from logship.sources.file.content import FileContent
from logship.sources.file.identity import FINGERPRINT_BYTES, fingerprint_of
from logship.sources.file.log_file import LogFile
from logship.sources.file.long_line import LongLine

__all__ = ["Tailer", "day_of"]

log = logging.getLogger(__name__)

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
        is_rotated: Whether rotation gave the file its name: nobody is to write to it much longer.
        waiting_size: How long the content was when the end of its last line was waited for.
        waiting_since: Monotonic seconds since when it is as long.
        gone_since: Monotonic seconds since when the globs name it no more; None while they do.
        is_ready: Whether it waits for its turn to be read.
        is_blocked: Whether something has to be noted first that the disk does not take.
        cut_lines: Lines so far that were longer than allowed.
        skipped_lines: Those of them that were left out.
        skipped_nul_bytes: NUL bytes so far that were passed over without making a line of them.
    """

    def __init__(
        self, file: LogFile, path: str, *, position: int, clock: Clock, pool: Executor,
        max_line_bytes: int, form: LineForm = PLAIN, skips_long_lines: bool = False,
        is_finishing: bool = False,
    ) -> None:  # fmt: skip
        """Take over an open file.

        Args:
            is_finishing: Read no further than some run may have read.
        """
        self.file, self.path, self.position = file, path, position
        self.content: FileContent | None = None
        self.at_end = self.is_rewritten = self.is_ready = self.is_blocked = False
        self.grown_at = float("-inf")
        self.opened_at = clock.monotonic()
        self.modified = 0
        self.is_rotated = False
        self.waiting_size, self.waiting_since = -1, 0.0
        self.gone_since: float | None = None
        self.cut_lines = self.skipped_lines = self.skipped_nul_bytes = 0
        self._clock, self._pool = clock, pool
        self._max_line_bytes, self._skips_long_lines = max_line_bytes, skips_long_lines
        self._form, self._is_finishing = form, is_finishing
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
            and self.waiting_size <= 0
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
        self._form = self._form.resolved(content.fingerprint)
        self._tail = self._before = tail[-TAIL_BYTES:]
        content.state.begin_at(self._start, self._tail)
        ended_here = any(end == self._start for _, end in content.splits)
        self._continues = ended_here and not self._form.is_end(tail, self._start)

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
        if self.position + 2 * READ_BYTES > content.read_limit:
            if not self._is_finishing:
                await content.extend_read_limit(self.position + 2 * READ_BYTES)
            elif self.position + READ_BYTES > content.read_limit:
                self.at_end = True  # whoever noted the limit left the last READ_BYTES unread
                return []
        data = await self._read_on(content)
        if data.endswith(b"\0"):
            goes_on = self.pending_bytes > 0
            written = data[: self._form.written(data, self.position, goes_on=goes_on)]
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
        if self._long is None and self._form.is_blank(self._carry, self._start):
            return []
        await self.content.mark_split(self._start, self.position)
        line, self._carry = self._carry, b""
        if self._long is not None:
            return [self._end_long_line(line, b"")]
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
            self._hole_end = 0 if found is None else found - found % self._form.unit
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
        known = content.fingerprint
        if self._form.unit > 1:  # it was read on behind the NUL bytes that are not kept
            known = known.ljust(min(self.position, FINGERPRINT_BYTES), b"\0")
        if self.position <= len(known) < FINGERPRINT_BYTES:
            seen = known[: self.position] + data[:FINGERPRINT_BYTES]
            content.fingerprint = fingerprint_of(seen)

    def _pieces(self, data: bytes, content: FileContent) -> list[Chunk]:
        chunks: list[Chunk] = []
        splits = sorted(end for _, end in content.splits if end > self._start)
        if self._long is not None:
            data = self._go_on_with_long_line(self._long, self._carry + data, splits, chunks)
            if self._long is not None:
                return []
        form = self._form
        buffer = self._carry + data if self._carry else self._without_hole(data, chunks)
        self._carry = b""
        for end in splits:
            if self._start < end <= self._start + len(buffer):
                part, buffer = buffer[: end - self._start], buffer[end - self._start :]
                chunks += self._complete(part)
                if chunks:
                    chunks[-1].is_split = True
                self._continues = not form.is_end(part, end)
        complete = form.last_end(buffer, self._start)
        if complete:
            chunks += self._complete(buffer[:complete])
        self._carry = self._without_hole(buffer[complete:], chunks)
        if len(self._carry) - len(form.delimiter) >= self._max_line_bytes:
            self._long = LongLine(b"", 0 if self._skips_long_lines else self._max_line_bytes)
            self._carry = self._long.add_all_but(self._carry, len(form.delimiter) - 1)
        return chunks

    def _go_on_with_long_line(
        self, long: LongLine, data: bytes, splits: list[int], chunks: list[Chunk]
    ) -> bytes:
        """Return what of *data* lies behind the line, whose chunk is appended when it ends."""
        self._carry = b""
        found = _line_end(self._form, data, self._start + long.length, splits)
        if found is None:
            self._carry = long.add_all_but(data, len(self._form.delimiter) - 1)
            return b""
        end, after = found
        chunks.append(self._end_long_line(data[:end], data[end:after]))
        return data[after:]

    def _complete(self, part: bytes) -> list[Chunk]:
        """Chunks of *part*, all of whose lines are complete; too long ones on their own."""
        if len(part) <= self._max_line_bytes:
            return self._chunks(part)
        chunks: list[Chunk] = []
        at, size = self._start, len(self._form.delimiter)
        begin = position = 0
        while position < len(part):
            found = self._form.find(part, at, position)
            end, after = (found, found + size) if found >= 0 else (len(part), len(part))
            if end - position > self._max_line_bytes:
                chunks += self._chunks(part[begin:position])
                line = self._without_hole(part[position:after], chunks)
                length = len(line) - (after - end)
                if length > self._max_line_bytes:
                    keep = 0 if self._skips_long_lines else self._max_line_bytes
                    self._long = LongLine(b"", keep)
                    chunks.append(self._end_long_line(line[:length], line[length:]))
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
                length = self._form.before(data, self._start, following)
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
            data, self._start, end, day, self._read_at, self._tail,
            is_continued=self._continues, form=self._form,
        )  # fmt: skip
        self._start, self._continues = end, False
        return chunk

    def _without_hole(self, data: bytes, chunks: list[Chunk]) -> bytes:
        """Return *data*, at whose beginning a line begins, without NUL bytes before it."""
        count = self._form.hole(data, self._start)
        if not count:
            return data
        chunks.append(self._skip(count))
        return data[count:]

    def _skip(self, count: int) -> Chunk:
        """A chunk without lines that stands for *count* NUL bytes."""
        assert self.content is not None
        self.skipped_nul_bytes += count
        self._tail = (self._tail + bytes(min(count, TAIL_BYTES)))[-TAIL_BYTES:]
        day, _ = self.content.day_at(self._start)
        start, self._start = self._start, self._start + count
        return Chunk(b"", start, self._start, day, self._read_at, self._tail)

    def _end_long_line(self, data: bytes, delimiter: bytes) -> Chunk:
        """The chunk of the long line that ends with *data*; *delimiter* is empty at a split."""
        long, self._long = self._long, None
        assert long is not None
        assert self.content is not None
        long.add(data)
        end = self._start + long.length + len(delimiter)
        day, _ = self.content.day_at(self._start)
        self._tail = (self._tail + long.tail + delimiter)[-TAIL_BYTES:]
        kept = b""
        self.cut_lines += 1
        if self._skips_long_lines:
            self._say_skipped(long.length)
        else:
            kept = self._form.whole(long.kept()) + self._form.delimiter
        chunk = Chunk(
            kept, self._start, end, day, self._read_at, self._tail, is_cut=bool(kept),
            is_continued=self._continues, crc=long.crc, form=self._form,
        )  # fmt: skip
        self._start, self._continues = end, not delimiter
        return chunk

    def _say_skipped(self, length: int) -> None:
        self.skipped_lines += 1
        if self.skipped_lines == 1:
            log.warning(
                "%s: the line at offset %d has %d bytes, more than max_line_bytes (%d): such "
                "lines of this file are skipped, and only counted.",
                self.path, self._start, length, self._max_line_bytes,
            )  # fmt: skip


def _line_end(form: LineForm, data: bytes, at: int, splits: list[int]) -> tuple[int, int] | None:
    """Where the line under way ends in *data*, and where its delimiter does; None: it goes on."""
    found = form.find(data, at)
    after = found + len(form.delimiter)
    for end in splits:
        if at < end <= at + len(data) and (found < 0 or end - at < after):
            return end - at, end - at
    return None if found < 0 else (found, after)


def day_of(seconds: float) -> str:
    """Return the UTC day of an epoch time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
