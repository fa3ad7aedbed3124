"""Which file is this? Answered from device, inode and content together.

An inode alone is given to a new file as soon as the old one is gone; content alone is equal
in files that begin with the same header. So a file is recognised when what is known of its
first KiB is equal *and* the 256 bytes before the confirmed offset are.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from logship.checkpoints.store import FileRow
from logship.ids import FIRST_LINE_BYTES, TAIL_BYTES, tail_digest

__all__ = [
    "Candidate",
    "find_data",
    "find_first_line",
    "fingerprint_of",
    "look_at",
    "recognise",
    "verifies",
]

FINGERPRINT_BYTES = 1024
BLOCK_BYTES = 64 << 10
SEARCH_BYTES = 16 << 20  # a first line without an end is taken as it is after this much


@dataclass(frozen=True, slots=True)
class Candidate:
    """An open file, as far as recognition needs it.

    Attributes:
        fingerprint: Its first bytes, as :func:`fingerprint_of` gives them.
        read_at: ``(offset, count)`` → bytes of it.
    """

    device: int
    inode: int
    size: int
    fingerprint: bytes
    read_at: Callable[[int, int], bytes]


def look_at(descriptor: int) -> Candidate:
    """Return what is to be known of an open file. Blocking."""
    stat = os.fstat(descriptor)
    return Candidate(
        stat.st_dev,
        stat.st_ino,
        stat.st_size,
        fingerprint_of(os.pread(descriptor, FINGERPRINT_BYTES, 0)),
        lambda offset, count: os.pread(descriptor, count, offset),
    )


def fingerprint_of(beginning: bytes) -> bytes:
    """Return what a content is known by: its first KiB without NUL bytes at the end.

    They may be space that is written to later. Nothing but NUL bytes is kept: a hole.
    """
    first = beginning[:FINGERPRINT_BYTES]
    return first.rstrip(b"\0") or first


def recognise(candidate: Candidate, known: Iterable[FileRow]) -> FileRow | None:
    """Return the content that *candidate* is, or None when it is a new one. Blocking.

    A content with the same inode comes first, and among these the one that was there last;
    then, for files that got a new inode (restored, moved over file systems, devices
    renumbered by a reboot), the one confirmed furthest.

    Args:
        known: Contents that are not open elsewhere.
    """
    verified = [row for row in known if verifies(candidate, row)]
    here = (candidate.device, candidate.inode)

    def likelihood(row: FileRow) -> tuple[bool, bool, int, int]:
        is_here = (row.device, row.inode) == here
        return is_here, is_here and row.gone_at is None, row.offset, row.id

    return max(verified, key=likelihood, default=None)


def verifies(candidate: Candidate, row: FileRow) -> bool:
    """Whether *candidate* holds what was confirmed of *row*. Blocking."""
    if candidate.size < row.offset or not row.fingerprint:
        return False
    if not candidate.fingerprint.startswith(row.fingerprint):
        return False
    count = min(TAIL_BYTES, row.offset)
    return tail_digest(candidate.read_at(row.offset - count, count)) == row.tail


def find_data(descriptor: int, offset: int) -> int | None:
    """Return where the next byte lies that is not NUL, from *offset* on; None without one.

    Holes of sparse files cost nothing. Moves the descriptor's position. Blocking.
    """
    while True:
        try:
            offset = os.lseek(descriptor, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # only a hole up to the end
                return None
        block = os.pread(descriptor, BLOCK_BYTES, offset)
        if not block:
            return None
        found = block.lstrip(b"\0")
        if found:
            return offset + len(block) - len(found)
        offset += len(block)


def find_first_line(
    read_at: Callable[[int, int], bytes], offset: int = 0, *, or_incomplete: bool = False
) -> bytes | None:
    """Return the first non-empty complete line, its first KiB at the most; None without one.

    NUL bytes before it (a hole) are skipped. Blocking.

    Args:
        read_at: ``(offset, count)`` → bytes of the file.
        offset: Where to begin; nothing but empty lines and NUL bytes may lie before.
        or_incomplete: Take a last line without newline, too.
    """
    line, line_bytes = b"", 0
    while line_bytes < SEARCH_BYTES:
        block = read_at(offset, BLOCK_BYTES)
        if not block:
            rest = line.strip(b"\0")
            return rest[:FIRST_LINE_BYTES] if or_incomplete and rest.strip(b"\r") else None
        offset += len(block)
        *complete, rest = (line + block).split(b"\n")
        for candidate in complete:
            stripped = candidate.lstrip(b"\0")
            if stripped and stripped != b"\r":
                return stripped[:FIRST_LINE_BYTES]
        rest = rest.lstrip(b"\0")
        line_bytes = line_bytes + len(block) if line and not complete else len(rest)
        line = rest[: 2 * FIRST_LINE_BYTES]
    return line[:FIRST_LINE_BYTES]
