"""The ``_cat`` tables, for people."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from logship.node.api.parts import EXPAND, NAME, VERSION, Parts, options_of, resolved, size_of
from logship.node.errors import illegal_argument
from logship.node.http.reply import Reply
from logship.node.http.request import Request
from logship.node.http.router import Router
from logship.node.index import Index, Options

_COMMON = f"v h s help bytes time local master_timeout {EXPAND}"
_TABLES = ("aliases", "count", "health", "indices", "master", "nodes", "shards", "templates")
_RIGHT = re.compile(r"[\d.]+(?:b|kb|mb|gb|%)?|-")
Row = dict[str, str]


class Cat:
    """Endpoints that print tables."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self, router: Router) -> None:
        """Register."""
        router.add("GET", "/_cat", self.overview)
        for path in ("/_cat/indices", "/_cat/indices/{index}"):
            router.add("GET", path, self.indices, f"{_COMMON} health pri include_unloaded_segments")
        for path in ("/_cat/count", "/_cat/count/{index}"):
            router.add("GET", path, self.count, _COMMON)
        for path in ("/_cat/shards", "/_cat/shards/{index}"):
            router.add("GET", path, self.shards, _COMMON)
        for path in ("/_cat/aliases", "/_cat/aliases/{name}"):
            router.add("GET", path, self.aliases, _COMMON)
        router.add("GET", "/_cat/health", self.health, f"{_COMMON} ts")
        router.add("GET", "/_cat/nodes", self.nodes, f"{_COMMON} full_id")
        router.add("GET", "/_cat/master", self.master, _COMMON)
        router.add("GET", "/_cat/templates", self.templates, _COMMON)

    async def overview(self, request: Request) -> Reply:
        """List the tables."""
        return Reply(text="=^.^=\n" + "".join(f"/_cat/{name}\n" for name in _TABLES))

    async def indices(self, request: Request) -> Reply:
        """One row per index."""
        found = resolved(self._parts, request, Options(closed=True))
        unit = request.parameters.get("bytes")
        rows = [_index_row(one.index, size_of(self._parts, one.index.documents), unit)
                for one in found]  # fmt: skip
        if "health" in request.parameters:
            rows = [row for row in rows if row["health"] == request.parameters["health"]]
        default = (
            "health status index uuid pri rep docs.count docs.deleted store.size pri.store.size "
            "dataset.size"
        )
        return _table(request, rows, default)

    async def count(self, request: Request) -> Reply:
        """The number of documents."""
        total = sum(one.index.documents for one in resolved(self._parts, request))
        return _table(request, [{**_now(), "count": str(total)}], "epoch timestamp count")

    async def shards(self, request: Request) -> Reply:
        """One row per index: each lives in one place."""
        rows = [
            {"index": one.index.name, "shard": "0", "prirep": "p", "state": "STARTED",
             "docs": str(one.index.documents), "store": "", "ip": "127.0.0.1", "node": NAME}
            for one in resolved(self._parts, request, options_of(request))
        ]  # fmt: skip
        return _table(request, rows, "index shard prirep state docs store ip node")

    async def aliases(self, request: Request) -> Reply:
        """One row per alias and index."""
        wanted = request.parts.get("name")
        rows = [
            {"alias": alias, "index": index.name, "filter": "*" if body.get("filter") else "-",
             "routing.index": "-", "routing.search": "-",
             "is_write_index": str(body.get("is_write_index", "-")).lower()}
            for index in self._parts.catalog.indices.values()
            for alias, body in index.aliases.items()
            if wanted is None or alias in wanted.split(",")
        ]  # fmt: skip
        return _table(
            request, rows, "alias index filter routing.index routing.search is_write_index"
        )

    async def health(self, request: Request) -> Reply:
        """The cluster in one row."""
        indices = self._parts.catalog.indices.values()
        shards = sum(index.shards for index in indices)
        copies = sum(index.shards * index.replicas for index in indices)
        row = {
            **_now(),
            "cluster": NAME,
            "status": "yellow" if copies else "green",
            "node.total": "1",
            "node.data": "1",
            "shards": str(shards),
            "pri": str(shards),
            "relo": "0",
            "init": "0",
            "unassign": str(copies),
            "unassign.pri": "0",
            "pending_tasks": "0",
            "max_task_wait_time": "-",
            "active_shards_percent": f"{100 * shards / ((shards + copies) or 1) or 100:.1f}%",
        }
        return _table(request, [row], " ".join(row))

    async def nodes(self, request: Request) -> Reply:
        """The one node."""
        row = {"ip": "127.0.0.1", "heap.percent": "0", "ram.percent": "0", "cpu": "0",
               "load_1m": "0.00", "load_5m": "0.00", "load_15m": "0.00", "node.role": "dim",
               "master": "*", "name": NAME, "version": VERSION}  # fmt: skip
        return _table(request, [row], " ".join(list(row)[:-1]))

    async def master(self, request: Request) -> Reply:
        """The one node again."""
        node_id = self._parts.catalog.node_id
        row = {"id": node_id, "host": "127.0.0.1", "ip": "127.0.0.1", "node": NAME}
        return _table(request, [row], "id host ip node")

    async def templates(self, request: Request) -> Reply:
        """One row per template."""
        state = self._parts.catalog.state
        rows = [
            {"name": name, "index_patterns": _shown(body["index_patterns"]),
             "order": str(body.get("priority", body.get("order", 0))),
             "version": str(body.get("version", "")), "composed_of": _shown(
                 body.get("composed_of", []))}
            for kind in ("index_template", "template")
            for name, body in sorted(state[kind].items())
        ]  # fmt: skip
        return _table(request, rows, "name index_patterns order version composed_of")


def _shown(names: Sequence[str]) -> str:
    return "[" + ", ".join(names) + "]"


def _now() -> Row:
    seconds = time.time()
    return {
        "epoch": str(int(seconds)),
        "timestamp": time.strftime("%H:%M:%S", time.gmtime(seconds)),
    }


def _index_row(index: Index, size: int, unit: str | None) -> Row:
    text = _bytes(size, unit)
    return {
        "health": "yellow" if index.replicas else "green",
        "status": "close" if index.is_closed else "open",
        "index": index.name,
        "uuid": index.uuid,
        "pri": str(index.shards),
        "rep": str(index.replicas),
        "docs.count": "" if index.is_closed else str(index.documents),
        "docs.deleted": "" if index.is_closed else "0",
        "store.size": text,
        "pri.store.size": text,
        "dataset.size": text,
        "creation.date": str(index.created_millis),
        "creation.date.string": time.strftime(
            "%Y-%m-%dT%H:%M:%S", time.gmtime(index.created_millis / 1000)
        ) + f".{index.created_millis % 1000:03d}Z",
    }  # fmt: skip


def _bytes(size: int, unit: str | None) -> str:
    scale = {"b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}
    if unit in scale:
        return str(size // scale[unit])
    for name in ("gb", "mb", "kb"):
        if size >= scale[name]:
            return f"{size / scale[name]:.1f}{name}"
    return f"{size}b"


def _table(request: Request, rows: list[Row], default: str) -> Reply:
    """Return *rows* as text, or as JSON when asked for."""
    wanted = request.parameters.get("h")
    columns = wanted.split(",") if wanted else default.split()
    names = list(rows[0]) if rows else columns
    if wanted:
        columns = [
            name
            for column in columns
            for name in (names if column == "*" else [_ALIASES.get(column, column)])
            if name in names or not rows
        ]
    if "help" in request.parameters:
        return Reply(text="".join(f"{name} | | \n" for name in names))
    for order in reversed(request.parameters.get("s", "").split(",")):
        column, _, direction = order.partition(":")
        column = _ALIASES.get(column, column)
        if column and column not in names:
            raise illegal_argument(f"Unable to sort by unknown sort key `{column}`")
        if column:
            rows = sorted(rows, key=lambda row, by=column: _key(row.get(by, "")),  # type: ignore[misc]
                          reverse=direction == "desc")  # fmt: skip
    if request.parameters.get("format") == "json":
        listed: list[dict[str, Any]] = [
            {column: row.get(column) or None for column in columns} for row in rows
        ]
        return Reply(listed)
    header = dict(zip(columns, columns, strict=True))
    shows_header = request.parameters.get("v", "false") != "false"
    lines = [header, *rows] if shows_header else rows
    return Reply(text=_aligned(lines, rows, columns))


_ALIASES = {"i": "index", "idx": "index", "dc": "docs.count", "docsCount": "docs.count",
            "ss": "store.size", "storeSize": "store.size", "p": "pri", "r": "rep", "s": "status",
            "h": "health", "cd": "creation.date", "id": "uuid"}  # fmt: skip


def _key(text: str) -> tuple[int, float, str]:
    return (0, float(text), "") if re.fullmatch(r"\d+(\.\d+)?", text) else (1, 0.0, text)


def _aligned(lines: list[Row], rows: list[Row], columns: list[str]) -> str:
    widths = {
        column: max((len(line.get(column, "")) for line in lines), default=0) for column in columns
    }
    numbers = {
        column
        for column in columns
        if rows and all(_RIGHT.fullmatch(row.get(column, "") or "-") for row in rows)
        and column not in {"epoch", "timestamp", "index", "uuid", "ip"}
    }  # fmt: skip
    text = ""
    for line in lines:
        cells = []
        for at, column in enumerate(columns):
            value, width = line.get(column, ""), widths[column]
            is_last = at == len(columns) - 1
            if column in numbers:
                cells.append(value.rjust(width))
            else:
                cells.append(value if is_last else value.ljust(width))
        text += " ".join(cells) + "\n"
    return text
