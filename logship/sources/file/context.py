"""What the parts of a file source share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from logship.checkpoints.store import CheckpointStore
from logship.interfaces import Clock
from logship.settings.model import SourceSettings
from logship.sources.file.complaints import Complaints
from logship.sources.file.known import KnownContents
from logship.sources.file.open_files import OpenFiles
from logship.sources.file.parking import Parking
from logship.sources.file.unseen import Unseen

__all__ = ["Counts", "SourceContext"]

T = TypeVar("T")


@dataclass(slots=True)
class Counts:
    """What a source counts.

    Attributes:
        read_bytes: Bytes that were read.
        abandoned_bytes: Bytes that vanished before they were read, as far as seen.
        abandoned_files: Files that vanished before they were read to the end that was seen.
    """

    read_bytes: int = 0
    abandoned_bytes: int = 0
    abandoned_files: int = 0

    def abandon(self, count: int) -> None:
        """Count *count* bytes of one file that nobody can read any more."""
        if count > 0:
            self.abandoned_bytes += count
            self.abandoned_files += 1


@dataclass(frozen=True, slots=True)
class SourceContext:
    """One for each source. Its parts belong to the event loop that the source runs on.

    Attributes:
        settings: Of the source.
        store: Where its contents resume and are noted.
        known: Its contents, open and at rest.
        open_files: Its tailers.
        parking: Its files that are at their end and closed.
        unseen: Finds what came and went while nobody looked.
        complaints: Says once what goes on.
        counts: What it counts.
        pool: Where files are looked at; a hung mount stops only its own.
        once: Whether what is there is read to its end, and that is all.
        is_finishing: Whether only what may have been read before is read again, and no file that
            is new.
        look_again: Says that the folders are to be looked at in so many seconds, at the latest
            when that is due anyway.
    """

    settings: SourceSettings
    store: CheckpointStore
    clock: Clock
    pool: ThreadPoolExecutor
    known: KnownContents
    open_files: OpenFiles
    parking: Parking
    unseen: Unseen
    complaints: Complaints
    counts: Counts
    look_again: Callable[[float], None]
    once: bool
    is_finishing: bool = False

    async def in_thread(self, function: Callable[[], T]) -> T:
        """Return what *function* does on the pool. Cancelled, it leaves that to go on."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, function)
