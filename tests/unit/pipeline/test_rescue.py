from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from logship.buffer import Buffer
from logship.model import BatchResult, Documents, Refusal
from logship.pipeline import Delivery
from tests.support.fakes import (
    FakeClock,
    FakeDeadLetters,
    FakeReceipt,
    NoPauses,
    make_documents,
)

CONFLICT = "failed to parse field [n] of type [boolean] in document with id 'x'"
RETRY = BatchResult(verdict="retry", cause="HTTP 503: busy")


class Server:
    """A sink that refuses by rule and keeps what it was sent.

    Attributes:
        refuse: (id, source) → the reason; None takes it.
        batches: Of every request, the ids.
        stored: id → source.
        answers: By the number of the request, from 0 on, instead of the rule.
    """

    def __init__(self, refuse: Callable[[str, dict[str, Any]], str | None]) -> None:
        self.refuse = refuse
        self.batches: list[list[str]] = []
        self.stored: dict[str, dict[str, Any]] = {}
        self.answers: dict[int, BatchResult] = {}

    async def write(self, documents: Documents) -> BatchResult:
        await asyncio.sleep(0)
        sent = [documents.document(position) for position in range(len(documents))]
        self.batches.append([document.id for document in sent])
        if answer := self.answers.get(len(self.batches) - 1):
            return answer
        delivered, rejected = [], []
        for position, document in enumerate(sent):
            source = orjson.loads(document.source)
            reason = self.refuse(document.id, source)
            if reason is None:
                assert document.id not in self.stored
                self.stored[document.id] = source
                delivered.append(position)
            else:
                rejected.append(Refusal(position, 400, "document_parsing_exception", reason))
        return BatchResult(delivered, rejected=rejected)

    async def close(self) -> None:
        pass


class Bench:
    """A delivery loop between a real buffer and a server that refuses."""

    def __init__(
        self,
        refuse: Callable[[str, dict[str, Any]], str | None],
        *,
        records: int = 100,
        age: float = 0.0,
    ) -> None:
        self.clock, self.server, self.letters = FakeClock(), Server(refuse), FakeDeadLetters()
        self.buffer = Buffer(
            max_bytes=10**9,
            batch_bytes=10**9,
            batch_records=records,
            batch_age_seconds=age,
            clock=self.clock,
        )
        self.delivery = Delivery(
            self.buffer,
            self.server,
            self.letters,
            max_in_flight=1,
            clock=self.clock,
            jitter=NoPauses(),
            target="It",
        )
        self.receipts: list[FakeReceipt] = []

    async def put(self, count: int, first: int = 0) -> FakeReceipt:
        documents, receipt = make_documents(count, first=first)
        await self.buffer.put(documents)
        self.receipts.append(receipt)
        return receipt

    async def finish(self) -> None:
        """Deliver to the end, and see that everything was paid for, once."""
        self.buffer.close()
        await self.delivery.run()
        assert [one.settled for one in self.receipts] == [one.owed for one in self.receipts]
        assert (self.buffer.used_bytes, self.buffer.used_records) == (0, 0)


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(10):
            return await work()

    return asyncio.run(within())


def refuse_numbers(id_: str, source: dict[str, Any]) -> str | None:
    """Take ``n`` below 5 only."""
    return CONFLICT if source.get("n", 0) >= 5 else None


def test_refused_documents_ride_in_a_later_batch() -> None:
    """What a mapping refuses is stored under its own id, changed, without a request of its own."""

    async def work() -> None:
        bench = Bench(refuse_numbers, records=5)
        await bench.put(10)
        await bench.put(5, first=10)
        await bench.finish()
        ids = [f"seed{number:06d}" for number in range(15)]
        assert bench.server.batches == [ids[:5], ids[5:10], ids[10:], ids[5:10], ids[10:]]
        assert bench.server.stored[ids[4]]["n"] == 4
        changed = bench.server.stored[ids[7]]
        assert changed == {
            "log.offset": 7,
            "pad": "x" * 40,
            "rescued": {"n": "7"},
            "tags": ["mapping_rescued"],
        }
        totals = bench.delivery.totals
        assert (totals.delivered, totals.rescued, totals.rejected) == (15, 10, 0)
        assert bench.letters.letters == []

    run(work)


def test_rescues_share_batches() -> None:
    """One poison document in every batch costs one more request for all of them."""

    async def work() -> None:
        bench = Bench(
            lambda _, source: CONFLICT if source.get("n", 1) % 10 == 0 else None, records=10
        )
        await bench.put(100)
        await bench.finish()
        assert len(bench.server.batches) == 11
        assert bench.delivery.totals.rescued == 10

    run(work)


def test_nothing_is_paid_before_the_final_outcome() -> None:
    """While a changed document waits or rides, its receipt is owed."""

    async def work() -> None:
        bench = Bench(refuse_numbers)
        receipt = await bench.put(6)
        seen: list[int] = []

        def refuse(id_: str, source: dict[str, Any]) -> str | None:
            if "rescued" in source:
                seen.append(receipt.settled)
                return CONFLICT
            if "rescued_source" in source:
                seen.append(receipt.settled)
            return refuse_numbers(id_, source)

        bench.server.refuse = refuse
        await bench.finish()
        assert seen == [5, 5]
        assert bench.server.stored["seed000005"]["rescued_source"] == (
            '{"n":5,"pad":"' + "x" * 40 + '"}'
        )
        assert bench.delivery.totals.rescued == 1

    run(work)


def test_what_cannot_be_rescued_is_a_dead_letter_as_it_was() -> None:
    """After two more refusals the dead letter has the document as it was, and why."""

    async def work() -> None:
        reasons = iter([CONFLICT, "second", "third"])
        bench = Bench(lambda id_, _: next(reasons) if id_ == "seed000001" else None)
        await bench.put(3)
        await bench.finish()
        ((letter, refusal),) = bench.letters.letters
        assert orjson.loads(letter.source) == {"log.offset": 1, "n": 1, "pad": "x" * 40}
        assert (letter.id, refusal.reason) == ("seed000001", CONFLICT)
        totals = bench.delivery.totals
        assert (totals.delivered, totals.rescued, totals.dead_letters) == (2, 0, 1)
        assert bench.server.batches[1:] == [["seed000001"]] * 2

    run(work)


def test_changed_documents_are_retried_like_others() -> None:
    """A changed document outlives an outage, halves and put-offs."""

    async def work() -> None:
        bench = Bench(refuse_numbers)
        await bench.put(8)
        bench.server.answers = {
            1: RETRY,
            2: BatchResult(verdict="split", cause="HTTP 413: "),
            3: BatchResult(retryable=[0], cause="429: busy"),
        }
        await bench.finish()
        sizes = [len(batch) for batch in bench.server.batches]
        assert sizes == [8, 3, 3, 1, 1, 2]
        assert bench.delivery.totals.delivered == 8
        assert bench.delivery.totals.rescued == 3

    run(work)


def test_the_loop_waits_for_what_may_be_put_back() -> None:
    """A closed and empty buffer is no end while a request is under way."""

    async def work() -> None:
        bench = Bench(refuse_numbers)
        await bench.put(6)
        bench.buffer.close()
        await bench.delivery.run()
        assert len(bench.server.stored) == 6

    run(work)


def test_cancelled_while_it_waits_it_is_owed() -> None:
    """A document that waits, changed, for its next batch when all ends is not paid for."""

    async def work() -> None:
        bench = Bench(refuse_numbers, records=6, age=3600.0)
        receipt = await bench.put(6)
        delivering = asyncio.create_task(bench.delivery.run())
        while bench.delivery.totals.delivered < 5:  # noqa: ASYNC110 (no event says so)
            await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        assert len(bench.server.batches) == 1
        assert receipt.settled == 5
        assert bench.buffer.used_records == 1

    run(work)


@pytest.mark.parametrize("seed", range(10))
def test_every_outcome_of_rescues_is_paid_for_once(seed: int) -> None:
    """Whatever is refused how often, each document ends stored or in one dead letter."""

    async def work() -> None:
        chance = NoPauses()
        chance.seed(seed)
        reasons = [CONFLICT, "no name", "Duplicate field 'n'", "Limit of total fields [5]", None]
        bench = Bench(lambda *_: chance.choice(reasons), records=7)
        for first in range(0, 100, 10):
            await bench.put(10, first=first)
        await bench.finish()
        letters = {letter.id for letter, _ in bench.letters.letters}
        assert len(letters) == len(bench.letters.letters)
        assert len(letters) + len(bench.server.stored) == 100
        changed = sum("mapping_rescued" in s.get("tags", ()) for s in bench.server.stored.values())
        assert bench.delivery.totals.rescued == changed > 0

    run(work)


OBJECT = "failed to parse field [state] of type [keyword] in document with id 'x'"


def put_states(first: int, count: int, every: int) -> tuple[Documents, FakeReceipt]:
    """Documents of which every so-manyth has an object where others have a text."""
    documents, receipt = make_documents(count, first=first)
    for position in range(count):
        is_object = (first + position) % every == 0
        state = b'"state":{"x":1}}' if is_object else b'"state":"fine"}'
        documents.bodies[position] = documents.bodies[position][:-1] + b"," + state
    return Documents.of(documents.columns, documents.read_at, documents.runs), receipt


def refuse_objects(id_: str, source: dict[str, Any]) -> str | None:
    return OBJECT if isinstance(source.get("state"), dict) else None


def test_known_conflicts_are_moved_before_sending() -> None:
    """Once a conflict was met, documents that have it are sent once, changed, and paid for."""

    async def work() -> None:
        bench = Bench(refuse_objects, records=20)
        for first in range(0, 200, 20):
            documents, receipt = put_states(first, 20, every=5)
            bench.receipts.append(receipt)
            await bench.buffer.put(documents)
        await bench.finish()
        sent = [id_ for batch in bench.server.batches for id_ in batch]
        assert len(sent) == 204
        assert len(bench.server.stored) == 200
        totals = bench.delivery.totals
        assert (totals.delivered, totals.rescued, totals.retried) == (200, 40, 0)
        assert bench.server.stored["seed000195"]["rescued"] == {"state": '{"x":1}'}
        assert bench.server.stored["seed000196"]["state"] == "fine"

    run(work)


def test_conflicts_are_forgotten_after_a_while() -> None:
    """When the mapping was mended meanwhile, documents are stored as they are again."""

    async def work() -> None:
        bench = Bench(refuse_objects, records=20)
        delivering = asyncio.create_task(bench.delivery.run())
        for number, seconds in enumerate((0.0, 599.0, 2.0)):
            bench.clock.advance(seconds)
            documents, receipt = put_states(100 * number, 10, every=5)
            bench.receipts.append(receipt)
            await bench.buffer.put(documents)
            bench.buffer.hurry()
            while len(bench.server.stored) < 10 * (number + 1):  # noqa: ASYNC110 (no event says so)
                await asyncio.sleep(0)
            bench.server.refuse = lambda id_, source: None
        bench.buffer.close()
        await delivering
        stored = bench.server.stored
        assert stored["seed000105"]["rescued"] == {"state": '{"x":1}'}
        assert stored["seed000205"]["state"] == {"x": 1}

    run(work)


def test_refused_for_another_field_after_all() -> None:
    """What was changed ahead and is refused once more keeps both fields, and the first document."""

    async def work() -> None:
        def refuse(id_: str, source: dict[str, Any]) -> str | None:
            if id_ == "seed000025" and "rescued_source" not in source:
                return CONFLICT
            return refuse_objects(id_, source)

        bench = Bench(refuse, records=20)
        for first in (0, 20):
            documents, receipt = put_states(first, 20, every=5)
            bench.receipts.append(receipt)
            await bench.buffer.put(documents)
        await bench.finish()
        stored = bench.server.stored["seed000025"]
        assert stored["tags"] == ["mapping_rescued"]
        assert orjson.loads(stored["rescued_source"])["state"] == {"x": 1}
        assert bench.letters.letters == []

    run(work)


def test_changed_ahead_and_never_taken() -> None:
    """The dead letter of a document that was changed ahead has it as it was."""

    async def work() -> None:
        def refuse(id_: str, source: dict[str, Any]) -> str | None:
            return CONFLICT if id_ == "seed000025" else refuse_objects(id_, source)

        bench = Bench(refuse, records=20)
        for first in (0, 20):
            documents, receipt = put_states(first, 20, every=5)
            bench.receipts.append(receipt)
            await bench.buffer.put(documents)
        await bench.finish()
        ((letter, refusal),) = bench.letters.letters
        assert orjson.loads(letter.source)["state"] == {"x": 1}
        assert refusal.reason == CONFLICT

    run(work)


def test_poison_in_every_batch_costs_itself_only() -> None:
    """One document in each batch that nothing can rescue: all others go once, it is buried."""

    async def work() -> None:
        def refuse(id_: str, source: dict[str, Any]) -> str | None:
            return CONFLICT if id_.endswith("7") else None

        bench = Bench(refuse, records=10)
        await bench.put(200)
        await bench.finish()
        assert len(bench.letters.letters) == 20
        assert len(bench.server.stored) == 180
        batches = bench.server.batches
        sent = [id_ for batch in batches for id_ in batch]
        assert len(sent) == 180 + 3 * 20
        assert len(batches) == 20 + 2 * 2  # two more steps, in shared batches
        assert batches[:20] == [
            [f"seed{n:06d}" for n in range(i, i + 10)] for i in range(0, 200, 10)
        ]

    run(work)
