"""What one index keeps out for one reason, and the document that asks whether it still does."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from logship.interfaces import Clock
from logship.model import Documents, Receipt, Refusal
from logship.sinks.held_files import HeldFile

__all__ = ["Group", "Probe", "of_record"]


class Group:
    """What one index keeps out for one reason.

    Attributes:
        refusal: The newest; None as long as it has only what an earlier run parked.
        documents: In memory.
        since: Monotonic seconds when the oldest of those came.
        files: With what is parked; the first one's turn it is to be taken from.
        probe: The one under way.
        is_open: A probe went through: the rest follows.
        opened_at: Monotonic seconds when that was last.
        failures: How often a probe, or what followed one, was refused.
        due: Monotonic seconds of the next probe.
    """

    def __init__(self, index: str, type_: str) -> None:
        self.index, self.type = index, type_
        self.refusal: Refusal | None = None
        self.documents: list[Documents] = []
        self.since = 0.0
        self.files: deque[HeldFile] = deque()
        self.probe: Probe | None = None
        self.is_open = False
        self.opened_at = 0.0
        self.failures = 0
        self.due = 0.0

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing any more."""
        return not (self.documents or self.files or self.probe)

    @property
    def size_bytes(self) -> int:
        """Of what is in memory."""
        return sum(documents.size_bytes for documents in self.documents)

    def turn_to_oldest(self) -> HeldFile:
        """Return the file whose newest document is the oldest, and give it the next turn."""
        oldest = min(self.files, key=lambda file: file.grown_at)
        self.files.rotate(-self.files.index(oldest))
        return oldest

    @property
    def is_under_way(self) -> bool:
        """Whether a probe, or something of the files, is on its way."""
        return self.probe is not None or any(file.under_way for file in self.files)


class Probe:
    """The receipt of a document that is to find out whether its group would go."""

    def __init__(
        self, group: Group, receipt: Receipt, clock: Clock, on_end: Callable[[], None]
    ) -> None:
        self.group, self.receipt = group, receipt
        self._clock, self._on_end = clock, on_end

    def settle(self, count: int) -> None:
        """Pay for the document: it went, in whatever shape."""
        self.passed()
        self.receipt.settle(count)

    def passed(self) -> None:
        """The cluster does not keep it out any more."""
        if self.group.probe is self:
            self.group.is_open = True
            self.group.opened_at = self._clock.monotonic()
            self.end()

    def end(self) -> None:
        """The group may be probed again."""
        if self.group.probe is self:
            self.group.probe = None
            self._on_end()


def of_record(receipt: Receipt) -> Receipt:
    """Return the receipt of the record itself, where it is a probe's that has ended."""
    if isinstance(receipt, Probe) and receipt.group.probe is not receipt:
        return receipt.receipt
    return receipt
