"""A delivery loop with indices that may be closed, and files for what they hold, for tests."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson

from logship.buffer import Buffer
from logship.model import BatchResult, Documents, Refusal, action_head
from logship.pipeline import Delivery, Keeping
from logship.sinks.held_files import HeldFiles
from tests.support.fakes import FakeClock, FakeDeadLetters, FakeReceipt, NoPauses

__all__ = ["AFTER", "Bench", "Cluster", "ids", "run"]

AFTER = 30.0


class Jitter(NoPauses):
    """Every pause of delivery is as long as it may be, so that only the clock ends it."""

    def uniform(self, a: float, b: float) -> float:
        self.bounds.append(b)
        return b


class Cluster:
    """A sink with indices that may be closed.

    Attributes:
        closed: Index → the error type of everything that goes there.
        poison: Ids of documents that are held whatever is open.
        stored: (index, id) → how often it was sent and taken.
        sent: How many documents of each index each request had.
    """

    def __init__(self) -> None:
        self.closed: dict[str, str] = {}
        self.stored: dict[tuple[str, str], int] = {}
        self.sent: list[dict[str, int]] = []
        self.is_down = False
        self.outcome = "held"
        self.poison: set[str] = set()

    async def write(self, documents: Documents) -> BatchResult:
        await asyncio.sleep(0)
        if self.is_down:
            return BatchResult(verdict="retry", cause="down")
        counts: dict[str, int] = {}
        groups: dict[str, list[Any]] = {"delivered": [], "held": [], "rejected": []}
        for position in range(len(documents)):
            document = documents.document(position)
            counts[document.index] = counts.get(document.index, 0) + 1
            why = self.closed.get(document.index)
            if document.id in self.poison:
                why = "null_pointer_exception"
            if why:
                groups[self.outcome].append(Refusal(position, 400, why, "closed"))
            else:
                key = (document.index, document.id)
                self.stored[key] = self.stored.get(key, 0) + 1
                groups["delivered"].append(position)
        self.sent.append(counts)
        return BatchResult(**groups)

    async def close(self) -> None:
        pass


class Bench:
    """A delivery loop with files for what is held, which may be ended and begun again."""

    def __init__(
        self,
        folder: Path,
        cluster: Cluster | None = None,
        *,
        max_bytes: int = 1 << 20,
        buffer_bytes: int = 10**9,
        limit: float | None = None,
        records: int = 100,
    ) -> None:
        self.clock, self.cluster = FakeClock(), cluster or Cluster()
        self.letters = FakeDeadLetters()
        self.buffer = Buffer(
            max_bytes=buffer_bytes,
            batch_bytes=10**9,
            batch_records=records,
            batch_age_seconds=0.0,
            clock=self.clock,
        )
        self.folder = folder / "held"
        files = HeldFiles(self.folder, clock=self.clock, max_bytes=max_bytes)
        self.delivery = Delivery(
            self.buffer,
            self.cluster,
            self.letters,
            max_in_flight=2,
            clock=self.clock,
            jitter=Jitter(),
            keeping=Keeping(files, after_seconds=AFTER, limit_seconds=limit),
            target="It",
        )
        self.receipts: list[FakeReceipt] = []
        self.task = asyncio.create_task(self.delivery.run())

    async def put(self, index: str, count: int, first: int = 0) -> FakeReceipt:
        receipt = FakeReceipt(count)
        columns = (
            [action_head(index, b"seed", with_id=True)] * count,
            [b"%06d" % number for number in range(first, first + count)],
            [b""] * count,
            [b""] * count,
            [b'"n":%d}' % number for number in range(first, first + count)],
        )
        await self.buffer.put(Documents.of(columns, self.clock.monotonic(), [(receipt, count)]))
        self.receipts.append(receipt)
        return receipt

    async def hold(self, count: int) -> FakeReceipt:
        """Close the index ``a`` and have *count* documents refused that go there."""
        self.cluster.closed["a"] = "index_closed_exception"
        receipt = await self.put("a", count)
        await self.settle()
        return receipt

    async def park(self, count: int) -> FakeReceipt:
        """Hold *count* documents, the only ones, until they are in a file."""
        receipt = await self.hold(count)
        await self.pass_time(AFTER + 1)
        await self.until(lambda: self.delivery.held == count)
        return receipt

    async def pass_time(self, seconds: float) -> None:
        """Move the clock, and let what waits for it look at it."""
        self.clock.advance(seconds)
        self.delivery._held.wake()
        await self.settle()

    async def settle(self) -> None:
        for _ in range(60):
            await asyncio.sleep(0)

    async def open(self, index: str) -> None:
        """Open an index, and let the next probe see it."""
        del self.cluster.closed[index]
        await self.pass_time(20.0)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 (there is no event for what a test looks at)
                await asyncio.sleep(0)

    async def finish(self) -> None:
        """End in order: everything is delivered, or in a file."""
        self.buffer.close()
        self.delivery.park()
        async with asyncio.timeout(5):
            await self.task

    async def kill(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def files(self) -> list[Path]:
        return sorted(self.folder.glob("*"))

    def envelopes(self) -> list[tuple[str, str]]:
        lines = b"".join(path.read_bytes() for path in self.files()).splitlines()
        return [(one["index"], one["id"]) for one in map(orjson.loads, lines)]


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(10):
            return await work()

    return asyncio.run(within())


def ids(first: int, count: int) -> list[str]:
    return [f"seed{number:06d}" for number in range(first, first + count)]
