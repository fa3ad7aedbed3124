"""The checkpoint store: what must survive ``kill -9`` and power loss, in SQLite.

One database, ``checkpoints.db``, in WAL mode with ``synchronous=FULL``. Final tables::

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

All work happens on one thread of the store's own. Calls that arrive while a transaction runs
are committed together in the next one.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from logship.errors import StateError

__all__ = ["READ_LIMIT_BYTES", "Checkpoint", "CheckpointStore", "FileRow"]

FORMAT = 1
FIRST_LINES_SECONDS = 400 * 86_400.0  # for so long the first line of a content that is gone is kept
FILE_NAME = "checkpoints.db"
# So much may be read beyond what is known to be read: a note of it costs a sync.
READ_LIMIT_BYTES = 64 << 20

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

_COLUMNS = (
    "id, source, path, device, inode, fingerprint, first_line, salt, seed, offset, tail, "
    "last_time, size, boot, confirmed_at, gone_at, format"
)


@dataclass(frozen=True, slots=True)
class FileRow:
    """One file content, as the store knows it. Columns as described at the top of this module."""

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


_Work = Callable[[sqlite3.Connection], object]


def _stored(path: str) -> str | bytes:
    """SQLite's texts are UTF-8; file names need not be."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


class CheckpointStore:
    """The open store. Its ``async`` methods return when what they say is durable.

    Cancelling one of them does not undo it: it may or may not have happened.

    Attributes:
        path: Of the database.
        moved_aside: Where a damaged or newer database was put; None when it was in order.
    """

    def __init__(self, directory: Path, *, now: Callable[[], float] = time.time) -> None:
        """Open the store in *directory*, making it when absent.

        Raises:
            StateError: It can be neither opened nor made.
        """
        self.path = directory / FILE_NAME
        self.moved_aside: Path | None = None
        self._now = now
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="logship-store")
        self._lock = threading.Lock()  # of the connection, for what is not done on the pool
        self._waiting: list[tuple[_Work, asyncio.Future[object]]] = []
        self._flusher: asyncio.Task[None] | None = None
        try:
            self._db = self._open()
            self._forget_first_lines()
        except (sqlite3.Error, OSError) as error:
            self._pool.shutdown(wait=False)
            raise StateError(f"{self.path}: cannot open the checkpoint store: {error}") from error

    def files(self, source: str) -> list[FileRow]:
        """Return every content that *source* knows, marks included. Blocking."""
        query = f"SELECT {_COLUMNS} FROM files WHERE source = ? ORDER BY id"
        with self._lock:
            rows = self._db.execute(query, (source,)).fetchall()
            return [self._with_marks(FileRow(*row)) for row in rows]

    def adopt(self, source: str, others: Collection[str], is_named: Callable[[str], object]) -> int:
        """Give *source* the contents of sources that are no more; returns how many.

        A source that was renamed, or got another name because its neighbours changed, would
        else ship its files anew. For use at start.

        Args:
            others: All sources there are.
            is_named: Whether a path belongs to *source*.
        """
        rows = self._db.execute("SELECT id, source, path FROM files").fetchall()
        found = [
            (source, id_)
            for id_, known, path in rows
            if known not in others and is_named(os.fsdecode(path))
        ]
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("UPDATE files SET source = ? WHERE id = ?", found)
        return len(found)

    def others(self, names: Collection[str]) -> list[tuple[str, str]]:
        """Return source and path of every content of sources that are not in *names*.

        For use at start.
        """
        rows = self._db.execute("SELECT source, path FROM files ORDER BY id").fetchall()
        return [(source, os.fsdecode(path)) for source, path in rows if source not in names]

    def meta(self, key: str) -> str | None:
        """Return a value of the table ``meta``. For use at start."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def set_meta(self, key: str, value: str) -> None:
        """Set a value of the table ``meta``, durably. For use at start."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def drop_meta(self, key: str) -> None:
        """Remove a value of the table ``meta``, durably. For use at start."""
        with self._db:
            self._db.execute("DELETE FROM meta WHERE key = ?", (key,))

    async def salts(self, first_line: bytes) -> set[bytes]:
        """Return the salts of every content known that begins with this line's digest."""
        query = "SELECT salt FROM first_lines WHERE digest = ?"
        found = await self._commit(lambda db: {row[0] for row in db.execute(query, (first_line,))})
        assert isinstance(found, set)
        return found

    async def add(self, row: FileRow) -> FileRow:
        """Add a content with its first line and day marks; returns it with its id."""

        def work(db: sqlite3.Connection) -> int:
            cursor = db.execute(
                f"INSERT INTO files ({_COLUMNS}) VALUES (NULL{', ?' * 16})",
                (
                    row.source, _stored(row.path), row.device, row.inode, row.fingerprint,
                    row.first_line, row.salt, row.seed, row.offset, row.tail, row.last_time,
                    row.size, row.boot, row.confirmed_at, row.gone_at, row.format,
                ),
            )  # fmt: skip
            db.execute(
                "INSERT OR IGNORE INTO first_lines VALUES (?, ?, ?, ?)",
                (row.first_line, row.salt, row.seed, self._now()),
            )
            file = cursor.lastrowid or 0
            db.executemany(
                "INSERT INTO day_marks VALUES (?, ?, ?)",
                [(file, offset, day) for offset, day in row.day_marks],
            )
            return file

        file = await self._commit(work)
        assert isinstance(file, int)
        return replace(row, id=file)

    async def add_day_mark(self, file: int, offset: int, day: str) -> None:
        """Note that *day* holds from *offset* of *file* on."""
        await self._commit(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO day_marks VALUES (?, ?, ?)", (file, offset, day)
            )
        )

    async def add_split_mark(self, seed: str, start: int, end: int) -> None:
        """Note that the event at *start* ends at *end*, whatever the bytes say."""
        await self._commit(
            lambda db: db.execute(
                "INSERT OR IGNORE INTO split_marks VALUES (?, ?, ?)", (seed, start, end)
            )
        )

    async def set_read_limit(self, file: int, limit: int) -> None:
        """Note that *file* may be read up to *limit*, and was read no further."""
        await self._commit(
            lambda db: db.execute("INSERT OR REPLACE INTO read_limits VALUES (?, ?)", (file, limit))
        )

    async def save(
        self, checkpoints: Iterable[Checkpoint], meta: Mapping[str, str] | None = None
    ) -> None:
        """Save checkpoints, and values of the table ``meta``, all in one transaction."""
        rows = [
            (
                c.offset, c.tail, c.last_time, c.size, _stored(c.path), c.device, c.inode,
                c.fingerprint, c.gone_at, self._now(), c.file,
            )
            for c in checkpoints
        ]  # fmt: skip

        def work(db: sqlite3.Connection) -> None:
            db.executemany(
                "UPDATE files SET offset = ?, tail = ?, last_time = ?, size = ?, path = ?, "
                "device = ?, inode = ?, fingerprint = ?, gone_at = ?, confirmed_at = ? "
                "WHERE id = ?",
                rows,
            )
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", (meta or {}).items())

        if rows or meta:
            await self._commit(work)

    async def seen(self, files: Iterable[int], boot: str) -> None:
        """Note that contents were found as they were, under the boot id *boot*."""
        rows = [(boot, file) for file in files]
        if rows:
            await self._commit(
                lambda db: db.executemany("UPDATE files SET boot = ? WHERE id = ?", rows)
            )

    async def begin_again(self, row: FileRow) -> None:
        """Note that a content is to be read again, as *row* says: it became shorter.

        Its seed, its salt and the marks before its end hold.
        """

        def work(db: sqlite3.Connection) -> None:
            db.execute(
                "UPDATE files SET path = ?, device = ?, inode = ?, fingerprint = ?, offset = ?, "
                "tail = ?, last_time = ?, size = ?, boot = ?, gone_at = NULL WHERE id = ?",
                (
                    _stored(row.path), row.device, row.inode, row.fingerprint, row.offset,
                    row.tail, row.last_time, row.size, row.boot, row.id,
                ),
            )  # fmt: skip
            db.execute('DELETE FROM split_marks WHERE seed = ? AND "end" > ?', (row.seed, row.size))

        await self._commit(work)

    async def forget(self, files: Iterable[int]) -> None:
        """Remove contents and their marks. Their first lines and salts stay."""
        keys = [(file,) for file in files]

        def work(db: sqlite3.Connection) -> None:
            db.executemany(
                "DELETE FROM split_marks WHERE seed = (SELECT seed FROM files WHERE id = ?1) "
                "AND NOT EXISTS (SELECT 1 FROM files WHERE seed = split_marks.seed AND id != ?1)",
                keys,
            )
            db.executemany("DELETE FROM files WHERE id = ?", keys)
            db.executemany("DELETE FROM day_marks WHERE file = ?", keys)
            db.executemany("DELETE FROM read_limits WHERE file = ?", keys)

        if keys:
            await self._commit(work)

    async def close(self) -> None:
        """Finish what waits and close the database."""
        while self._flusher is not None:
            await asyncio.wait([self._flusher])
        self.close_now()

    def close_now(self) -> None:
        """Close the database; nothing may be waiting."""
        self._pool.shutdown(wait=True)
        self._db.close()

    async def _commit(self, work: _Work) -> object:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._flusher is None:
            self._flusher = asyncio.create_task(self._flush())
        return await asyncio.shield(future)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                taken, self._waiting = self._waiting, []
                try:
                    results = await loop.run_in_executor(
                        self._pool, self._transaction, [work for work, _ in taken]
                    )
                except Exception as error:
                    for _, future in taken:
                        if not future.cancelled():
                            future.set_exception(error)
                            future.exception()  # the waiter may be gone: not "never retrieved"
                    continue
                for (_, future), result in zip(taken, results, strict=True):
                    if not future.cancelled():
                        future.set_result(result)
        finally:
            self._flusher = None

    def _transaction(self, works: list[_Work]) -> list[object]:
        with self._lock, self._db:
            self._db.execute("BEGIN IMMEDIATE")
            return [
                None if isinstance(result := work(self._db), sqlite3.Cursor) else result
                for work in works
            ]

    def _with_marks(self, row: FileRow) -> FileRow:
        days = self._db.execute(
            "SELECT offset, day FROM day_marks WHERE file = ? ORDER BY offset", (row.id,)
        ).fetchall()
        splits = self._db.execute(
            'SELECT start, "end" FROM split_marks WHERE seed = ? AND "end" >= ? ORDER BY start',
            (row.seed, row.offset),
        ).fetchall()
        limit = self._db.execute(
            'SELECT "limit" FROM read_limits WHERE file = ?', (row.id,)
        ).fetchone()
        return replace(
            row,
            path=os.fsdecode(row.path),
            day_marks=tuple(days),
            split_marks=tuple(splits),
            read_limit=READ_LIMIT_BYTES if limit is None else limit[0],
        )

    def _forget_first_lines(self) -> None:
        """Bound the table: what was last written so long ago is not read again."""
        with self._db:
            self._db.execute(
                "DELETE FROM first_lines WHERE created_at < ? AND NOT EXISTS "
                "(SELECT 1 FROM files WHERE files.seed = first_lines.seed)",
                (self._now() - FIRST_LINES_SECONDS,),
            )

    def _open(self) -> sqlite3.Connection:
        db = self._open_in_order()
        if db is None:
            self._move_aside()
            db = self._open_in_order()
        if db is None:
            raise sqlite3.DatabaseError("a new database is damaged at once")
        return db

    def _open_in_order(self) -> sqlite3.Connection | None:
        """Return the database; None when it is damaged or of another format."""
        db = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        is_current = False
        try:
            os.chmod(self.path, 0o600)
            db.execute("PRAGMA busy_timeout = 5000")
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            is_current = self._is_current(db)
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

    def _is_current(self, db: sqlite3.Connection) -> bool:
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

    def _move_aside(self) -> None:
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._now()))
        aside = self.path.with_name(f"{FILE_NAME}.damaged-{stamp}")
        while aside.exists():
            aside = aside.with_name(f"{aside.name}-")
        self.moved_aside = aside
        for suffix in ("", "-wal", "-shm"):
            part = Path(f"{self.path}{suffix}")
            if part.exists():
                part.rename(f"{self.moved_aside}{suffix}")
