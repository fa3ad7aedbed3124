"""Looking into the checkpoint store beside a running agent, and what moving a checkpoint takes."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from urllib.parse import quote

from logship.checkpoints.database import FILE_NAME, FORMAT
from logship.checkpoints.rows import Checkpoint, FileRow
from logship.errors import StateError
from logship.ids import TAIL_BYTES, tail_digest

__all__ = ["Place", "checkpoint_at", "is_line_start", "line_starts_around", "read_rows"]

ReadAt = Callable[[int, int], bytes]

BLOCK_BYTES = 64 << 10
_IN_OTHER_TABLES = ("day_marks", "split_marks", "read_limit")
_COLUMNS = [field.name for field in fields(FileRow) if field.name not in _IN_OTHER_TABLES]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a content lies now.

    Attributes:
        path: As the store writes it.
        device, inode: Of the file there.
        size: Of the content, in bytes.
        fingerprint: Its first bytes, as the store keeps them.
        read_at: ``(offset, count)`` → bytes of it.
    """

    path: str
    device: int
    inode: int
    size: int
    fingerprint: bytes
    read_at: ReadAt


def read_rows(directory: Path) -> list[FileRow]:
    """Return every content in the store of *directory*, by source and path; none without one.

    Opens the database read-only, so it works while an agent writes to it, and changes nothing.
    Day marks and read limits are left out.

    Raises:
        StateError: It cannot be read, is damaged, or is of another version of logship.
    """
    path = directory / FILE_NAME
    try:
        path.stat()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        return _read(path)
    except (sqlite3.Error, OSError) as error:
        raise StateError(
            f"{path}: cannot be read: {error}. A damaged store is moved aside and begun anew by "
            "the next start of the agent."
        ) from error


def checkpoint_at(row: FileRow, offset: int, place: Place) -> Checkpoint:
    """Return what is to be saved so that the next agent reads *row* from *offset* on.

    The content keeps its seed and its marks, so records get the ids that they had. The last
    usable time before *offset* is forgotten unless the checkpoint stays where it is.

    Args:
        offset: Where a line begins.
        place: Where the content lies; its bytes before *offset* are read. Blocking.
    """
    count = min(TAIL_BYTES, offset)
    is_longer = len(place.fingerprint) > len(row.fingerprint)
    return Checkpoint(
        file=row.id,
        offset=offset,
        tail=tail_digest(place.read_at(offset - count, count)),
        last_time=row.last_time if offset == row.offset else None,
        size=row.size,
        path=place.path,
        device=place.device,
        inode=place.inode,
        fingerprint=place.fingerprint if is_longer else row.fingerprint,
    )


def is_line_start(offset: int, row: FileRow | None, read_at: ReadAt) -> bool:
    """Whether a record can begin at *offset*: after a newline, or where a split mark ended one."""
    if offset == 0 or (row and any(end == offset for _, end in row.split_marks)):
        return True
    return read_at(offset - 1, 1) == b"\n"


def line_starts_around(offset: int, size: int, read_at: ReadAt) -> tuple[int, int | None]:
    """Return the last line start before or at *offset*, and the next one after it.

    The second is None where no line ends after *offset*. Blocking: reads on until it finds them.

    Args:
        offset: At most *size*.
        size: Of the content.
        read_at: ``(offset, count)`` → bytes of it.
    """
    before, end = 0, offset
    while end > 0:
        start = max(0, end - BLOCK_BYTES)
        found = read_at(start, end - start).rfind(b"\n")
        if found >= 0:
            before = start + found + 1
            break
        end = start
    position = offset
    while position < size:
        block = read_at(position, min(BLOCK_BYTES, size - position))
        found = block.find(b"\n")
        if found >= 0:
            return before, position + found + 1
        if not block:
            break
        position += len(block)
    return before, None


def _read(path: Path) -> list[FileRow]:
    db = _connect(path)
    try:
        found = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
        if found is None or found[0] != str(FORMAT):
            raise sqlite3.DatabaseError("it was written by another version of logship")
        rows = db.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM files ORDER BY source, CAST(path AS TEXT), id"
        ).fetchall()
        splits: dict[str, list[tuple[int, int]]] = {}
        for seed, start, end in db.execute('SELECT seed, start, "end" FROM split_marks'):
            splits.setdefault(seed, []).append((start, end))
    finally:
        db.close()
    contents = [FileRow(*row) for row in rows]
    return [
        replace(row, path=os.fsdecode(row.path), split_marks=tuple(splits.get(row.seed, ())))
        for row in contents
    ]


def _connect(path: Path) -> sqlite3.Connection:
    """Open it read-only. Where its write-ahead log cannot be made, nobody has it open."""
    uri = f"file:{quote(os.fsencode(path.absolute()))}"
    for mode in ("mode=ro", "mode=ro&immutable=1"):
        db = sqlite3.connect(f"{uri}?{mode}", uri=True)
        try:
            db.execute("PRAGMA busy_timeout = 5000")
            db.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            db.close()
            if "immutable" in mode or Path(f"{path}-wal").exists():
                raise
        except sqlite3.DatabaseError:
            db.close()
            raise
        else:
            return db
    raise AssertionError("unreachable")
