"""The names that rotation gives: with a number or a date, and compressed."""

from __future__ import annotations

import os
import re
from functools import lru_cache

from logship.sources.file.compression import ENDINGS

__all__ = ["is_copy_name", "is_rotated_name", "originals", "uncompressed"]

_MARK = r"[.\-_]?\d[\d.\-_:T]*"


def is_copy_name(name: str, other: str) -> bool:
    """Whether rotation may have renamed or copied *other* to *name*.

    ``app.log`` to ``app.log.1``, ``app.log-20261121`` or ``app-2026-11-21.log``, ``app.log.1`` to
    ``app.log.2``, and each of them compressed: ``app.log.2.gz``. A hint: what is in the files
    decides.
    """
    plain, base = uncompressed(name), uncompressed(other)
    if name == other:
        return False
    if plain == base:
        return plain != name
    marked = originals(plain)
    return base in marked or not set(marked).isdisjoint(originals(base))


def is_rotated_name(path: str, before: str) -> bool:
    """Whether a file that lay at *before* has at *path* a name that rotation gave it."""
    return is_copy_name(os.path.basename(path), os.path.basename(before))


@lru_cache(4096)
def originals(name: str) -> list[str]:
    """Return every name whose copy rotation may have called *name*, compressed or not."""
    name = uncompressed(name)
    stem, dot, ending = name.rpartition(".")
    found = [name[:start] for start in _mark_starts(name)]
    if dot:
        found += [f"{stem[:start]}.{ending}" for start in _mark_starts(stem) if start]
    return [original for original in found if original]


def uncompressed(name: str) -> str:
    """Return *name* without the ending of a compressed file."""
    stem, ending = os.path.splitext(name)
    return stem if ending.lower() in ENDINGS else name


def _mark_starts(name: str) -> list[int]:
    """Where a mark may begin that reaches to the end of *name*."""
    run = re.search(r"[\d.\-_:T]*$", name)
    begin = run.start() if run else len(name)
    return [start for start in range(begin, len(name)) if re.fullmatch(_MARK, name[start:])]
