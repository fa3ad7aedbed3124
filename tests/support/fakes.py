"""Stand-ins for the seams in ``logship.interfaces``: time, receipts, a sink, dead letters."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import orjson

from logship.model import BatchResult, Document, Documents, Refusal, action_head
from logship.sinks.elasticsearch.request import BulkBody

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()


class FakeClock:
    """Time that moves only when a test moves it."""

    def __init__(self, seconds: float = NOON) -> None:
        self.seconds, self.passed = seconds, 0.0

    def monotonic(self) -> float:
        return self.passed

    def time(self) -> float:
        return self.seconds + self.passed

    def advance(self, seconds: float) -> None:
        self.passed += seconds


class FakeReceipt:
    """Counts what is settled; more than is owed is an error."""

    def __init__(self, owed: int) -> None:
        self.owed = owed
        self.settled = 0

    def settle(self, count: int) -> None:
        assert count > 0
        self.settled += count
        assert self.settled <= self.owed, "settled more than was owed"


class NoPauses(random.Random):
    """Jitter that makes every pause of delivery vanish, and remembers their bounds."""

    def __init__(self) -> None:
        super().__init__(0)
        self.bounds: list[float] = []

    def uniform(self, a: float, b: float) -> float:
        self.bounds.append(b)
        return 0.0


def make_documents(
    count: int, *, first: int = 0, length: int = 40, read_at: float = 0.0
) -> tuple[Documents, FakeReceipt]:
    """Return documents numbered from *first* (also their ids) on, and their one receipt."""
    receipt = FakeReceipt(count)
    head = action_head("logs-2026.11.21", b"seed", with_id=True)
    numbers = range(first, first + count)
    columns = (
        [head] * count,
        [b"%06d" % number for number in numbers],
        [b'"log.offset":'] * count,
        [b"%d," % number for number in numbers],
        [b'"n":%d,"pad":"%b"}' % (number, b"x" * length) for number in numbers],
    )
    return Documents.of(columns, read_at, [(receipt, count)]), receipt


def bulk_body(documents: Documents, seconds: float) -> bytes:
    """Return a bulk body in one piece."""
    return b"".join(BulkBody(documents, seconds))


def numbers_of(documents: Documents) -> list[int]:
    """Return the numbers that :func:`make_documents` gave to *documents*."""
    return [orjson.loads(documents.document(i).source)["n"] for i in range(len(documents))]


Answer = BatchResult | Callable[[Documents], BatchResult]


class FakeSink:
    """Answers batches from a script, then with complete success.

    Args:
        answers: One per request, in order.
        rule: Asked instead of complete success once *answers* are used up; None succeeds.
    """

    def __init__(
        self, *answers: Answer, rule: Callable[[Documents], BatchResult | None] = lambda _: None
    ) -> None:
        self._answers, self._rule = list(answers), rule
        self.batches: list[list[int]] = []
        self.in_flight = self.most_in_flight = 0
        self.gate: asyncio.Event | None = None
        self.is_closed = False

    async def write(self, documents: Documents) -> BatchResult:
        self.in_flight += 1
        gate = self.gate
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            self.batches.append(numbers_of(documents))
            await asyncio.sleep(0)
            if gate is not None:
                await gate.wait()
            answer = self._answers.pop(0) if self._answers else self._rule(documents)
            if answer is None:
                return BatchResult(delivered=range(len(documents)))
            return answer(documents) if callable(answer) else answer
        finally:
            self.in_flight -= 1

    async def close(self) -> None:
        self.is_closed = True


class FakeDeadLetters:
    """Keeps what is written; fails as often as it is told to.

    Attributes:
        letters: What was written.
        events: Names of what happened, in order; shared with tests that look at the order.
    """

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.letters: list[tuple[Document, Refusal]] = []
        self.on_failure: Callable[[], None] = lambda: None

    async def write(self, documents: Sequence[tuple[Document, Refusal]]) -> None:
        if self.failures:
            self.failures -= 1
            self.on_failure()
            raise OSError(28, "No space left on device")
        self.letters += documents
