"""Closes files that are read to their end and quiet, and opens them again when they change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from logship.interfaces import Ingest
from logship.sources.file.context import SourceContext
from logship.sources.file.guess import Guess
from logship.sources.file.opener import Opener
from logship.sources.file.opening import take_up
from logship.sources.file.parking import DESCRIPTORS, ParkedFile
from logship.sources.file.tailer import Tailer

__all__ = ["LATELY_SECONDS", "Idle"]

LATELY_SECONDS = 30.0


class Idle:
    """Parks the files of one source."""

    def __init__(self, context: SourceContext, opener: Opener) -> None:
        self._context, self._opener = context, opener

    def resting(self, ingest: Ingest) -> list[Tailer]:
        """Return the tailers that need not stay open, the least recently active first."""
        resting = [
            tailer
            for tailer in self._context.open_files
            if tailer.is_at_rest
            and (tailer.content is None or ingest.pending_start(tailer.content) is None)
        ]
        return sorted(resting, key=lambda tailer: tailer.active_at)

    async def park_quiet(self, ingest: Ingest) -> None:
        """Close files that did not grow for ``close_idle``; sooner where too many are open."""
        context = self._context
        if context.once:
            return
        now = context.clock.monotonic()
        too_many = DESCRIPTORS.count - DESCRIPTORS.limit * 3 // 4
        parked = [
            tailer
            for number, tailer in enumerate(self.resting(ingest))
            if now - tailer.active_at >= context.settings.close_idle_seconds
            or (number < too_many and now - tailer.active_at >= LATELY_SECONDS)
        ]
        await self.park(parked)

    async def park(self, tailers: Sequence[Tailer]) -> None:
        """Close those of *tailers* that are at their end; the others have their turn again."""

        def close() -> list[tuple[int, int] | None]:
            return [_closed(tailer) for tailer in tailers]

        if not tailers:
            return
        context = self._context
        for tailer, ended in zip(tailers, await context.in_thread(close), strict=True):
            if ended is None:
                context.open_files.make_ready(tailer)
                continue
            content, row = tailer.content, None
            if content is not None:
                content.read_to = tailer.given_out
                row = content.row.id
            context.parking.park(tailer.key, ParkedFile(tailer.path, *ended, row))
            context.open_files.release(tailer)
            if content is not None:
                context.known.closed(content, None)

    async def reopen(self, paths: Collection[str], ingest: Ingest) -> None:
        """Open parked files of which a change was notified; what is not plain, the scan sees."""
        context = self._context
        if DESCRIPTORS.count + len(paths) > DESCRIPTORS.limit:
            await self.park(self.resting(ingest)[: len(paths)])
        for path in paths:
            parked = context.parking.at(path)
            if parked is None:
                continue
            key, file = parked
            row = None if file.row is None else context.known.resting(file.row)
            if row is None or DESCRIPTORS.count >= DESCRIPTORS.limit:
                context.look_again(0.0)
                continue
            open_it = partial(take_up, path, key, Guess([row]).recognise, context.pool)
            try:
                opened = await context.in_thread(open_it)
            except OSError:
                opened = None
            if opened is None or opened.row is None:
                if opened is not None:
                    await context.in_thread(opened.file.close)
                context.look_again(0.0)
                continue
            await self._opener.begin(opened, path, file.modified)


def _closed(tailer: Tailer) -> tuple[int, int] | None:
    try:
        return tailer.close_unless_changed()
    except OSError:  # its next turn tells
        return None
