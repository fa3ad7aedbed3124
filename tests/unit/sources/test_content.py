"""What is known of one content, and what of it is to be saved."""

from __future__ import annotations

from tests.support.tailing import content_of


def test_gone_only_when_all_is_confirmed() -> None:
    """A content of which something is owed is looked for by the next run, wherever it lies."""
    content = content_of()
    receipt = content.tracker.issue(10, (b"", None), 1)
    content.gone_at = 5.0
    assert not content.is_dirty
    assert content.checkpoint().gone_at is None
    receipt.settle(1)
    assert content.is_dirty
    assert content.checkpoint().gone_at == 5.0
    assert not content.is_dirty
