"""Finding the documents that may match: full text, ids and times in SQL.

What comes out is a superset of the matches; the compiled query decides afterwards.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from logship.node.dsl.compiled import Compiled
from logship.node.view import Doc, View

COLUMNS = "seq, id, seq_no, version, time, ignored, source"
_FEW = 20_000
_CHUNK = 400

ANY_ORDER, OLDEST_FIRST, NEWEST_FIRST = 0, 1, -1


def candidates(
    connection: sqlite3.Connection, view: View, query: Compiled, bound: int, order: int
) -> Iterator[Doc]:
    """Yield the documents of one index that may match.

    Args:
        connection: Of the calling thread.
        view: Of the index.
        query: What narrows.
        bound: Only documents with a lower ``seq``.
        order: `ANY_ORDER` (by ``seq``), or by ``@timestamp``; then documents without one in
            its column come first.
    """
    if query.ids is not None:
        yield from _by_ids(connection, view, query, bound)
        return
    if query.words is None:
        yield from _scanned(connection, view, query, bound, order)
        return
    table = f"text_{view.index.id}"
    matching = f"SELECT rowid FROM {table} WHERE {table} MATCH ?"
    rowids = [row for (row,) in connection.execute(f"{matching} LIMIT {_FEW + 1}", (query.words,))]
    if len(rowids) <= _FEW:
        yield from _few(connection, view, query, bound, order, rowids)
        return
    many = {row for (row,) in connection.execute(matching, (query.words,))}
    keys = _keys(connection, view, query, bound, order)
    yield from _fetched(connection, view, (seq for seq in keys if seq in many))


def count_all(connection: sqlite3.Connection, view: View, query: Compiled, bound: int) -> int:
    """Return how many documents lie in the time range of *query*, without looking at them."""
    where, values = _where(view, query, bound, "time >= ? AND time <= ?")
    (count,) = connection.execute(
        f"SELECT count(*) FROM documents WHERE {where}", values
    ).fetchone()
    return int(count)


def _where(view: View, query: Compiled, bound: int, times: str) -> tuple[str, tuple[int, ...]]:
    low = -(2**63) if query.low is None else max(query.low, -(2**63))
    high = 2**63 - 1 if query.high is None else min(query.high, 2**63 - 1)
    return f"index_id = ? AND seq < ? AND {times}", (view.index.id, bound, low, high)


def _doc(view: View, row: tuple[int, str, int, int, int | None, str | None, bytes]) -> Doc:
    seq, id_, seq_no, version, time, ignored, source = row
    return Doc(view, seq, id_, seq_no, version, time, ignored, source)


def _by_ids(
    connection: sqlite3.Connection, view: View, query: Compiled, bound: int
) -> Iterator[Doc]:
    ids = sorted(query.ids or ())
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        marks = ",".join("?" * len(some))
        for row in connection.execute(
            f"SELECT {COLUMNS} FROM documents WHERE index_id = ? AND id IN ({marks}) AND seq < ?",
            (view.index.id, *some, bound),
        ):
            yield _doc(view, row)


def _scanned(
    connection: sqlite3.Connection, view: View, query: Compiled, bound: int, order: int
) -> Iterator[Doc]:
    index_id = view.index.id
    if order == ANY_ORDER and query.low is None and query.high is None:
        sql = f"SELECT {COLUMNS} FROM documents WHERE index_id = ? AND seq < ?"
        # Scanning one large table by its key beats going through an index on index_id.
        for row in connection.execute(sql, (index_id, bound)):
            yield _doc(view, row)
        return
    for row in connection.execute(
        f"SELECT {COLUMNS} FROM documents WHERE index_id = ? AND time IS NULL AND seq < ?",
        (index_id, bound),
    ):
        yield _doc(view, row)
    where, values = _where(view, query, bound, "time >= ? AND time <= ?")
    direction = {OLDEST_FIRST: "ORDER BY time", NEWEST_FIRST: "ORDER BY time DESC"}.get(order, "")
    for row in connection.execute(
        f"SELECT {COLUMNS} FROM documents WHERE {where} {direction}", values
    ):
        yield _doc(view, row)


def _keys(
    connection: sqlite3.Connection, view: View, query: Compiled, bound: int, order: int
) -> Iterator[int]:
    index_id = view.index.id
    for (seq,) in connection.execute(
        "SELECT seq FROM documents WHERE index_id = ? AND time IS NULL AND seq < ?",
        (index_id, bound),
    ):
        yield seq
    where, values = _where(view, query, bound, "time >= ? AND time <= ?")
    direction = {OLDEST_FIRST: "ORDER BY time", NEWEST_FIRST: "ORDER BY time DESC"}.get(order, "")
    for (seq,) in connection.execute(
        f"SELECT seq FROM documents WHERE {where} {direction}", values
    ):
        yield seq


def _few(
    connection: sqlite3.Connection,
    view: View,
    query: Compiled,
    bound: int,
    order: int,
    rowids: list[int],
) -> Iterator[Doc]:
    low = -(2**63) if query.low is None else query.low
    high = 2**63 if query.high is None else query.high
    rowids = [seq for seq in rowids if seq < bound]
    if order != ANY_ORDER or query.low is not None or query.high is not None:
        timed: list[tuple[int | None, int]] = []
        for some in _chunks(rowids):
            marks = ",".join("?" * len(some))
            timed.extend(
                connection.execute(f"SELECT time, seq FROM documents WHERE seq IN ({marks})", some)
            )
        without = [seq for time, seq in timed if time is None]
        within = [(time, seq) for time, seq in timed if time is not None and low <= time <= high]
        if order != ANY_ORDER:
            within.sort(reverse=order == NEWEST_FIRST)
        rowids = without + [seq for _time, seq in within]
    yield from _fetched(connection, view, rowids)


def _chunks(values: Iterable[int]) -> Iterator[list[int]]:
    some: list[int] = []
    for value in values:
        some.append(value)
        if len(some) == _CHUNK:
            yield some
            some = []
    if some:
        yield some


def _fetched(connection: sqlite3.Connection, view: View, seqs: Iterable[int]) -> Iterator[Doc]:
    """Yield documents in the order of *seqs*; those that are gone are left out."""
    for some in _chunks(seqs):
        marks = ",".join("?" * len(some))
        rows = {
            row[0]: row
            for row in connection.execute(
                f"SELECT {COLUMNS} FROM documents WHERE seq IN ({marks})", some
            )
        }
        for seq in some:
            if seq in rows:
                yield _doc(view, rows[seq])
