"""Opening a file and looking at it, in one go on a thread."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from io import FileIO

from logship.checkpoints.rows import FileRow
from logship.sources.file.archive import Archive
from logship.sources.file.compression import ENDINGS, kind_of
from logship.sources.file.identity import Candidate
from logship.sources.file.log_file import LogFile, PlainFile

__all__ = ["Opened", "open_log_file", "readable", "take_up"]

MAGIC_BYTES = 6


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that is open.

    Attributes:
        file: Whoever has it closes it.
        candidate: What was seen of it when it was opened.
        row: The content that it was recognised as; None for a new one.
    """

    file: LogFile
    candidate: Candidate
    row: FileRow | None


def open_log_file(
    path: str, pool: Executor | None = None, *, with_archives: bool = True
) -> LogFile | None:
    """Open *path*; None when it is no regular file. Blocking.

    Args:
        pool: On which the file is read later.
        with_archives: Whether what is in a compressed file is its content; else its bytes are.

    Raises:
        OSError: It cannot be opened, or this Python cannot decompress it.
    """
    # Non-blocking: a pipe put in place of the file since it was seen must not hang the thread.
    raw = FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))
    try:
        if not stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
            raw.close()
            return None
        kind = None
        if with_archives and path.lower().endswith(ENDINGS):
            kind = kind_of(os.pread(raw.fileno(), MAGIC_BYTES, 0), path)
        return PlainFile(raw, pool) if kind is None else Archive(raw, kind, pool)
    except BaseException:
        raw.close()
        raise


def take_up(
    path: str,
    key: tuple[int, int],
    recognise: Callable[[Candidate, str], FileRow | None],
    pool: Executor | None = None,
) -> Opened | None:
    """Open *path* and recognise it; None when it is not the file *key* any more. Blocking.

    Raises:
        OSError: It cannot be opened or read.
    """
    file = open_log_file(path, pool)
    if file is None:
        return None
    try:
        if file.key != key:
            file.close()
            return None
        candidate = file.look()
        return Opened(file, candidate, recognise(candidate, path))
    except BaseException:
        file.close()
        raise


def readable(path: str) -> str:
    """Return *path* as text that can be stored: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", "replace")
