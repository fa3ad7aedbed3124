"""Writing documents: the operations of one request, in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from logship.node import settings as index_settings
from logship.node.analysis import indexed_text
from logship.node.catalog import Catalog
from logship.node.documents import DocumentReader, Indexed, parse_source
from logship.node.errors import NodeError, illegal_argument, index_not_found, not_found
from logship.node.index import Index
from logship.node.mapping import Mapping
from logship.node.names import check_index_name, new_id, without_date_math
from logship.node.quick import quick


@dataclass(slots=True)
class Operation:
    """One document to write or delete.

    Attributes:
        action: index, create or delete.
        target: Index, alias or data stream as named.
        id: None to have one made.
        source: The document; empty for delete.
        options: version, version_type, if_seq_no, if_primary_term, require_alias,
            require_data_stream, pipeline; mostly empty.
    """

    action: str
    target: str
    id: str | None
    source: bytes
    options: dict[str, Any]


@dataclass(slots=True)
class Outcome:
    """What became of one operation: written, or *error*.

    Attributes:
        result: created, updated, deleted or not_found.
        shards: Copies that the index' settings ask for, the primary included.
    """

    action: str
    index: str
    id: str | None
    status: int = 201
    version: int = 1
    seq_no: int = 0
    result: str = "created"
    shards: int = 1
    error: NodeError | None = None


@dataclass
class _Work:
    """What one request does to one index, until it is committed."""

    index: Index
    mapping: Mapping
    next_seq_no: int
    documents: int
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    words: list[tuple[int, str]] = field(default_factory=list)


_INSERT = "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_FIND = "SELECT id, seq, seq_no, version FROM documents WHERE index_id = ? AND id IN (%s)"
_CHUNK = 500
_COLUMN_LIMIT = 2**63


class Writer:
    """Executes operations. Lives on the writing thread."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def execute(self, operations: Sequence[Operation]) -> list[Outcome]:
        """Apply all operations and return an outcome for each, in order.

        Everything is durable when this returns. An operation that fails leaves the others
        alone.

        Raises:
            sqlite3.Error: Nothing at all was written.
        """
        outcomes: list[Outcome | None] = [None] * len(operations)
        groups: dict[str, list[int]] = {}
        for position, operation in enumerate(operations):
            groups.setdefault(operation.target, []).append(position)
        works: dict[str, _Work] = {}
        targets: list[tuple[_Work, list[int]]] = []
        for positions in groups.values():
            for index, plain in self._sorted_out(positions, operations, outcomes):
                work = works.setdefault(
                    index.name,
                    _Work(index, index.mapping, index.next_seq_no, index.documents),
                )
                targets.append((work, plain))
        seq = self._catalog.next_seq
        if targets:
            with self._catalog.store.transaction() as connection:
                for work, positions in targets:
                    seq = self._group(connection, work, positions, operations, outcomes, seq)
                for work in works.values():
                    _save(connection, work)
            self._catalog.next_seq = seq
            for work in works.values():
                work.index.mapping = work.mapping
                work.index.next_seq_no = work.next_seq_no
                work.index.documents = work.documents
        return [outcome for outcome in outcomes if outcome is not None]

    def _sorted_out(
        self,
        positions: list[int],
        operations: Sequence[Operation],
        outcomes: list[Outcome | None],
    ) -> list[tuple[Index, list[int]]]:
        """Return the operations of one target that may go on, refuse the others."""
        known: dict[tuple[str, int], tuple[Index, NodeError | None] | NodeError] = {}
        plain: list[int] = []
        index: Index | None = None
        for position in positions:
            operation = operations[position]
            key = (operation.action, id(operation.options))
            found = known.get(key)
            if found is None:
                found = known[key] = self._found(operation)
            error = found if isinstance(found, NodeError) else found[1]
            if not isinstance(found, NodeError):
                index = found[0]
                if operation.id is None:
                    operation.id = new_id()
                elif operation.id == "":
                    error = illegal_argument("if _id is specified it must not be empty")
            if error is None:
                plain.append(position)
            else:
                outcomes[position] = _refusal(operation, error, index.name if index else None)
        return [(index, plain)] if index is not None and plain else []

    def _found(self, operation: Operation) -> tuple[Index, NodeError | None] | NodeError:
        pipeline = operation.options.get("pipeline", "_none")
        if pipeline != "_none" and pipeline not in self._catalog.state["pipeline"]:
            return illegal_argument(f"pipeline with id [{pipeline}] does not exist")
        try:
            index = self._target(operation)
        except NodeError as error:
            return error
        return index, index_settings.blocked(
            index.settings, index.name, index_settings.WRITE_BLOCKS
        )

    def _target(self, operation: Operation) -> Index:
        """Return the index to write to, created when it may be."""
        catalog, options = self._catalog, operation.options
        name = without_date_math(operation.target)
        index = catalog.indices.get(name)
        aliased = [] if index is not None else catalog.aliased(name)
        stream = catalog.state["data_stream"].get(name)
        if options.get("require_alias") and not aliased:
            why = f" and [require_alias] request flag is [true] and [{name}] is not an alias"
            raise index_not_found(name, why=why)
        if index is None and aliased:
            index = _write_index(name, aliased)
        if index is None and stream is None:
            if operation.action == "delete" and not options.get("version_type"):
                raise index_not_found(name)
            check_index_name(name)
            is_stream = catalog.composed(name).data_stream is not None
            if not is_stream:
                _require_stream(name, options)
            catalog.may_create(name)
            if is_stream and operation.action != "create":
                raise self._only_create(name)
            index = catalog.create_stream(name) if is_stream else catalog.create(name)
        elif index is None and stream is not None:
            if operation.action != "create":
                raise self._only_create(name)
            index = catalog.indices[stream["indices"][-1]]
        assert index is not None
        if stream is None and index.stream is None:
            _require_stream(name, options)
        if index.is_closed:
            raise index.closed_error()
        return index

    @staticmethod
    def _only_create(name: str) -> NodeError:
        cause = index_not_found(name).cause()
        cause["excluded_ds"] = "true"
        return illegal_argument(
            "only write ops with an op_type of create are allowed in data streams", cause
        )

    def _group(
        self,
        connection: sqlite3.Connection,
        work: _Work,
        positions: list[int],
        operations: Sequence[Operation],
        outcomes: list[Outcome | None],
        seq: int,
    ) -> int:
        ids = [operations[position].id or "" for position in positions]
        known = _existing(connection, work.index.id, ids)
        for position in positions:
            operation = operations[position]
            try:
                outcomes[position] = self._one(connection, work, operation, known, seq)
                if operation.action != "delete":
                    seq += 1
            except NodeError as error:
                outcomes[position] = _refusal(operation, error, work.index.name)
        connection.executemany(_INSERT, work.rows)
        connection.executemany(
            f"INSERT INTO text_{work.index.id}(rowid, body) VALUES (?, ?)", work.words
        )
        work.rows.clear()
        work.words.clear()
        return seq

    def _one(
        self,
        connection: sqlite3.Connection,
        work: _Work,
        operation: Operation,
        known: dict[str, tuple[int, int, int]],
        seq: int,
    ) -> Outcome:
        index, id_ = work.index, operation.id or ""
        if operation.action == "delete":
            return _delete(connection, work, operation, known)
        document = parse_source(operation.source, work.mapping, id_)
        indexed = quick(document, operation.source, work.mapping)
        if indexed is None:
            reader = DocumentReader(work.mapping, operation.source, id_, index.limits)
            indexed = reader.read(document)
        if index.stream is not None:
            _check_stream_time(document, indexed, operation.source)
        # The mapping comes first: also a document that is there already brings its fields.
        if indexed.mapping is not None:
            work.mapping = indexed.mapping
        there = known.get(id_)
        version = _next_version(operation, there, index)
        if there is not None:
            _forget(connection, work, there[0])
        seq_no = work.next_seq_no
        ignored = orjson.dumps(sorted(indexed.ignored)).decode() if indexed.ignored else None
        work.rows.append(
            (seq, index.id, id_, seq_no, version, _column(indexed.time), ignored, operation.source)
        )
        if indexed.texts:
            work.words.append((seq, indexed_text(indexed.texts)))
        work.next_seq_no += 1
        work.documents += there is None
        known[id_] = (seq, seq_no, version)
        if there is None:
            return Outcome(
                operation.action, index.name, id_, 201, version, seq_no, "created",
                1 + index.replicas,
            )  # fmt: skip
        return Outcome(
            operation.action, index.name, id_, 200, version, seq_no, "updated", 1 + index.replicas
        )


def _column(nanos: int | None) -> int | None:
    """What the column of times holds; beyond the year 2262 the source has to be looked at."""
    return nanos if nanos is None or -_COLUMN_LIMIT <= nanos < _COLUMN_LIMIT else None


def _existing(
    connection: sqlite3.Connection, index_id: int, ids: list[str]
) -> dict[str, tuple[int, int, int]]:
    """Return (seq, seq_no, version) of those of *ids* that there are."""
    found: dict[str, tuple[int, int, int]] = {}
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        marks = ",".join("?" * len(some))
        for id_, seq, seq_no, version in connection.execute(_FIND % marks, (index_id, *some)):
            found[id_] = (seq, seq_no, version)
    return found


def _forget(connection: sqlite3.Connection, work: _Work, seq: int) -> None:
    """Take a document away, whether it is in the table yet or only about to be."""
    if work.rows and work.rows[0][0] <= seq:
        work.rows[:] = [row for row in work.rows if row[0] != seq]
        work.words[:] = [word for word in work.words if word[0] != seq]
    else:
        connection.execute("DELETE FROM documents WHERE seq = ?", (seq,))


def _delete(
    connection: sqlite3.Connection,
    work: _Work,
    operation: Operation,
    known: dict[str, tuple[int, int, int]],
) -> Outcome:
    id_ = operation.id or ""
    there = known.get(id_)
    version = _next_version(operation, there, work.index)
    shards = 1 + work.index.replicas
    seq_no = work.next_seq_no
    work.next_seq_no += 1
    if there is None:
        return Outcome("delete", work.index.name, id_, 404, version, seq_no, "not_found", shards)
    _forget(connection, work, there[0])
    del known[id_]
    work.documents -= 1
    return Outcome("delete", work.index.name, id_, 200, version, seq_no, "deleted", shards)


def _next_version(operation: Operation, there: tuple[int, int, int] | None, index: Index) -> int:
    options = operation.options
    if operation.action == "create" and there is not None:
        raise _conflict(operation, index, f"document already exists (current version [{there[2]}])")
    if not options:
        return 1 if there is None else there[2] + 1
    if "if_seq_no" in options:
        wanted, term = int(options["if_seq_no"]), int(options.get("if_primary_term", 1))
        if there is None:
            raise _conflict(
                operation,
                index,
                f"required seqNo [{wanted}], primary term [{term}]. but no document was found",
            )
        if there[1] != wanted or term != 1:
            raise _conflict(
                operation,
                index,
                f"required seqNo [{wanted}], primary term [{term}]. current document has seqNo "
                f"[{there[1]}] and primary term [1]",
            )
    if str(options.get("version_type", "internal")).startswith("external"):
        given = int(options.get("version", 1))
        is_gte = options["version_type"] == "external_gte"
        if there is not None and (given < there[2] or (given == there[2] and not is_gte)):
            relation = "higher than" if is_gte else "higher or equal to"
            raise _conflict(
                operation,
                index,
                f"current version [{there[2]}] is {relation} the one provided [{given}]",
            )
        return given
    return 1 if there is None else there[2] + 1


def _conflict(operation: Operation, index: Index, why: str) -> NodeError:
    return NodeError(
        409,
        "version_conflict_engine_exception",
        f"[{operation.id}]: version conflict, {why}",
        extra={"index_uuid": index.uuid, "shard": "0", "index": index.name},
    )


def _check_stream_time(document: dict[str, Any], indexed: Indexed, source: bytes) -> None:
    if document.get("@timestamp") is None:
        reason = "data stream timestamp field [@timestamp] is missing"
        raise NodeError(
            400,
            "document_parsing_exception",
            f"[1:{len(source)}] failed to parse: {reason}",
            caused_by={"type": "illegal_argument_exception", "reason": reason},
        )


def _write_index(name: str, aliased: list[tuple[Index, Any]]) -> Index:
    if len(aliased) == 1 and aliased[0][1].get("is_write_index") is not False:
        return aliased[0][0]
    for index, body in aliased:
        if body.get("is_write_index"):
            return index
    raise illegal_argument(
        f"no write index is defined for alias [{name}]. The write index may be explicitly "
        "disabled using is_write_index=false or the alias points to multiple indices without one "
        "being designated as a write index"
    )


def _require_stream(name: str, options: dict[str, Any]) -> None:
    if options.get("require_data_stream"):
        raise not_found(
            f"[require_data_stream] request flag is [true] and [{name}] is not a data stream"
        )


def _refusal(operation: Operation, error: NodeError, index: str | None = None) -> Outcome:
    return Outcome(
        operation.action, index or operation.target, operation.id, error.status, error=error
    )


def _save(connection: sqlite3.Connection, work: _Work) -> None:
    connection.execute(
        "UPDATE indices SET next_seq_no = ?, documents = ? WHERE id = ?",
        (work.next_seq_no, work.documents, work.index.id),
    )
    if work.mapping is not work.index.mapping:
        connection.execute(
            "UPDATE indices SET mapping = ? WHERE id = ?",
            (orjson.dumps(work.mapping.definition).decode(), work.index.id),
        )
