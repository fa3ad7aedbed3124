"""Opening a file and looking at it, in one go on a thread."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from io import FileIO

from logship.checkpoints.store import FileRow
from logship.sources.file.identity import Candidate, look_at

__all__ = ["Opened", "readable", "take_up"]


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is open, and the content that it was recognised as; None for a new one."""

    raw: FileIO
    candidate: Candidate
    row: FileRow | None


def take_up(
    path: str, key: tuple[int, int], recognise: Callable[[Candidate], FileRow | None]
) -> Opened | None:
    """Open *path* and recognise it; None when it is not the file *key* any more. Blocking.

    Raises:
        OSError: It cannot be opened or read.
    """
    # Non-blocking: a pipe put in place of the file since it was seen must not hang the thread.
    raw = FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    try:
        found = os.fstat(raw.fileno())
        if (found.st_dev, found.st_ino) != key or not stat.S_ISREG(found.st_mode):
            raw.close()
            return None
        candidate = look_at(raw.fileno())
        return Opened(raw, candidate, recognise(candidate))
    except BaseException:
        raw.close()
        raise


def readable(path: str) -> str:
    """Return *path* as text that can be stored: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")
