"""How many bulk requests may be under way at once: additive increase, multiplicative decrease."""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Slots"]


class Slots:
    """A semaphore whose size follows what the server bears. Belongs to one event loop.

    Attributes:
        limit: How many may be taken now; between 1 and the upper end.
        taken: How many are.
    """

    def __init__(self, upper: int) -> None:
        self._upper = upper
        self._size = min(2.0, float(upper))
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many may be taken now."""
        return int(self._size)

    async def acquire(self) -> None:
        """Take a slot, first come first served. Cancelled, none is taken."""
        if self.taken < self.limit and not self._waiting:
            self.taken += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            elif turn in self._waiting:
                self._waiting.remove(turn)
            raise

    def release(self) -> None:
        """Give a slot back."""
        self.taken -= 1
        self._wake()

    def succeeded(self) -> None:
        """A request went well: a little more may be borne."""
        self._size = min(float(self._upper), self._size + 1 / self._size)
        self._wake()

    def overloaded(self) -> None:
        """The server pushed back or did not answer in time: half of it."""
        self._size = max(1.0, self._size / 2)

    def _wake(self) -> None:
        while self._waiting and self.taken < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)
