"""The queue: bounds, what gives way at them, and numbers that never repeat."""

from __future__ import annotations

import signal
import threading
import time
from typing import Any

import pytest

from logship.handler.document import Encoded
from logship.handler.drops import by_level, by_reason, report_record
from logship.handler.queue import Overflow, Queue

DEBUG, INFO, WARNING, ERROR = 10, 20, 30, 40


def entry(level: int = INFO, size: int = 100) -> Encoded:
    made = Encoded(b"", b"x" * size, level)
    made.size_bytes = size
    return made


def make(overflow: Overflow = "drop_oldest", **bounds: Any) -> Queue:
    bounds = {"max_bytes": 10_000, "max_records": 5, "max_block_seconds": 0.0, **bounds}
    return Queue(overflow=overflow, **bounds)


def put(queue: Queue, *levels: int) -> list[Encoded]:
    entries = [entry(level) for level in levels]
    for one in entries:
        queue.put(one)
    return entries


def test_records_come_out_in_order_with_growing_numbers_and_ids() -> None:
    """First in, first out; ids are fixed where the order is."""
    queue = make()
    entries = put(queue, INFO, INFO, INFO)
    assert queue.take(10, 10_000) == entries
    assert [one.number for one in entries] == [0, 1, 2]
    assert len({one.id for one in entries}) == 3
    assert sorted(one.id for one in entries) == [one.id for one in entries]


def test_the_oldest_give_way() -> None:
    """drop_oldest keeps the newest, and counts what went by reason and level."""
    queue = make("drop_oldest")
    entries = put(queue, DEBUG, ERROR, INFO, INFO, INFO, INFO, INFO)
    assert queue.take(10, 10_000) == entries[2:]
    assert queue.drops.copy() == {("queue_full", DEBUG): 1, ("queue_full", ERROR): 1}
    assert (queue.emitted, queue.dropped) == (7, 2)


def test_the_newest_give_way() -> None:
    """drop_newest keeps the oldest."""
    queue = make("drop_newest")
    entries = put(queue, *[INFO] * 5, ERROR)
    assert queue.take(10, 10_000) == entries[:5]
    assert queue.drops.copy() == {("queue_full", ERROR): 1}


def test_the_lowest_levels_give_way() -> None:
    """drop_low_levels: the lowest first, the oldest of them first; never a higher for a lower."""
    queue = make("drop_low_levels")
    entries = put(queue, DEBUG, ERROR, DEBUG, INFO, WARNING)
    more = put(queue, ERROR, ERROR, INFO, DEBUG)
    kept = {*entries, *more} - {entries[0], entries[2], entries[3], more[3]}
    assert set(queue.take_all()) == kept
    assert queue.drops.copy() == {("queue_full", DEBUG): 3, ("queue_full", INFO): 1}


def test_higher_levels_go_first_under_drop_low_levels() -> None:
    """What is left for last is what would be dropped first."""
    queue = make("drop_low_levels")
    debug, error, info = put(queue, DEBUG, ERROR, INFO)
    assert queue.take(10, 10_000) == [error, info, debug]


def test_bytes_bound_as_records_do() -> None:
    """Room is what is not settled, under way included, in bytes and in records."""
    queue = make(max_bytes=1000, max_records=100)
    for _ in range(3):
        queue.put(entry(size=300))
    (first, _, _) = queue.take(10, 10_000)
    queue.put(entry(size=300))
    assert queue.drops.copy() == {("queue_full", INFO): 1}
    queue.settle(first)
    queue.put(entry(size=300))
    assert queue.dropped == 1
    assert len(queue) == 1


def test_what_can_never_fit_displaces_nothing() -> None:
    """One record larger than all may be together costs only itself."""
    queue = make(max_bytes=1000)
    (small,) = put(queue, INFO)
    queue.put(entry(ERROR, size=1001))
    assert queue.take_all() == [small]
    assert queue.drops.copy() == {("too_large", ERROR): 1}


def test_what_must_stay_stays() -> None:
    """Reports, and what another handler could not deliver, pass every bound."""
    queue = make("drop_newest")
    put(queue, *[INFO] * 5)
    report = Encoded(b"", b"report", WARNING, must_stay=True)
    queue.put(report)
    assert queue.take_all()[-1] is report
    assert queue.dropped == 0


def test_block_waits_for_room_and_no_longer_than_it_may() -> None:
    """A caller under "block" goes on when room is made, or its time is over."""
    queue = make("block", max_records=1, max_block_seconds=30.0)
    (first,) = put(queue, INFO)
    waiting = threading.Thread(target=put, args=(queue, INFO))
    waiting.start()
    for one in queue.take(1, 1000):
        queue.settle(one)
    waiting.join(20)
    assert not waiting.is_alive()
    assert (queue.dropped, first.number) == (0, 0)
    hasty = make("block", max_records=1, max_block_seconds=0.01)
    put(hasty, INFO, ERROR)
    assert hasty.drops.copy() == {("queue_full", ERROR): 1}


@pytest.mark.parametrize("overflow", ["block", "spool"])
def test_callers_who_wait_together_drop_nothing(overflow: Overflow) -> None:
    """Room that one of several waiting callers takes is waited for again by the others."""
    queue = make(overflow, max_block_seconds=60.0, spool_seconds=60.0)
    threads = [threading.Thread(target=put, args=(queue, *[INFO] * 100)) for _ in range(8)]
    for thread in threads:
        thread.start()
    taken = 0
    while any(thread.is_alive() for thread in threads) or len(queue):
        for one in queue.take(1, 1000):
            queue.settle(one)
            taken += 1
    assert (taken, queue.dropped) == (800, 0)


def test_who_waits_already_waits_no_second_time() -> None:
    """A signal handler that logs while its thread waits for room leaves it to the policy."""
    queue = make("block", max_records=1, max_block_seconds=60.0)
    (first,) = put(queue, INFO)

    def on_signal(number: int, frame: object) -> None:
        put(queue, ERROR)
        assert queue.take(1, 1000) == [first]
        queue.settle(first)

    before = signal.signal(signal.SIGALRM, on_signal)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        put(queue, WARNING)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert queue.drops.copy() == {("queue_full", ERROR): 1}
    assert [one.level for one in queue.take(9, 1000)] == [WARNING]


def test_a_spool_that_takes_nothing_is_not_waited_for() -> None:
    """The oldest give way at once while the spool is full."""
    queue = make("spool", max_records=1)
    queue.spool_takes = False
    began = time.monotonic()
    put(queue, *[INFO] * 100)
    assert queue.dropped == 99
    assert time.monotonic() - began < 0.5


def test_what_can_never_fit_is_not_waited_for() -> None:
    """A record beyond the bound in bytes is dropped at once, also under "block"."""
    queue = make("block", max_bytes=500, max_block_seconds=60.0)
    queue.put(entry(size=501))
    assert queue.drops.copy() == {("too_large", INFO): 1}


def test_a_put_inside_of_a_put_is_admitted_next() -> None:
    """A finaliser that logs while its thread is inside gets a number and a place of its own."""
    queue = make(max_records=3)
    inner: list[Encoded] = []

    class Talkative(Encoded):
        """Stands for what the collector may run between any two instructions."""

        def fix(self, number: int) -> None:
            inner.extend(put(queue, ERROR))
            super().fix(number)

    before = put(queue, INFO)
    queue.put(Talkative(b"", b"", INFO))
    after = put(queue, INFO, INFO)
    assert [one.number for one in (*before, *inner, *after)] == [0, 2, 3, 4]
    assert queue.take_all() == [*inner, *after]
    assert (queue.emitted, queue.dropped) == (5, 2)


def test_threads_share_numbers_and_lose_nothing() -> None:
    """Producers in many threads, a consumer beside them: every record once, in order per thread."""
    queue = make(max_bytes=1 << 30, max_records=1 << 30)
    made: list[list[Encoded]] = []

    def produce() -> None:
        made.append(put(queue, *[INFO] * 2000))

    threads = [threading.Thread(target=produce) for _ in range(4)]
    for thread in threads:
        thread.start()
    taken: list[Encoded] = []
    while any(thread.is_alive() for thread in threads) or len(queue):
        taken += queue.take(100, 1 << 20)
    for thread in threads:
        thread.join()
    assert len(taken) == 8000
    assert sorted(one.number for one in taken) == list(range(8000))
    assert set(taken) == {one for entries in made for one in entries}
    for entries in made:
        assert [one.number for one in entries] == sorted(one.number for one in entries)


def test_done_before_a_number() -> None:
    """Whether all that was emitted before a moment has left the queue."""
    queue = make()
    put(queue, INFO, INFO)
    number = queue.next_number()
    put(queue, INFO)
    assert not queue.is_done_before(number)
    queue.take(2, 10_000)
    assert queue.is_done_before(number)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_low_levels"])
def test_put_back_keeps_order(overflow: Overflow) -> None:
    """What was taken and could not be used comes first again."""
    queue = make(overflow)
    entries = put(queue, INFO, INFO, INFO)
    queue.put_back(queue.take(2, 10_000))
    assert queue.take_all() == entries


def test_the_report_says_how_many_of_what_and_when() -> None:
    """One record tells reasons, levels and the time between first and last."""
    queue = make("drop_newest", max_records=1)
    put(queue, ERROR, DEBUG, DEBUG, INFO)
    tally = queue.drops.copy()
    assert by_reason(tally) == {"queue_full": 3}
    assert by_level(tally) == {"INFO": 1, "DEBUG": 2}
    record = report_record(tally, 0.0, 90.5)
    assert record.getMessage() == (
        "3 records were dropped between 1970-01-01T00:00:00.000Z and 1970-01-01T00:01:30.500Z: "
        "3 queue_full (1 INFO, 2 DEBUG)."
    )
