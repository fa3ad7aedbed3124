"""Copies that rotation makes: copytruncate first copies a log, then truncates it.

The original keeps its inode, so what was not read of it before is in the copy alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from logship.checkpoints.store import FileRow
from logship.sources.file.identity import verifies
from logship.sources.file.opening import Opened, take_up

__all__ = ["begins_alike", "find_copy", "is_copy_name"]

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


def begins_alike(one: bytes, other: bytes) -> bool:
    """Whether two fingerprints can be of one content, one of them half written."""
    return bool(one) and bool(other) and (one.startswith(other) or other.startswith(one))


def find_copy(row: FileRow, taken: Collection[Key]) -> tuple[str, Opened] | None:
    """Return the copy of a content whose own file is truncated, opened; None without one.

    It lies beside the original, has a name that rotation gives, and holds what was confirmed.
    Blocking.

    Args:
        taken: Files that are open already.
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
            opened = take_up(path, key, lambda candidate: row if verifies(candidate, row) else None)
        except OSError:
            continue
        if opened is not None and opened.row is not None:
            return path, opened
        if opened is not None:
            opened.raw.close()
    return None
