from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from logship.buffer import Buffer
from logship.model import BatchResult, Documents, Refusal, action_head
from logship.pipeline import Delivery, Keeping
from logship.sinks.held_files import HeldFiles
from tests.support.fakes import FakeClock, FakeDeadLetters, FakeReceipt, NoPauses

AFTER, LIMIT = 30.0, 3600.0


class Jitter(NoPauses):
    """Every pause of delivery is as long as it may be, so that only the clock ends it."""

    def uniform(self, a: float, b: float) -> float:
        self.bounds.append(b)
        return b


class Cluster:
    """A sink with indices that may be closed.

    Attributes:
        closed: Index → the error type of everything that goes there.
        stored: (index, id) → how often it was sent and taken.
        sent: How many documents of each index each request had.
    """

    def __init__(self) -> None:
        self.closed: dict[str, str] = {}
        self.stored: dict[tuple[str, str], int] = {}
        self.sent: list[dict[str, int]] = []
        self.is_down = False
        self.outcome = "held"

    async def write(self, documents: Documents) -> BatchResult:
        await asyncio.sleep(0)
        if self.is_down:
            return BatchResult(verdict="retry", cause="down")
        counts: dict[str, int] = {}
        groups: dict[str, list[Any]] = {"delivered": [], "held": [], "rejected": []}
        for position in range(len(documents)):
            document = documents.document(position)
            counts[document.index] = counts.get(document.index, 0) + 1
            if why := self.closed.get(document.index):
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


def test_parked_after_a_while(tmp_path: Path) -> None:
    """What is held for 30 s is in a synced file with index and id, and settled; not before."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "index_closed_exception"
        receipt = await bench.put("a", 3)
        await bench.settle()
        assert bench.delivery.totals.held == 3
        await bench.pass_time(AFTER - 1)
        assert (receipt.settled, bench.files()) == (0, [])
        assert bench.delivery.unconfirmed == 3
        await bench.pass_time(2)
        await bench.until(lambda: receipt.settled == 3)
        assert sorted(bench.envelopes()) == [("a", id_) for id_ in ids(0, 3)]
        assert bench.files()[0].name.endswith("-index_closed_exception.ndjson")
        assert bench.files()[0].stat().st_mode & 0o777 == 0o600
        assert bench.folder.stat().st_mode & 0o777 == 0o700
        assert (bench.delivery.held, bench.delivery.unconfirmed) == (3, 0)
        assert (bench.buffer.used_bytes, bench.buffer.used_records) == (0, 0)
        await bench.finish()
        assert bench.delivery.held == 3

    run(work)


def test_goes_when_the_index_opens(tmp_path: Path) -> None:
    """One document asks first; when it goes, all others do, each once, and the file is removed."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 50)
        await bench.settle()
        await bench.pass_time(AFTER + 1)
        await bench.until(lambda: bench.delivery.held == 50)
        bench.cluster.sent.clear()
        for _ in range(5):
            await bench.pass_time(20.0)
        assert bench.cluster.sent == [{"a": 1}] * 5
        await bench.open("a")
        await bench.until(lambda: not bench.files())
        assert bench.cluster.stored == {("a", id_): 1 for id_ in ids(0, 50)}
        assert bench.delivery.totals.delivered == 50
        assert bench.delivery.held == bench.delivery.unconfirmed == 0
        await bench.finish()
        assert (bench.buffer.used_bytes, bench.buffer.used_records) == (0, 0)

    run(work)


def test_goes_from_memory(tmp_path: Path) -> None:
    """An index that opens within 30 s leaves no file behind."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "index_closed_exception"
        receipt = await bench.put("a", 50)
        await bench.settle()
        await bench.open("a")
        await bench.until(lambda: receipt.settled == 50)
        assert bench.cluster.stored == {("a", id_): 1 for id_ in ids(0, 50)}
        assert not bench.folder.exists()
        await bench.finish()

    run(work)


def test_other_indices_go_on(tmp_path: Path) -> None:
    """However much one closed index holds, and its files are full, the others take theirs."""

    async def work() -> None:
        bench = Bench(tmp_path, buffer_bytes=40_000)
        bench.cluster.closed["a"] = "index_closed_exception"
        for first in range(0, 2000, 50):
            await bench.put("a", 50, first)
            await bench.put("b", 50, first)
            await bench.settle()
        await bench.until(lambda: len(bench.cluster.stored) == 2000)
        await bench.finish()
        assert bench.delivery.held == 2000
        assert len(set(bench.envelopes())) == 2000

    run(work)


def test_too_much_is_parked_at_once(tmp_path: Path) -> None:
    """A quarter of the buffer full of held documents is parked before the 30 s are over."""

    async def work() -> None:
        bench = Bench(tmp_path, buffer_bytes=100_000)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 100)
        await bench.settle()
        assert not bench.folder.exists()
        await bench.put("a", 200, 100)
        await bench.until(lambda: bench.delivery.held == 300)
        assert bench.clock.passed == 0
        await bench.finish()

    run(work)


def test_at_the_bound_sources_wait(tmp_path: Path) -> None:
    """With the files full, what is held stays in memory and unconfirmed, and fills the buffer."""

    async def work() -> None:
        bench = Bench(tmp_path, max_bytes=1000, buffer_bytes=20_000)
        bench.cluster.closed["a"] = "index_closed_exception"
        putting = asyncio.create_task(bench.put("a", 150))
        await bench.settle()
        more = asyncio.create_task(bench.put("a", 150, 150))
        await bench.settle()
        most = asyncio.create_task(bench.put("b", 1))
        await bench.settle()
        assert (putting.done(), more.done(), most.done()) == (True, True, False)
        assert sum(path.stat().st_size for path in bench.files()) <= 1000
        assert bench.receipts[0].settled == 0
        await bench.open("a")
        await bench.until(lambda: len(bench.cluster.stored) == 301)
        await bench.finish()

    run(work)


def test_several_reasons_are_asked_for_themselves(tmp_path: Path) -> None:
    """Each index and reason has a probe of its own: one that stays closed stops no other."""

    async def work() -> None:
        bench = Bench(tmp_path)
        for index in "abc":
            bench.cluster.closed[index] = f"{index}_exception"
            await bench.put(index, 5)
        await bench.settle()
        await bench.pass_time(AFTER + 1)
        await bench.until(lambda: bench.delivery.held == 15)
        assert len(bench.files()) == 3
        await bench.open("b")
        await bench.until(lambda: len(bench.files()) == 2)
        assert {index for index, _ in bench.cluster.stored} == {"b"}
        await bench.finish()
        assert bench.delivery.held == 10

    run(work)


def test_taken_up_by_the_next_run(tmp_path: Path) -> None:
    """What one run parked, the next one sends when it goes; killed between, nothing is lost."""

    async def work() -> None:
        cluster = Cluster()
        cluster.closed["a"] = "index_closed_exception"
        bench = Bench(tmp_path, cluster)
        await bench.put("a", 20)
        await bench.settle()
        await bench.pass_time(AFTER + 1)
        await bench.until(lambda: bench.delivery.held == 20)
        await bench.kill()
        bench = Bench(tmp_path, cluster)
        await bench.until(lambda: bench.delivery.held == 20)
        assert bench.delivery.unconfirmed == 0
        await bench.settle()
        await bench.open("a")
        await bench.until(lambda: not bench.files())
        assert cluster.stored == {("a", id_): 1 for id_ in ids(0, 20)}
        await bench.finish()

    run(work)


def test_delivered_and_not_removed(tmp_path: Path) -> None:
    """After a crash between delivery and removal the same documents go once more, no others."""

    async def work() -> None:
        cluster = Cluster()
        cluster.closed["a"] = "index_closed_exception"
        bench = Bench(tmp_path, cluster)
        await bench.put("a", 20)
        await bench.settle()
        await bench.pass_time(AFTER + 1)
        await bench.until(lambda: bench.delivery.held == 20)
        (path,) = bench.files()
        whole = path.read_bytes()
        await bench.open("a")
        await bench.until(lambda: not bench.files())
        await bench.kill()
        path.write_bytes(whole + b'{"index":"a","id":"torn')
        bench = Bench(tmp_path, cluster)
        await bench.until(lambda: set(cluster.stored.values()) == {2})
        assert cluster.stored == {("a", id_): 2 for id_ in ids(0, 20)}
        await bench.until(lambda: not bench.files())
        await bench.finish()

    run(work)


def test_once_ends_with_what_is_parked(tmp_path: Path) -> None:
    """A closed buffer ends when what is held is parked, and not before 30 s of trying."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 5)
        bench.buffer.close()
        await bench.settle()
        assert not bench.task.done()
        await bench.pass_time(AFTER + 1)
        await bench.until(bench.task.done)
        assert bench.delivery.held == 5

    run(work)


def test_once_tries_what_was_parked(tmp_path: Path) -> None:
    """A run that has nothing to read sends what an earlier one parked before it ends."""

    async def work() -> None:
        cluster = Cluster()
        cluster.closed["a"] = "index_closed_exception"
        bench = Bench(tmp_path, cluster)
        await bench.put("a", 5)
        await bench.settle()
        await bench.finish()
        assert bench.delivery.held == 5
        bench = Bench(tmp_path, cluster)
        bench.buffer.close()
        await bench.until(bench.task.done)
        assert bench.delivery.held == 5
        cluster.closed.clear()
        bench = Bench(tmp_path, cluster)
        bench.buffer.close()
        await bench.until(bench.task.done)
        assert bench.delivery.held == 0
        assert not bench.files()
        assert len(cluster.stored) == 5

    run(work)


def test_no_probes_while_the_server_is_down(tmp_path: Path) -> None:
    """An outage on top changes nothing; afterwards the probes go on."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 5)
        await bench.settle()
        bench.cluster.is_down = True
        await bench.put("b", 1)
        await bench.until(lambda: bool(bench.delivery.trouble))
        for _ in range(5):
            await bench.pass_time(20.0)
        await bench.until(lambda: bench.delivery.held == 5)
        bench.cluster.is_down = False
        del bench.cluster.closed["a"]
        bench.delivery.hurry()
        await bench.until(lambda: len(bench.cluster.stored) == 6)
        await bench.until(lambda: not bench.files())
        await bench.finish()

    run(work)


def test_opens_and_closes_again(tmp_path: Path) -> None:
    """What is refused once more on its way out of a file stays there, and is counted once."""

    async def work() -> None:
        bench = Bench(tmp_path, records=10)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 30)
        await bench.settle()
        await bench.pass_time(AFTER + 1)
        await bench.until(lambda: bench.delivery.held == 30)
        del bench.cluster.closed["a"]
        bench.clock.advance(20.0)
        bench.delivery._held.wake()
        await bench.until(lambda: len(bench.cluster.stored) > 5)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.settle()
        left = 30 - len(bench.cluster.stored)
        assert (bench.delivery.held, bench.delivery.unconfirmed) == (left, 0)
        assert left > 0
        await bench.open("a")
        await bench.until(lambda: not bench.files())
        assert bench.cluster.stored == {("a", id_): 1 for id_ in ids(0, 30)}
        await bench.finish()

    run(work)


@pytest.mark.parametrize("parks", [False, True])
def test_limit_makes_dead_letters(tmp_path: Path, parks: bool) -> None:
    """What stays longer than the limit is a dead letter with the reason; the rest stays held."""

    async def work() -> None:
        bench = Bench(tmp_path, limit=LIMIT if parks else 5.0)
        bench.cluster.closed["a"] = "index_closed_exception"
        receipt = await bench.put("a", 5)
        await bench.settle()
        if parks:
            await bench.pass_time(AFTER + 1)
            await bench.until(lambda: bench.delivery.held == 5)
            await bench.pass_time(LIMIT - 60)
            assert bench.letters.letters == []
        await bench.pass_time(LIMIT if parks else 10.0)
        await bench.until(lambda: len(bench.letters.letters) == 5)
        await bench.until(lambda: not bench.files())
        assert {(one.index, why.type) for one, why in bench.letters.letters} == {
            ("a", "index_closed_exception")
        }
        assert sorted(one.id for one, _ in bench.letters.letters) == ids(0, 5)
        assert receipt.settled == 5
        assert bench.delivery.totals.dead_letters == 5
        assert bench.delivery.held == bench.buffer.used_bytes == 0
        await bench.finish()

    run(work)


def test_clock_jumps_an_hour(tmp_path: Path) -> None:
    """The wall clock going back or forth an hour parks nothing early and gives nothing up."""

    async def work() -> None:
        bench = Bench(tmp_path, limit=10 * LIMIT)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 5)
        await bench.settle()
        for jump in (3600.0, -7200.0):
            bench.clock.seconds += jump
            await bench.pass_time(1.0)
            assert not bench.folder.exists()
        await bench.pass_time(AFTER)
        await bench.until(lambda: bench.delivery.held == 5)
        for jump in (3600.0, -7200.0):
            bench.clock.seconds += jump
            await bench.pass_time(10.0)
        assert bench.letters.letters == []
        await bench.open("a")
        await bench.until(lambda: len(bench.cluster.stored) == 5)
        await bench.finish()

    run(work)


def test_unfamiliar_reason_stays_held_for_a_probe(tmp_path: Path) -> None:
    """A probe that is refused alone for what half a batch was held for is no dead letter."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "strange_exception"
        await bench.put("a", 5)
        await bench.settle()
        bench.cluster.outcome = "rejected"
        for _ in range(5):
            await bench.pass_time(11.0)
        assert (bench.delivery.held, bench.letters.letters) == (5, [])
        await bench.open("a")
        await bench.until(lambda: len(bench.cluster.stored) == 5)
        await bench.finish()

    run(work)


def test_probe_that_the_mapping_refuses_opens(tmp_path: Path) -> None:
    """A probe that is refused for its own fault is rejected alone; the others go."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 5)
        await bench.settle()

        def refuse(documents: Documents) -> BatchResult:
            del bench.cluster.closed["a"]
            return BatchResult(rejected=[Refusal(0, 400, "invalid_index_name_exception", "no")])

        write, bench.cluster.write = bench.cluster.write, None  # type: ignore[assignment,method-assign]

        async def once(documents: Documents) -> BatchResult:
            bench.cluster.write = write  # type: ignore[method-assign]
            return refuse(documents)

        bench.cluster.write = once  # type: ignore[method-assign]
        await bench.pass_time(20.0)
        await bench.until(lambda: len(bench.cluster.stored) == 4)
        assert len(bench.letters.letters) == 1
        await bench.finish()
        assert [receipt.settled for receipt in bench.receipts] == [5]

    run(work)


def test_disk_full(tmp_path: Path) -> None:
    """What cannot be parked waits in memory, unconfirmed, and is parked when it can be."""

    async def work() -> None:
        bench = Bench(tmp_path)
        (tmp_path / "held").write_text("in the way")
        bench.cluster.closed["a"] = "index_closed_exception"
        receipt = await bench.put("a", 5)
        await bench.settle()
        await bench.pass_time(AFTER + 1)
        assert (receipt.settled, bench.delivery.held, bench.delivery.unconfirmed) == (0, 0, 5)
        os.unlink(tmp_path / "held")
        await bench.pass_time(20.0)
        await bench.until(lambda: bench.delivery.held == 5)
        assert receipt.settled == 5
        await bench.finish()

    run(work)


@pytest.mark.parametrize("what", ["files", "folder"])
def test_somebody_removed_the_files(tmp_path: Path, what: str) -> None:
    """What somebody removed is gone; what comes later is parked all the same, and delivered."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 5)
        await bench.settle()
        await bench.pass_time(AFTER + 1)
        await bench.until(lambda: bench.delivery.held == 5)
        for path in bench.files():
            path.unlink()
        if what == "folder":
            bench.folder.rmdir()
        await bench.put("a", 5, 5)
        await bench.settle()
        await bench.pass_time(AFTER + 1)
        await bench.until(lambda: bench.receipts[1].settled == 5)
        assert sorted(bench.envelopes()) == [("a", id_) for id_ in ids(5, 5)]
        for _ in range(3):
            await bench.pass_time(20.0)
        await bench.open("a")
        await bench.until(lambda: len(bench.cluster.stored) >= 5)
        await bench.until(lambda: not bench.files())
        assert {("a", id_) for id_ in ids(5, 5)} <= bench.cluster.stored.keys()
        await bench.finish()

    run(work)


def test_known_to_be_closed_is_not_sent(tmp_path: Path) -> None:
    """While an index says no to everything only probes are sent there, and the others go on."""

    async def work() -> None:
        bench = Bench(tmp_path, buffer_bytes=40_000)
        bench.cluster.closed["a"] = "index_closed_exception"
        await bench.put("a", 10)
        await bench.settle()
        bench.cluster.sent.clear()
        for first in range(10, 1000, 30):
            await bench.put("a", 30, first)
            await bench.put("b", 30, first)
            await bench.settle()
        await bench.until(lambda: len(bench.cluster.stored) == 990)
        assert sum(counts.get("a", 0) for counts in bench.cluster.sent) == 0
        await bench.pass_time(20.0)
        assert sum(counts.get("a", 0) for counts in bench.cluster.sent) == 1
        assert bench.delivery.totals.held >= 1000
        await bench.open("a")
        await bench.until(lambda: len(bench.cluster.stored) == 1990)
        await bench.until(lambda: not bench.files())
        assert set(bench.cluster.stored.values()) == {1}
        await bench.put("a", 5, 5000)
        await bench.until(lambda: len(bench.cluster.stored) == 1995)
        await bench.finish()
        assert [receipt.settled for receipt in bench.receipts] == [
            receipt.owed for receipt in bench.receipts
        ]
        assert (bench.buffer.used_bytes, bench.buffer.used_records) == (0, 0)
        assert bench.delivery._slots.taken == 0

    run(work)


def test_types_that_meet_single_documents_divert_nothing(tmp_path: Path) -> None:
    """What may be about some documents of an index keeps out no others before they were sent."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.closed["a"] = "strange_exception"
        await bench.put("a", 3)
        await bench.settle()
        del bench.cluster.closed["a"]
        await bench.put("a", 3, 3)
        await bench.until(lambda: len(bench.cluster.stored) == 3)
        assert {id_ for _, id_ in bench.cluster.stored} == {*ids(3, 3)}
        await bench.pass_time(20.0)
        await bench.until(lambda: len(bench.cluster.stored) == 6)
        await bench.finish()

    run(work)
