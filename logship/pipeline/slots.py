"""How many bulk requests may be under way at once: additive increase, multiplicative decrease.

More as long as requests go well; fewer when the server pushes back, does not answer in time, or
takes clearly longer for as much as it used to.
"""

from __future__ import annotations

import asyncio
from collections import deque

__all__ = ["Slots"]


RISE, SLACK_SECONDS, MEMORY = 2.0, 0.1, 0.1


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
        self._usual_seconds: dict[int, float] = {}  # by the size of requests, in powers of two
        self._decreased_at = float("-inf")
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

    def succeeded(self, size_bytes: int, started: float, now: float) -> None:
        """A request went well: a little more may be borne, unless it took clearly too long.

        Args:
            started: Monotonic seconds when it began; *now* it was answered.
        """
        if self._took_longer(size_bytes, now - started):
            self._decrease(0.75, started, now)
            return
        self._size = min(float(self._upper), self._size + 1 / self._size)
        self._wake()

    def overloaded(self, started: float, now: float) -> None:
        """The server pushed back or did not answer in time: half of it."""
        self._decrease(0.5, started, now)

    def _decrease(self, factor: float, started: float, now: float) -> None:
        # What began before the last decrease says nothing of what is borne since.
        if started >= self._decreased_at:
            self._size = max(1.0, self._size * factor)
            self._decreased_at = now

    def _took_longer(self, size_bytes: int, seconds: float) -> bool:
        """Whether requests of about this size used to be answered clearly sooner."""
        key = size_bytes.bit_length()
        usual = self._usual_seconds.get(key, seconds)
        self._usual_seconds[key] = usual + MEMORY * (seconds - usual)
        return seconds > RISE * usual + SLACK_SECONDS

    def _wake(self) -> None:
        while self._waiting and self.taken < self.limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)
