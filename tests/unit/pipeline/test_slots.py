from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from logship.pipeline.slots import Slots


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(5):
            return await work()

    return asyncio.run(within())


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.parametrize(("upper", "limit"), [(1, 1), (2, 2), (16, 2)])
def test_begins_small(upper: int, limit: int) -> None:
    """Two at once at the beginning, fewer where no more are allowed."""
    assert Slots(upper).limit == limit


def test_grows_by_one_for_as_many_successes_and_halves() -> None:
    """Additive increase up to the upper end, multiplicative decrease down to one."""
    slots = Slots(4)
    limits = []
    for _ in range(8):
        slots.succeeded(100, 0.0, 0.0)
        limits.append(slots.limit)
    assert limits == sorted(limits)
    assert limits[-1] == 4
    assert limits[0] == 2
    slots.overloaded(0.0, 1.0)
    assert slots.limit == 2
    for second in range(1, 6):
        slots.overloaded(second, second + 1)
    assert slots.limit == 1


def test_one_decrease_for_what_was_under_way_together() -> None:
    """Four requests that fail together halve once: the last three began before the first failed."""
    slots = Slots(8)
    for _ in range(40):
        slots.succeeded(100, 0.0, 0.0)
    for _ in range(4):
        slots.overloaded(1.0, 2.0)
    assert slots.limit == 4
    slots.overloaded(2.5, 3.0)
    assert slots.limit == 2


def test_rising_latency_decreases() -> None:
    """Requests that take clearly longer than others of their size are answered with fewer."""
    slots = Slots(8)
    now = 0.0
    for _ in range(40):
        slots.succeeded(5_000_000, now, now + 0.1)
        now += 0.1
    assert slots.limit == 8
    slots.succeeded(5_000_000, now, now + 1.0)
    assert slots.limit == 6
    for _ in range(10):
        now += 1.0
        slots.succeeded(5_000_000, now, now + 0.1)
    assert slots.limit == 7


def test_latency_that_is_usual_is_no_reason() -> None:
    """A slow server is used as much as a quick one, and large requests may take longer."""
    slots = Slots(4)
    now = 0.0
    for _ in range(40):
        slots.succeeded(5_000_000, now, now + 5.0)
        slots.succeeded(5_000, now, now + 0.02)
        now += 5.0
    assert slots.limit == 4


def test_short_waits_are_no_reason() -> None:
    """What stays within a tenth of a second above the usual is noise."""
    slots = Slots(4)
    for number in range(40):
        slots.succeeded(100, number, number + (0.001 if number % 4 else 0.09))
    assert slots.limit == 4


def test_slow_for_good_becomes_usual() -> None:
    """When a server has become slower for good, requests grow again in number."""
    slots = Slots(4)
    now = 0.0
    for seconds in [0.1] * 20 + [2.0] * 40:
        slots.succeeded(100, now, now + seconds)
        now += seconds
    assert slots.limit == 4


def test_first_come_first_served() -> None:
    """Whoever waits longest is next, also before somebody who comes when a slot gets free."""

    async def work() -> list[int]:
        slots, order = Slots(1), []

        async def take(number: int) -> None:
            await slots.acquire()
            order.append(number)

        await slots.acquire()
        for number in range(3):
            asyncio.create_task(take(number))  # noqa: RUF006 (the loop ends after them)
            await turns(1)
        slots.release()
        late = asyncio.create_task(take(3))
        for _ in range(3):
            await turns()
            slots.release()
        await late
        return order

    assert run(work) == [0, 1, 2, 3]


def test_more_room_wakes_who_waits() -> None:
    """A success that raises the limit lets a waiting one in without any release."""

    async def work() -> None:
        slots = Slots(3)
        await slots.acquire()
        await slots.acquire()
        waiting = asyncio.create_task(slots.acquire())
        await turns()
        assert not waiting.done()
        slots.succeeded(100, 0.0, 0.0)
        slots.succeeded(100, 0.0, 0.0)
        slots.succeeded(100, 0.0, 0.0)
        await waiting
        assert (slots.taken, slots.limit) == (3, 3)

    run(work)


def test_cancelled_in_the_queue_takes_nothing() -> None:
    """Who stops waiting is passed over."""

    async def work() -> None:
        slots = Slots(1)
        await slots.acquire()
        first, second = (asyncio.create_task(slots.acquire()) for _ in range(2))
        await turns()
        first.cancel()
        slots.release()  # before the cancelled one has run
        await second
        assert slots.taken == 1
        with pytest.raises(asyncio.CancelledError):
            await first

    run(work)


def test_cancelled_with_a_slot_just_given_gives_it_back() -> None:
    """A slot given in the same moment as the cancellation is not lost."""

    async def work() -> None:
        slots = Slots(1)
        await slots.acquire()
        first, second = (asyncio.create_task(slots.acquire()) for _ in range(2))
        await turns()
        slots.release()
        first.cancel()
        await second
        assert slots.taken == 1

    run(work)


def test_never_more_than_the_limit() -> None:
    """Whatever comes, goes and is cancelled, the limit holds and nothing is lost."""

    async def work() -> None:
        chance, slots = random.Random(7), Slots(5)
        holding, most = 0, [0]

        async def use() -> None:
            nonlocal holding
            await slots.acquire()
            holding += 1
            most.append(max(holding, slots.taken))
            try:
                await turns(chance.randrange(5))
            finally:
                holding -= 1
                slots.release()
            (slots.overloaded if chance.random() < 0.2 else slots.succeeded)()

        tasks = []
        for _ in range(300):
            tasks.append(asyncio.create_task(use()))
            if chance.random() < 0.3:
                chance.choice(tasks).cancel()
            await turns(chance.randrange(3))
        await asyncio.gather(*tasks, return_exceptions=True)
        assert max(most) <= 5
        assert slots.taken == 0
        assert not slots._waiting

    run(work)
