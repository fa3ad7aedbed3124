from __future__ import annotations

import random

from hypothesis import example, given
from hypothesis import strategies as st

from logship.checkpoints.tracker import ChunkReceipt, Tracker


@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 3)), max_size=12),
    st.randoms(use_true_random=False),
    st.integers(0, 12),
)
@example([(1, 1), (1, 1), (1, 1), (1, 1)], random.Random(1), 4)
def test_any_order_of_settling(
    chunks: list[tuple[int, int]], chance: random.Random, early: int
) -> None:
    """Confirmed is always the longest settled beginning, and memory counts holes alone."""
    pick = chance.randrange
    tracker = Tracker(0)
    receipts: list[tuple[ChunkReceipt, int]] = []
    owed: dict[int, int] = {}

    def check() -> None:
        expected, ranges, was_settled = 0, 0, True
        for number, (_, end) in enumerate(receipts):
            if owed[number]:
                ranges += 1
                was_settled = False
            elif was_settled and not ranges:
                expected = end
            elif not was_settled:
                ranges += 1
                was_settled = True
        assert tracker.confirmed == expected
        assert tracker.note == (b"%d" % expected, None) or expected == 0
        assert len(tracker) == ranges
        assert tracker.is_idle == (ranges == 0)

    def settle_one() -> None:
        pending = [number for number in owed if owed[number]]
        if pending:
            number = pending[pick(len(pending))]
            count = 1 + pick(owed[number])
            owed[number] -= count
            receipts[number][0].settle(count)
            check()

    end = 0
    for number, (length, count) in enumerate(chunks):
        end += length
        owed[number] = count
        receipts.append((tracker.issue(end, (b"%d" % end, None), count), end))
        check()
        if early > number:
            settle_one()
    while any(owed.values()):
        settle_one()
    assert tracker.confirmed == end
    assert tracker.is_idle


def test_one_hole_costs_one_entry_however_much_follows() -> None:
    """While one chunk is stuck, thousands that follow it are kept as a single range."""
    tracker = Tracker(0)
    stuck = tracker.issue(1, (b"", None), 1)
    for end in range(2, 5000):
        tracker.issue(end, (b"", None), 1).settle(1)
        assert len(tracker) == 2
    stuck.settle(1)
    assert tracker.confirmed == 4999
