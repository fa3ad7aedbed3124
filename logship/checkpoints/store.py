"""The checkpoint store: what must survive ``kill -9`` and power loss.

It is kept in SQLite, see `logship.checkpoints.database`. What changes it happens on one thread of
the store's own, and calls that arrive while a transaction runs are committed together.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from logship.checkpoints.commits import Commits
from logship.checkpoints.database import FILE_NAME, open_database
from logship.checkpoints.rows import READ_LIMIT_BYTES, Checkpoint, FileRow
from logship.errors import StateError

__all__ = ["CheckpointStore"]

FIRST_LINES_SECONDS = 400 * 86_400.0  # for so long the first line of a content that is gone is kept

_COLUMNS = (
    "id, source, path, device, inode, fingerprint, first_line, salt, seed, offset, tail, "
    "last_time, size, boot, confirmed_at, gone_at, format"
)


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
        self._now = now
        try:
            self._db, self.moved_aside = open_database(self.path, now)
            self._forget_first_lines()
        except (sqlite3.Error, OSError) as error:
            raise StateError(f"{self.path}: cannot open the checkpoint store: {error}") from error
        self._commits = Commits(self._db)

    def files(self, source: str) -> list[FileRow]:
        """Return every content that *source* knows, marks included. Blocking."""
        query = f"SELECT {_COLUMNS} FROM files WHERE source = ? ORDER BY id"
        with self._commits.lock:
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
        found = await self._commits.commit(
            lambda db: {row[0] for row in db.execute(query, (first_line,))}
        )
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

        file = await self._commits.commit(work)
        assert isinstance(file, int)
        return replace(row, id=file)

    async def add_day_mark(self, file: int, offset: int, day: str) -> None:
        """Note that *day* holds from *offset* of *file* on."""
        await self._commits.commit(
            lambda db: db.execute(
                "INSERT OR REPLACE INTO day_marks VALUES (?, ?, ?)", (file, offset, day)
            )
        )

    async def add_split_mark(self, seed: str, start: int, end: int) -> None:
        """Note that the event at *start* ends at *end*, whatever the bytes say."""
        await self._commits.commit(
            lambda db: db.execute(
                "INSERT OR IGNORE INTO split_marks VALUES (?, ?, ?)", (seed, start, end)
            )
        )

    async def set_read_limit(self, file: int, limit: int) -> None:
        """Note that *file* may be read up to *limit*, and was read no further."""
        await self._commits.commit(
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
            await self._commits.commit(work)

    async def seen(self, files: Iterable[int], boot: str) -> None:
        """Note that contents were found as they were, under the boot id *boot*."""
        rows = [(boot, file) for file in files]
        if rows:
            await self._commits.commit(
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

        await self._commits.commit(work)

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
            await self._commits.commit(work)

    async def close(self) -> None:
        """Finish what waits and close the database."""
        await self._commits.finish()
        self.close_now()

    def close_now(self) -> None:
        """Close the database; nothing may be waiting."""
        self._commits.close()
        self._db.close()

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
