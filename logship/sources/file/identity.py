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

from logship.checkpoints.rows import FileRow
from logship.ids import FIRST_LINE_BYTES, TAIL_BYTES, tail_digest
from logship.lines import PLAIN, LineForm

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

    def likelihood(row: FileRow) -> tuple[bool, int, int, int]:
        is_here = (row.device, row.inode) == here
        return is_here, row.id if is_here and row.gone_at is None else 0, row.offset, row.id

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
    read_at: Callable[[int, int], bytes],
    offset: int = 0,
    *,
    or_incomplete: bool = False,
    form: LineForm = PLAIN,
) -> bytes | None:
    """Return the first complete line that is not blank, its first KiB at the most; None without.

    NUL bytes (a hole) and a byte order mark before it are skipped. Blocking.

    Args:
        read_at: ``(offset, count)`` → bytes of the file.
        offset: Where to begin; nothing but blank lines and NUL bytes may lie before.
        or_incomplete: Take a last line without delimiter, too.
        form: Of the content.
    """
    size, searched = len(form.delimiter), 0
    kept, begin = b"", offset  # the beginning of the line under way, and where it lies
    data, at = b"", offset  # what follows, and where that lies
    while searched < SEARCH_BYTES:
        block = read_at(at + len(data), BLOCK_BYTES)
        if not block:
            rest = _without_hole(kept + data, begin, form)
            rest = rest[: form.written(rest, at + len(data) - len(rest), goes_on=False)]
            is_line = or_incomplete and not form.is_blank(rest, begin)
            return rest[:FIRST_LINE_BYTES] if is_line else None
        data += block
        start = 0
        while (found := form.find(data, at, start)) >= 0:
            line = _without_hole(kept + data[start:found], begin, form)
            if not (line in (b"", b"\r") if form.is_plain else form.is_blank(line, begin)):
                return line[:FIRST_LINE_BYTES]
            start = found + size
            kept, begin, searched = b"", at + start, 0
        start += 0 if kept else form.hole(data[start:], at + start)
        data, at = data[start:], at + start
        begin = begin if kept else at
        if len(data) > 2 * FIRST_LINE_BYTES:
            searched += len(block)
            count = len(data) - size + 1
            kept = (kept + data[:count])[: 2 * FIRST_LINE_BYTES]
            data, at = data[count:], at + count
    return _without_hole(kept, begin, form)[:FIRST_LINE_BYTES]


def _without_hole(line: bytes, at: int, form: LineForm) -> bytes:
    return line[form.hole(line, at) or form.mark(line, at) :]
