"""``LogCollector`` against a server that misbehaves."""

from __future__ import annotations

import asyncio
import enum
import logging
import time
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import logship
from logship.handler import collector as module
from tests.support.elastic_fake import ElasticFake
from tests.support.node import NodeProcess, post
from tests.support.wait import wait_until


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as running:
        yield running


def run(
    work: Callable[[logship.LogCollector], Coroutine[Any, Any, Any]],
    url: str,
    *args: Any,
    timeout: float = 5.0,
) -> logship.LogCollector:
    """Do *work* with a collector and close it."""

    async def main() -> logship.LogCollector:
        collector = logship.LogCollector("orders", url, *args)
        await collector.initialize()
        await work(collector)
        await collector.close(timeout)
        return collector

    return asyncio.run(main())


async def eventually(holds: Callable[[], object]) -> None:
    await asyncio.to_thread(wait_until, holds, "it does not hold")


async def many(collector: logship.LogCollector, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        await collector.log("INFO", f"m{number}")


class Level(enum.StrEnum):
    ERROR = "ERROR"


class TestLog:
    def test_document(self, fake: ElasticFake) -> None:
        """A record arrives in the flat schema, in the index of its day."""

        async def work(collector: logship.LogCollector) -> None:
            await collector.log(
                "info",
                "order placed",
                trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
                span_id="00f067aa0ba902b7",
                user_id=7,
                request_id="r-1",
                extra={"order_id": "o-17", "name": "n", "odd": object, "level": "high"},
            )

        run(work, fake.url)
        ((index, id_), found), *none = fake.documents.items()
        assert none == []
        assert index == f"logs-{found['@timestamp'][:10].replace('-', '.')}"
        assert id_
        assert {
            "level": "INFO",
            "service": "orders",
            "message": "order placed",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
            "span_id": "00f067aa0ba902b7",
            "user_id": 7,
            "request_id": "r-1",
            "extra": {
                "order_id": "o-17",
                "name": "n",
                "odd": "<class 'object'>",
                "level": "high",
            },
        }.items() <= found.items()

    def test_context(self, fake: ElasticFake) -> None:
        """Without ids of its own a record has the trace and the fields of here."""
        seen: list[str] = []

        async def work(collector: logship.LogCollector) -> None:
            with logship.trace() as here, logship.bind(user_id="u1"):
                seen.append(here.trace_id)
                await collector.log("INFO", "inside")

        run(work, fake.url)
        (found,) = fake.documents.values()
        assert (found["trace_id"], found["user_id"]) == (seen[0], "u1")

    @pytest.mark.parametrize(
        ("level", "name"),
        [
            ("warn", "WARNING"),
            (Level.ERROR, "ERROR"),
            (logging.CRITICAL, "CRITICAL"),
            ("audit", "AUDIT"),
            (None, "INFO"),
        ],
    )
    def test_level(self, fake: ElasticFake, level: object, name: str) -> None:
        """Levels come as names in any case, members of enumerations, or numbers."""
        run(lambda collector: collector.log(level, "x"), fake.url)
        (found,) = fake.documents.values()
        assert found["level"] == name

    def test_without_initialize(self, fake: ElasticFake) -> None:
        """The first record does what ``initialize`` would, and ``start_flush_loop`` no more."""

        async def main() -> None:
            async with logship.LogCollector("orders", fake.url) as collector:
                loop = asyncio.create_task(collector.start_flush_loop())
                await collector.log("INFO", "one")
                await loop
                assert await collector.flush()
                assert collector.delivered == 1

        asyncio.run(main())
        assert fake.found() == {"one": 1}


class TestBatches:
    def test_by_count(self, fake: ElasticFake) -> None:
        """A batch goes when it has ``buffer_size`` records, however young."""

        async def work(collector: logship.LogCollector) -> None:
            await many(collector, 250)
            await eventually(lambda: len(fake.documents) == 200)
            assert fake.bulks == 2

        run(work, fake.url, 100, 3600.0)
        assert fake.bulks == 3
        assert len(fake.documents) == 250

    def test_by_age(self, fake: ElasticFake) -> None:
        """A batch goes when its first record is ``flush_interval`` old, however few."""

        async def work(collector: logship.LogCollector) -> None:
            await many(collector, 3)
            await eventually(lambda: fake.documents)

        run(work, fake.url, 100, 0.05)
        assert fake.bulks == 1

    def test_never_waits_for_the_server(self, fake: ElasticFake) -> None:
        """``log`` returns at once while the server hangs."""
        fake.fault = "hang"

        async def work(collector: logship.LogCollector) -> None:
            slowest = 0.0
            for number in range(500):
                started = time.perf_counter()
                await collector.log("INFO", f"m{number}")
                slowest = max(slowest, time.perf_counter() - started)
                await asyncio.sleep(0)
            assert slowest < 0.25

        run(work, fake.url, timeout=0.1)


class TestTrouble:
    @pytest.mark.parametrize(
        "faults",
        [["503", "503"], ["cut"], ["garbage", "cut"], ["throttle", "throttle"], ["cut", "503"]],
    )
    def test_nothing_lost(self, fake: ElasticFake, faults: list[str]) -> None:
        """A flush that fails is tried again until all is stored, each record once."""
        fake.script.extend(faults)
        done = run(lambda collector: many(collector, 300), fake.url, 100, 0.05, timeout=20.0)
        assert fake.found() == {f"m{number}": 1 for number in range(300)}
        assert (done.delivered, done.dropped) == (300, 0)

    def test_absent(self, capfd: pytest.CaptureFixture[str]) -> None:
        """An absent Elasticsearch is said once, and again at the end what is lost of it."""

        async def work(collector: logship.LogCollector) -> None:
            await many(collector, 5)
            await collector.flush(0.6)  # tried more than once meanwhile

        done = run(work, "http://127.0.0.1:1", timeout=0.1)
        first, last, *none = capfd.readouterr().err.splitlines()
        assert none == []
        assert "http://127.0.0.1:1 cannot be used" in first
        assert "0 records delivered, 0 rejected, 5 lost" in last
        assert done.dropped == 5

    def test_later(self, capfd: pytest.CaptureFixture[str]) -> None:
        """When it comes later everything is delivered, with that one line."""
        fake = ElasticFake()
        fake.start()
        fake.stop()

        async def work(collector: logship.LogCollector) -> None:
            await many(collector, 5)
            assert not await collector.flush(0.3)
            fake.start()

        try:
            run(work, fake.url, timeout=20.0)
            assert len(fake.documents) == 5
        finally:
            fake.close()
        assert len(capfd.readouterr().err.splitlines()) == 1

    def test_rejected(self, fake: ElasticFake, capfd: pytest.CaptureFixture[str]) -> None:
        """What Elasticsearch refuses for good is counted and said."""
        fake.fault = "reject"
        run(lambda collector: many(collector, 3), fake.url)
        assert "3 rejected, 0 lost" in capfd.readouterr().err

    def test_full(
        self,
        fake: ElasticFake,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Beyond the bound new records are dropped, counted, and the count is shipped."""
        monkeypatch.setattr(module, "MAX_BYTES", 2000)
        fake.fault = "503"

        async def work(collector: logship.LogCollector) -> None:
            await many(collector, 100)
            assert 0 < collector.dropped < 100
            fake.fault = ""
            assert await collector.flush(15)
            await collector.log("INFO", "after")

        done = run(work, fake.url, 10, 0.05, timeout=20.0)
        reports = [one for one in fake.documents.values() if "were dropped" in one["message"]]
        assert [one["extra"] for one in reports] == [{"dropped": done.dropped}]
        assert len(fake.documents) == 100 - done.dropped + 2
        assert caplog.text.count("are dropped") == 1

    def test_closed(self, fake: ElasticFake) -> None:
        """Closing twice is harmless; a record after that is counted as dropped."""

        async def work(collector: logship.LogCollector) -> None:
            await collector.close()
            await collector.log("INFO", "late")
            assert collector.dropped == 1

        run(work, fake.url)
        assert fake.documents == {}


def test_finds_what_it_shipped() -> None:
    """Records that were logged are found by query, level, service and range, newest first."""
    found: dict[str, list[str]] = {}

    async def work(collector: logship.LogCollector) -> None:
        for number, level in enumerate(("INFO", "error", "INFO")):
            await collector.log(level, f"order {number} placed", extra={"number": number})
            assert await collector.flush(15)  # the order of one millisecond is not promised
        await asyncio.to_thread(post, f"{node.url}/logs-*/_refresh")
        now = datetime.now(UTC)
        for name, options in {
            "all": {"query": "order"},
            "error": {"query": "", "level": "Error"},
            "number": {"query": "extra.number:[1 TO 5]", "service": "orders"},
            "service": {"query": "*", "service": "others"},
            "range": {"query": "order", "start_time": now - timedelta(hours=1), "end_time": now},
            "past": {"query": "order", "end_time": now - timedelta(hours=1)},
            "limit": {"query": "order", "limit": 1},
        }.items():
            hits = await collector.search_logs(**options)  # type: ignore[arg-type]
            assert all(hit["_source"]["timestamp"].endswith("Z") for hit in hits)
            found[name] = [hit["_source"]["message"].split()[1] for hit in hits]

    with NodeProcess() as node:
        run(work, node.url)
    assert found == {
        "all": ["2", "1", "0"],
        "error": ["1"],
        "number": ["2", "1"],
        "service": [],
        "range": ["2", "1", "0"],
        "past": [],
        "limit": ["2"],
    }
