from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from logship.buffer import Buffer
from tests.support.fakes import FakeClock, make_documents, numbers_of

SIZE = make_documents(1)[0].size_bytes


def buffer_of(clock: FakeClock | None = None, **bounds: Any) -> Buffer:
    defaults: dict[str, Any] = {
        "max_bytes": 10**9,
        "batch_bytes": 10**9,
        "batch_records": 10**9,
        "batch_age_seconds": 3600.0,
    }
    return Buffer(clock=clock or FakeClock(), **{**defaults, **bounds})


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(5):
            return await work()

    return asyncio.run(within())


async def settled(task: asyncio.Task[Any]) -> bool:
    """Whether *task* is done after everything that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)
    return task.done()


def test_full_means_wait_until_something_is_settled() -> None:
    """A source that finds no room waits, and goes on as soon as there is some."""

    async def work() -> None:
        buffer = buffer_of(max_bytes=2 * SIZE)
        await buffer.put(make_documents(1)[0])
        await buffer.put(make_documents(3)[0])  # any room lets one chunk in
        assert (buffer.used_bytes, buffer.used_records) == (4 * SIZE, 4)
        waiting = [asyncio.create_task(buffer.put(make_documents(1)[0])) for _ in range(3)]
        assert not await settled(waiting[0])
        buffer.release(2 * SIZE, 2)
        assert not await settled(waiting[0])
        buffer.release(SIZE, 1)
        assert await settled(waiting[0])
        assert not await settled(waiting[1])
        assert buffer.used_records == 2
        buffer.release(2 * SIZE, 2)
        await asyncio.gather(*waiting)
        assert (buffer.used_bytes, buffer.used_records) == (2 * SIZE, 2)

    run(work)


def test_what_is_in_flight_counts() -> None:
    """Taking a batch makes no room: only settling it does."""

    async def work() -> None:
        buffer = buffer_of(max_bytes=SIZE, batch_records=1)
        await buffer.put(make_documents(1)[0])
        assert await buffer.ready()
        batch = buffer.take()
        waiting = asyncio.create_task(buffer.put(make_documents(1)[0]))
        assert not await settled(waiting)
        buffer.release(batch.size_bytes, len(batch))
        await waiting

    run(work)


def test_cancelled_while_waiting_nothing_was_added() -> None:
    """A source that is stopped in front of a full buffer leaves no trace in it."""

    async def work() -> None:
        buffer = buffer_of(max_bytes=SIZE)
        await buffer.put(make_documents(1)[0])
        waiting = asyncio.create_task(buffer.put(make_documents(1, first=1)[0]))
        other = asyncio.create_task(buffer.put(make_documents(1, first=2)[0]))
        assert not await settled(waiting)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        buffer.release(SIZE, 1)
        await other
        buffer.close()
        assert await buffer.ready()
        assert numbers_of(buffer.take()) == [0, 2]
        assert buffer.used_records == 1

    run(work)


def test_batch_goes_when_full_by_count() -> None:
    """As many records as a batch may have make it ready."""

    async def work() -> None:
        buffer = buffer_of(batch_records=3)
        await buffer.put(make_documents(2)[0])
        ready = asyncio.create_task(buffer.ready())
        assert not await settled(ready)
        await buffer.put(make_documents(3, first=2)[0])
        assert await ready
        assert numbers_of(buffer.take()) == [0, 1, 2]
        assert not await settled(asyncio.create_task(buffer.ready()))

    run(work)


def test_batch_goes_when_full_by_bytes() -> None:
    """As many bytes as a batch may have make it ready, and it never has more."""

    async def work() -> None:
        buffer = buffer_of(batch_bytes=3 * SIZE - 1)
        await buffer.put(make_documents(2)[0])
        ready = asyncio.create_task(buffer.ready())
        assert not await settled(ready)
        await buffer.put(make_documents(2, first=2)[0])
        assert await ready
        batch = buffer.take()
        assert numbers_of(batch) == [0, 1]
        assert batch.size_bytes == 2 * SIZE

    run(work)


def test_batch_goes_when_old() -> None:
    """Age is measured from when the oldest record was read, not from when it was put."""

    async def work() -> None:
        clock = FakeClock()
        buffer = buffer_of(clock, batch_age_seconds=1.0)
        clock.advance(10.0)
        await buffer.put(make_documents(1, read_at=9.5)[0])
        ready = asyncio.create_task(buffer.ready())
        assert not await settled(ready)
        clock.advance(0.5)
        await buffer.put(make_documents(1, first=1, read_at=10.5)[0])
        assert await ready
        assert numbers_of(buffer.take()) == [0, 1]

    run(work)


def test_age_alone_wakes_who_waits() -> None:
    """Nothing more has to arrive for an old batch to go."""

    async def work() -> None:
        buffer = buffer_of(batch_age_seconds=0.01)
        await buffer.put(make_documents(1)[0])
        started = asyncio.get_running_loop().time()
        waiting = asyncio.create_task(buffer.ready())
        while not waiting.done() and asyncio.get_running_loop().time() < started + 0.05:
            await asyncio.wait([waiting], timeout=0.02)
            # Time is the test's: the buffer wakes by the machine's and asks the clock again.
            buffer._clock.advance(0.02)  # type: ignore[attr-defined]
        assert await waiting

    run(work)


def test_hurry_sends_what_is_there_once() -> None:
    """A hurried buffer gives out what it has at once, and then waits again."""

    async def work() -> None:
        buffer = buffer_of(batch_records=10)
        buffer.hurry()
        await buffer.put(make_documents(1)[0])
        assert await buffer.ready()
        assert numbers_of(buffer.take()) == [0]
        await buffer.put(make_documents(1)[0])
        assert not await settled(asyncio.create_task(buffer.ready()))

    run(work)


def test_closed_buffer_gives_out_the_rest_and_ends() -> None:
    """After closing everything goes at once, and then there is nothing more."""

    async def work() -> None:
        buffer = buffer_of(batch_records=2)
        ready = asyncio.create_task(buffer.ready())
        assert not await settled(ready)
        await buffer.put(make_documents(3)[0])
        buffer.close()
        assert await ready
        assert numbers_of(buffer.take()) == [0, 1]
        assert await buffer.ready()
        assert numbers_of(buffer.take()) == [2]
        assert not await buffer.ready()

    run(work)


def test_closing_wakes_who_waits_for_more() -> None:
    """An empty buffer that is closed ends the loop that waits for it."""

    async def work() -> None:
        buffer = buffer_of()
        ready = asyncio.create_task(buffer.ready())
        assert not await settled(ready)
        buffer.close()
        assert not await ready

    run(work)


def test_waiting_for_a_batch_can_be_cancelled() -> None:
    """Cancelled while it waits, the loop leaves the buffer as it was."""

    async def work() -> None:
        buffer = buffer_of()
        await buffer.put(make_documents(1)[0])
        ready = asyncio.create_task(buffer.ready())
        assert not await settled(ready)
        ready.cancel()
        with pytest.raises(asyncio.CancelledError):
            await ready
        buffer.close()
        assert await buffer.ready()
        assert numbers_of(buffer.take()) == [0]

    run(work)


def test_document_larger_than_a_batch_goes_alone() -> None:
    """What no batch can hold is a batch of its own, between its neighbours."""

    async def work() -> None:
        buffer = buffer_of(batch_bytes=2 * SIZE)
        await buffer.put(make_documents(1)[0])
        await buffer.put(make_documents(2, first=1, length=1000)[0])
        await buffer.put(make_documents(1, first=3)[0])
        buffer.close()
        found = []
        while await buffer.ready():
            found.append(numbers_of(buffer.take()))
        assert found == [[0], [1], [2], [3]]

    run(work)


def test_requeued_waits_for_the_next_batch() -> None:
    """What is queued again counts as it was said, and rides with the next batch."""

    async def work() -> None:
        clock = FakeClock()
        buffer = buffer_of(clock, max_bytes=2 * SIZE, batch_records=3)
        await buffer.put(make_documents(2)[0])
        buffer.hurry()
        assert await buffer.ready()
        taken = buffer.take()
        clock.advance(1.0)
        changed = make_documents(1, first=7, read_at=1.0)[0]
        buffer.charge(changed.size_bytes, 0)
        buffer.requeue(changed, since=0.5)
        assert (buffer.used_bytes, buffer.used_records) == (3 * SIZE, 2)
        waiting = asyncio.create_task(buffer.ready())
        assert not await settled(waiting)
        buffer.release(taken.size_bytes, 1)
        await buffer.put(make_documents(2)[0])
        assert await waiting
        assert numbers_of(buffer.take()) == [7, 0, 1]

    run(work)


def test_requeue_what_was_hurried() -> None:
    """What was there when it was hurried goes at once also after it was queued again."""

    async def work() -> None:
        clock = FakeClock()
        buffer = buffer_of(clock)
        await buffer.put(make_documents(1)[0])
        clock.advance(1.0)
        buffer.hurry()
        assert await buffer.ready()
        buffer.take()
        clock.advance(1.0)
        buffer.requeue(make_documents(1, first=7, read_at=2.0)[0], since=0.0)
        assert await buffer.ready()
        assert numbers_of(buffer.take()) == [7]

    run(work)
