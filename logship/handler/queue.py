"""The queue between an application's threads and the shipping thread.

Producers share a short re-entrant lock. The shipping thread takes no part in it: it pops from
the other end and keeps totals of its own, so that no producer ever waits for it.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Literal

from logship.handler.document import Encoded
from logship.handler.drops import Drops
from logship.handler.process import shipping

__all__ = ["Overflow", "Queue"]

Overflow = Literal["drop_oldest", "drop_newest", "drop_low_levels", "block", "spool"]

_BANDS = (20, 30, 40)  # below INFO, below WARNING, below ERROR, and the rest
_LOOK_AGAIN_SECONDS = 0.002
_SPOOL_AGAIN_SECONDS = 1.0


class Queue:
    """Holds what was emitted until it is taken, and counts it until it is settled.

    The lock is re-entrant and what runs under it is not entered twice: a ``__del__`` or a signal
    handler that logs while its thread is inside leaves its record to be admitted next.

    Attributes:
        emitted: Records so far that were offered.
        dropped: Records of them that were dropped here.
        drops: The same by reason and level.
        settled_records: Records so far that need no more care; written by their owner alone.
        settled_bytes: The same in bytes.
        spool_takes: Whether there is a spool that takes what there is no room for.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        max_records: int,
        overflow: Overflow,
        max_block_seconds: float,
        spool_seconds: float = 0.5,
    ) -> None:
        self.emitted = self.dropped = 0
        self.drops = Drops()
        self.settled_records = self.settled_bytes = 0
        self._max_bytes, self._max_records = max_bytes, max_records
        self._overflow = overflow
        self._wait_seconds = max_block_seconds if overflow == "block" else spool_seconds
        self.spool_takes = overflow == "spool"
        self._waits = overflow in ("block", "spool")
        self._no_wait_before = 0.0
        self._waiting: set[int] = set()
        self._lock = threading.RLock()
        self._inside = 0
        self._arrivals: deque[Encoded] = deque()
        count = len(_BANDS) + 1 if overflow == "drop_low_levels" else 1
        self._bands: tuple[deque[Encoded], ...] = tuple(deque() for _ in range(count))
        self._numbers = itertools.count()
        self._put_records = self._put_bytes = 0
        self._displaced_records = self._displaced_bytes = 0

    def __len__(self) -> int:
        return sum(map(len, self._bands))

    @property
    def is_half_full(self) -> bool:
        """Whether half of a bound is used by what waits here or is under way."""
        records, size = self._used()
        return 2 * records > self._max_records or 2 * size > self._max_bytes

    def put(self, entry: Encoded) -> None:
        """Number *entry* and append it; when that passes a bound, the overflow policy decides.

        Returns at once, but under ``block``, which waits for room as long as it may, and under
        ``spool``, which waits a moment while the disk takes records: it takes more than threads
        can log, but who writes there needs turns.
        """
        if self._offer(entry, may_wait=self._waits and self._may_wait()):
            return
        until = time.monotonic() + self._wait_seconds
        here = threading.get_ident()
        self._waiting.add(here)
        try:
            # Looking again is all there is: a condition's inner lock is not re-entrant, and a
            # __del__ that logs inside of it would wait for its own thread.
            while time.monotonic() < until:
                time.sleep(_LOOK_AGAIN_SECONDS)
                if self._offer(entry, may_wait=True):
                    return
            self._no_wait_before = until + _SPOOL_AGAIN_SECONDS
        finally:
            self._waiting.discard(here)
        self._offer(entry, may_wait=False)

    def put_back(self, entries: Sequence[Encoded]) -> None:
        """Return *entries*, which were taken, to where they came from."""
        for entry in reversed(entries):
            self._band(entry).appendleft(entry)

    def count_drop(self, reason: str, level: int) -> None:
        """Count a record that was offered and could not even be queued."""
        with self._lock:
            self.emitted += 1
            self._drop(reason, level)

    def count_late(self, level: int) -> None:
        """Count a record that comes when Python takes the interpreter apart.

        Without the lock: no other thread runs any more, also not one that holds it.
        """
        self.emitted += 1
        self._drop("too_late", level)

    def take(self, most: int, most_bytes: int) -> list[Encoded]:
        """Return up to about that many entries: higher bands first, oldest first in each."""
        taken: list[Encoded] = []
        size = 0
        for band in reversed(self._bands):
            while len(taken) < most and size < most_bytes:
                try:
                    entry = band.popleft()
                except IndexError:
                    break
                taken.append(entry)
                size += entry.size_bytes
        return taken

    def take_all(self) -> list[Encoded]:
        """Return everything, in the order of the numbers."""
        taken = self.take(1 << 62, 1 << 62)
        return sorted(taken, key=lambda entry: entry.number)

    def settle(self, entry: Encoded) -> None:
        """Count *entry*, which was taken, as settled. Only its owner may call this."""
        self.settled_records += 1
        self.settled_bytes += entry.size_bytes

    def is_done_before(self, number: int) -> bool:
        """Whether nothing numbered below *number* waits here."""
        for band in self._bands:
            try:
                if band[0].number < number:
                    return False
            except IndexError:
                continue
        return True

    def next_number(self) -> int:
        """Return a number above those of all records so far, which no record will have."""
        return next(self._numbers)

    def _used(self) -> tuple[int, int]:
        """(records, bytes) that wait here or are under way."""
        return (
            self._put_records - self._displaced_records - self.settled_records,
            self._put_bytes - self._displaced_bytes - self.settled_bytes,
        )

    def _has_room(self, entry: Encoded) -> bool:
        records, size = self._used()
        return records < self._max_records and size + entry.size_bytes <= self._max_bytes

    def _may_wait(self) -> bool:
        """Whether this thread may wait for room now."""
        here = threading.get_ident()
        if here == self._inside or here in shipping or here in self._waiting:
            return False  # others wait for this thread, or it does itself, below
        if self._overflow == "block":
            return True
        return self.spool_takes and time.monotonic() >= self._no_wait_before  # else it hangs

    def _offer(self, entry: Encoded, *, may_wait: bool) -> bool:
        """Append *entry*, unless its caller may wait and there is no room; whether it was."""
        with self._lock:
            if may_wait and not (self._has_room(entry) or self._goes_anyway(entry)):
                return False
            self._arrivals.append(entry)
            while self._arrivals and not self._inside:
                self._inside = threading.get_ident()
                try:
                    while self._arrivals:  # asked again: only from here on nobody else takes any
                        self._admit(self._arrivals.popleft())
                finally:
                    self._inside = 0
        return True

    def _goes_anyway(self, entry: Encoded) -> bool:
        return entry.must_stay or entry.size_bytes > self._max_bytes

    def _admit(self, entry: Encoded) -> None:
        self.emitted += 1
        entry.fix(next(self._numbers))
        if entry.size_bytes > self._max_bytes and not entry.must_stay:
            self._drop("too_large", entry.level)
            return
        while not (entry.must_stay or self._has_room(entry)):
            gone = self._give_way(entry)
            if gone is None:
                self._drop("queue_full", entry.level)
                return
            self._displaced_records += 1
            self._displaced_bytes += gone.size_bytes
            self._drop("queue_full", gone.level)
        self._band(entry).append(entry)
        self._put_records += 1
        self._put_bytes += entry.size_bytes

    def _drop(self, reason: str, level: int) -> None:
        self.dropped += 1
        self.drops.add(reason, level)

    def _give_way(self, entry: Encoded) -> Encoded | None:
        """Return what goes in favour of *entry*, out of the queue; None: *entry* itself goes."""
        if self._overflow in ("drop_newest", "block"):
            return None
        own = self._band(entry)
        for band in self._bands:
            try:
                return band.popleft()
            except IndexError:
                if band is own:
                    break
        return None

    def _band(self, entry: Encoded) -> deque[Encoded]:
        if len(self._bands) == 1:
            return self._bands[0]
        return self._bands[sum(entry.level >= bound for bound in _BANDS)]
