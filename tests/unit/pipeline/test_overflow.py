from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import orjson
import pytest

from logship.buffer import Buffer
from logship.model import Documents, action_head
from logship.pipeline.overflow import Overflow, SpoolIntake
from logship.pipeline.reports import Reports
from logship.settings.model import IndexSettings
from tests.support.fakes import FakeClock, FakeReceipt, make_documents, numbers_of

SIZE = make_documents(1)[0].size_bytes


class Setting:
    """A buffer with room for ten records, and the way into it."""

    def __init__(self, policy: Literal["drop_oldest", "drop_newest", "spool"], folder: Path,
                 pool: ThreadPoolExecutor, max_bytes: int = 1 << 20) -> None:  # fmt: skip
        self.clock, self.folder = FakeClock(), folder / "spool"
        self.buffer = Buffer(
            max_bytes=10 * SIZE, batch_bytes=10**9, batch_records=10**9, batch_age_seconds=3600.0,
            clock=self.clock,
        )  # fmt: skip
        self.dropped = 0
        reports = Reports(IndexSettings(), "flat", host_name="here", clock=self.clock)
        self.overflow = Overflow(
            self.buffer, policy, reports=reports, dropped=self._count, clock=self.clock,
            directory=self.folder, max_bytes=max_bytes, pool=pool,
        )  # fmt: skip

    def _count(self, count: int) -> None:
        self.dropped += count

    def take(self) -> Documents:
        self.buffer.hurry()
        return self.buffer.take()

    def put_aside(self) -> list[int]:
        """The numbers of what is in the spool's files."""
        lines = [
            line
            for path in sorted(self.folder.glob("*.ndjson"))
            for line in path.read_bytes().splitlines()
        ]
        return [orjson.loads(line)["doc"]["n"] for line in lines]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def within() -> Any:
        async with asyncio.timeout(10):
            return await work()

    return asyncio.run(within())


async def put(setting: Setting, *counts: int) -> list[FakeReceipt]:
    """Put chunks of so many records, numbered through."""
    receipts, first = [], 0
    for count in counts:
        documents, receipt = make_documents(count, first=first)
        await setting.overflow.put(documents)
        receipts.append(receipt)
        first += count
    return receipts


def test_newest_is_dropped_and_settled(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """What finds no room is paid for and counted; what is in the buffer stays there."""

    async def work() -> None:
        setting = Setting("drop_newest", tmp_path, pool)
        receipts = await put(setting, 6, 6, 3, 2)
        assert [receipt.settled for receipt in receipts] == [0, 0, 3, 2]
        assert setting.dropped == 5
        assert numbers_of(setting.take()) == list(range(12))

    run(work)


def test_oldest_is_dropped_but_never_what_is_under_way(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """What was in a request, or waits to be in another, is not dropped; then the newest is."""

    async def work() -> None:
        setting = Setting("drop_oldest", tmp_path, pool)
        await put(setting, 4)
        under_way = setting.take()
        setting.buffer.requeue(under_way, since=0.0)
        receipts = await put(setting, 4, 4, 4)
        assert [receipt.settled for receipt in receipts] == [4, 0, 0]
        assert setting.dropped == 4
        assert numbers_of(setting.take()) == [*range(4), *range(4, 12)]
        assert setting.buffer.used_records == 12
        (receipt,) = await put(setting, 3)
        assert receipt.settled == 3
        assert setting.buffer.used_records == 12

    run(work)


def test_report_says_how_many_why_and_when(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """One document for all that was dropped until there was room; then none until the next."""

    async def work() -> None:
        setting = Setting("drop_newest", tmp_path, pool)
        await put(setting, 12, 3)
        setting.clock.advance(60)
        await put(setting, 2)
        setting.take()
        setting.buffer.release(12 * SIZE, 12)
        await setting.overflow.settle()
        await setting.overflow.settle()
        reports = setting.take()
        assert len(reports) == 1
        found = reports.document(0)
        record = orjson.loads(found.source)
        day = record["@timestamp"][:10].replace("-", ".")
        assert (found.index, record["level"]) == (f"logs-{day}", "WARNING")
        assert record["logger"] == "logship"
        assert record["host.name"] == "here"
        extra = record["extra"]
        assert (extra["dropped_records"], extra["dropped_by_reason"]) == (5, {"buffer_full": 5})
        assert extra["dropped_first"] < extra["dropped_last"] == record["@timestamp"]
        reports.settle()

    run(work)


def test_outage_ends_in_one_report(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """While records are dropped there is one report a minute, and none of them is dropped."""

    async def work() -> None:
        setting = Setting("drop_oldest", tmp_path, pool)
        for _ in range(130):
            await put(setting, 4, 4)
            setting.clock.advance(1.0)
            await setting.overflow.look()
        left = setting.take()
        setting.buffer.release(left.size_bytes, len(left))
        await setting.overflow.look()
        await setting.overflow.look()
        found = [orjson.loads(left.document(i).source) for i in range(len(left))]
        last = setting.take()
        found.append(orjson.loads(last.document(0).source))
        reported = [one["extra"]["dropped_records"] for one in found if "extra" in one]
        assert len(reported) == 3
        assert sum(reported) == setting.dropped == 130 * 8 - len([1 for one in found if "n" in one])

    run(work)


def test_what_is_put_aside_is_durable_before_it_is_settled(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """With its index and id, in a file that is there whatever happens next."""

    async def work() -> None:
        setting = Setting("spool", tmp_path, pool)
        receipts = await put(setting, 12, 3, 2)
        assert [receipt.settled for receipt in receipts] == [0, 3, 2]
        assert setting.put_aside() == [12, 13, 14, 15, 16]
        assert setting.dropped == 0
        setting.overflow.close()

    run(work)


@pytest.mark.parametrize("trouble", ["full", "no folder"])
def test_what_cannot_be_put_aside_waits(
    tmp_path: Path, pool: ThreadPoolExecutor, trouble: str, caplog: pytest.LogCaptureFixture
) -> None:
    """At the bound, and where nothing can be written, putting waits for the buffer."""

    async def work() -> None:
        setting = Setting("spool", tmp_path, pool, max_bytes=10 if trouble == "full" else 1 << 20)
        if trouble != "full":
            setting.folder.write_text("in the way")
        await put(setting, 12)
        documents, receipt = make_documents(3, first=12)
        waiting = asyncio.create_task(setting.overflow.put(documents))
        while True:
            await asyncio.sleep(0)
            if "cannot be put aside" in caplog.text:
                break
        assert not waiting.done()
        assert receipt.settled == 0
        setting.take()
        setting.buffer.release(12 * SIZE, 12)
        await waiting
        assert receipt.settled == 0
        assert numbers_of(setting.take()) == [12, 13, 14]
        setting.overflow.close()

    run(work)


def test_what_is_too_old_is_not_put_aside(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """An envelope does not tell that a record is older than the retention: it would be stored."""

    async def work() -> None:
        setting = Setting("spool", tmp_path, pool)
        await put(setting, 12)
        documents, receipt = make_documents(3, first=12)
        documents.heads[1] = action_head("logs-old", b"seed", with_id=True, is_expired=True)
        waiting = asyncio.create_task(setting.overflow.put(documents))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        setting.take()
        setting.buffer.release(12 * SIZE, 12)
        await waiting
        assert numbers_of(setting.take()) == [13, 12, 14]
        assert receipt.settled == 0
        setting.overflow.close()

    run(work)


def test_what_was_put_aside_leaves_half_of_the_buffer_free(
    tmp_path: Path, pool: ThreadPoolExecutor
) -> None:
    """Else all that is read would be put aside until the spool is empty."""

    async def work() -> None:
        setting = Setting("spool", tmp_path, pool)
        await put(setting, 6)
        waiting = asyncio.create_task(SpoolIntake(setting.buffer).put(make_documents(1)[0]))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        setting.take()
        setting.buffer.release(2 * SIZE, 2)
        await waiting
        assert setting.buffer.used_records == 5
        setting.overflow.close()

    run(work)
