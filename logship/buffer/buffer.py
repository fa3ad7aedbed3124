"""The bounded queue between reading and sending, and how batches are cut from it.

Full means wait: a source that finds no room stops reading, and the file is the buffer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from logship.interfaces import Clock
from logship.model import STAMP_BYTES, Documents, merge

__all__ = ["Buffer"]


class Buffer:
    """Holds documents from the route until a batch takes them, and counts them until settled.

    Belongs to one event loop.

    Attributes:
        used_bytes: Of everything put and not yet released, in flight included.
        used_records: The same in records.
        max_bytes: From here on putting waits.
        batch_bytes: A batch is full at this size; may be changed at any time.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        batch_bytes: int,
        batch_records: int,
        batch_age_seconds: float,
        clock: Clock,
    ) -> None:
        self.used_bytes = self.used_records = 0
        self.max_bytes = max_bytes
        self.batch_bytes, self._batch_records = batch_bytes, batch_records
        self._batch_age_seconds, self._clock = batch_age_seconds, clock
        self._queue: deque[Documents] = deque()
        self._again: set[int] = set()  # ids of those in the queue that were taken before
        self._queued_bytes = self._queued_records = 0
        self._arrived = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closed = self._hurried = False
        self._hurried_at = float("-inf")

    async def put(self, documents: Documents) -> None:
        """Add *documents*, waiting while the buffer is full.

        A single chunk's documents are taken whole when there is any room, so the bound can be
        passed by one chunk. Cancelled while waiting, nothing was added.
        """
        while self.is_full:
            self._room.clear()
            await self._room.wait()
        self.charge(documents.size_bytes, len(documents))
        self._enqueue(documents)

    @property
    def is_full(self) -> bool:
        """Whether putting waits."""
        return self.used_bytes >= self.max_bytes

    def drop_oldest(self) -> Documents | None:
        """Take out and release what was put first, and was in no batch yet; None without any."""
        for place, documents in enumerate(self._queue):
            if id(documents) not in self._again:
                del self._queue[place]
                self._queued_bytes -= documents.size_bytes
                self._queued_records -= len(documents)
                self.release(documents.size_bytes, len(documents))
                return documents
        return None

    def charge(self, size_bytes: int, records: int) -> None:
        """Count what is held elsewhere, until it is released. Never waits."""
        self.used_bytes += size_bytes
        self.used_records += records

    def requeue(self, documents: Documents, *, since: float) -> None:
        """Queue what is counted already and not released; it rides in a later batch.

        Never waits, also not for what is closed.

        Args:
            since: Monotonic seconds when the oldest of them was first read: what was hurried
                then is so still.
        """
        self._hurried = self._hurried or since <= self._hurried_at
        self._again.add(id(documents))
        self._enqueue(documents)

    def _enqueue(self, documents: Documents) -> None:
        self._queued_bytes += documents.size_bytes
        self._queued_records += len(documents)
        self._queue.append(documents)
        self._arrived.set()

    def release(self, size_bytes: int, records: int) -> None:
        """Give back the room of documents that are settled."""
        self.used_bytes -= size_bytes
        self.used_records -= records
        if self.used_bytes < self.max_bytes:
            self._room.set()

    def hurry(self) -> None:
        """What is queued now goes at once, however young and few."""
        self._hurried, self._hurried_at = True, self._clock.monotonic()
        self._arrived.set()

    def close(self) -> None:
        """No more will be put: what is there goes at once, in batches as full as it makes."""
        self._closed = True
        self._arrived.set()

    async def ready(self) -> bool:
        """Wait until a batch should go: full, or old, or closed. False: closed and empty."""
        while True:
            if self._is_full or (self._queue and (self._closed or self._hurried)):
                return True
            if self._closed:
                return False
            patience = None
            if self._queue:
                age = self._clock.monotonic() - self._queue[0].read_at
                patience = self._batch_age_seconds - age
                if patience <= 0:
                    return True
            self._arrived.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._arrived.wait()
            except TimeoutError:
                pass

    def take(self) -> Documents:
        """Return the next batch, within the bounds in bytes and records; at least one record.

        Call only after :meth:`ready`, with nothing between that could have taken it.
        """
        parts: list[Documents] = []
        size = count = 0
        while self._queue:
            part = self._queue[0]
            fits = _how_many(part, self.batch_bytes - size, self._batch_records - count)
            if fits == 0 and parts:
                break
            self._queue.popleft()
            is_again = id(part) in self._again
            self._again.discard(id(part))
            if fits < len(part):
                rest = part.part(max(fits, 1), len(part))
                part = part.part(0, max(fits, 1))
                if len(rest):
                    if is_again:
                        self._again.add(id(rest))
                    self._queue.appendleft(rest)
            parts.append(part)
            size, count = size + part.size_bytes, count + len(part)
        self._queued_bytes -= size
        self._queued_records -= count
        self._hurried = self._hurried and bool(self._queue)
        return merge(parts)

    def regroup(self, parts: Sequence[Documents]) -> list[Documents]:
        """Return what was taken in several batches in as few as its bounds allow."""
        rest = merge(parts)
        batches: list[Documents] = []
        while len(rest):
            fits = max(1, _how_many(rest, self.batch_bytes, self._batch_records))
            batches.append(rest.part(0, fits))
            rest = rest.part(fits, len(rest))
        return batches

    @property
    def _is_full(self) -> bool:
        return self._queued_bytes >= self.batch_bytes or self._queued_records >= self._batch_records


def _how_many(part: Documents, size_bytes: int, records: int) -> int:
    """Return how many documents of *part*, from its beginning, fit."""
    if part.size_bytes <= size_bytes and len(part) <= records:
        return len(part)
    fits = 0
    for parts in zip(*part.columns, strict=True):
        size_bytes -= sum(map(len, parts)) + STAMP_BYTES
        if size_bytes < 0 or fits >= records:
            break
        fits += 1
    return fits
