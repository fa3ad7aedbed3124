"""Which file is this? Answered from device, inode and content together.

An inode alone is given to a new file as soon as the old one is gone; content alone is equal
in files that begin with the same header. So a file is recognised when what is known of its
first KiB is equal *and* the 256 bytes before the confirmed offset are.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from logship.checkpoints.store import FileRow
from logship.ids import FIRST_LINE_BYTES, TAIL_BYTES, tail_digest

__all__ = ["Candidate", "find_first_line", "look_at", "recognise"]

FINGERPRINT_BYTES = 1024
BLOCK_BYTES = 64 << 10
SEARCH_BYTES = 16 << 20  # how far a first line is looked for behind empty lines and NUL bytes


@dataclass(frozen=True, slots=True)
class Candidate:
    """An open file, as far as recognition needs it.

    Attributes:
        fingerprint: Its first bytes, up to 1,024.
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
        os.pread(descriptor, FINGERPRINT_BYTES, 0),
        lambda offset, count: os.pread(descriptor, count, offset),
    )


def recognise(candidate: Candidate, known: Iterable[FileRow]) -> FileRow | None:
    """Return the content that *candidate* is, or None when it is a new one. Blocking.

    A content with the same inode comes first; then, for files that got a new inode (restored,
    moved over file systems, devices renumbered by a reboot), the one confirmed furthest.

    Args:
        known: Contents that are not open elsewhere.
    """
    verified = [row for row in known if verifies(candidate, row)]
    here = (candidate.device, candidate.inode)
    verified.sort(key=lambda row: ((row.device, row.inode) == here, row.offset, row.id))
    return verified[-1] if verified else None


def verifies(candidate: Candidate, row: FileRow) -> bool:
    """Whether *candidate* holds what was confirmed of *row*."""
    if candidate.size < row.offset or not row.fingerprint:
        return False
    if not candidate.fingerprint.startswith(row.fingerprint[: len(candidate.fingerprint)]):
        return False
    if len(candidate.fingerprint) < len(row.fingerprint):
        return False
    count = min(TAIL_BYTES, row.offset)
    return tail_digest(candidate.read_at(row.offset - count, count)) == row.tail


def find_first_line(read_at: Callable[[int, int], bytes]) -> bytes | None:
    """Return the first non-empty complete line, its first KiB at the most; None without one.

    NUL bytes before it (a hole) are skipped. Blocking.
    """
    offset, line = 0, b""
    while offset < SEARCH_BYTES:
        block = read_at(offset, BLOCK_BYTES)
        if not block:
            return None
        offset += len(block)
        *complete, rest = (line + block).split(b"\n")
        for candidate in complete:
            stripped = candidate.lstrip(b"\0")
            if stripped and stripped != b"\r":
                return stripped[:FIRST_LINE_BYTES]
        line = rest.lstrip(b"\0")[: 2 * FIRST_LINE_BYTES]
    return line[:FIRST_LINE_BYTES] or None
