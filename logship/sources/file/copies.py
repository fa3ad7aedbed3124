"""Copies that rotation makes: copytruncate first copies a log, then truncates it.

The original keeps its inode, so what was not read of it before is in the copy alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor

from logship.checkpoints.rows import FileRow
from logship.ids import TAIL_BYTES
from logship.sources.file.discovery import Found
from logship.sources.file.identity import Candidate, verifies
from logship.sources.file.log_file import LogFile
from logship.sources.file.opening import Opened, take_up
from logship.sources.file.surroundings import Surroundings

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
    surroundings: Surroundings,
    is_taken: Callable[[Key], bool],
    pool: Executor,
    read: tuple[int, bytes] = (0, b""),
) -> tuple[str, Opened] | None:
    """Return the copy of a content whose own file is truncated or gone, opened; None without one.

    It has a name that rotation gives, compressed or not, and holds what was confirmed. Of several
    the one that holds what was read, too; then the first that was made since the content was seen.
    Blocking.

    Args:
        is_taken: Whether a file is another content already.
        pool: On which the copy is read later.
        read: Offset up to which the content was read, and the bytes before it.
    """

    def recognise(candidate: Candidate, path: str) -> FileRow | None:
        return row if verifies(candidate, row) else None

    def age(file: Found) -> tuple[bool, int]:
        return file.modified < row.confirmed_at * 1e9, file.modified

    end, tail = read
    best: tuple[str, Opened] | None = None
    for file in sorted(surroundings.copies(row), key=age):
        if is_taken(file.key):
            continue
        try:
            opened = take_up(file.path, file.key, recognise, pool)
        except OSError:
            continue
        if opened is None:
            continue
        holds_all = opened.candidate.read_at(end - len(tail), len(tail)) == tail
        if opened.row is None or (best is not None and not holds_all):
            opened.file.close()
            continue
        if best is not None:
            best[1].file.close()
        best = (file.path, opened)
        if holds_all:
            break
    return best
