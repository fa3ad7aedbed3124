"""The contents that one source knows: those it tails, those it did, those that are gone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from logship.checkpoints.rows import FileRow
from logship.checkpoints.store import CheckpointStore
from logship.ids import TAIL_BYTES, tail_digest
from logship.interfaces import MakeMemory
from logship.sources.file.content import FileContent
from logship.sources.file.identity import FINGERPRINT_BYTES, Candidate

__all__ = ["KnownContents"]

Key = tuple[int, int]


class KnownContents:
    """Every content of one source, by its id in the store.

    Attributes:
        contents: Those that have something to be saved, or may have; all that are open.
    """

    def __init__(
        self, source: str, store: CheckpointStore, make_memory: MakeMemory, boot_id: str = ""
    ) -> None:
        self.contents: dict[int, FileContent] = {}
        self._boot_id = boot_id
        self._seen: set[int] = set()  # in this boot, and the store does not know yet
        self._store, self._make_memory = store, make_memory
        self._rows = {row.id: row for row in store.files(source)}
        self._open: set[int] = set()

    def opened(self, row: FileRow) -> FileContent:
        """Return a content for *row*, which is to be tailed from its confirmed offset on.

        What is still on its way of an earlier reading is read again, under the same ids.
        """
        row = self.found(row)
        self._rows.pop(row.id, None)
        content = FileContent(row, self._store, self._make_memory)
        self.contents[row.id] = content
        self._open.add(row.id)
        return content

    def found(self, row: FileRow) -> FileRow:
        """Note that *row* was found as it was; return it with this boot's id."""
        if row.boot == self._boot_id:
            return row
        self._seen.add(row.id)
        row = replace(row, boot=self._boot_id)
        if row.id in self._rows:
            self._rows[row.id] = row
        return row

    async def note_found(self) -> None:
        """Note durably which contents were found in this boot.

        Raises:
            sqlite3.Error: They are noted the next time.
        """
        if self._seen:
            seen = set(self._seen)
            await self._store.seen(seen, self._boot_id)
            self._seen -= seen

    async def cut_short(self, row: FileRow, candidate: Candidate) -> FileRow | None:
        """Return *row* to be read again from its beginning when a power cut shortened its file.

        That is so when it was seen last in another boot of the machine, and begins as it did: what
        had not reached the disk is missing, or NUL bytes stand for it. It keeps its seed, so that
        what is there still is not stored twice. Blocking but for the note.

        Raises:
            OSError: *candidate* cannot be read.
            sqlite3.Error: That is not durable; nothing of it may be sent.
        """
        if row.boot in ("", self._boot_id) or row.id not in self._rows:
            return None
        if not _is_cut_short(row, candidate):
            return None
        row = replace(
            row, device=candidate.device, inode=candidate.inode, size=candidate.size,
            fingerprint=candidate.fingerprint, offset=0, tail=tail_digest(b""), last_time=None,
            boot=self._boot_id, gone_at=None,
            split_marks=tuple(mark for mark in row.split_marks if mark[1] <= candidate.size),
        )  # fmt: skip
        await self._store.begin_again(row)
        self._rows[row.id] = row
        return row

    def reopened(self, row: FileRow) -> FileContent | None:
        """Return the content of *row* when records of it are still on their way.

        It is to be tailed from its ``read_to`` on, once that was found to be where it was.
        """
        content = self.contents.get(row.id)
        return content if content is not None and content.read_to > row.offset else None

    def continued(self, content: FileContent) -> None:
        """*content* is tailed again, from its ``read_to`` on."""
        content.read_to, content.gone_at = 0, None
        self._open.add(content.row.id)

    def resting(self, id_: int) -> FileRow | None:
        """Return the row of a content that is not open; None when there is none."""
        content = self.contents.get(id_)
        if content is None:
            return self._rows.get(id_)
        return None if id_ in self._open else content.current()

    def closed(self, content: FileContent, gone_at: float | None) -> None:
        """*content* is tailed no more; since *gone_at* it is nowhere, None when it still is."""
        self._open.discard(content.row.id)
        content.gone_at = gone_at

    def gone(self, row: FileRow, now: float) -> None:
        """Note that *row*, which is not open, is nowhere to be found; saved with the rest."""
        content = self.contents.get(row.id)
        if content is None:
            content = self.contents[row.id] = FileContent(row, self._store, self._make_memory)
            self._rows.pop(row.id, None)
        content.gone_at = now

    def at_rest(self) -> list[FileRow]:
        """Return what is known of every content that is not open."""
        rows = [*self._rows.values()]
        rows += [c.current() for id_, c in self.contents.items() if id_ not in self._open]
        return rows

    def moved(self, row: FileRow, path: str, key: Key) -> None:
        """Note that *row*, which is not open, lies at *path* now; saved with the rest."""
        content = self.contents.get(row.id)
        if content is None:
            content = self.contents[row.id] = FileContent(row, self._store, self._make_memory)
            self._rows.pop(row.id, None)
        content.moved(path, *key)

    def added(self, row: FileRow) -> None:
        """Know *row*, which was added to the store and is not open."""
        self._rows[row.id] = row

    def settle(self) -> None:
        """Let go of contents that are closed, confirmed and saved; only their rows stay."""
        for id_, content in list(self.contents.items()):
            if id_ not in self._open and content.tracker.is_idle and not content.is_dirty:
                del self.contents[id_]
                self._rows[id_] = content.current()

    async def forget(self, horizon: float, keep: Collection[Key]) -> None:
        """Remove those that are gone since before *horizon*, but for the inodes in *keep*.

        Raises:
            sqlite3.Error: They stay in the store until the next time.
        """
        old = [
            id_
            for id_, row in self._rows.items()
            if row.gone_at is not None
            and row.gone_at < horizon
            and (row.device, row.inode) not in keep
        ]
        if old:
            await self._store.forget(old)
        for id_ in old:
            del self._rows[id_]


def _is_cut_short(row: FileRow, candidate: Candidate) -> bool:
    beginning = candidate.fingerprint
    if not beginning.strip(b"\0") or not row.fingerprint.startswith(beginning):
        return False
    if candidate.size < max(row.offset, row.size) or len(beginning) == FINGERPRINT_BYTES:
        return True  # of a whole KiB, it may have grown again since
    count = min(TAIL_BYTES, row.offset)
    return b"\0" in candidate.read_at(row.offset - count, count)
