"""Looking into the store, and the arithmetic of moving a checkpoint."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logship.checkpoints.admin import (
    Place,
    checkpoint_at,
    is_line_start,
    line_starts_around,
    read_rows,
)
from logship.checkpoints.rows import FileRow
from logship.checkpoints.store import CheckpointStore
from logship.errors import StateError
from logship.ids import tail_digest

ROW = FileRow(
    id=0, source="app", path="/var/log/app.log", device=1, inode=2, fingerprint=b"one\n",
    first_line=b"d" * 16, salt=b"", seed="seed000000", offset=4, tail=tail_digest(b"one\n"),
    last_time="2026-11-21T10:00:00Z", size=4, boot="boot", confirmed_at=1.0,
    day_marks=((0, "2026-11-21"),),
)  # fmt: skip


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, count: data[offset : offset + count]


def fill(directory: Path, *rows: FileRow) -> list[FileRow]:
    async def add() -> list[FileRow]:
        store = CheckpointStore(directory, now=lambda: 5.0)
        try:
            added = [await store.add(row) for row in rows]
            await store.add_split_mark("seed000000", 0, 2)
            return added
        finally:
            await store.close()

    return asyncio.run(add())


def test_no_store_is_no_rows(tmp_path: Path) -> None:
    """A folder without a store has no rows, and none is made."""
    assert read_rows(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_rows_with_split_marks_by_source_and_path(tmp_path: Path) -> None:
    """Every content is there, by source and path, odd names and split marks included."""
    from dataclasses import replace

    odd = "/var/log/\udcff.log"
    fill(tmp_path, replace(ROW, source="b"), replace(ROW, source="a", path=odd), ROW)
    rows = read_rows(tmp_path)
    assert [(row.source, row.path) for row in rows] == [
        ("a", odd),
        ("app", ROW.path),
        ("b", ROW.path),
    ]
    assert rows[0].split_marks == ((0, 2),)
    assert replace(rows[1], id=0, split_marks=()) == replace(ROW, day_marks=())


def test_rows_beside_a_writer(tmp_path: Path) -> None:
    """What another connection has committed is seen while it stays open, and not the rest."""
    fill(tmp_path, ROW)
    writer = sqlite3.connect(tmp_path / "checkpoints.db", isolation_level=None)
    try:
        writer.execute("UPDATE files SET offset = 77")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("UPDATE files SET offset = 99")
        assert [row.offset for row in read_rows(tmp_path)] == [77]
        writer.execute("COMMIT")
        assert [row.offset for row in read_rows(tmp_path)] == [99]
    finally:
        writer.close()


@pytest.mark.parametrize("content", [b"not a database, but long enough" * 40, b""])
def test_a_damaged_store_is_said_and_left_alone(tmp_path: Path, content: bytes) -> None:
    """A file that is no store is an error that names it, and stays as it is."""
    path = tmp_path / "checkpoints.db"
    path.write_bytes(content)
    with pytest.raises(StateError, match=r"checkpoints\.db: cannot be read"):
        read_rows(tmp_path)
    assert path.read_bytes() == content


def test_another_version_is_said(tmp_path: Path) -> None:
    """A store of another format is an error, not misread rows."""
    fill(tmp_path, ROW)
    db = sqlite3.connect(tmp_path / "checkpoints.db")
    with db:
        db.execute("UPDATE meta SET value = '2' WHERE key = 'format'")
    db.close()
    with pytest.raises(StateError, match="another version of logship"):
        read_rows(tmp_path)


def test_checkpoint_elsewhere() -> None:
    """A moved checkpoint has the tail before its offset and no time; the fingerprint may grow."""
    data = b"one\n" + b"x" * 400 + b"\nthree\n"
    place = Place("/var/log/app.log.1", 3, 4, len(data), data, reader(data))
    moved = checkpoint_at(ROW, 405, place)
    assert (moved.offset, moved.tail) == (405, tail_digest(data[149:405]))
    assert (moved.last_time, moved.size, moved.gone_at) == (None, 4, None)
    assert (moved.path, moved.device, moved.inode) == ("/var/log/app.log.1", 3, 4)
    assert moved.fingerprint == data


def test_checkpoint_where_it_is_keeps_its_time() -> None:
    """A checkpoint that is not moved keeps the last usable time, a longer fingerprint, too."""
    place = Place("p", 1, 2, 4, b"one", reader(b"one\n"))
    moved = checkpoint_at(ROW, 4, place)
    assert (moved.last_time, moved.fingerprint) == (ROW.last_time, b"one\n")
    assert moved.tail == ROW.tail


def test_line_starts() -> None:
    """A record begins at the start, after a newline, and where a split mark says so."""
    from dataclasses import replace

    read_at = reader(b"one\ntwo\n")
    row = replace(ROW, split_marks=((4, 6),))
    assert [at for at in range(9) if is_line_start(at, row, read_at)] == [0, 4, 6, 8]
    assert [at for at in range(9) if is_line_start(at, None, read_at)] == [0, 4, 8]


@given(
    data=st.lists(st.sampled_from([b"a", b"\n", b"\r", b"b" * 70_000]), max_size=12),
    share=st.floats(0, 1),
)
def test_nearest_line_starts(data: list[bytes], share: float) -> None:
    """The starts found are those that splitting all of it gives, over block edges, too."""
    content = b"".join(data)
    offset = int(share * len(content))
    starts = [0] + [at + 1 for at, byte in enumerate(content) if byte == 10]
    before = max(start for start in starts if start <= offset)
    after = min((start for start in starts if start > offset), default=None)
    assert line_starts_around(offset, len(content), reader(content)) == (before, after)
