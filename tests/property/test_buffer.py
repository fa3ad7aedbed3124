from __future__ import annotations

import asyncio
from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from logship.buffer import Buffer
from tests.support.fakes import FakeClock, FakeReceipt, make_documents, numbers_of


@given(
    st.lists(st.tuples(st.integers(1, 8), st.integers(0, 300)), max_size=8),
    st.integers(1, 1500),
    st.integers(1, 10),
)
@example([(3, 0), (1, 300), (2, 0)], 150, 10)
def test_batches_keep_their_bounds_and_every_document(
    parts: list[tuple[int, int]], batch_bytes: int, batch_records: int
) -> None:
    """Batches hold everything once and in order, and pass a bound only with a single document."""

    async def work() -> None:
        buffer = Buffer(
            max_bytes=10**9,
            batch_bytes=batch_bytes,
            batch_records=batch_records,
            batch_age_seconds=3600.0,
            clock=FakeClock(),
        )
        receipts: list[FakeReceipt] = []
        first = 0
        for count, length in parts:
            documents, receipt = make_documents(count, first=first, length=length)
            await buffer.put(documents)
            receipts.append(receipt)
            first += count
        buffer.close()
        found: list[int] = []
        sizes: list[int] = []
        while await buffer.ready():
            batch = buffer.take()
            assert 1 <= len(batch) <= batch_records
            assert batch.size_bytes <= batch_bytes or len(batch) == 1
            sizes.append(batch.size_bytes)
            found += numbers_of(batch)
            batch.settle()
            buffer.release(batch.size_bytes, len(batch))
        assert found == list(range(first))
        assert (buffer.used_bytes, buffer.used_records) == (0, 0)
        assert [receipt.settled for receipt in receipts] == [count for count, _ in parts]
        # As full as they could be: no two neighbours would have fitted into one.
        together = pairwise(sizes)
        assert batch_records < 10 or all(one + other > batch_bytes for one, other in together)

    asyncio.run(work())
