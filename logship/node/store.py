"""The SQLite database of a node.

Tables: ``indices`` (one row per index: settings, mapping, aliases, counts), ``state``
(templates, cluster settings, data streams: JSON by kind and name), ``documents`` (one row
per document, whatever its index), and one full-text table ``text_N`` per index.

``documents.seq`` grows with every write and is never used twice, so a search sees a point
in time by a bound on it. The full-text tables hold no documents, only which ``seq`` has
which words; entries of documents that were overwritten stay behind and lead nowhere.

Writes run on one thread, reads on a few others, each with a connection of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from logship.errors import StateError

T = TypeVar("T")

FORMAT = 1
_READERS = 3
_SCHEMA = """
CREATE TABLE IF NOT EXISTS state (
    kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS indices (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    uuid TEXT NOT NULL,
    created_millis INTEGER NOT NULL,
    is_closed INTEGER NOT NULL DEFAULT 0,
    next_seq_no INTEGER NOT NULL DEFAULT 0,
    documents INTEGER NOT NULL DEFAULT 0,
    settings TEXT NOT NULL,
    mapping TEXT NOT NULL,
    aliases TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS documents (
    seq INTEGER PRIMARY KEY,
    index_id INTEGER NOT NULL,
    id TEXT NOT NULL,
    seq_no INTEGER NOT NULL,
    version INTEGER NOT NULL,
    time INTEGER,
    ignored TEXT,
    source BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS documents_by_id ON documents (index_id, id);
CREATE INDEX IF NOT EXISTS documents_by_time ON documents (index_id, time);
"""


class Snapshot:
    """One state of the database. Open ones keep the write-ahead file from shrinking.

    Args:
        connection: Inside a read transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._lock = threading.Lock()

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Return what *work* reads, one at a time; None once it is closed."""
        with self._lock:
            return None if self._connection is None else work(self._connection)

    def close(self) -> None:
        """Let go of the state, after a reading that is under way."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None


class Store:
    """One open database.

    Args:
        path: The file; made when missing, its folder must exist. Nothing is touched before
            `open`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._guard = threading.Lock()
        self._writer = ThreadPoolExecutor(1, "node-writer")
        self._readers = ThreadPoolExecutor(_READERS, "node-reader")

    def open(self) -> None:
        """Make what is missing. Call it once, on the writing thread, before anything else.

        Raises:
            StateError: The file cannot be opened, or was written by a newer logship.
        """
        try:
            self._prepare(self.connection())
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: cannot be opened as a database ({error})") from error

    def _prepare(self, connection: sqlite3.Connection) -> None:
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found > FORMAT:
            raise StateError(
                f"{self.path}: written by a newer logship (format {found}, this one reads "
                f"{FORMAT}); use that one, or another data folder"
            )
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {FORMAT}")

    def connection(self) -> sqlite3.Connection:
        """Return the calling thread's connection."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self.path, isolation_level=None, timeout=30, check_same_thread=False
            )
            connection.executescript(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                "PRAGMA cache_size = -32768; PRAGMA wal_autocheckpoint = 8000;"
                "PRAGMA journal_size_limit = 67108864;"
            )
            self._local.connection = connection
            with self._guard:
                self._connections.append(connection)
        return connection

    async def write(self, work: Callable[[], T]) -> T:
        """Run *work* on the writing thread and return its result.

        Cancellation does not stop it once begun: what it commits stays.
        """
        return await asyncio.get_running_loop().run_in_executor(self._writer, work)

    async def read(self, work: Callable[[], T]) -> T:
        """Run *work* on a reading thread and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, work)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit what happens inside, durably; take all of it back on an exception."""
        connection = self.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """Let all reads inside see one state of the database."""
        connection = self.connection()
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")

    def open_snapshot(self) -> Snapshot:
        """Return the present state of the database, to be read whatever happens later."""
        connection = sqlite3.connect(
            self.path, isolation_level=None, timeout=30, check_same_thread=False
        )
        connection.executescript("PRAGMA cache_size = -4096; BEGIN")
        # The first reading decides which state is seen.
        connection.execute("SELECT count(*) FROM indices").fetchone()
        return Snapshot(connection)

    def close(self) -> None:
        """Finish what is running, then close every connection."""
        self._writer.shutdown()
        self._readers.shutdown()
        with self._guard:
            for connection in self._connections:
                connection.close()
            self._connections.clear()


def create_text_table(connection: sqlite3.Connection, index_id: int) -> None:
    """Make the full-text table of a new index."""
    connection.execute(
        f"CREATE VIRTUAL TABLE text_{index_id} USING fts5("
        "body, content='', columnsize=0, detail=none, tokenize='ascii')"
    )
    # Wider merges: half the writing for a little more reading per query.
    connection.execute(f"INSERT INTO text_{index_id}(text_{index_id}, rank) VALUES('automerge', 8)")


def drop_documents(connection: sqlite3.Connection, index_id: int) -> None:
    """Delete an index' documents and words."""
    connection.execute("DELETE FROM documents WHERE index_id = ?", (index_id,))
    connection.execute(f"DROP TABLE text_{index_id}")
