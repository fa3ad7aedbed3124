"""Reads one open file into chunks of complete lines."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import UTC, datetime
from typing import TypeVar

from logship.ids import TAIL_BYTES
from logship.interfaces import Clock
from logship.lines import PLAIN, LineForm
from logship.model import Chunk
from logship.sources.file.chunker import Chunker
from logship.sources.file.content import FileContent
from logship.sources.file.identity import FINGERPRINT_BYTES, fingerprint_of
from logship.sources.file.log_file import LogFile

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
        is_rotated: Whether rotation gave the file its name: nobody is to write to it much longer.
        waiting_size: How long the content was when the end of its last line was waited for.
        waiting_since: Monotonic seconds since when it is as long.
        gone_since: Monotonic seconds since when the globs name it no more; None while they do.
        is_ready: Whether it waits for its turn to be read.
        is_blocked: Whether something has to be noted first that the disk does not take.
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
        self._clock, self._pool, self._is_finishing = clock, pool, is_finishing
        self._chunker = Chunker(
            position, max_line_bytes=max_line_bytes, form=form, skips_long_lines=skips_long_lines
        )
        self._before = b""  # the last bytes that were read
        self._hole_end = 0

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode of the file."""
        return self.file.key

    @property
    def given_out(self) -> int:
        """Offset up to which chunks were given out."""
        return self._chunker.start

    @property
    def pending_bytes(self) -> int:
        """How much was read and is no complete line yet."""
        return self.position - self._chunker.start

    @property
    def cut_lines(self) -> int:
        """Lines so far that were longer than allowed."""
        return self._chunker.cut_lines

    @property
    def skipped_lines(self) -> int:
        """Those of them that were left out."""
        return self._chunker.skipped_lines

    @property
    def skipped_nul_bytes(self) -> int:
        """NUL bytes so far that were passed over without making a line of them."""
        return self._chunker.skipped_nul_bytes

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
        self._before = tail[-TAIL_BYTES:]
        self._chunker.begin(content, tail)

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
            await content.mark_day(self.given_out, today)
        if self.position + 2 * READ_BYTES > content.read_limit:
            if not self._is_finishing:
                await content.extend_read_limit(self.position + 2 * READ_BYTES)
            elif self.position + READ_BYTES > content.read_limit:
                self.at_end = True  # whoever noted the limit left the last READ_BYTES unread
                return []
        data = await self._read_on(content)
        if data.endswith(b"\0"):
            goes_on = self.pending_bytes > 0
            written = data[: self._chunker.form.written(data, self.position, goes_on=goes_on)]
            if not written and (self.at_end or not await self._goes_on_behind_nul_bytes()):
                self.at_end = True
                return []
            if not written and not self.pending_bytes:
                return [self._skip_hole(content)]
            data = written or data
        if not data:
            return []
        now = self._clock.monotonic()
        self._learn_beginning(content, data)
        self._advance(data, len(data), content, now)
        return self._chunker.cut(data, now)

    async def finish(self) -> list[Chunk]:
        """Return the last line although it has no newline; noted durably as a split first.

        What follows it later is a record of its own. Nothing pending: an empty list.

        Raises:
            sqlite3.Error: The note is not durable; nothing has changed.
        """
        if self.content is None or not self._chunker.has_line:
            return []
        await self.content.mark_split(self.given_out, self.position)
        return self._chunker.finish()

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

        Size alone does not tell a truncated file that has grown again, and neither does what lies
        just before the position, where lines repeat themselves. That is read in the same call, so
        that nothing can happen between, and the file's beginning after it.
        """
        before, known = self._before, content.fingerprint
        first = min(self.position, len(known))
        if first <= len(before) and self.position == first:
            first = 0  # the bytes before the position are all there is
        start = self.position - len(before)
        data, beginning = await self.file.read(start, len(before) + READ_BYTES, first)
        self.at_end = len(data) < len(before) + READ_BYTES
        if not data.startswith(before + known[self.position :]) or beginning != known[:first]:
            self.is_rewritten = self.at_end = True
            return b""
        return data[len(before) :]

    async def _goes_on_behind_nul_bytes(self) -> bool:
        if self._hole_end <= self.position:
            found = await self._in_thread(self.file.find_data, self.position)
            self._hole_end = 0 if found is None else found - found % self._chunker.form.unit
        return self._hole_end > self.position

    def _skip_hole(self, content: FileContent) -> Chunk:
        count, now = self._hole_end - self.position, self._clock.monotonic()
        self._advance(bytes(TAIL_BYTES), count, content, now)
        return self._chunker.skip_hole(count, now)

    def _advance(self, data: bytes, count: int, content: FileContent, now: float) -> None:
        self._before = (self._before + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        self.position += count
        self.grown_at = now
        content.size = max(content.size, self.position)

    def _learn_beginning(self, content: FileContent, data: bytes) -> None:
        known = content.fingerprint
        if self._chunker.form.unit > 1:  # it was read on behind the NUL bytes that are not kept
            known = known.ljust(min(self.position, FINGERPRINT_BYTES), b"\0")
        if self.position <= len(known) < FINGERPRINT_BYTES:
            seen = known[: self.position] + data[:FINGERPRINT_BYTES]
            content.fingerprint = fingerprint_of(seen)


def day_of(seconds: float) -> str:
    """Return the UTC day of an epoch time."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d")
