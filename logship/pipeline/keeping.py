"""Where held documents wait, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from logship.sinks.held_files import HeldFiles

__all__ = ["Keeping"]

T = TypeVar("T")


class Keeping:
    """How long held documents wait where.

    Args:
        files: Where they are parked; None keeps them in memory.
        pool: For reading and writing them; None does that on the event loop.
        after_seconds: They are in memory for this long before.
        limit_seconds: What was held for so long is given up; None: never.
    """

    def __init__(
        self,
        files: HeldFiles | None = None,
        *,
        pool: Executor | None = None,
        after_seconds: float = 30.0,
        limit_seconds: float | None = None,
    ) -> None:
        self.files, self._pool = files, pool
        self.after_seconds, self.limit_seconds = after_seconds, limit_seconds

    async def do(self, work: Callable[[], T]) -> T:
        """Return what *work*, which blocks, returns."""
        if self._pool is None:
            return work()
        return await asyncio.get_running_loop().run_in_executor(self._pool, work)
