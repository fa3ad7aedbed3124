"""Ships what earlier processes left in the spool, and what this one put there meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from logship.buffer import Buffer
from logship.model import Documents
from logship.sources.spool.shipping import Shipping
from logship.spool import Spool

__all__ = ["Recovery"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
GATE_SECONDS = 0.05


class Recovery:
    """Looks into the spool now and again, and ships what is there beside what is new.

    Args:
        may_go: Whether there is room beside what is new.
        recovered: Called with a file and how many of its documents were settled.
    """

    def __init__(
        self,
        spool: Spool,
        buffer: Buffer,
        may_go: Callable[[], bool],
        recovered: Callable[[Path, int], None],
    ) -> None:
        self._buffer, self._may_go = buffer, may_go
        self._shipping = Shipping(spool, self._put, recovered)
        self._is_looking = True
        self._news = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """Whether something may be there that is not settled yet."""
        return self._is_looking or self._shipping.files > 0

    def look(self) -> None:
        """Say that there is a file now."""
        self._is_looking = True
        self._news.set()

    async def run(self) -> None:
        """Look for files, now and again, until cancelled: then files stay as they are."""
        try:
            while True:
                self._news.clear()
                try:
                    await self._shipping.ship()
                except OSError as error:
                    log.error("The spool: %s. It is tried again.", error)
                if not self._news.is_set():
                    self._is_looking = False
                await self._rest()
        finally:
            self._shipping.close()

    async def _put(self, documents: Documents) -> None:
        while not self._may_go():  # noqa: ASYNC110 - asked rarely, depends on much
            await asyncio.sleep(GATE_SECONDS)
        await self._buffer.put(documents)

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._news.wait()
        except TimeoutError:
            pass
