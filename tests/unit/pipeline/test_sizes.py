from __future__ import annotations

import asyncio

import pytest

from logship.buffer import Buffer
from logship.model import BatchResult, Documents
from logship.pipeline import Delivery
from logship.pipeline.sizes import Sizes
from tests.support.fakes import FakeClock, FakeReceipt, FakeSink, make_documents

MIB = 1 << 20


def sizes_of(upper: int = 5 * MIB) -> tuple[Sizes, Buffer, FakeClock]:
    clock = FakeClock()
    buffer = Buffer(
        max_bytes=10**9, batch_bytes=upper, batch_records=10**6, batch_age_seconds=0.0, clock=clock
    )
    return Sizes(buffer, clock), buffer, clock


def send(sizes: Sizes, buffer: Buffer, most: int, count: int = 1) -> int:
    """Send full batches to a server that takes so much; returns how many were refused."""
    refused = 0
    for _ in range(count):
        if buffer.batch_bytes > most:
            refused += 1
            sizes.refused(buffer.batch_bytes)
        else:
            sizes.worked(buffer.batch_bytes)
    return refused


@pytest.mark.parametrize("most", [5 * MIB - 1, 3 * MIB, MIB, 100_000, 5_000])
def test_finds_what_the_server_takes(most: int) -> None:
    """After a few refusals batches are as large as they may be, nearly, and none is refused."""
    sizes, buffer, _ = sizes_of()
    assert send(sizes, buffer, most, 60) <= 2 + (5 * MIB // most).bit_length()
    assert 0.6 * most < buffer.batch_bytes <= most
    assert send(sizes, buffer, most, 1000) == 0


def test_grows_back_when_the_server_takes_more() -> None:
    """A bound that was lifted is noticed within ten minutes, and batches are full again."""
    sizes, buffer, clock = sizes_of()
    send(sizes, buffer, MIB, 60)
    assert buffer.batch_bytes <= MIB
    clock.advance(601.0)
    assert send(sizes, buffer, 5 * MIB, 20) == 0
    assert buffer.batch_bytes == 5 * MIB


def test_small_batches_teach_nothing() -> None:
    """That little goes through does not say that more would."""
    sizes, buffer, _ = sizes_of()
    sizes.refused(5 * MIB)
    before = buffer.batch_bytes
    for _ in range(50):
        sizes.worked(1000)
    assert buffer.batch_bytes == before


def test_never_above_the_setting() -> None:
    """The setting stays the upper end."""
    sizes, buffer, clock = sizes_of()
    for _ in range(10):
        sizes.refused(buffer.batch_bytes)
        clock.advance(601.0)
        send(sizes, buffer, 10**12, 100)
    assert buffer.batch_bytes == 5 * MIB


def test_delivery_remembers_what_was_too_large() -> None:
    """Behind a server that takes little, a handful of requests is refused, not one of each two."""

    async def work() -> None:
        clock = FakeClock()
        buffer = Buffer(
            max_bytes=10**9, batch_bytes=10_000, batch_records=10**6, batch_age_seconds=0.0,
            clock=clock,
        )  # fmt: skip
        refused = []

        def rule(documents: Documents) -> BatchResult | None:
            if documents.size_bytes <= 2000:
                return None
            refused.append(documents.size_bytes)
            everything = range(len(documents))
            return BatchResult(retryable=everything, verdict="split", is_too_large=True)

        sink = FakeSink(rule=rule)
        delivery = Delivery(buffer, sink, None, max_in_flight=1, clock=clock)
        receipts: list[FakeReceipt] = []
        for first in range(0, 2000, 10):
            documents, receipt = make_documents(10, first=first)
            receipts.append(receipt)
            await buffer.put(documents)
        buffer.close()
        await delivery.run()
        assert [one.settled for one in receipts] == [10] * 200
        assert len(refused) <= 16  # of over a hundred
        assert len(sink.batches) >= 100

    asyncio.run(work())
