"""The spool source: ships the envelopes that handlers left in spool folders."""

from __future__ import annotations

import asyncio
import glob
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from logship.interfaces import Clock, Intake
from logship.settings.model import SourceSettings
from logship.sources.spool.shipping import Shipping
from logship.spool import Spool

__all__ = ["SpoolSource", "spool_files", "spool_folders"]

log = logging.getLogger(__name__)

STOPPING_LOOK_SECONDS = 0.2
QUIET_SECONDS = 1.0  # a source that is to stop looks on until it was quiet for this long


class SpoolSource:
    """Ships the spool folders that the paths of one source name, and removes what is settled.

    A file whose process still holds its lock is left alone. Indices and ids are those of the
    envelopes, so what is sent again after a crash changes nothing. Nothing is kept in the
    checkpoint store: that a file is there says that it is not settled.

    Attributes:
        settings: Of this source.
        contents: Empty: there is nothing to be saved.
        unreadable: Folders and files that cannot be used at present.
    """

    def __init__(self, settings: SourceSettings, *, clock: Clock, once: bool = False) -> None:
        self.settings = settings
        self.contents: dict[int, NoReturn] = {}
        self.unreadable: set[str] = set()
        self._clock, self._once = clock, once
        self._folders: dict[str, tuple[Spool, Shipping]] = {}
        self._complained: set[str] = set()
        self._stopping = asyncio.Event()
        self._stop_by = float("inf")

    def stop(self, within_seconds: float = 0.0) -> None:
        """Look on until nothing came for a second, or the time is over; then ``run`` ends."""
        self._stop_by = min(self._stop_by, self._clock.monotonic() + within_seconds)
        self._stopping.set()

    def close(self) -> None:
        """Let others have the files that are not settled."""
        for _, shipping in self._folders.values():
            shipping.close()
        self._folders.clear()

    async def run(self, ingest: Intake) -> None:
        """Ship until told to stop, or with *once* until all there is was put on the way.

        Cancelled, or ended: what was put is delivered still, until :meth:`close`.
        """
        last_file = self._clock.monotonic()
        while True:
            if await self._ship_all(ingest):
                last_file = self._clock.monotonic()
            elif self._once:
                return
            if self._stopping.is_set() and self._is_done(last_file):
                return
            await self._rest()

    def _is_done(self, last_file: float) -> bool:
        now = self._clock.monotonic()
        return now >= self._stop_by or now - last_file >= QUIET_SECONDS

    async def _rest(self) -> None:
        if self._once or self._stopping.is_set():
            await asyncio.sleep(STOPPING_LOOK_SECONDS)
            return
        try:
            async with asyncio.timeout(self.settings.scan_interval_seconds):
                await self._stopping.wait()
        except TimeoutError:
            pass

    async def _ship_all(self, ingest: Intake) -> int:
        """Put what is there on the way; return how many files that were."""
        count = 0
        troubles: dict[str, str] = {}
        found = set(spool_folders(self.settings.paths))
        for folder in sorted(found):
            if folder not in self._folders:
                spool = Spool(Path(folder), max_bytes=0, name="")
                self._folders[folder] = spool, Shipping(spool, ingest.put)
            spool, shipping = self._folders[folder]
            try:
                os.listdir(folder)  # globbing would take a forbidden one for an empty one
                count += await shipping.ship()
            except OSError as error:
                troubles[folder] = error.strerror or str(error)
            troubles |= {str(path): why for path, why in spool.refused.items()}
        for folder in self._folders.keys() - found:
            if not self._folders[folder][1].files:
                del self._folders[folder]
        self._complain(troubles)
        return count

    def _complain(self, troubles: dict[str, str]) -> None:
        """Say each trouble when it begins; one that was over is said again."""
        self.unreadable = set(troubles)
        for path, why in troubles.items():
            if path not in self._complained:
                log.error(
                    "Source %s: %s cannot be shipped: %s. It stays where it is, and is tried "
                    "again. The agent must be able to read and remove what the handlers wrote: "
                    "run it as their user, or as root.",
                    self.settings.name,
                    path,
                    why,
                )
        self._complained = set(troubles)


def spool_folders(paths: tuple[str, ...]) -> Iterator[str]:
    """Yield the folders that *paths* name, which are folders or globs of them."""
    for pattern in paths:
        for path in glob.iglob(pattern, recursive=True):
            if os.path.isdir(path):
                yield os.path.normpath(path)


def spool_files(pattern: str) -> list[str]:
    """Return the files that wait in the folders which *pattern* names, the oldest first."""
    return [
        str(path)
        for folder in spool_folders((pattern,))
        for path in Spool(Path(folder), max_bytes=0, name="").files()
    ]
