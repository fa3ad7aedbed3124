"""Reads open files in turns, and sees how each of them ends."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence

from logship.interfaces import Ingest
from logship.model import Chunk
from logship.settings.model import MultilineSettings
from logship.sources.file.archive import is_half_written
from logship.sources.file.context import SourceContext
from logship.sources.file.recovery import Recovery
from logship.sources.file.starting import Starter
from logship.sources.file.tailer import Tailer

__all__ = ["Reader"]

log = logging.getLogger(__name__)

HALF_WRITTEN_SECONDS = 60.0  # for so long somebody may rest in the middle of writing an archive


class Reader:
    """Reads the open files of one source."""

    def __init__(self, context: SourceContext, starter: Starter, recovery: Recovery) -> None:
        self._context, self._starter, self._recovery = context, starter, recovery
        multiline = context.settings.multiline or MultilineSettings()
        self._event_timeout_seconds = multiline.timeout_seconds

    async def turn(self, ingest: Ingest) -> bool:
        """Let the next file have its turn; whether there was anything to read.

        Raises:
            sqlite3.Error: With *once*: what has to be noted first cannot be.
        """
        context = self._context
        tailer = context.open_files.next_ready()
        if tailer is None:
            return False
        before = tailer.position
        try:
            await self._read(tailer, ingest)
        except OSError as error:
            context.complaints.cannot_read(tailer.path, error)
            await self.close(tailer)
        except sqlite3.Error as error:
            if context.once:
                raise
            tailer.is_blocked = True
            context.complaints.cannot_note(context.store.path, error)
        context.counts.read_bytes += tailer.position - before
        return tailer.position > before

    async def finish_all(self, ingest: Ingest) -> None:
        """Ship the last lines that have no newline."""
        for tailer in self._context.open_files:
            await self._finish(tailer, ingest)

    async def finish_deleted(self, ingest: Ingest) -> None:
        """What is left in files without a name cannot be read again."""
        for tailer in self._context.open_files:
            if tailer.gone_since is not None and await tailer.is_deleted():
                await self._finish(tailer, ingest)

    async def flush_all(self, ingest: Ingest) -> None:
        """Give out every event under way."""
        for tailer in self._context.open_files:
            await self._flush(tailer, ingest)

    async def close(self, tailer: Tailer, *, is_gone: bool = False) -> None:
        """Close *tailer*; its content is at rest."""
        context = self._context
        context.open_files.release(tailer)
        if tailer.content is not None:
            context.known.closed(tailer.content, context.clock.time() if is_gone else None)
        await tailer.close()

    async def _read(self, tailer: Tailer, ingest: Ingest) -> None:
        if tailer.content is None:
            await self._starter.establish([tailer])
        if tailer.content is not None:
            await self._ingest(tailer, await tailer.read(), ingest)
            tailer.is_blocked = False
            if not tailer.at_end:
                self._context.open_files.make_ready(tailer)
                return
        if not self._context.is_finishing:
            await self._at_end(tailer, ingest)

    async def _ingest(self, tailer: Tailer, chunks: Sequence[Chunk], ingest: Ingest) -> None:
        for chunk in chunks:
            assert tailer.content is not None
            await ingest(chunk, tailer.content)

    async def _at_end(self, tailer: Tailer, ingest: Ingest) -> None:
        """Everything there has been read: truncated, rotated and quiet, or just up to date?"""
        context = self._context
        quiet_seconds = context.clock.monotonic() - tailer.grown_at
        if tailer.is_rewritten or await tailer.size() < tailer.position:
            await self._flush(tailer, ingest)
            await self._truncated(tailer)
        elif tailer.gone_since is not None and not context.once:
            quiet_since = max(tailer.gone_since, tailer.grown_at)
            if context.clock.monotonic() - quiet_since >= context.settings.rotate_wait_seconds:
                await self._finish(tailer, ingest)
                await self.close(tailer, is_gone=True)
        elif await self._is_overdue(tailer):
            await self._finish(tailer, ingest)
        elif quiet_seconds >= self._event_timeout_seconds:
            await self._flush(tailer, ingest)

    async def _is_overdue(self, tailer: Tailer) -> bool:
        """Whether a last line has been without newline for so long that nothing will follow."""
        limit = self._patience_seconds(tailer)
        if limit is None or not (tailer.pending_bytes or tailer.content is None):
            tailer.waiting_size = -1
            return False
        now, size = self._context.clock.monotonic(), await tailer.size()
        if size != tailer.waiting_size:
            tailer.waiting_size, tailer.waiting_since = size, now
        return size > 0 and now - tailer.waiting_since >= limit

    def _patience_seconds(self, tailer: Tailer) -> float | None:
        """How long the end of a last line is waited for; None: for ever."""
        settings = self._context.settings
        if tailer.file.is_archive:
            return HALF_WRITTEN_SECONDS if is_half_written(tailer.file) else 0.0
        if tailer.is_rotated:
            return settings.rotate_wait_seconds
        return settings.incomplete_after_seconds

    async def _flush(self, tailer: Tailer, ingest: Ingest) -> None:
        """Give out the event under way: that it ends here is noted durably first."""
        content = tailer.content
        if content is None:
            return
        start = ingest.pending_start(content)
        if start is not None:
            end = tailer.given_out
            await content.mark_split(start, end)
            await ingest.flush(content, end, content.day_at(max(start, end - 1))[0])

    async def _truncated(self, tailer: Tailer) -> None:
        context, content = self._context, tailer.content
        size, pending = await tailer.size(), tailer.pending_bytes
        unread = 0 if content is None else max(0, content.size - tailer.position) + pending
        await self.close(tailer, is_gone=True)
        context.look_again(0.0)
        if content is None:
            return
        content.read_to = tailer.given_out
        read = (tailer.given_out, content.state.tail)
        if await self._recovery.take_over_copy(content.current(), read):
            return
        self._recovery.superseded(content.current())
        log.info(
            "%s was truncated or written anew (%d bytes before, %d now): it is read from its "
            "beginning.%s",
            tailer.path, content.size, size,
            f" {unread} bytes had not been read." if unread else "",
        )  # fmt: skip

    async def _finish(self, tailer: Tailer, ingest: Ingest) -> None:
        """Ship a last line that has no newline; nothing more is expected of this file."""
        if tailer.content is None:
            await self._starter.establish([tailer], or_incomplete=True)
            if tailer.content is None:
                return
        tailer.at_end = False
        while not tailer.at_end:
            before = tailer.position
            chunks = await tailer.read()
            self._context.counts.read_bytes += tailer.position - before
            await self._ingest(tailer, chunks, ingest)
        if not tailer.is_rewritten:
            await self._ingest(tailer, await tailer.finish(), ingest)
        await self._flush(tailer, ingest)
