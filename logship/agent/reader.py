"""One source with its route: run into the buffer, and tried again when it fails."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable

from logship.interfaces import Intake, Route
from logship.pipeline import Ingestion
from logship.routing_change import CountedRoute, RoutingChange
from logship.settings.model import SourceSettings
from logship.sources.file import FileSource
from logship.sources.spool import SpoolSource

__all__ = ["MakeSource", "Reader"]

log = logging.getLogger(__name__)

LONGEST_RETRY_SECONDS = 30.0

# (settings, and with a file source is_finishing=True to read only what may be under way) → source
MakeSource = Callable[..., FileSource | SpoolSource]


class Reader:
    """Reads one source, after what its settings of before have under way.

    Attributes:
        source: The one that reads at present, or did last.
    """

    def __init__(
        self,
        settings: SourceSettings,
        route: Route,
        make: MakeSource,
        change: RoutingChange | None,
    ) -> None:
        """Make the source, which has not begun.

        Args:
            route: Of these settings.
            make: Makes a source.
            change: What has to be finished first, by file sources of older settings.
        """
        self._settings, self._route, self._make, self._change = settings, route, make, change
        if change is None:
            self.source = make(settings)
        else:
            self.source = make(change.old[0].source, is_finishing=True)

    async def run(
        self, intake: Intake, *, hurry: Callable[[], None], stopping: asyncio.Event
    ) -> None:
        """Read until the source was stopped and is done, or has nothing more to read.

        Cancelled, what was put into the buffer is there; the rest is read again by the next run.

        Args:
            intake: The way into the buffer.
            hurry: Called when what is in the buffer is waited for.
            stopping: Set when nothing is to begin any more.
        """
        if self._change is not None:

            async def read_old(settings: SourceSettings, route: CountedRoute) -> FileSource:
                source = self.source = self._make(settings, is_finishing=True)
                assert isinstance(source, FileSource)
                await self._run(route, intake, stopping)
                hurry()
                return source

            if not await self._change.finish(read_old, stopping.is_set):
                return
            self.source = self._make(self._settings)
        await self._run(self._route, intake, stopping)

    async def _run(self, route: Route, intake: Intake, stopping: asyncio.Event) -> None:
        """Run the source; when it fails, report it and try again with growing pauses."""
        ingest = Ingestion(route, intake)
        pause = 1.0
        while True:
            try:
                await self.source.run(ingest)
            except (OSError, sqlite3.Error) as error:
                log.error(
                    "Source %s cannot go on: %s. It is tried again in %.0f s.",
                    self.source.settings.name,
                    error,
                    pause,
                )
            else:
                return
            try:
                async with asyncio.timeout(pause):
                    await stopping.wait()
                    return
            except TimeoutError:
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)
