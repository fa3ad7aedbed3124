from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from logship.checkpoints.rows import READ_LIMIT_BYTES, Checkpoint, FileRow
from logship.checkpoints.store import CheckpointStore
from logship.errors import StateError

NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z

ROW = FileRow(
    id=0,
    source="api",
    path="/var/log/api.log",
    device=1,
    inode=2**63 - 1,
    fingerprint=b"\0first bytes\xff",
    first_line=b"d" * 16,
    salt=b"",
    seed="SEEDSEED00",
    offset=0,
    tail=b"t" * 16,
    last_time=None,
    size=0,
    boot="boot-1",
    confirmed_at=NOW,
    day_marks=((0, "2026-11-21"),),
)

TABLES = {
    "meta": "key TEXT PRIMARY KEY, value TEXT NOT NULL",
    "files": (
        "id INTEGER PRIMARY KEY, source TEXT NOT NULL, path TEXT NOT NULL, "
        "device INTEGER NOT NULL, inode INTEGER NOT NULL, fingerprint BLOB NOT NULL, "
        "first_line BLOB NOT NULL, salt BLOB NOT NULL, seed TEXT NOT NULL, "
        "offset INTEGER NOT NULL, tail BLOB NOT NULL, last_time TEXT, size INTEGER NOT NULL, "
        "boot TEXT NOT NULL, confirmed_at REAL NOT NULL, gone_at REAL, format TEXT NOT NULL"
    ),
    "first_lines": (
        "digest BLOB NOT NULL, salt BLOB NOT NULL, seed TEXT NOT NULL, "
        "created_at REAL NOT NULL, PRIMARY KEY (digest, salt)"
    ),
    "day_marks": (
        "file INTEGER NOT NULL, offset INTEGER NOT NULL, day TEXT NOT NULL, "
        "PRIMARY KEY (file, offset)"
    ),
    "split_marks": (
        'seed TEXT NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, '
        "PRIMARY KEY (seed, start)"
    ),
    "read_limits": 'file INTEGER PRIMARY KEY, "limit" INTEGER NOT NULL',
}


def checkpoint(row: FileRow, **changes: Any) -> Checkpoint:
    names = (
        "offset", "tail", "last_time", "size", "path", "device", "inode", "fingerprint", "gone_at",
    )  # fmt: skip
    return replace(Checkpoint(file=row.id, **{n: getattr(row, n) for n in names}), **changes)


def opened(directory: Path) -> CheckpointStore:
    return CheckpointStore(directory, now=lambda: NOW)


def with_store(directory: Path, work: Callable[[CheckpointStore], Awaitable[Any]]) -> Any:
    """Run *work* on a store that is neither closed in good order nor asked to finish."""

    async def run() -> Any:
        store = opened(directory)
        try:
            return await work(store)
        finally:
            store.close_now()

    return asyncio.run(run())


def rows(directory: Path, source: str = "api") -> list[FileRow]:
    store = opened(directory)
    try:
        return store.files(source)
    finally:
        store.close_now()


def test_tables_are_pinned(tmp_path: Path) -> None:
    """The tables are those of format 1: a change of them needs another format, and a way over."""
    opened(tmp_path).close_now()
    with sqlite3.connect(tmp_path / "checkpoints.db") as db:
        found = {
            name: " ".join(" ".join(line.partition("--")[0] for line in text.splitlines()).split())
            for name, text in db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'")
        }
        indices = db.execute("SELECT sql FROM sqlite_master WHERE sql LIKE 'CREATE INDEX%'")
        assert [text for (text,) in indices] == [
            "CREATE INDEX files_by_inode ON files (device, inode)"
        ]
        assert db.execute("SELECT * FROM meta").fetchall() == [("format", "1")]
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
    plain = {
        name: text.replace(" WITHOUT ROWID", "").replace("( ", "(").replace(" )", ")")
        for name, text in found.items()
    }
    assert plain == {name: f"CREATE TABLE {name} ({text})" for name, text in TABLES.items()}


def test_how_far_a_content_may_be_read_is_kept_and_goes_with_it(tmp_path: Path) -> None:
    """Without a note it is the same for all; databases that have no place for it get one."""

    async def work(store: CheckpointStore) -> FileRow:
        added = await store.add(ROW)
        assert store.files("api")[0].read_limit == READ_LIMIT_BYTES
        await store.set_read_limit(added.id, 1 << 33)
        return added

    with_store(tmp_path, work)
    assert [found.read_limit for found in rows(tmp_path)] == [1 << 33]
    with sqlite3.connect(tmp_path / "checkpoints.db") as db:
        db.execute("DROP TABLE read_limits")
    db.close()
    assert [found.read_limit for found in rows(tmp_path)] == [READ_LIMIT_BYTES]


def test_settings_are_saved_with_the_checkpoints_that_go_with_them(tmp_path: Path) -> None:
    """Both in one transaction, or neither."""

    async def work(store: CheckpointStore) -> None:
        added = await store.add(ROW)
        await store.save([checkpoint(added, offset=77)], {"routing api": "[]"})
        meta: Any = {"routing api": None}  # which the table refuses
        with pytest.raises(sqlite3.Error):
            await store.save([checkpoint(added, offset=99)], meta)

    with_store(tmp_path, work)
    assert [found.offset for found in rows(tmp_path)] == [77]
    store = opened(tmp_path)
    assert store.meta("routing api") == "[]"
    store.close_now()


def test_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """First lines of logs lie in the store: nobody else may read it."""
    opened(tmp_path).close_now()
    assert (tmp_path / "checkpoints.db").stat().st_mode & 0o777 == 0o600


def test_commits_are_synced(tmp_path: Path) -> None:
    """A durable answer survives a power cut: every commit waits for the disk."""
    store = opened(tmp_path)
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close_now()


def test_what_was_added_is_there_after_a_crash(tmp_path: Path) -> None:
    """A content is found again as it was added, also when the store was never closed."""

    async def crash() -> FileRow:
        store = opened(tmp_path)
        row = await store.add(ROW)
        await store.add_day_mark(row.id, 100, "2026-11-22")
        await store.add_day_mark(row.id, 50, "2026-11-14/2026-11-22")
        await store.add_split_mark(row.seed, 10, 20)
        await store.add_split_mark(row.seed, 10, 30)
        # What a killed process leaves: the files as they are, nothing closed.
        (tmp_path / "copy").mkdir()
        for name in os.listdir(tmp_path):
            if name.startswith("checkpoints.db"):
                (tmp_path / "copy" / name).write_bytes((tmp_path / name).read_bytes())
        store.close_now()
        return row

    row = asyncio.run(crash())
    (found,) = rows(tmp_path / "copy")
    marks = ((0, "2026-11-21"), (50, "2026-11-14/2026-11-22"), (100, "2026-11-22"))
    assert found == replace(ROW, id=row.id, day_marks=marks, split_marks=((10, 20),))


def test_checkpoints_replace_what_was_saved(tmp_path: Path) -> None:
    """Saving moves what is confirmed, and leaves what tells the content apart as it was."""

    async def work(store: CheckpointStore) -> tuple[FileRow, FileRow]:
        one, other = await store.add(ROW), await store.add(replace(ROW, path="/other"))
        await store.save([])
        await store.save(
            [
                checkpoint(one, offset=7, tail=b"u", last_time="2026-11-21T10:00:00Z", size=9),
                checkpoint(other, path="/moved", device=8, inode=9, gone_at=NOW),
            ]
        )
        return one, other

    one, other = with_store(tmp_path, work)
    assert rows(tmp_path) == [
        replace(one, offset=7, tail=b"u", last_time="2026-11-21T10:00:00Z", size=9),
        replace(other, path="/moved", device=8, inode=9, gone_at=NOW),
    ]
    assert rows(tmp_path, "another source") == []


@pytest.mark.parametrize("path", ["/var/log/\udcff\udce9.log", "/é/\n", '/"\U0001f600'])
def test_paths_are_kept_whatever_bytes_they_have(tmp_path: Path, path: str) -> None:
    """File names are bytes: those that are no UTF-8 are added, saved and found again."""

    async def work(store: CheckpointStore) -> None:
        row = await store.add(replace(ROW, path="/first"))
        await store.save([checkpoint(row, path=path)])
        await store.add(replace(ROW, path=path))

    with_store(tmp_path, work)
    assert [row.path for row in rows(tmp_path)] == [path, path]


def test_salts_of_a_first_line(tmp_path: Path) -> None:
    """Every salt in use for a first line is known, also after the contents are forgotten."""

    async def work(store: CheckpointStore) -> list[set[bytes]]:
        none = await store.salts(ROW.first_line)
        one = await store.add(ROW)
        two = await store.add(replace(ROW, salt=b"12345678", seed="OTHERSEED0"))
        await store.add(replace(ROW, first_line=b"e" * 16))
        both = await store.salts(ROW.first_line)
        await store.forget([one.id, two.id])
        return [none, both, await store.salts(ROW.first_line)]

    assert with_store(tmp_path, work) == [set(), {b"", b"12345678"}, {b"", b"12345678"}]


def test_forgotten_contents_leave_no_marks(tmp_path: Path) -> None:
    """A content goes with its marks, but not with those of a copy that has the same seed."""

    async def work(store: CheckpointStore) -> None:
        gone = await store.add(ROW)
        copied = await store.add(replace(ROW, seed="SHARED0000", salt=b"1"))
        copy = await store.add(replace(ROW, path="/copy", seed="SHARED0000", salt=b"1"))
        for row in (gone, copied):
            await store.add_split_mark(row.seed, 1, 2)
        await store.forget([])
        await store.forget([gone.id, copied.id])
        (left,) = store.files("api")
        assert left == replace(copy, split_marks=((1, 2),))

    with_store(tmp_path, work)
    with sqlite3.connect(tmp_path / "checkpoints.db") as db:
        assert db.execute("SELECT seed FROM split_marks").fetchall() == [("SHARED0000",)]
        assert db.execute("SELECT count(*) FROM day_marks").fetchone() == (1,)
    db.close()


def test_calls_at_once_are_committed_together(tmp_path: Path) -> None:
    """What arrives while a transaction runs shares the next one: one sync for all of it."""

    async def work(store: CheckpointStore) -> tuple[int, list[int]]:
        statements: list[str] = []
        store._db.set_trace_callback(statements.append)
        found = await asyncio.gather(*(store.add(ROW) for _ in range(50)))
        return statements.count("COMMIT"), [row.id for row in found]

    commits, ids = with_store(tmp_path, work)
    assert commits <= 2
    assert sorted(set(ids)) == ids
    assert [row.id for row in rows(tmp_path)] == ids


def test_failed_transaction_is_told_to_all_who_wait_for_it(tmp_path: Path) -> None:
    """Nothing is called durable that is not, and the next call works again."""

    async def work(store: CheckpointStore) -> list[Any]:
        store._db.execute("PRAGMA query_only = ON")
        failed = await asyncio.gather(store.add(ROW), store.add(ROW), return_exceptions=True)
        store._db.execute("PRAGMA query_only = OFF")
        await store.add(ROW)
        return failed

    failed = with_store(tmp_path, work)
    assert [isinstance(error, sqlite3.OperationalError) for error in failed] == [True, True]
    assert len(rows(tmp_path)) == 1


def test_cancelled_call_does_not_disturb_the_others(tmp_path: Path) -> None:
    """Whoever stops waiting leaves the store in order for everybody else."""

    async def work(store: CheckpointStore) -> int:
        first = asyncio.create_task(store.add(ROW))
        second = asyncio.create_task(store.add(ROW))
        await asyncio.sleep(0)
        first.cancel()
        return (await second).id

    id_ = with_store(tmp_path, work)
    assert id_ in [row.id for row in rows(tmp_path)]


def test_closing_finishes_what_waits(tmp_path: Path) -> None:
    """A store that is closed in good order has written all it was asked to."""

    async def run() -> None:
        store = opened(tmp_path)
        added = [asyncio.create_task(store.add(ROW)) for _ in range(3)]
        await asyncio.sleep(0)
        await store.close()
        await asyncio.gather(*added)

    asyncio.run(run())
    assert len(rows(tmp_path)) == 3


def test_meta_is_kept(tmp_path: Path) -> None:
    """Values of the table ``meta`` outlive the process."""
    store = opened(tmp_path)
    assert store.meta("host_id") is None
    store.set_meta("host_id", "one")
    store.set_meta("host_id", "two")
    store.close_now()
    again = opened(tmp_path)
    assert again.meta("host_id") == "two"
    assert again.moved_aside is None
    again.close_now()


def damage_beginning(path: Path) -> None:
    path.write_bytes(b"no database at all, but long enough to be taken for one" * 20)


def damage_pages(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)


def newer_format(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
    db.close()


def another_programs(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE things (a)")
    db.close()


def no_format(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DELETE FROM meta")
    db.close()


@pytest.mark.parametrize(
    "spoil", [damage_beginning, damage_pages, newer_format, another_programs, no_format]
)
def test_store_that_cannot_be_used_is_moved_aside(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    """A damaged or foreign database is kept under another name, and a new one begun."""
    with_store(tmp_path, lambda store: store.add(ROW))
    path = tmp_path / "checkpoints.db"
    spoil(path)
    spoiled = path.read_bytes()
    store = opened(tmp_path)
    try:
        assert store.moved_aside == tmp_path / "checkpoints.db.damaged-20261121T120000"
        assert store.moved_aside.read_bytes() == spoiled
        assert store.files("api") == []
    finally:
        store.close_now()
    assert len(rows(tmp_path)) == 0
    spoil(path)
    again = opened(tmp_path)
    again.close_now()
    assert again.moved_aside == tmp_path / "checkpoints.db.damaged-20261121T120000-"


def test_folder_in_the_databases_place(tmp_path: Path) -> None:
    """What cannot be opened at all is said with its path."""
    (tmp_path / "checkpoints.db").mkdir()
    with pytest.raises(StateError) as caught:
        opened(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}/checkpoints.db: cannot open the checkpoint")


def test_absent_folder(tmp_path: Path) -> None:
    """A store in a folder that is not there is an error, not a store somewhere else."""
    with pytest.raises(StateError):
        opened(tmp_path / "absent")
