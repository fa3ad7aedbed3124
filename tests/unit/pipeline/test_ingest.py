from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from logship.buffer import Buffer
from logship.checkpoints.tracker import Tracker
from logship.model import Chunk, Documents
from logship.pipeline import Ingestion
from logship.route import RouteState
from tests.support.fakes import FakeClock, make_documents


@dataclass
class FakeContent:
    tracker: Tracker = field(default_factory=lambda: Tracker(0))
    state: RouteState = field(default_factory=lambda: RouteState(b"seed", "/a.log"))


class FakeRoute:
    """Gives as many documents as it is told to, and holds back what it is told to."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.pending: int | None = None

    def __call__(self, chunk: Chunk, state: RouteState) -> tuple[Documents, int]:
        state.last_time = f"2026-11-21T00:00:{chunk.end:02d}Z"
        return make_documents(self.count)[0], self.pending or chunk.end

    def pending_start(self, state: RouteState) -> int | None:
        return self.pending

    def flush(self, state: RouteState, day: str) -> Documents:
        assert day == "2026-11-21"
        return make_documents(1)[0]


def chunk(start: int, end: int) -> Chunk:
    data = bytes(range(start, end))
    return Chunk(data, start, end, "2026-11-21", 0.0, tail=bytes(range(end)))


def buffer_of(max_bytes: int) -> Buffer:
    return Buffer(
        max_bytes=max_bytes,
        batch_bytes=1,
        batch_records=1,
        batch_age_seconds=0.0,
        clock=FakeClock(),
    )


def ingestion(route: Any, max_bytes: int = 10**6) -> tuple[Ingestion, Buffer]:
    buffer = buffer_of(max_bytes)
    return Ingestion(route, buffer), buffer


def test_documents_are_owed_to_their_content() -> None:
    """The chunk's end is confirmed, with what belongs to it, once its documents are settled."""

    async def work() -> None:
        (ingest, buffer), content = ingestion(FakeRoute(2)), FakeContent()
        await ingest(chunk(0, 10), content)
        await ingest(chunk(10, 20), content)
        first, second = buffer._queue
        second.settle()
        assert content.tracker.confirmed == 0
        first.settle()
        assert content.tracker.confirmed == 20
        assert content.tracker.note == (bytes(range(20)), "2026-11-21T00:00:20Z")

    asyncio.run(work())


def test_chunk_without_documents_is_confirmed_at_once() -> None:
    """Nothing is owed for a chunk that gave nothing, and nothing takes room."""

    async def work() -> None:
        (ingest, buffer), content = ingestion(FakeRoute(0)), FakeContent()
        await ingest(chunk(0, 10), content)
        assert content.tracker.confirmed == 10
        assert not buffer._queue

    asyncio.run(work())


def test_what_is_under_way_holds_the_confirmation_back() -> None:
    """Up to the beginning of an event whose end was not seen, with the bytes before it."""

    async def work() -> None:
        route = FakeRoute(1)
        (ingest, buffer), content = ingestion(route), FakeContent()
        route.pending = 7
        await ingest(chunk(0, 10), content)
        assert ingest.pending_start(content) == 7
        await ingest(chunk(10, 20), content)  # of the same event, all of it
        for documents in buffer._queue:
            documents.settle()
        assert content.tracker.confirmed == 7
        assert content.tracker.note == (bytes(range(7)), "2026-11-21T00:00:10Z")
        await ingest.flush(content, 20, "2026-11-21")
        buffer._queue[-1].settle()
        assert content.tracker.confirmed == 20
        assert content.tracker.note == (bytes(range(20)), "2026-11-21T00:00:20Z")

    asyncio.run(work())


def test_an_event_that_ends_where_the_next_chunk_begins() -> None:
    """Read line by line, what is noted with an offset are the bytes before that offset."""

    async def work() -> None:
        route = FakeRoute(1)
        (ingest, buffer), content = ingestion(route), FakeContent()
        for start in (0, 10, 20, 30):
            route.pending = start
            await ingest(chunk(start, start + 10), content)
        for documents in buffer._queue:
            documents.settle()
        assert content.tracker.confirmed == 30
        assert content.tracker.note[0] == bytes(range(30))

    asyncio.run(work())


def test_cancelled_in_front_of_a_full_buffer() -> None:
    """What did not get into the buffer is never confirmed, so it is read again."""

    async def work() -> None:
        (ingest, buffer), content = ingestion(FakeRoute(1), 1), FakeContent()
        await ingest(chunk(0, 10), content)
        waiting = asyncio.create_task(ingest(chunk(10, 20), content))
        for _ in range(5):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        (first,) = buffer._queue
        first.settle()
        assert content.tracker.confirmed == 10

    asyncio.run(work())
