from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from logship.model import BatchResult, Documents, Refusal
from tests.support.holding import AFTER, Bench, ids, run

LIMIT = 3600.0


def test_parked_after_a_while(tmp_path: Path) -> None:
    """What is held for 30 s is in a synced file with index and id, and settled; not before."""

    async def work() -> None:
        bench = Bench(tmp_path)
        receipt = await bench.hold(3)
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
        await bench.park(50)
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
        receipt = await bench.hold(50)
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
        await bench.hold(100)
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
        bench = Bench(tmp_path)
        cluster = bench.cluster
        await bench.park(20)
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
        bench = Bench(tmp_path)
        cluster = bench.cluster
        await bench.park(20)
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
        bench = Bench(tmp_path)
        cluster = bench.cluster
        await bench.hold(5)
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
        await bench.hold(5)
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
        await bench.park(30)
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
        receipt = await bench.hold(5)
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
        await bench.hold(5)
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


@pytest.mark.parametrize("is_parked", [False, True])
def test_what_never_goes_keeps_nothing_else_in(tmp_path: Path, is_parked: bool) -> None:
    """Documents that are refused for ever for what others are refused for now stay alone."""

    async def work() -> None:
        bench = Bench(tmp_path)
        bench.cluster.poison = {*ids(0, 2), *ids(5, 1), *ids(9, 1)}
        bench.cluster.closed["a"] = "null_pointer_exception"
        await bench.put("a", 5)
        await bench.settle()
        if is_parked:
            await bench.pass_time(AFTER)
            await bench.pass_time(3700.0)  # so that what follows is in a file of its own
        await bench.put("a", 5, first=5)
        await bench.settle()
        if is_parked:
            await bench.pass_time(AFTER)
            assert (len(bench.files()), bench.delivery.held) == (2, 10)
        del bench.cluster.closed["a"]
        for _ in range(12):
            await bench.pass_time(11.0)
        stored = {id_ for _, id_ in bench.cluster.stored}
        assert stored == {*ids(0, 10)} - bench.cluster.poison
        bench.cluster.poison = set()
        for _ in range(3):
            await bench.pass_time(11.0)
        assert {id_ for _, id_ in bench.cluster.stored} == {*ids(0, 10)}
        await bench.finish()
        assert bench.letters.letters == []
        assert set(bench.cluster.stored.values()) == {1}

    run(work)


def test_probe_that_the_mapping_refuses_opens(tmp_path: Path) -> None:
    """A probe that is refused for its own fault is rejected alone; the others go."""

    async def work() -> None:
        bench = Bench(tmp_path)
        await bench.hold(5)

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
        receipt = await bench.hold(5)
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
        await bench.park(5)
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
        await bench.hold(10)
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
