"""What the checkpoint store keeps of one file content, and what is saved when more is confirmed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["READ_LIMIT_BYTES", "Checkpoint", "FileRow"]

# So much may be read beyond what is known to be read: a note of it costs a sync.
READ_LIMIT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file content, as the store knows it: the columns of the table ``files``, and its marks.

    The columns are described at the top of `logship.checkpoints.database`.

    Attributes:
        day_marks: Offset and day of each, ascending.
        split_marks: Start and end of each that ends at or behind *offset*, ascending.
        read_limit: Offset behind which nothing was given out yet.
    """

    id: int
    source: str
    path: str
    device: int
    inode: int
    fingerprint: bytes
    first_line: bytes
    salt: bytes
    seed: str
    offset: int
    tail: bytes
    last_time: str | None
    size: int
    boot: str
    confirmed_at: float
    gone_at: float | None = None
    format: str = ""
    day_marks: tuple[tuple[int, str], ...] = ()
    split_marks: tuple[tuple[int, int], ...] = ()
    read_limit: int = READ_LIMIT_BYTES


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is saved for one content when more of it is confirmed."""

    file: int
    offset: int
    tail: bytes
    last_time: str | None
    size: int
    path: str
    device: int
    inode: int
    fingerprint: bytes
    gone_at: float | None = None
