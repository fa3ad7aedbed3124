"""Which of the contents that are known the files of one look at the folders may be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from logship.checkpoints.rows import FileRow
from logship.sources.file.identity import Candidate, recognise, verifies
from logship.sources.file.opening import open_log_file, readable
from logship.sources.file.rotation_names import is_copy_name
from logship.sources.file.surroundings import Surroundings

__all__ = ["Guess"]

Key = tuple[int, int]


class Guess:
    """Which rows files may be that are opened in one look at the folders.

    Args:
        rows: Of contents that are not open.
        is_there: Whether a row's inode is there, not open, and may be its own.
    """

    def __init__(
        self, rows: Iterable[FileRow], is_there: Callable[[FileRow], bool] = lambda row: True
    ) -> None:
        self._here: dict[Key, list[FileRow]] = {}
        self._elsewhere: list[FileRow] = []
        for row in rows:
            key = (row.device, row.inode)
            self._here.setdefault(key, []).append(row)
            if not is_there(row):
                self._elsewhere.append(row)
        self._taken: set[int] = set()
        self._missed: list[FileRow] = []

    def distance(self, key: Key, path: str) -> int:
        """How far a file is from what is known: 0 at its inode and path, 3 at neither.

        A copy may have got an inode that another content had, so its original goes first: 1 at its
        inode, under a name that rotation may have given it, 2 under another.
        """
        rows = self._here.get(key)
        if rows is None:
            return 3
        if any(row.path == path for row in rows):
            return 0
        return 1 if any(_are_names_of_one(row.path, path) for row in rows) else 2

    def at(self, candidate: Candidate) -> list[FileRow]:
        """Return the rows that have *candidate*'s inode and were not taken."""
        return self.rows_at((candidate.device, candidate.inode))

    def rows_at(self, key: Key) -> list[FileRow]:
        """Return the rows of the inode *key* that were not taken."""
        return [row for row in self._here.get(key, ()) if row.id not in self._taken]

    def last_at(self, path: str, key: Key) -> list[FileRow]:
        """Return the rows that lay at *path* and may be what is there now, the inode *key*."""
        near = (*self._here.get(key, ()), *self._elsewhere)
        found = {row.id: row for row in near if row.path == path and row.id not in self._taken}
        # The one that was there last comes first.
        return sorted(found.values(), key=lambda row: (row.gone_at is not None, -row.id))

    def missed(self, key: Key) -> None:
        """The file *key* was listed, and lay elsewhere when it was to be opened."""
        self._missed += self.rows_at(key)

    def may_be_missed(self, candidate: Candidate, path: str) -> bool:
        """Whether *candidate* may be the copy of a content that was missed in this look.

        Only where that one lies now tells whether it was truncated.
        """
        return any(
            candidate.fingerprint.startswith(row.fingerprint)
            and _may_lie_at(row, readable(path), candidate)
            for row in self._missed
        )

    def take(self, row: FileRow) -> None:
        """Let no other file be taken for *row*."""
        self._taken.add(row.id)

    def recognise(self, candidate: Candidate, path: str) -> FileRow | None:
        """Return the content that *candidate* is, and take it; None for a new one. Blocking.

        A content whose own inode is still beside the path where it was is not taken for
        another file: a new file may begin as it does. Neither is one taken for a file that no
        rotation, restoring or moving can have made of it.
        """
        here = self.at(candidate)
        elsewhere = [
            row
            for row in self._elsewhere
            if candidate.fingerprint.startswith(row.fingerprint)
            and row.id not in self._taken
            and _may_lie_at(row, readable(path), candidate)
        ]
        row = recognise(candidate, here)
        while row is None and elsewhere:
            row = recognise(candidate, elsewhere)
            if row is None:
                break
            if _lies_elsewhere(row):
                elsewhere.remove(row)
                row = None
        if row is not None:
            self._taken.add(row.id)
        # Another content has their inode now: they may be found under a new one.
        self._elsewhere += [other for other in here if other is not row]
        return row


def _may_lie_at(row: FileRow, path: str, candidate: Candidate) -> bool:
    if row.path == path or row.inode == candidate.inode:  # a reboot may renumber devices
        return True
    return _are_names_of_one(row.path, path)


def _are_names_of_one(path: str, other: str) -> bool:
    """Whether rotation or moving may have made one of the names of the other."""
    name, other = os.path.basename(path), os.path.basename(other)
    return name == other or is_copy_name(name, other) or is_copy_name(other, name)


def _lies_elsewhere(row: FileRow) -> bool:
    """Whether the content of *row* is in its folder under its own inode. Blocking."""
    path = Surroundings().find(row)
    if path is None:
        return False
    try:
        file = open_log_file(path)
    except OSError:
        return False
    if file is None:
        return False
    try:
        return verifies(file.look(), row)
    except OSError:
        return False
    finally:
        file.close()
