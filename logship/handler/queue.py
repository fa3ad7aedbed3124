"""The queue between an application's threads and the shipping thread."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Literal

from logship.handler.document import Encoded

__all__ = ["Overflow", "Queue"]

Overflow = Literal["drop_oldest", "drop_newest"]


class Queue:
    """Bounded in bytes and records. Producers never wait for the consumer.

    The lock is re-entrant and held for a few instructions: a ``__del__`` that logs while the
    garbage collector runs inside of it must not block for ever.

    Attributes:
        put_count: Records so far that were offered.
        dropped: Records so far that were dropped, by reason.
    """

    def __init__(
        self,
        *,
        max_bytes: int,
        max_records: int,
        overflow: Overflow,
        beyond: Callable[[], tuple[int, int]],
    ) -> None:
        self.put_count = 0
        self.dropped: Counter[str] = Counter()
        self._max_bytes, self._max_records = max_bytes, max_records
        self._overflow = overflow
        self._beyond = beyond  # (bytes, records) that left the queue and are not settled
        self._lock = threading.RLock()
        self._entries: deque[Encoded] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def number(self) -> int:
        """Return the number of the next record: 0, 1, 2, … without repeats."""
        with self._lock:
            self.put_count += 1
            return self.put_count - 1

    def put(self, entry: Encoded) -> None:
        """Append *entry*; when that passes a bound, something is dropped and counted."""
        with self._lock:
            self._entries.append(entry)
            self._bytes += entry.size_bytes
            used_bytes, used_records = self._beyond()
            while self._entries and (
                self._bytes + used_bytes > self._max_bytes
                or len(self._entries) + used_records > self._max_records
            ):
                newest = self._overflow == "drop_newest"
                gone = self._entries.pop() if newest else self._entries.popleft()
                self._bytes -= gone.size_bytes
                self.dropped["queue_full"] += 1

    def take(self, most: int) -> list[Encoded]:
        """Return up to *most* entries, oldest first."""
        with self._lock:
            count = min(most, len(self._entries))
            taken = [self._entries.popleft() for _ in range(count)]
            self._bytes -= sum(entry.size_bytes for entry in taken)
        return taken
