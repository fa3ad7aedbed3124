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
_MOSTLY = 3

ANY_ORDER, AS_WRITTEN, OLDEST_FIRST, NEWEST_FIRST = range(4)
_DIRECTIONS = {OLDEST_FIRST: "ORDER BY time", NEWEST_FIRST: "ORDER BY time DESC"}


def candidates(
    connection: sqlite3.Connection,
    view: View,
    query: Compiled,
    order: int,
    beyond: int = -1,
) -> Iterator[Doc]:
    """Yield the documents of one index that may match.

    Args:
        connection: Of the calling thread.
        view: Of the index.
        query: What narrows.
        order: `ANY_ORDER`, `AS_WRITTEN`, or by ``@timestamp``; then documents without one in
            its column come first.
        beyond: Only documents with a higher ``seq_no``; for `AS_WRITTEN`.
    """
    if query.ids is not None:
        docs = _by_ids(connection, view, query)
        yield from sorted(docs, key=lambda doc: doc.seq) if order == AS_WRITTEN else docs
        return
    if query.words is None:
        yield from _scanned(connection, view, query, order, beyond)
        return
    table = f"text_{view.index.id}"
    matching = f"SELECT rowid FROM {table} WHERE {table} MATCH ?"
    rowids = [row for (row,) in connection.execute(f"{matching} LIMIT {_FEW + 1}", (query.words,))]
    if len(rowids) <= _FEW:
        yield from _few(connection, view, query, order, rowids)
        return
    rowids = [row for (row,) in connection.execute(matching, (query.words,))]
    if order in _DIRECTIONS:
        many = set(rowids)
        keys = _keys(connection, view, query, order)
        yield from _fetched(connection, view, (seq for seq in keys if seq in many))
        return
    yield from _fetched(connection, view, rowids)


def count_times(connection: sqlite3.Connection, view: View, query: Compiled) -> int:
    """Return how many documents match a query of which times alone decide."""
    where, values = _within(view, query)
    (count,) = connection.execute(
        f"SELECT count(*) FROM documents WHERE {where}", values
    ).fetchone()
    return int(count) + sum(query.matches(doc) for doc in _without_time(connection, view))


def _within(view: View, query: Compiled) -> tuple[str, tuple[int, ...]]:
    low = -(2**63) if query.low is None else max(query.low, -(2**63))
    high = 2**63 - 1 if query.high is None else min(query.high, 2**63 - 1)
    where = "index_id = ? AND time >= ? AND time <= ?"
    return where, (view.index.id, low, high)


def _doc(view: View, row: tuple[int, str, int, int, int | None, str | None, bytes]) -> Doc:
    seq, id_, seq_no, version, time, ignored, source = row
    return Doc(view, seq, id_, seq_no, version, time, ignored, source)


def _by_ids(connection: sqlite3.Connection, view: View, query: Compiled) -> Iterator[Doc]:
    ids = sorted(query.ids or ())
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        marks = ",".join("?" * len(some))
        for row in connection.execute(
            f"SELECT {COLUMNS} FROM documents WHERE index_id = ? AND id IN ({marks})",
            (view.index.id, *some),
        ):
            yield _doc(view, row)


def _without_time(connection: sqlite3.Connection, view: View) -> Iterator[Doc]:
    for row in connection.execute(
        f"SELECT {COLUMNS} FROM documents WHERE index_id = ? AND time IS NULL",
        (view.index.id,),
    ):
        yield _doc(view, row)


def _scanned(
    connection: sqlite3.Connection,
    view: View,
    query: Compiled,
    order: int,
    beyond: int,
) -> Iterator[Doc]:
    is_timed = query.low is not None or query.high is not None
    if order == AS_WRITTEN or (order == ANY_ORDER and not is_timed):
        yield from _as_written(connection, view, beyond)
        return
    yield from _without_time(connection, view)
    where, values = _within(view, query)
    direction = _DIRECTIONS.get(order, "")
    sql = f"SELECT {COLUMNS} FROM documents WHERE {where} {direction}"
    for row in connection.execute(sql, values):
        yield _doc(view, row)


def _as_written(connection: sqlite3.Connection, view: View, beyond: int) -> Iterator[Doc]:
    (last,) = connection.execute("SELECT max(seq) FROM documents").fetchone()
    index = view.index
    if index.documents * _MOSTLY >= (last or 0):
        # The index is most of the table: reading that from end to end beats an index lookup.
        sql = (
            f"SELECT {COLUMNS} FROM documents NOT INDEXED "
            "WHERE index_id = ? AND seq_no > ? ORDER BY seq"
        )
        for row in connection.execute(sql, (index.id, beyond)):
            yield _doc(view, row)
        return
    sql = "SELECT seq FROM documents INDEXED BY documents_by_time WHERE index_id = ?"
    seqs = sorted(seq for (seq,) in connection.execute(sql, (index.id,)))
    for doc in _fetched(connection, view, seqs):
        if doc.seq_no > beyond:
            yield doc


def _keys(connection: sqlite3.Connection, view: View, query: Compiled, order: int) -> Iterator[int]:
    for (seq,) in connection.execute(
        "SELECT seq FROM documents WHERE index_id = ? AND time IS NULL",
        (view.index.id,),
    ):
        yield seq
    where, values = _within(view, query)
    direction = _DIRECTIONS.get(order, "")
    sql = f"SELECT seq FROM documents WHERE {where} {direction}"
    for (seq,) in connection.execute(sql, values):
        yield seq


def _few(
    connection: sqlite3.Connection,
    view: View,
    query: Compiled,
    order: int,
    rowids: list[int],
) -> Iterator[Doc]:
    low = -(2**63) if query.low is None else query.low
    high = 2**63 if query.high is None else query.high
    if order in _DIRECTIONS or query.low is not None or query.high is not None:
        timed: list[tuple[int | None, int]] = []
        for some in _chunks(rowids):
            marks = ",".join("?" * len(some))
            sql = f"SELECT time, seq FROM documents WHERE seq IN ({marks})"
            timed.extend(connection.execute(sql, some))
        without = [seq for time, seq in timed if time is None]
        within = [(time, seq) for time, seq in timed if time is not None and low <= time <= high]
        if order in _DIRECTIONS:
            within.sort(reverse=order == NEWEST_FIRST)
        rowids = without + [seq for _time, seq in within]
        if order == AS_WRITTEN:
            rowids.sort()
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
