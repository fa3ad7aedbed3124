"""Commits together what is asked for at the same time: a sync costs the same for one and many."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

__all__ = ["Commits", "Work"]

Work = Callable[[sqlite3.Connection], object]


class Commits:
    """Transactions of one connection, on a thread of their own.

    What arrives while a transaction runs is committed together in the next one.

    Attributes:
        lock: Of the connection, for whoever uses it on another thread.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self.lock = threading.Lock()
        self._db = db
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="logship-store")
        self._waiting: list[tuple[Work, asyncio.Future[object]]] = []
        self._flusher: asyncio.Task[None] | None = None

    async def commit(self, work: Work) -> object:
        """Do *work* and return its result, None for a cursor, once it is durable.

        Cancelled, it may or may not happen.

        Raises:
            sqlite3.Error: It failed, or what was to be committed with it did: nothing has changed.
        """
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        return await asyncio.shield(future)

    async def finish(self) -> None:
        """Return when nothing waits any more. Cancelled, what waits is committed all the same."""
        while self._flusher is not None:
            await asyncio.wait([self._flusher])

    def close(self) -> None:
        """End the thread; nothing may be waiting. The connection stays open. Blocking."""
        self._pool.shutdown(wait=True)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                taken, self._waiting = self._waiting, []
                try:
                    results = await loop.run_in_executor(
                        self._pool, self._transaction, [work for work, _ in taken]
                    )
                except Exception as error:
                    for _, future in taken:
                        if not future.cancelled():
                            future.set_exception(error)
                            future.exception()  # the waiter may be gone: not "never retrieved"
                    continue
                for (_, future), result in zip(taken, results, strict=True):
                    if not future.cancelled():
                        future.set_result(result)
        finally:
            self._flusher = None

    def _transaction(self, works: list[Work]) -> list[object]:
        with self.lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            return [
                None if isinstance(result := work(self._db), sqlite3.Cursor) else result
                for work in works
            ]
