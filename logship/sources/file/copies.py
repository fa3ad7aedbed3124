"""Copies that rotation makes: copytruncate first copies a log, then truncates it.

The original keeps its inode, so what was not read of it before is in the copy alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from concurrent.futures import Executor

from logship.checkpoints.store import FileRow
from logship.ids import TAIL_BYTES
from logship.sources.file.identity import Candidate, verifies
from logship.sources.file.log_file import LogFile
from logship.sources.file.opening import Opened, take_up

__all__ = ["begins_alike", "find_copy", "goes_on", "is_copy_name", "originals"]

_MARK = r"[.\-_]?\d[\d.\-_:T]*"
Key = tuple[int, int]


def is_copy_name(name: str, original: str) -> bool:
    """Whether rotation may have named a copy of *original* so: with a number or a date.

    ``app.log.1``, ``app.log-20261121``, ``app-2026-11-21.log``: after or before the ending.
    """
    stem, dot, ending = original.rpartition(".")
    if re.fullmatch(re.escape(original) + _MARK, name):
        return True
    return bool(stem) and bool(
        re.fullmatch(f"{re.escape(stem)}{_MARK}{re.escape(dot + ending)}", name)
    )


def originals(name: str) -> list[str]:
    """Return every name whose copy rotation may have called *name*."""
    stem, dot, ending = name.rpartition(".")
    found = [name[:start] for start in _mark_starts(name)]
    if dot:
        found += [f"{stem[:start]}.{ending}" for start in _mark_starts(stem) if start]
    return [original for original in found if original]


def _mark_starts(name: str) -> list[int]:
    """Where a mark may begin that reaches to the end of *name*."""
    run = re.search(r"[\d.\-_:T]*$", name)
    begin = run.start() if run else len(name)
    return [start for start in range(begin, len(name)) if re.fullmatch(_MARK, name[start:])]


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


def find_copy(row: FileRow, taken: Collection[Key], pool: Executor) -> tuple[str, Opened] | None:
    """Return the copy of a content whose own file is truncated, opened; None without one.

    It lies beside the original, has a name that rotation gives, and holds what was confirmed.
    Blocking.

    Args:
        taken: Files that are open already.
        pool: On which the copy is read later.
    """
    folder, original = os.path.split(row.path)
    try:
        with os.scandir(folder) as entries:
            found = [
                (entry.stat().st_mtime, entry.path, (entry.stat().st_dev, entry.inode()))
                for entry in entries
                if is_copy_name(entry.name, original) and entry.is_file()
            ]
    except OSError:
        return None
    for _, path, key in sorted(found, reverse=True):
        if key in taken:
            continue
        try:
            opened = take_up(
                path, key, lambda candidate: row if verifies(candidate, row) else None, pool
            )
        except OSError:
            continue
        if opened is not None and opened.row is not None:
            return path, opened
        if opened is not None:
            opened.file.close()
    return None
