from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

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


def chunk(end: int) -> Chunk:
    return Chunk(b"x\n", end - 2, end, "2026-11-21", 0.0, tail=b"tail %d" % end)


def buffer_of(max_bytes: int) -> Buffer:
    return Buffer(
        max_bytes=max_bytes,
        batch_bytes=1,
        batch_records=1,
        batch_age_seconds=0.0,
        clock=FakeClock(),
    )


@dataclass
class FakeRoute:
    """Gives *count* documents for every chunk, and holds back what begins at *pending*."""

    count: int
    pending: int | None = None

    def __call__(self, chunk: Chunk, state: RouteState) -> tuple[Documents, int]:
        state.last_time = f"2026-11-21T00:00:{chunk.end:02d}Z"
        return make_documents(self.count)[0], chunk.end if self.pending is None else self.pending

    def pending_start(self, state: RouteState) -> int | None:
        return self.pending

    def flush(self, state: RouteState, day: str) -> Documents:
        self.pending = None
        return make_documents(1)[0]


def route_to(count: int) -> FakeRoute:
    return FakeRoute(count)


def test_documents_are_owed_to_their_content() -> None:
    """The chunk's end is confirmed, with what belongs to it, once its documents are settled."""

    async def work() -> None:
        buffer, content = buffer_of(10**6), FakeContent()
        await Ingestion(route_to(2), buffer)(chunk(10), content)
        await Ingestion(route_to(3), buffer)(chunk(20), content)
        first, second = buffer._queue
        second.settle()
        assert content.tracker.confirmed == 0
        first.settle()
        assert content.tracker.confirmed == 20
        assert content.tracker.note == (b"tail 20", "2026-11-21T00:00:20Z")

    asyncio.run(work())


def test_chunk_without_documents_is_confirmed_at_once() -> None:
    """Nothing is owed for a chunk that gave nothing, and nothing takes room."""

    async def work() -> None:
        buffer, content = buffer_of(10**6), FakeContent()
        await Ingestion(route_to(0), buffer)(chunk(10), content)
        assert content.tracker.confirmed == 10
        assert not buffer._queue

    asyncio.run(work())


def test_cancelled_in_front_of_a_full_buffer() -> None:
    """What did not get into the buffer is never confirmed, so it is read again."""

    async def work() -> None:
        buffer, content = buffer_of(1), FakeContent()
        await Ingestion(route_to(1), buffer)(chunk(10), content)
        waiting = asyncio.create_task(Ingestion(route_to(1), buffer)(chunk(20), content))
        for _ in range(5):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        (first,) = buffer._queue
        first.settle()
        assert content.tracker.confirmed == 10

    asyncio.run(work())


def test_what_is_held_back_is_confirmed_with_the_bytes_before_it() -> None:
    """An event under way holds its chunk's end back; the note is of where it begins."""

    async def work() -> None:
        buffer, content = buffer_of(10**6), FakeContent()
        content.state.tail = b"before"
        ingest = Ingestion(FakeRoute(0, pending=11), buffer)
        await ingest(Chunk(b"a\nbcd\n", 9, 15, "2026-11-21", 0.0, tail=b"a\nbcd\n"), content)
        assert content.tracker.confirmed == 11
        assert content.tracker.note[0] == b"beforea\n"
        await ingest.flush(content, 15, "2026-11-21")
        assert content.tracker.confirmed == 11
        buffer._queue[0].settle()
        assert content.tracker.confirmed == 15
        assert content.tracker.note[0] == b"a\nbcd\n"

    asyncio.run(work())
