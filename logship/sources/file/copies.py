"""Copies that rotation makes: copytruncate first copies a log, then truncates it.

The original keeps its inode, so what was not read of it before is in the copy alone.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Sequence
from concurrent.futures import Executor

from logship.checkpoints.store import FileRow
from logship.ids import TAIL_BYTES
from logship.sources.file.discovery import scan
from logship.sources.file.identity import Candidate, verifies
from logship.sources.file.log_file import LogFile
from logship.sources.file.opening import Opened, take_up
from logship.sources.file.rotation_names import is_copy_name

__all__ = ["begins_alike", "find_copy", "goes_on"]

Key = tuple[int, int]


def begins_alike(one: bytes, other: bytes) -> bool:
    """Whether two fingerprints can be of one content, one of them half written."""
    return bool(one) and bool(other) and (one.startswith(other) or other.startswith(one))


def goes_on(candidate: Candidate, row: FileRow, deleted: LogFile) -> bool:
    """Whether *candidate* holds all of the file *deleted*, and perhaps more. Blocking.

    So editors save: they write a new file and rename it over the old one.

    Args:
        row: What is known of *deleted*.
    """
    if deleted.status().st_nlink or not verifies(candidate, row):
        return False
    old = deleted.look()
    start = max(0, old.size - TAIL_BYTES)
    return candidate.read_at(start, old.size - start) == old.read_at(start, old.size - start)


def find_copy(
    row: FileRow,
    taken: Collection[Key],
    pool: Executor,
    *,
    rotated: Sequence[str] = (),
    with_archives: bool = True,
) -> tuple[str, Opened] | None:
    """Return the copy of a content whose own file is truncated or gone, opened; None without one.

    It lies beside the original, or where the globs *rotated* lead, has a name that rotation
    gives, compressed or not, and holds what was confirmed. Blocking.

    Args:
        taken: Files that are open already.
        pool: On which the copy is read later.
    """

    def recognise(candidate: Candidate, path: str) -> FileRow | None:
        return row if verifies(candidate, row) else None

    folder, original = os.path.split(row.path)
    places = [os.path.join(glob.escape(folder), "*"), *rotated]
    found = [
        (file.modified, file.path, file.key)
        for file in scan(places, with_archives=with_archives).files.values()
        if is_copy_name(os.path.basename(file.path), original)
    ]
    for _, path, key in sorted(found, reverse=True):
        if key in taken:
            continue
        try:
            opened = take_up(path, key, recognise, pool)
        except OSError:
            continue
        if opened is not None and opened.row is not None:
            return path, opened
        if opened is not None:
            opened.file.close()
    return None
