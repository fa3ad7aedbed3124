"""How large batches may be: smaller after the server found one too large, and growing again."""

from __future__ import annotations

from logship.buffer import Buffer
from logship.interfaces import Clock

__all__ = ["Sizes"]

FORGET_SECONDS = 600.0
FULL, GROWTH, CLOSE_ENOUGH = 0.8, 0.25, 0.125


class Sizes:
    """Sets the buffer's bound of a batch in bytes.

    What worked and what was too large is remembered, and the bound goes up between the two
    while full batches go through. What was too large is forgotten after ten minutes: whatever
    stands before the server may have been set right.
    """

    def __init__(self, buffer: Buffer, clock: Clock) -> None:
        self._buffer, self._clock = buffer, clock
        self._upper = buffer.batch_bytes
        self._worked = 0
        self._too_large = 0  # 0: nothing that is remembered
        self._refused_at = 0.0

    def refused(self, size_bytes: int) -> None:
        """A batch of this size was too large."""
        if size_bytes <= self._worked:
            self._worked = 0
        self._too_large, self._refused_at = size_bytes, self._clock.monotonic()
        wanted = max(self._worked, size_bytes // 2)
        self._buffer.batch_bytes = min(self._buffer.batch_bytes, wanted)

    def worked(self, size_bytes: int) -> None:
        """A batch of this size was answered."""
        bound = self._buffer.batch_bytes
        if bound >= self._upper or size_bytes < FULL * bound:
            return
        self._worked = max(self._worked, size_bytes)
        if self._clock.monotonic() - self._refused_at >= FORGET_SECONDS:
            self._too_large = 0
        room = self._too_large - bound if self._too_large else bound
        if room > CLOSE_ENOUGH * bound:
            self._buffer.batch_bytes = min(self._upper, bound + int(GROWTH * room))
