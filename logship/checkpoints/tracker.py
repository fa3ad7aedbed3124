"""Which part of one content is confirmed without a hole. Pure: no I/O, no clock."""

from __future__ import annotations

from logship.interfaces import Note

__all__ = ["ChunkReceipt", "Tracker"]


class ChunkReceipt:
    """What is owed for one chunk. Shared by its documents; settled when all of them are.

    Attributes:
        end: Where the chunk ends, and all that is settled right behind it.
        note: To be saved when *end* is confirmed.
        owed: How many of its documents are not settled.
        before, after: Its neighbours in the tracker; None at the ends.
    """

    __slots__ = ("_tracker", "after", "before", "end", "note", "owed")

    def __init__(self, tracker: Tracker, end: int, note: Note, owed: int) -> None:
        self._tracker = tracker
        self.end, self.note, self.owed = end, note, owed
        self.before: ChunkReceipt | None = None
        self.after: ChunkReceipt | None = None

    def settle(self, count: int) -> None:
        """Pay for *count* documents."""
        if not 0 < count <= self.owed:
            raise AssertionError(f"settled {count} documents where {self.owed} were owed")
        self.owed -= count
        if self.owed == 0:
            self._tracker.settled(self)


class Tracker:
    """Turns receipts, settled in any order, into the offset up to which all is confirmed.

    Receipts form a list in file order. Neighbours that are settled become one entry, so memory
    grows with the number of holes and not with what follows them.

    Attributes:
        confirmed: Everything before this offset is delivered or in a dead-letter file.
        note: What is to be saved with it.
    """

    def __init__(self, confirmed: int, note: Note = (b"", None)) -> None:
        self.confirmed, self.note = confirmed, note
        self._first: ChunkReceipt | None = None
        self._last: ChunkReceipt | None = None

    def __len__(self) -> int:
        """Entries kept: pending receipts and settled ranges between them."""
        count, entry = 0, self._first
        while entry is not None:
            count, entry = count + 1, entry.after
        return count

    @property
    def is_idle(self) -> bool:
        """Whether nothing is owed."""
        return self._first is None

    def issue(self, end: int, note: Note, owed: int) -> ChunkReceipt:
        """Return the receipt of the next chunk.

        Args:
            end: Where the chunk ends; the next one begins there.
            note: To be saved when *end* is confirmed.
            owed: How many documents it has; with 0 it is settled at once.
        """
        receipt = ChunkReceipt(self, end, note, owed)
        receipt.before = self._last
        if self._last is None:
            self._first = receipt
        else:
            self._last.after = receipt
        self._last = receipt
        if owed == 0:
            self.settled(receipt)
        return receipt

    def settled(self, receipt: ChunkReceipt) -> None:
        """Take note that nothing is owed for *receipt* any more. Called by the receipt."""
        after = receipt.after
        if after is not None and after.owed == 0:
            receipt.end, receipt.note = after.end, after.note
            self._unlink(after)
        before = receipt.before
        if before is not None and before.owed == 0:
            before.end, before.note = receipt.end, receipt.note
            self._unlink(receipt)
        elif before is None:
            self.confirmed, self.note = receipt.end, receipt.note
            self._unlink(receipt)

    def _unlink(self, entry: ChunkReceipt) -> None:
        if entry.before is None:
            self._first = entry.after
        else:
            entry.before.after = entry.after
        if entry.after is None:
            self._last = entry.before
        else:
            entry.after.before = entry.before
