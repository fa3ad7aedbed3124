"""Single documents and bulk requests."""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from logship.node import bulk
from logship.node.api.parts import Parts
from logship.node.errors import (
    Json,
    NodeError,
    illegal_argument,
    index_not_found,
    invalid_request,
    not_found,
)
from logship.node.fetch import SourceFilter, source_filter_of
from logship.node.http.filter_path import FilterPath
from logship.node.http.reply import Raw, Reply
from logship.node.http.request import Request, is_refreshing
from logship.node.http.router import Router
from logship.node.index import Index, Options
from logship.node.names import MAX_ID_BYTES
from logship.node.scan import COLUMNS
from logship.node.view import Doc, View
from logship.node.writes import Operation, Outcome

_WRITE = (
    "refresh timeout wait_for_active_shards routing pipeline require_alias require_data_stream "
    "include_source_on_error list_executed_pipelines"
)
_ONE = f"{_WRITE} op_type version version_type if_seq_no if_primary_term"
_READ = (
    "_source _source_includes _source_excludes stored_fields realtime refresh routing preference "
    "version version_type"
)


class Documents:
    """Endpoints that read and write documents by id."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self, router: Router) -> None:
        """Register."""
        extra = _WRITE
        router.add("POST PUT", "/_bulk", self.bulk, extra)
        router.add("POST PUT", "/{index}/_bulk", self.bulk, extra)
        router.add("PUT POST", "/{index}/_doc/{id}", self.write, _ONE)
        router.add("POST", "/{index}/_doc", self.write, _ONE)
        router.add("PUT POST", "/{index}/_create/{id}", self.create, _ONE)
        router.add("GET HEAD", "/{index}/_doc/{id}", self.read, _READ)
        router.add("GET HEAD", "/{index}/_source/{id}", self.source, _READ)
        router.add("DELETE", "/{index}/_doc/{id}", self.delete, _ONE)
        router.add("POST", "/{index}/_update/{id}", self.update, _ONE + " retry_on_conflict")
        for path in ("/_mget", "/{index}/_mget"):
            router.add("GET POST", path, self.multi_get, _READ)

    async def bulk(self, request: Request) -> Reply:
        """Write many documents."""
        return await self._parts.store.write(lambda: self._bulk(request))

    def _bulk(self, request: Request) -> Reply:
        started = time.monotonic()
        refreshed = is_refreshing(request)
        defaults: dict[str, Any] = {}
        for name in ("require_alias", "require_data_stream"):
            if request.flag(name):
                defaults[name] = True
        self._parts.check_cluster_blocks()
        pipeline = request.parameters.get("pipeline", "_none")
        operations = bulk.parse_bulk(request.body, request.parts.get("index"), defaults)
        if any(one.action == "update" for one in operations):
            raise illegal_argument(
                "this node does not support [update] in bulk requests; send whole documents with "
                "[index]"
            )
        style = bulk.Style(
            refreshed,
            request.flag("list_executed_pipelines"),
            pipeline != "_none",
        )
        if pipeline != "_none" and pipeline not in self._parts.catalog.state["pipeline"]:
            outcomes = [_no_pipeline(one, pipeline) for one in operations]
        else:
            outcomes = self._parts.writer.execute(operations)
        took = int((time.monotonic() - started) * 1000)
        filters = FilterPath(request.parameters.get("filter_path"))
        return Reply(rendered=bulk.render_reply(outcomes, took, filters, style))

    async def write(self, request: Request) -> Reply:
        """Write one document, over an older one if need be."""
        op_type = request.parameters.get("op_type", "index")
        if op_type not in {"index", "create"}:
            raise illegal_argument(f"opType must be 'create' or 'index', found: [{op_type}]")
        is_stream = request.parts["index"] in self._parts.catalog.state["data_stream"]
        if "id" not in request.parts and is_stream:
            op_type = "create"
        return await self._write(request, op_type)

    async def create(self, request: Request) -> Reply:
        """Write one document that must not be there yet."""
        return await self._write(request, "create")

    async def delete(self, request: Request) -> Reply:
        """Delete one document."""
        return await self._write(request, "delete")

    async def _write(self, request: Request, action: str) -> Reply:
        if action != "delete" and not request.body.strip():
            raise NodeError(400, "parse_exception", "request body is required")
        refreshed = is_refreshing(request)
        id_ = request.parts.get("id")
        _check_id(id_)
        pipeline = request.parameters.get("pipeline", "_none")
        if pipeline != "_none" and pipeline not in self._parts.catalog.state["pipeline"]:
            raise illegal_argument(f"pipeline with id [{pipeline}] does not exist")
        options: Json = {
            name: request.number(name)
            for name in ("version", "if_seq_no", "if_primary_term")
            if name in request.parameters
        }
        if "version_type" in request.parameters:
            options["version_type"] = request.parameters["version_type"]
        for name in ("require_alias", "require_data_stream"):
            if request.flag(name):
                options[name] = True
        operation = Operation(action, request.parts["index"], id_, request.body, options)

        def execute() -> Outcome:
            self._parts.check_cluster_blocks()
            return self._parts.writer.execute([operation])[0]

        outcome = await self._parts.store.write(execute)
        if outcome.error is not None:
            raise outcome.error
        body = bulk.outcome_body(outcome, refreshed=refreshed)
        headers = {}
        if outcome.status == 201:
            headers["Location"] = f"/{outcome.index}/_doc/{outcome.id}"
        return Reply(body, status=outcome.status, headers=headers)

    async def update(self, request: Request) -> Reply:
        """Refuse: the node does not change documents in place."""
        raise illegal_argument(
            "this node does not support [_update]; send the whole document with [_doc]"
        )

    async def read(self, request: Request) -> Reply:
        """Return one document with what is known of it."""
        index = self._index(request.parts["index"])
        id_ = request.parts["id"]
        source = source_filter_of(request.parameters) or SourceFilter()
        doc = await self._parts.store.read(lambda: self._find(index, id_))
        return Reply(_shown(index, id_, doc, source), status=404 if doc is None else 200)

    async def source(self, request: Request) -> Reply:
        """Return the source of one document alone."""
        index = self._index(request.parts["index"])
        id_ = request.parts["id"]
        doc = await self._parts.store.read(lambda: self._find(index, id_))
        if doc is None:
            raise not_found(f"Document not found [{request.parts['index']}]/[{id_}]")
        source = source_filter_of(request.parameters)
        return Reply(Raw(doc.raw) if source is None else source.shown(doc))

    async def multi_get(self, request: Request) -> Reply:
        """Return several documents by id."""
        body = request.json(required=True)
        default = request.parts.get("index")
        wanted = body.get("docs")
        if wanted is None:
            wanted = [{"_id": one} for one in body.get("ids") or ()]
        if not wanted:
            raise invalid_request("no documents to get")
        general = source_filter_of(request.parameters)

        def fetch() -> list[Json]:
            return [self._one_of_many(one, default, general) for one in wanted]

        return Reply({"docs": await self._parts.store.read(fetch)})

    def _one_of_many(self, one: Json, default: str | None, general: SourceFilter | None) -> Json:
        name, id_ = one.get("_index", default), one.get("_id")
        if not name:
            raise invalid_request("index is missing")
        if id_ is None:
            raise invalid_request("id is missing")
        try:
            index = self._index(str(name))
        except NodeError as error:
            return {"_index": name, "_id": id_, "error": error.body()["error"]}
        source = SourceFilter(one["_source"]) if "_source" in one else general or SourceFilter()
        return _shown(index, str(id_), self._find(index, str(id_)), source)

    def _index(self, name: str) -> Index:
        """Return the one index that *name* stands for."""
        found = self._parts.catalog.resolve(name, Options())
        if not found:
            raise index_not_found(name)
        if len(found) > 1:
            names = ", ".join(one.index.name for one in found)
            raise illegal_argument(
                f"alias [{name}] has more than one index associated with it [{names}], can't "
                "execute a single index op"
            )
        return found[0].index

    def _find(self, index: Index, id_: str) -> Doc | None:
        connection: sqlite3.Connection = self._parts.store.connection()
        row = connection.execute(
            f"SELECT {COLUMNS} FROM documents WHERE index_id = ? AND id = ?", (index.id, id_)
        ).fetchone()
        if row is None:
            return None
        seq, found_id, seq_no, version, moment, ignored, raw = row
        return Doc(View(index), seq, found_id, seq_no, version, moment, ignored, raw)


def _no_pipeline(operation: Operation, name: str) -> Outcome:
    error = illegal_argument(f"pipeline with id [{name}] does not exist")
    id_ = operation.id or "auto-generated"
    return Outcome(operation.action, operation.target, id_, 400, error=error)


def _check_id(id_: str | None) -> None:
    if id_ is not None and len(id_.encode()) > MAX_ID_BYTES:
        raise invalid_request(
            f"id [{id_}] is too long, must be no longer than {MAX_ID_BYTES} bytes but was: "
            f"{len(id_.encode())}"
        )


def _shown(index: Index, id_: str, doc: Doc | None, source: SourceFilter) -> Json:
    shown: Json = {"_index": index.name, "_id": id_}
    if doc is None:
        return {**shown, "found": False}
    shown |= {"_version": doc.version, "_seq_no": doc.seq_no, "_primary_term": 1}
    if doc.ignored:
        shown["_ignored"] = doc.view.terms("_ignored")(doc)
    shown["found"] = True
    if source.is_shown:
        shown["_source"] = source.shown(doc)
    return shown
