"""Saves what was confirmed, every second and at the end."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Iterable

from logship.checkpoints.store import CheckpointStore
from logship.interfaces import Clock
from logship.sources.file.content import FileContent

__all__ = ["Saver"]

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
SAY_AGAIN_SECONDS = 60.0


class Saver:
    """Brings checkpoints into the store.

    Args:
        contents: Returns those that may have something to be saved.
    """

    def __init__(
        self,
        store: CheckpointStore,
        contents: Callable[[], Iterable[FileContent]],
        *,
        clock: Clock,
    ) -> None:
        self._store, self._contents, self._clock = store, contents, clock
        self._say_unsaved_after = 0.0

    async def run(self) -> None:
        """Save every second, until cancelled. What a save was about then may be saved or not."""
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self.save()

    async def save(self) -> None:
        """Save what was confirmed since the last time. A full disk is not the end."""
        dirty = [content for content in self._contents() if content.is_dirty]
        if not dirty:
            return
        try:
            await self._store.save([content.checkpoint() for content in dirty])
        except sqlite3.Error as error:
            for content in dirty:
                content.unsaved()
            if self._clock.monotonic() >= self._say_unsaved_after:
                self._say_unsaved_after = self._clock.monotonic() + SAY_AGAIN_SECONDS
                log.warning(
                    "Cannot save checkpoints in %s: %s. Delivery goes on, and it is tried again. "
                    "A restart before that reads again what was delivered; ids keep it from "
                    "doubling.",
                    self._store.path,
                    error,
                )
        else:
            if self._say_unsaved_after:
                self._say_unsaved_after = 0.0
                log.info("Checkpoints are saved again.")
