"""One file content: what is known of it, what is confirmed of it, which marks hold in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import replace

from logship.checkpoints.rows import READ_LIMIT_BYTES, Checkpoint, FileRow
from logship.checkpoints.store import CheckpointStore
from logship.checkpoints.tracker import Tracker
from logship.ids import tail_digest
from logship.interfaces import MakeMemory

__all__ = ["FileContent"]

SPLITS_KEPT = 64  # those before the confirmed offset are only needed in the store


class FileContent:
    """A content with a seed, from its first line on; outlives the descriptor that reads it.

    Attributes:
        row: As in the store when it was opened; path and inode follow the file.
        tracker: Issues receipts and knows the confirmed offset.
        state: What the source's route remembers.
        fingerprint: The first bytes, up to 1,024, as far as they were read.
        splits: Start and end of the split marks that may still matter, in the order of the notes.
        gone_at: Epoch seconds since when it is nowhere to be found; None while it is there.
        size: In bytes, as last seen.
        read_to: Offset up to which it was given out when it was parked; 0 before.
        read_limit: Nothing behind this offset was given out, by any run; durable.
    """

    def __init__(self, row: FileRow, store: CheckpointStore, make_memory: MakeMemory) -> None:
        self.row, self.size, self.read_to = row, row.size, 0
        self._store = store
        self.tracker = Tracker(row.offset)
        self.state = make_memory(row.seed.encode(), row.path, row.last_time, row.format)
        self._days = list(row.day_marks)
        self.splits = list(row.split_marks)
        self.read_limit = row.read_limit
        self._saved_offset, self._saved_place = row.offset, _place(row)
        self.fingerprint = row.fingerprint
        self._saved_fingerprint = len(row.fingerprint)
        self.gone_at: float | None = None
        self._saved_gone_at = row.gone_at

    @property
    def is_dirty(self) -> bool:
        """Whether there is something to save."""
        return (
            self.tracker.confirmed != self._saved_offset
            or _place(self.row) != self._saved_place
            or len(self.fingerprint) != self._saved_fingerprint
            or self._gone_for_good_at() != self._saved_gone_at
        )

    def moved(self, path: str, device: int, inode: int) -> None:
        """The content lies at *path* now."""
        if (path, device, inode) != (self.row.path, self.row.device, self.row.inode):
            self.row = replace(self.row, path=path, device=device, inode=inode)
            self.state.moved(path)

    def checkpoint(self) -> Checkpoint:
        """Return what is to be saved now; counts as saved until :meth:`unsaved` is called."""
        row = self.current()
        self._saved_offset, self._saved_place = row.offset, _place(row)
        self._saved_fingerprint = len(row.fingerprint)
        self._saved_gone_at = self._gone_for_good_at()
        return Checkpoint(
            file=row.id,
            offset=row.offset,
            tail=row.tail,
            last_time=row.last_time,
            size=row.size,
            path=row.path,
            device=row.device,
            inode=row.inode,
            fingerprint=row.fingerprint,
            gone_at=self._saved_gone_at,
        )

    def unsaved(self) -> None:
        """The last checkpoint did not reach the store: it is to be saved again."""
        self._saved_offset = -1

    def current(self) -> FileRow:
        """Return the row as it is now."""
        row, confirmed, (tail, last_time) = self.row, self.tracker.confirmed, self.tracker.note
        if confirmed != row.offset:
            row = replace(row, offset=confirmed, tail=tail_digest(tail), last_time=last_time)
        return replace(
            row,
            size=self.size,
            fingerprint=self.fingerprint,
            gone_at=self.gone_at,
            day_marks=tuple(self._days),
            split_marks=tuple(self.splits),
            read_limit=self.read_limit,
        )

    def _gone_for_good_at(self) -> float | None:
        """As *gone_at* once nothing is owed: what is, the next run has to find wherever it lies."""
        return self.gone_at if self.tracker.is_idle else None

    def day_at(self, offset: int) -> tuple[str, int | None]:
        """Return the day mark that holds at *offset*, and where the next one begins."""
        after = bisect_right(self._days, offset, key=lambda mark: mark[0])
        day = self._days[max(after, 1) - 1][1]
        return day, self._days[after][0] if after < len(self._days) else None

    @property
    def last_day(self) -> str:
        """The day of the last mark."""
        return self._days[-1][1][-10:]

    async def mark_day(self, offset: int, day: str) -> None:
        """Note durably that *day* holds from *offset* on.

        Raises:
            OSError, sqlite3.Error: It is not durable; nothing from there on may be sent.

        Cancelled, it may be durable; it holds from the next start on then.
        """
        await self._store.add_day_mark(self.row.id, offset, day)
        self._days = [mark for mark in self._days if mark[0] != offset]
        self._days.append((offset, day))
        self._days.sort()

    async def extend_read_limit(self, end: int) -> None:
        """Note durably that it is read up to *end*, and perhaps well beyond.

        Raises:
            OSError, sqlite3.Error: It is not durable; nothing behind the limit may be given out.

        Cancelled, it may be durable, which only makes the next start more careful.
        """
        limit = end + READ_LIMIT_BYTES
        await self._store.set_read_limit(self.row.id, limit)
        self.read_limit = limit

    async def mark_split(self, start: int, end: int) -> None:
        """Note durably that the event at *start* ends at *end*, whatever follows there.

        Raises:
            OSError, sqlite3.Error: It is not durable; the event is still under way.

        Cancelled, it may be durable; the event ends there from the next start on then.
        """
        await self._store.add_split_mark(self.row.seed, start, end)
        if len(self.splits) >= SPLITS_KEPT:
            confirmed = self.tracker.confirmed
            self.splits = [mark for mark in self.splits if mark[1] >= confirmed]
        self.splits.append((start, end))


def _place(row: FileRow) -> tuple[str, int, int]:
    return row.path, row.device, row.inode
