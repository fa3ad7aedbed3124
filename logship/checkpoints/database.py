"""The checkpoint store's database: its format, and how it is opened, made or moved aside.

One database, ``checkpoints.db``, in WAL mode with ``synchronous=FULL``. Tables::

    meta         key → value: format, host id, boot id; ``routing NAME``: the settings that
                 decided ids and indices of what the source NAME has read, as JSON
    files        one row per file content: where it lies (a path that is no UTF-8 as a BLOB),
                 how to recognise it, up to where it is confirmed
    first_lines  digest of a content's first line → its salt and seed; kept beyond the file
    day_marks    (file, offset) → day: which day's rules hold from that offset on; as
                 ``YYYY-MM-DD``, or ``first/last`` for bytes written while no agent ran
    split_marks  (seed, start, end): a boundary that time or stopping made, and not the bytes
    read_limits  file → offset behind which nothing was given out yet; without a row, that is
                 ``READ_LIMIT_BYTES``
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

__all__ = ["FILE_NAME", "FORMAT", "open_database"]

FORMAT = 1
FILE_NAME = "checkpoints.db"

_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  path TEXT NOT NULL,
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  fingerprint BLOB NOT NULL,      -- the first bytes of the content, up to 1,024
  first_line BLOB NOT NULL,       -- digest of the first line
  salt BLOB NOT NULL,
  seed TEXT NOT NULL,
  offset INTEGER NOT NULL,        -- confirmed up to here
  tail BLOB NOT NULL,             -- digest of the 256 bytes before the offset
  last_time TEXT,                 -- the last usable time before the offset
  size INTEGER NOT NULL,          -- as last seen
  boot TEXT NOT NULL,             -- boot id under which it was last seen
  confirmed_at REAL NOT NULL,     -- epoch seconds
  gone_at REAL,                   -- epoch seconds since when the content is nowhere to be found
  format TEXT NOT NULL            -- what "auto" took it for when it was new; empty without auto
);
CREATE INDEX files_by_inode ON files (device, inode);
CREATE TABLE first_lines (
  digest BLOB NOT NULL, salt BLOB NOT NULL, seed TEXT NOT NULL, created_at REAL NOT NULL,
  PRIMARY KEY (digest, salt)
) WITHOUT ROWID;
CREATE TABLE day_marks (
  file INTEGER NOT NULL, offset INTEGER NOT NULL, day TEXT NOT NULL,
  PRIMARY KEY (file, offset)
) WITHOUT ROWID;
CREATE TABLE split_marks (
  seed TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL,
  PRIMARY KEY (seed, start)
) WITHOUT ROWID;
"""
# Not in the first databases of this format.
_LATER_TABLES = """
CREATE TABLE IF NOT EXISTS read_limits (file INTEGER PRIMARY KEY, "limit" INTEGER NOT NULL);
"""


def open_database(path: Path, now: Callable[[], float]) -> tuple[sqlite3.Connection, Path | None]:
    """Open the database at *path*, making it when absent. Blocking.

    Returns:
        The connection, and where a damaged database or one of another format was put; None when
        it was in order.

    Raises:
        sqlite3.Error, OSError: It can be neither opened nor made.
    """
    db, moved_aside = _open_in_order(path), None
    if db is None:
        moved_aside = _move_aside(path, now())
        db = _open_in_order(path)
    if db is None:
        raise sqlite3.DatabaseError("a new database is damaged at once")
    return db, moved_aside


def _open_in_order(path: Path) -> sqlite3.Connection | None:
    """Return the database; None when it is damaged or of another format."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    is_current = False
    try:
        os.chmod(path, 0o600)
        db.execute("PRAGMA busy_timeout = 5000")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        is_current = _is_current(db)
        if is_current:
            db.executescript(_LATER_TABLES)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        pass  # damaged
    finally:
        if not is_current:
            db.close()
    return db if is_current else None


def _is_current(db: sqlite3.Connection) -> bool:
    """Whether the database is in order and of this format; an empty one is filled."""
    tables = {row[0] for row in db.execute("SELECT name FROM sqlite_master")}
    if not tables:
        db.executescript(
            f"BEGIN; {_TABLES} INSERT INTO meta VALUES ('format', '{FORMAT}'); COMMIT;"
        )
        return True
    if "meta" not in tables or db.execute("PRAGMA quick_check").fetchone()[0] != "ok":
        return False
    row = db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()
    return row is not None and row[0] == str(FORMAT)


def _move_aside(path: Path, now: float) -> Path:
    """Rename the database, and what SQLite keeps beside it; returns where it is."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(now))
    aside = path.with_name(f"{FILE_NAME}.damaged-{stamp}")
    while aside.exists():
        aside = aside.with_name(f"{aside.name}-")
    for suffix in ("", "-wal", "-shm"):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{aside}{suffix}")
    return aside
