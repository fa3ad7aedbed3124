from __future__ import annotations

import pytest

from logship.checkpoints.tracker import Tracker


def test_confirmed_is_what_has_no_hole_before_it() -> None:
    """The offset moves only when everything before it is settled."""
    tracker = Tracker(100, (b"start", None))
    first, second, third = (
        tracker.issue(end, (b"%d" % end, f"t{end}"), 1) for end in (200, 300, 400)
    )
    third.settle(1)
    assert (tracker.confirmed, tracker.note) == (100, (b"start", None))
    first.settle(1)
    assert (tracker.confirmed, tracker.note) == (200, (b"200", "t200"))
    second.settle(1)
    assert (tracker.confirmed, tracker.note) == (400, (b"400", "t400"))
    assert tracker.is_idle
    assert len(tracker) == 0


def test_chunk_without_documents_settles_itself() -> None:
    """A chunk that gave nothing holds nothing up, and does not run ahead of what is owed."""
    tracker = Tracker(0)
    tracker.issue(10, (b"", None), 0)
    assert tracker.confirmed == 10
    pending = tracker.issue(20, (b"", None), 2)
    tracker.issue(30, (b"", None), 0)
    assert tracker.confirmed == 10
    pending.settle(1)
    assert tracker.confirmed == 10
    pending.settle(1)
    assert tracker.confirmed == 30


@pytest.mark.parametrize("count", [0, -1, 3])
def test_paying_more_or_less_than_something_is_a_bug(count: int) -> None:
    """A receipt takes between one document and what is owed, and is not settled by a mistake."""
    tracker = Tracker(0)
    receipt = tracker.issue(10, (b"", None), 2)
    with pytest.raises(AssertionError):
        receipt.settle(count)
    assert tracker.confirmed == 0
    receipt.settle(2)
    assert tracker.confirmed == 10


def test_a_settled_receipt_takes_nothing_more() -> None:
    """Paying twice is loud, and does not move the offset back."""
    tracker = Tracker(0)
    first = tracker.issue(10, (b"", None), 1)
    tracker.issue(20, (b"", None), 0)
    first.settle(1)
    second = tracker.issue(30, (b"", None), 1)
    with pytest.raises(AssertionError):
        first.settle(1)
    assert tracker.confirmed == 20
    second.settle(1)
    assert tracker.confirmed == 30
