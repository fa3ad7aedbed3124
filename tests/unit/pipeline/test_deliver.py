from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest

from logship.buffer import Buffer
from logship.interfaces import DeadLetters
from logship.model import BatchResult, Document, Documents, Refusal
from logship.pipeline import Delivery
from logship.pipeline.reports import Reports
from logship.settings.model import IndexSettings
from tests.support.fakes import (
    Answer,
    FakeClock,
    FakeDeadLetters,
    FakeReceipt,
    FakeSink,
    NoPauses,
    make_documents,
    numbers_of,
)

RETRY = BatchResult(verdict="retry", cause="HTTP 503: busy")
PAUSE = BatchResult(verdict="pause", cause="HTTP 401 security_exception: who?")


class Bench:
    """A delivery loop between a real buffer and a sink that follows a script."""

    def __init__(
        self,
        *answers: Answer,
        rule: Callable[[Documents], BatchResult | None] = lambda _: None,
        records: int = 100,
        in_flight: int = 4,
        letters: DeadLetters | None = None,
    ) -> None:
        self.clock, self.jitter = FakeClock(), NoPauses()
        self.buffer = Buffer(
            max_bytes=10**9,
            batch_bytes=10**9,
            batch_records=records,
            batch_age_seconds=0.0,
            clock=self.clock,
        )
        self.sink = FakeSink(*answers, rule=rule)
        self.delivery = Delivery(
            self.buffer,
            self.sink,
            letters,
            max_in_flight=in_flight,
            clock=self.clock,
            jitter=self.jitter,
            target="It",
        )
        self.receipts: list[FakeReceipt] = []
        self.put_so_far = 0

    async def put(self, count: int) -> FakeReceipt:
        documents, receipt = make_documents(count, first=self.put_so_far)
        self.put_so_far += count
        self.receipts.append(receipt)
        await self.buffer.put(documents)
        return receipt

    async def finish(self) -> None:
        """Deliver what was put, to the end, and see that all of it was paid for, once."""
        self.buffer.close()
        await self.delivery.run()
        self.check()

    def check(self) -> None:
        assert [receipt.settled for receipt in self.receipts] == [
            receipt.owed for receipt in self.receipts
        ]
        assert (self.buffer.used_bytes, self.buffer.used_records) == (0, 0)
        assert self.delivery.trouble == ""
        assert self.sink.in_flight == 0


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(10):
            return await work()

    return asyncio.run(within())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (there is no event for what a test looks at)
        await asyncio.sleep(0)


def refused(*positions: int, status: int = 400) -> list[Refusal]:
    return [Refusal(position, status, "some_exception", "no") for position in positions]


def test_delivered_documents_are_paid_for() -> None:
    """What is stored is settled, and the loop ends when everything is."""

    async def work() -> None:
        bench = Bench(records=3)
        await bench.put(2)
        await bench.put(5)
        await bench.finish()
        assert sorted(bench.sink.batches) == [[0, 1, 2], [3, 4, 5], [6]]
        assert bench.delivery.totals.delivered == 7
        assert bench.delivery.totals.retried == 0

    run(work)


def test_reports_are_no_records() -> None:
    """What delivery itself has to say is stored, and not counted among what was delivered."""

    async def work() -> None:
        bench = Bench()
        await bench.put(2)
        reports = Reports(IndexSettings(), "flat", host_name="here", clock=bench.clock)
        report = reports.make({"buffer_full": 1}, 0.0, 1.0)
        bench.buffer.charge(report.size_bytes, 1)
        bench.buffer.requeue(report, since=0.0)
        bench.sink.write = take  # type: ignore[method-assign]
        await bench.finish()
        assert bench.delivery.totals.delivered == 2

    async def take(documents: Documents) -> BatchResult:
        assert len(documents) == 3
        return BatchResult(delivered=range(3))

    run(work)


def test_refused_whole_it_is_sent_again_whole() -> None:
    """A batch goes out again until the server answers for it, with growing pauses between."""

    async def work() -> None:
        bench = Bench(RETRY, RETRY, RETRY)
        await bench.put(2)
        await bench.finish()
        assert bench.sink.batches == [[0, 1]] * 4
        assert bench.jitter.bounds == [0.25, 0.5, 1.0]
        assert (bench.delivery.totals.delivered, bench.delivery.totals.retried) == (2, 6)

    run(work)


def test_pauses_are_bounded() -> None:
    """However long an outage lasts, the next attempt is at most ten seconds away."""

    async def work() -> None:
        bench = Bench(*[RETRY] * 100)
        await bench.put(1)
        await bench.finish()
        assert max(bench.jitter.bounds) == 10.0
        assert bench.jitter.bounds == sorted(bench.jitter.bounds)

    run(work)


def test_only_what_was_put_off_is_sent_again() -> None:
    """Retryable and held items are sent again, each for themselves; the others are paid at once."""

    async def work() -> None:
        first = BatchResult(
            delivered=[0, 3], retryable=[1, 4], held=refused(2, status=403), cause="429: busy"
        )
        bench = Bench(first)
        receipt = await bench.put(5)
        seen: list[int] = []
        bench.sink._rule = lambda _: seen.append(receipt.settled)  # type: ignore[func-returns-value]
        await bench.finish()
        assert sorted(bench.sink.batches) == [[0, 1, 2, 3, 4], [1, 4], [2]]
        assert seen[0] == 2
        totals = bench.delivery.totals
        assert (totals.delivered, totals.held, totals.retried) == (5, 1, 3)
        assert bench.jitter.bounds == [0.25, 0.25]

    run(work)


def put_off(count: int) -> Callable[[Documents], BatchResult]:
    """Answer that the last *count* documents of a batch are to be sent again."""

    def answer(documents: Documents) -> BatchResult:
        taken = len(documents) - count
        return BatchResult(range(taken), range(taken, len(documents)), cause="429")

    return answer


def test_what_gets_on_is_soon_sent_again() -> None:
    """As long as part of a batch is taken, what was put off of it does not wait ever longer."""

    async def work() -> None:
        bench = Bench(*[put_off(left) for left in (90, 80, 70, 60, 50, 40, 30, 20, 10)])
        await bench.put(100)
        await bench.finish()
        assert bench.jitter.bounds == [0.25] * 9
        assert (bench.delivery.totals.delivered, bench.delivery.totals.retried) == (100, 450)

    run(work)


def test_what_gets_nowhere_waits_longer() -> None:
    """Hardly anything taken is no reason to come back soon, until more is."""

    async def work() -> None:
        bench = Bench(*[put_off(left) for left in (99, 98, 98, 97, 60, 60, 59)])
        await bench.put(100)
        await bench.finish()
        assert bench.jitter.bounds == [0.25, 0.5, 1.0, 2.0, 0.25, 0.5, 1.0]

    run(work)


def test_what_gets_nowhere_for_long_is_sent_together() -> None:
    """A part of every batch that is never taken makes a few requests, not some for each batch."""

    class LongPauses(NoPauses):
        def uniform(self, a: float, b: float) -> float:
            return 0.05 if b >= 10.0 else super().uniform(a, b)

    async def work() -> None:
        def rule(documents: Documents) -> BatchResult:
            numbers = numbers_of(documents)
            taken = [i for i, number in enumerate(numbers) if number % 10]
            again = [i for i, number in enumerate(numbers) if number % 10 == 0]
            return BatchResult(taken, again, cause="429")

        bench = Bench(rule=rule, records=10)
        bench.delivery._jitter = LongPauses()
        await bench.put(200)
        delivering = asyncio.create_task(bench.delivery.run())
        seen = bench.sink.batches
        await until(lambda: len(seen) >= 106)
        assert all(seen.count([number]) == 4 for number in range(0, 200, 10))
        assert [len(batch) for batch in seen[100:106]] == [10] * 6
        bench.sink._rule = lambda _: None
        bench.buffer.close()
        await delivering
        bench.check()

    run(work)


def test_dead_letters_are_written_before_anything_is_paid() -> None:
    """A rejected document is settled only when the dead-letter file has it, however long."""

    async def work() -> None:
        letters = FakeDeadLetters(failures=3)
        bench = Bench(BatchResult(delivered=[0, 2], rejected=refused(1, 3)), letters=letters)
        receipt = await bench.put(4)
        seen: list[int] = []
        letters.on_failure = lambda: seen.append(receipt.settled)
        await bench.finish()
        assert seen == [2, 2, 2]
        found = [(letter.id, refusal.position) for letter, refusal in letters.letters]
        assert found == [("seed000001", 1), ("seed000003", 3)]
        totals = bench.delivery.totals
        assert (totals.delivered, totals.rejected, totals.dead_letters) == (2, 2, 2)
        assert bench.sink.batches == [[0, 1, 2, 3]]

    run(work)


def test_nothing_is_paid_while_dead_letters_cannot_be_written() -> None:
    """With the disk full for good, what was rejected stays unconfirmed."""

    async def work() -> None:
        letters = FakeDeadLetters(failures=10**9)
        bench = Bench(BatchResult(rejected=refused(0, 1)), letters=letters)
        receipt = await bench.put(2)
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: letters.failures < 10**9 - 20)
        delivering.cancel()
        await asyncio.gather(delivering, return_exceptions=True)
        assert receipt.settled == 0
        assert bench.buffer.used_records == 2

    run(work)


def test_dead_letters_that_cannot_be_written_stop_nothing_else() -> None:
    """While the disk takes no dead letter, what was put off of the same batch is delivered."""

    async def work() -> None:
        letters = FakeDeadLetters(failures=1000)
        mixed = BatchResult(delivered=[0], retryable=[1], rejected=refused(2), cause="busy")
        bench = Bench(mixed, letters=letters)
        receipt = await bench.put(3)
        bench.buffer.close()
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: bench.delivery.totals.delivered == 2)
        assert (receipt.settled, letters.letters) == (2, [])
        letters.failures = 0
        await delivering
        bench.check()
        assert len(letters.letters) == 1

    run(work)


def test_full_disk_is_asked_once_for_all() -> None:
    """However many batches have dead letters, they are written together, after one pause."""

    async def work() -> None:
        letters = FakeDeadLetters(failures=10**9)
        bench = Bench(
            rule=lambda batch: BatchResult(rejected=refused(*range(len(batch)))),
            records=10,
            letters=letters,
        )
        await bench.put(500)
        bench.buffer.close()
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: len(bench.sink.batches) == 50)
        before = letters.failures
        for _ in range(20):
            await asyncio.sleep(0)
        assert before - letters.failures <= 20
        written: list[int] = []
        write = letters.write

        async def counted(some: Sequence[tuple[Document, Refusal]]) -> None:
            await write(some)
            written.append(len(some))

        letters.write = counted  # type: ignore[method-assign]
        letters.failures = 0
        await delivering
        bench.check()
        assert (sum(written), len(written)) == (500, 2)
        assert bench.delivery.totals.dead_letters == 500

    run(work)


def test_rejected_may_be_dropped_on_purpose() -> None:
    """Without dead letters what is rejected is counted as dropped and settled."""

    async def work() -> None:
        bench = Bench(BatchResult(delivered=[0], rejected=refused(1)))
        await bench.put(2)
        await bench.finish()
        totals = bench.delivery.totals
        assert (totals.delivered, totals.dropped, totals.dead_letters) == (1, 1, 0)

    run(work)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 13])
def test_halves_find_the_one_document(count: int) -> None:
    """A whole batch that one document spoils is halved until that document is alone."""

    async def work() -> None:
        spoiled = count // 2

        def rule(documents: Documents) -> BatchResult | None:
            if spoiled not in numbers_of(documents):
                return None
            if len(documents) > 1:
                return BatchResult(verdict="split", cause="HTTP 413: ")
            return BatchResult(rejected=refused(0, status=413))

        letters = FakeDeadLetters()
        bench = Bench(rule=rule, letters=letters)
        await bench.put(count)
        await bench.finish()
        assert [letter.id for letter, _ in letters.letters] == [f"seed{spoiled:06d}"]
        assert bench.delivery.totals.delivered == count - 1
        assert bench.jitter.bounds == []  # halves go at once

    run(work)


def test_refused_for_a_person_to_mend(caplog: pytest.LogCaptureFixture) -> None:
    """A wrong key drops nothing: delivery says what to do, tries on, and goes on by itself."""

    async def work() -> None:
        bench = Bench(*[PAUSE] * 5)
        seen: list[str] = []
        bench.sink._rule = lambda _: seen.append(bench.delivery.trouble)  # type: ignore[func-returns-value]
        await bench.put(2)
        await bench.finish()
        assert seen == ["HTTP 401 security_exception: who?"]
        assert bench.sink.batches == [[0, 1]] * 6

    with caplog.at_level(logging.INFO, "logship"):
        run(work)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        (
            "ERROR",
            "It refuses what is sent (HTTP 401 security_exception: who?). Nothing is dropped: "
            "delivery waits and goes on by itself. Check elasticsearch.api_key, or username and "
            "password.",
        ),
        ("INFO", "It takes records again, after 0.0 s."),
    ]


def test_servers_wish_is_respected() -> None:
    """Retry-After is waited for, also where jitter alone would not wait at all."""

    async def work() -> float:
        bench = Bench(BatchResult(verdict="retry", cause="busy", retry_after_seconds=0.2))
        await bench.put(1)
        before = asyncio.get_running_loop().time()
        await bench.finish()
        return asyncio.get_running_loop().time() - before

    assert run(work) >= 0.2


def test_pushed_back_for_ever() -> None:
    """A server that answers 429 to everything gets whole batches, one at a time, and no halves."""

    async def work() -> None:
        bench = Bench(*[BatchResult(verdict="retry", cause="HTTP 429: full")] * 300, records=10)
        await bench.put(40)
        await bench.finish()
        assert {len(batch) for batch in bench.sink.batches} == {10}
        assert bench.delivery._slots.limit >= 1
        assert max(bench.jitter.bounds) == 10.0

    run(work)


def test_servers_wish_to_one_batch_alone() -> None:
    """A batch that is pushed back while others go through waits as long as it was told to."""

    async def work() -> float:
        wish = BatchResult(verdict="retry", cause="HTTP 429: full", retry_after_seconds=0.2)
        refusals = iter([wish] * 3)
        moments: list[float] = []

        def rule(documents: Documents) -> BatchResult | None:
            if 0 not in numbers_of(documents):
                return None
            moments.append(asyncio.get_running_loop().time())
            return next(refusals, None)

        bench = Bench(rule=rule, records=1)
        await bench.put(1)
        delivering = asyncio.create_task(bench.delivery.run())
        while len(moments) < 4:
            await bench.put(1)
            await asyncio.sleep(0.005)
        bench.buffer.close()
        await delivering
        bench.check()
        return min(later - earlier for earlier, later in pairwise(moments))

    assert run(work) >= 0.2


def test_hurry_ends_a_pause() -> None:
    """What waits for the server's wish goes at once when it is hurried."""

    async def work() -> None:
        bench = Bench(
            BatchResult(verdict="retry", cause="busy", retry_after_seconds=600.0),
            BatchResult(retryable=[0], cause="busy", retry_after_seconds=600.0),
        )
        await bench.put(1)
        finishing = asyncio.create_task(bench.finish())
        for attempts in (1, 2):
            await until(lambda attempts=attempts: len(bench.sink.batches) == attempts)
            await until(lambda: bench.sink.in_flight == 0)
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(bench.sink.batches) == attempts
            bench.delivery.hurry()
        await finishing

    run(work)


def is_poisoned(*numbers: int) -> Callable[[Documents], BatchResult | None]:
    """A rule: requests with one of these documents are refused whole, others go well."""
    return lambda documents: RETRY if {*numbers} & {*numbers_of(documents)} else None


@pytest.mark.parametrize("poison", [(0,), (0, 1), (0, 1, 2), (3, 7, 8, 11)])
@pytest.mark.parametrize("in_flight", [1, 4])
def test_batches_that_are_to_blame_stop_nobody(poison: tuple[int, ...], in_flight: int) -> None:
    """However many batches fail for ever, all the others are delivered."""

    async def work() -> None:
        bench = Bench(rule=is_poisoned(*poison), records=1, in_flight=in_flight)
        await bench.put(30)
        bench.buffer.close()
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: bench.delivery.totals.delivered == 30 - len(poison))
        assert bench.receipts[0].settled == 30 - len(poison)
        bench.sink._rule = lambda _: None
        await delivering
        bench.check()

    run(work)


@pytest.mark.parametrize("poison", [(3,), (10, 19), (12, 13, 25)])
def test_batch_that_is_alone_to_blame_is_halved(poison: tuple[int, ...]) -> None:
    """A document for which whole requests fail for ever costs itself, not those in its batch."""

    async def work() -> None:
        bench = Bench(rule=is_poisoned(*poison), records=10)
        await bench.put(40)
        delivering = asyncio.create_task(bench.delivery.run())
        while bench.delivery.totals.delivered < bench.put_so_far - len(poison):
            await bench.put(1)  # others go on
            for _ in range(20):
                await asyncio.sleep(0)
        bench.sink._rule = lambda _: None
        bench.buffer.close()
        await delivering
        bench.check()

    run(work)


def test_internal_errors_are_halved_without_others() -> None:
    """Batches that all meet an internal error are halved too: no others are there to compare."""

    async def work() -> None:
        def rule(documents: Documents) -> BatchResult | None:
            if not {3, 14} & {*numbers_of(documents)}:
                return None
            if len(documents) == 1:
                return BatchResult(rejected=refused(0))
            everything = range(len(documents))
            return BatchResult(retryable=everything, verdict="retry", cause="500", is_internal=True)

        letters = FakeDeadLetters()
        bench = Bench(rule=rule, records=10, letters=letters)
        await bench.put(20)
        await bench.finish()
        assert bench.delivery.totals.delivered == 18
        assert len(letters.letters) == 2
        assert len(bench.sink.batches) < 40

    run(work)


def test_batch_that_is_alone_to_blame_backs_off() -> None:
    """While others go through, a failing batch waits longer and longer, and is no outage."""

    async def work() -> None:
        bench = Bench(rule=is_poisoned(0), records=1)
        await bench.put(1)
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: len(bench.sink.batches) == 1)
        for _ in range(8):
            failures = bench.sink.batches.count([0])
            await bench.put(1)
            await until(lambda: bench.delivery.totals.delivered == bench.put_so_far - 1)
            await until(lambda before=failures: bench.sink.batches.count([0]) > before)
            await until(lambda: bench.sink.in_flight == 0)
        assert max(bench.jitter.bounds) > 2.0
        bench.sink._rule = lambda _: None
        bench.buffer.close()
        await delivering
        bench.check()

    run(work)


def test_one_probe_at_a_time_in_trouble() -> None:
    """While the server refuses everything, one request at a time asks whether it still does."""

    async def work() -> None:
        bench = Bench(rule=lambda _: RETRY, records=1, in_flight=8)
        for _ in range(20):
            bench.delivery._slots.succeeded(100, 0.0, 0.0)
        await bench.put(1)
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: bool(bench.delivery.trouble))
        await bench.put(40)
        bench.sink.most_in_flight = 0
        await until(lambda: len(bench.sink.batches) > 12)
        assert bench.sink.most_in_flight == 1
        assert len({number for batch in bench.sink.batches for number in batch}) <= 3
        bench.sink._rule = lambda _: None
        bench.buffer.close()
        await delivering
        bench.check()

    run(work)


def test_never_more_requests_than_allowed() -> None:
    """The number of requests at once grows with success, and never beyond the setting."""

    async def work() -> None:
        bench = Bench(records=1, in_flight=3)
        await bench.put(100)
        await bench.finish()
        assert bench.sink.most_in_flight == 3

    run(work)


def test_success_from_before_the_trouble_is_no_end_of_it() -> None:
    """An answer to a request that began earlier does not say that the server is back."""

    async def work() -> None:
        bench = Bench(rule=is_poisoned(1), records=1)
        bench.sink.gate = asyncio.Event()
        await bench.put(1)
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: bench.sink.in_flight == 1)
        bench.clock.advance(1.0)
        slow, bench.sink.gate = bench.sink.gate, None
        await bench.put(1)
        await until(lambda: bool(bench.delivery.trouble))
        slow.set()
        await until(lambda: bench.delivery.totals.delivered == 1)
        assert bench.delivery.trouble == "HTTP 503: busy"
        bench.sink._rule = lambda _: None
        bench.buffer.close()
        await delivering
        bench.check()

    run(work)


def test_server_that_flaps_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Trouble that comes and goes is said once in ten seconds."""

    async def work() -> None:
        bench = Bench(*[RETRY, BatchResult(delivered=[0])] * 50, records=1, in_flight=1)
        await bench.put(50)
        await bench.finish()
        bench.clock.advance(11.0)

    with caplog.at_level(logging.INFO, "logship"):
        run(work)
    assert len(caplog.records) <= 3


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_every_document_is_paid_for_once(seed: int) -> None:
    """Any sequence of answers ends with each document delivered or in a dead letter."""
    chance = random.Random(seed)

    def anything(documents: Documents) -> BatchResult | None:
        count = len(documents)
        match chance.randrange(8):
            case 0:
                return RETRY
            case 1:
                return PAUSE
            case 2 if count > 1:
                return BatchResult(verdict="split", cause="HTTP 413: ")
            case 3 | 4 | 5:
                groups: list[list[int]] = [[], [], [], []]
                for position in range(count):
                    chance.choice(groups).append(position)
                return BatchResult(
                    delivered=groups[0],
                    retryable=groups[1],
                    held=refused(*groups[2]),
                    rejected=refused(*groups[3]),
                    cause="some of it",
                )
        return None

    async def work() -> None:
        letters = FakeDeadLetters(failures=chance.randrange(4))
        bench = Bench(rule=anything, records=chance.randrange(1, 9), letters=letters)
        delivering = asyncio.create_task(bench.delivery.run())
        for _ in range(12):
            await bench.put(chance.randrange(1, 9))
            for _ in range(chance.randrange(5)):
                await asyncio.sleep(0)
        bench.buffer.close()
        await delivering
        bench.check()
        totals = bench.delivery.totals
        assert totals.delivered + totals.dead_letters == bench.put_so_far
        ids = [letter.id for letter, _ in letters.letters]
        assert len(set(ids)) == len(ids) == totals.dead_letters

    run(work)


def test_repeated_lines_are_counted(caplog: pytest.LogCaptureFixture) -> None:
    """What concerns some records is said once in ten seconds, counted, and hides nothing else."""

    def rule(documents: Documents) -> BatchResult | None:
        if len(documents) < 3:
            return None
        return BatchResult(retryable=[0], rejected=refused(1, 2), cause="busy")

    async def work() -> None:
        bench = Bench(rule=rule, records=3, letters=FakeDeadLetters(), in_flight=1)
        await bench.put(9)
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: bench.delivery.totals.dead_letters == 6)
        bench.clock.advance(10.0)
        await bench.put(3)
        bench.buffer.close()
        await delivering
        bench.check()

    with caplog.at_level(logging.WARNING):
        run(work)
    said = [record.getMessage() for record in caplog.records]
    assert [line.partition(" records")[0] for line in said] == [
        "It put off 1",
        "It refused 2",
        "It put off 3",
        "It refused 6",
    ]


def test_cancelled_nothing_is_paid_that_was_not_answered() -> None:
    """Cancelled in the middle, what is under way is owed still, and nothing goes on."""

    async def work() -> None:
        bench = Bench(records=1, in_flight=2)
        await bench.put(1)
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: bench.delivery.totals.delivered == 1)
        bench.sink.gate = asyncio.Event()
        await bench.put(5)
        await until(lambda: bench.sink.in_flight == 2)
        delivering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await delivering
        assert [receipt.settled for receipt in bench.receipts] == [1, 0]
        assert bench.buffer.used_records == 5
        assert bench.sink.in_flight == 0

    run(work)


def test_a_bug_in_the_sink_ends_the_loop() -> None:
    """An exception that is no answer is not mistaken for one: it ends delivery, unpaid."""

    async def work() -> None:
        def fail(_: Documents) -> BatchResult:
            raise RuntimeError("a bug")

        bench = Bench(fail)
        receipt = await bench.put(2)
        with pytest.raises(ExceptionGroup) as caught:
            await bench.delivery.run()
        assert caught.group_contains(RuntimeError, match="a bug")
        assert receipt.settled == 0

    run(work)


def test_what_was_not_sent_is_no_end_of_trouble() -> None:
    """Documents that are refused without asking the server do not say that it answers."""

    async def work() -> None:
        unsent = BatchResult(rejected=[Refusal(0, 0, "older_than_retention", "x")], was_sent=False)
        letters = FakeDeadLetters()
        bench = Bench(rule=is_poisoned(0), records=1, letters=letters)
        await bench.put(1)
        delivering = asyncio.create_task(bench.delivery.run())
        await until(lambda: bool(bench.delivery.trouble))
        poisoned = bench.sink._rule
        bench.sink._rule = lambda batch: unsent if numbers_of(batch) == [1] else poisoned(batch)
        await bench.put(1)
        await until(lambda: len(letters.letters) == 1)
        assert bench.delivery.trouble == "HTTP 503: busy"
        bench.sink._rule = lambda _: None
        bench.buffer.close()
        await delivering
        bench.check()

    run(work)
