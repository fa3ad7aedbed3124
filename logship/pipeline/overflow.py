"""What happens where waiting is not wanted when the buffer is full: drop, or put aside.

Files need neither: a full buffer stops reading, and the file waits. It is for those who would
rather lose old records than be late, or whose files are deleted before a long outage is over.

- ``drop_newest`` drops what comes, ``drop_oldest`` what was put first and was in no request yet;
  what is under way is never dropped. Both settle what they drop and count it by reason.
- ``spool`` writes envelopes to the files of a spool, synced before they are settled. They
  have their index and id, so one that is sent twice is stored once. They come in any order, and
  not before half of the buffer is free, so that what is read meanwhile finds room.

What was dropped is reported as one document when half of the buffer is free, or after a minute.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Literal

from logship.buffer import Buffer
from logship.interfaces import Clock
from logship.model import EXPIRED_HEAD, Documents
from logship.pipeline.reports import Reports
from logship.settings.model import Settings
from logship.spool import Spool
from logship.spool.envelope import envelopes

__all__ = ["Overflow", "SpoolIntake", "size_of_spool"]

log = logging.getLogger(__name__)

BUFFER_FULL = "buffer_full"
LOOK_SECONDS = 1.0
REPORT_SECONDS = 60.0
WAIT_SECONDS = 0.25
SAY_AGAIN_SECONDS = 60.0


class Overflow:
    """The way into *buffer* that never waits, as far as its policy can help it.

    Belongs to one event loop.

    Args:
        policy: What to do when the buffer is full.
        reports: Makes the documents that say what was dropped.
        dropped: Called with how many records were dropped just now.
        directory: Of the spool, where ``spool`` puts them aside.
        max_bytes: Of its files; beyond it putting waits.
        pool: For writing to them.
    """

    def __init__(
        self,
        buffer: Buffer,
        policy: Literal["drop_oldest", "drop_newest", "spool"],
        *,
        reports: Reports,
        dropped: Callable[[int], None],
        clock: Clock,
        directory: Path,
        max_bytes: int,
        pool: Executor,
    ) -> None:
        self._buffer, self._policy, self._reports = buffer, policy, reports
        self._on_dropped, self._clock = dropped, clock
        # The bound is looked at before: with no room for a whole chunk nothing is written.
        self._spool = Spool(directory, max_bytes=2 * max_bytes, name=secrets.token_hex(4))
        self._max_bytes, self._pool = max_bytes, pool
        self._writing = asyncio.Lock()
        self._counts: Counter[str] = Counter()
        self._first = self._last = self._unreported = 0.0
        self._say_after = {"dropping": float("-inf"), "spooling": float("-inf"),
                           "waiting": float("-inf")}  # fmt: skip

    @classmethod
    def of(
        cls,
        settings: Settings,
        buffer: Buffer,
        *,
        dropped: Callable[[int], None],
        host_name: str,
        clock: Clock,
        directory: Path,
        pool: Executor,
    ) -> Overflow | None:
        """Return what *settings* ask for; None where sources wait."""
        policy = settings.delivery.when_full
        if policy == "wait":
            return None
        reports = Reports(settings.index, settings.schema, host_name=host_name, clock=clock)
        return cls(
            buffer,
            policy,
            reports=reports,
            dropped=dropped,
            clock=clock,
            directory=directory,
            max_bytes=settings.spool.max_bytes,
            pool=pool,
        )

    async def put(self, documents: Documents) -> None:
        """Put *documents* into the buffer, or do as the policy says.

        Cancelled, they may be put aside; they are not settled then, and are read again.
        """
        buffer = self._buffer
        if buffer.is_full and len(documents):
            if self._policy == "spool":
                documents = await self._put_expired(documents)
                if len(documents):
                    await self._put_aside(documents)
                return
            if self._policy == "drop_oldest":
                self._make_room()
            if buffer.is_full:
                self._drop(documents)
                return
        await buffer.put(documents)

    async def run(self) -> None:
        """Report what was dropped, and hand over what was put aside, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.look()

    async def look(self) -> None:
        """Do what it is time for: an outage ends in one report, a long one has one a minute."""
        buffer, now = self._buffer, self._clock.monotonic()
        if not buffer.is_full:
            await self._hand_over()
        if 2 * buffer.used_bytes <= buffer.max_bytes or now >= self._unreported + REPORT_SECONDS:
            self._report()

    async def settle(self) -> None:
        """Report what was dropped so far, and let what was put aside be shipped."""
        await self._hand_over()
        self._report()

    async def _hand_over(self) -> None:
        async with self._writing:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._spool.finish)

    def _report(self) -> None:
        """Put a report into the buffer, full or not; as it was not put there, it is not dropped."""
        if self._counts:
            report = self._reports.make(self._counts, self._first, self._last)
            self._counts = Counter()
            self._buffer.charge(report.size_bytes, len(report))
            self._buffer.requeue(report, since=self._clock.monotonic())

    def close(self) -> None:
        """Let others have what was put aside. Nothing may be under way."""
        self._spool.finish()

    def _make_room(self) -> None:
        while self._buffer.is_full:
            oldest = self._buffer.drop_oldest()
            if oldest is None:
                return
            self._drop(oldest)

    def _drop(self, documents: Documents) -> None:
        count = len(documents)
        if not self._counts:
            self._first, self._unreported = self._clock.time(), self._clock.monotonic()
        self._last = self._clock.time()
        self._counts[BUFFER_FULL] += count
        self._on_dropped(count)
        documents.settle()
        if self._may_say("dropping"):
            log.error(
                "The buffer is full: records are dropped (delivery.when_full: %s). How many is "
                "reported when there is room again, and in the last line.",
                self._policy,
            )

    async def _put_expired(self, documents: Documents) -> Documents:
        """Return what of *documents* may be put aside; an envelope would not tell the others."""
        expired = [i for i, head in enumerate(documents.heads) if head.startswith(EXPIRED_HEAD)]
        if not expired:
            return documents
        await self._buffer.put(documents.select(expired))
        others = set(range(len(documents))).difference(expired)
        return documents.select(sorted(others))

    async def _put_aside(self, documents: Documents) -> None:
        async with self._writing:
            while self._buffer.is_full:
                lines = list(envelopes(documents))
                loop = asyncio.get_running_loop()
                why = await loop.run_in_executor(self._pool, self._append, lines)
                if not why:
                    documents.settle()
                    self._say_put_aside()
                    return
                if self._may_say("waiting"):
                    log.warning(
                        "What is read cannot be put aside: %s. Sources wait; nothing is lost.", why
                    )
                await asyncio.sleep(WAIT_SECONDS)
            await self._buffer.put(documents)

    def _append(self, lines: list[bytes]) -> str:
        """Put all of *lines* aside, durably; returns why not, empty when they are. Blocking.

        Some of them may be in a file then. They are once more later, under the same ids.
        """
        spool, size = self._spool, sum(map(len, lines))
        if spool.size_bytes() + size > self._max_bytes:
            spool.finish()  # what is sent makes room
            return f"{spool.directory} is full ({self._max_bytes} bytes)"
        return spool.append(lines, sync=True)[1]

    def _say_put_aside(self) -> None:
        if self._may_say("spooling"):
            log.warning(
                "The buffer is full: what is read is put aside in %s, and sent when there is room.",
                self._spool.directory,
            )

    def _may_say(self, what: str) -> bool:
        now = self._clock.monotonic()
        if now < self._say_after[what]:
            return False
        self._say_after[what] = now + SAY_AGAIN_SECONDS
        return True


class SpoolIntake:
    """The way into *buffer* for what was put aside: it leaves half of it to what is read."""

    def __init__(self, buffer: Buffer) -> None:
        self._buffer = buffer

    async def put(self, documents: Documents) -> None:
        """Put *documents* into the buffer when half of it is free."""
        # Nothing tells when half of it is free; it is of no hurry.
        while 2 * self._buffer.used_bytes >= self._buffer.max_bytes:  # noqa: ASYNC110
            await asyncio.sleep(WAIT_SECONDS)
        await self._buffer.put(documents)


def size_of_spool(directory: Path) -> int:
    """Return how many bytes wait in the files of the spool at *directory*; 0 without one."""
    return Spool(directory, max_bytes=0, name="").size_bytes()
