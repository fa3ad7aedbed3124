"""What the checkpoint store keeps of one file content, and what is saved when more is confirmed."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["READ_LIMIT_BYTES", "Checkpoint", "FileRow"]

# So much may be read beyond what is known to be read: a note of it costs a sync.
READ_LIMIT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file content, as the store knows it: the columns of the table ``files``, and its marks.

    Attributes:
        id: Of the content in this store; 0 before it was added.
        source: The source's name.
        path: Where it was seen last. What is no UTF-8 in it is escaped as Python's file names are.
        device, inode: Of the file there.
        fingerprint: The first bytes, up to 1,024: as many as there were when it was seen last.
        first_line: Digest of the first line.
        salt: Tells contents apart that have equal first lines; empty where none had that line.
        seed: What the ids of its records begin with.
        offset: All before it is confirmed; in bytes.
        tail: Digest of the 256 bytes before *offset*, or of as many as there are.
        last_time: The last usable time before *offset*, as UTC text; None without one.
        size: In bytes, as last seen.
        boot: Boot id under which it was last seen.
        confirmed_at: Epoch seconds of the last save.
        gone_at: Epoch seconds since when it is nowhere to be found; None while it is there.
        format: What ``auto`` took it for when it was new; empty without ``auto``.
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
    """What is saved for one content when more of it is confirmed.

    Attributes:
        file: Id of the content. All else is as in :class:`FileRow`.
    """

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
