"""Search, count, points in time, scrolls, several searches at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from logship.node.api.parts import EXPAND, Parts, options_of, resolved
from logship.node.contexts import Context
from logship.node.errors import (
    Json,
    NodeError,
    SearchFailed,
    illegal_argument,
    invalid_request,
    parsing,
    values_checked,
)
from logship.node.http.reply import Reply
from logship.node.http.request import Request, as_object, parse_json, seconds
from logship.node.http.router import Router
from logship.node.index import Options, Resolved
from logship.node.search import Search
from logship.node.search_request import PARAMETERS, SearchRequest, parse_search, query_of

_COUNT = (
    f"q df default_operator analyzer analyze_wildcard lenient min_score {EXPAND} "
    "terminate_after routing preference"
)


_ALL = 2**62
_LONGEST_KEPT_SECONDS = 86_400.0
_NO_SHARD = "no_shard_available_action_exception"


class Searches:
    """Endpoints that find documents."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self, router: Router) -> None:
        """Register."""
        for path in ("/_search", "/{index}/_search"):
            router.add("GET POST", path, self.search, PARAMETERS)
        for path in ("/_count", "/{index}/_count"):
            router.add("GET POST", path, self.count, _COUNT)
        for path in ("/_msearch", "/{index}/_msearch"):
            router.add("GET POST", path, self.multi_search, PARAMETERS + " max_concurrent_searches")
        router.add(
            "POST",
            "/{index}/_pit",
            self.open_pit,
            f"keep_alive preference routing {EXPAND} allow_partial_search_results",
        )
        router.add("DELETE", "/_pit", self.close_pit)
        for path in ("/_search/scroll", "/_search/scroll/{scroll_id}"):
            router.add("GET POST", path, self.scroll, "scroll scroll_id rest_total_hits_as_int")
            router.add("DELETE", path, self.clear_scroll, "scroll_id")
        for path in ("/_validate/query", "/{index}/_validate/query"):
            router.add("GET POST", path, self.validate, f"{_COUNT} explain rewrite all_shards")

    async def search(self, request: Request) -> Reply:
        """Run one search."""
        body = request.json()
        if "scroll" in request.parameters:
            return await self._start_scroll(request, body)
        wanted = parse_search(body, request)
        context = None
        if wanted.pit_id is not None:
            if "index" in request.parts:
                raise invalid_request(
                    "[indices] cannot be used with point in time. Do not specify any index with "
                    "point in time."
                )
            context = self._context(wanted)
            indices: Sequence[Resolved] = context.resolved
        else:
            indices = resolved(self._parts, request)
        body = await self._run(wanted, indices, context)
        if request.flag("rest_total_hits_as_int") and "total" in body["hits"]:
            body["hits"]["total"] = body["hits"]["total"]["value"]
        return Reply(body)

    def _context(self, wanted: SearchRequest) -> Context:
        return self._parts.contexts.use(
            wanted.pit_id or "", wanted.pit_keep_alive_seconds, self._parts.catalog.node_id
        )

    async def _run(
        self, wanted: SearchRequest, indices: Sequence[Resolved], context: Context | None = None
    ) -> Json:
        started = time.monotonic()
        now = time.time_ns()
        gone: list[str] = []
        if context is not None:
            indices, gone = self._still_there(indices)

        def execute() -> Json:
            with values_checked():
                return run()

        def run() -> Json:
            search = Search(wanted, indices, now, self._parts.catalog.node_id)
            if context is not None and context.snapshot is not None:
                found = context.snapshot.read(search.run)
                if found is None:
                    raise self._parts.contexts.missing(
                        wanted.pit_id or "", self._parts.catalog.node_id
                    )
            else:
                with self._parts.store.snapshot() as connection:
                    found = search.run(connection)
            return search.body(found, int((time.monotonic() - started) * 1000))

        body = await self._parts.store.read(execute)
        if gone:
            _add_failures(body["_shards"], gone)
        return body

    def _still_there(self, indices: Sequence[Resolved]) -> tuple[list[Resolved], list[str]]:
        """Return what is left of the indices of a view, and the names of those that are deleted.

        Raises:
            NodeError: None is left.
        """
        there = self._parts.catalog.indices
        left: list[Resolved] = []
        gone: list[str] = []
        for one in indices:
            found = there.get(one.index.name)
            if found is not None and found.uuid == one.index.uuid:
                left.append(one)
            else:
                gone.append(one.index.name)
        if gone and not left:
            error = NodeError(503, _NO_SHARD, None)
            raise SearchFailed([(name, error) for name in gone], None)
        return left, gone

    async def count(self, request: Request) -> Reply:
        """Count what a query matches."""
        body = request.json()
        for key in body:
            if key != "query":
                raise parsing(f"request does not support [{key}]")
        query = query_of(request.parameters) if "q" in request.parameters else body.get("query")
        wanted = parse_search({"query": query, "size": 0, "track_total_hits": True})
        indices = resolved(self._parts, request)
        result = await self._run(wanted, indices)
        return Reply({"count": result["hits"]["total"]["value"], "_shards": result["_shards"]})

    async def validate(self, request: Request) -> Reply:
        """Say whether a query can be run."""
        body = request.json()
        query = query_of(request.parameters) if "q" in request.parameters else body.get("query")
        indices = resolved(self._parts, request)
        shards = {"total": 1, "successful": 1, "failed": 0}
        try:
            wanted = parse_search({"query": query, "size": 0})
            with values_checked():
                Search(wanted, indices, time.time_ns(), self._parts.catalog.node_id)
        except NodeError as error:
            if not request.flag("explain"):
                return Reply({"_shards": shards, "valid": False})
            return Reply({"_shards": shards, "valid": False, "error": str(error.reason)})
        return Reply({"_shards": shards, "valid": True})

    async def multi_search(self, request: Request) -> Reply:
        """Run several searches, each with an answer or an error of its own."""
        started = time.monotonic()
        if not request.body.strip():
            raise NodeError(400, "parse_exception", "request body is required")
        if not request.body.endswith(b"\n"):
            raise illegal_argument("The msearch request must be terminated by a newline [\n]")
        lines = request.body.split(b"\n")[:-1]
        if len(lines) % 2:
            raise invalid_request("no requests added")
        responses = []
        heads = [parse_json(line) if line.strip() else {} for line in lines[::2]]
        bodies = [as_object(parse_json(line)) for line in lines[1::2]]
        for head, body in zip(heads, bodies, strict=True):
            header = head if isinstance(head, dict) else {}
            try:
                responses.append({**await self._one_search(request, header, body), "status": 200})
            except NodeError as error:
                responses.append(error.body())
        took = int((time.monotonic() - started) * 1000)
        return Reply({"took": took, "responses": responses})

    async def _one_search(self, request: Request, header: Json, body: Json) -> Json:
        names = header.get("index", header.get("indices", request.parts.get("index", "")))
        expression = ",".join(names) if isinstance(names, list) else str(names or "")
        wanted = parse_search(body)
        if wanted.pit_id is not None:
            context = self._context(wanted)
            return await self._run(wanted, context.resolved, context)
        options = Options(
            bool(header.get("ignore_unavailable", False)),
            bool(header.get("allow_no_indices", True)),
        )
        indices = self._parts.catalog.resolve(expression, options)
        return await self._run(wanted, indices)

    async def open_pit(self, request: Request) -> Reply:
        """Open a point in time."""
        keep_alive = request.parameters.get("keep_alive")
        if keep_alive is None:
            raise invalid_request("[keep_alive] is not specified")
        alive = seconds(keep_alive, "keep_alive")
        indices = self._parts.catalog.resolve(request.parts["index"], options_of(request))
        self._check_keep_alive(keep_alive, alive, indices)
        snapshot = await self._parts.store.read(self._parts.store.open_snapshot)
        try:
            id_, _context = self._parts.contexts.open(indices, snapshot, alive)
        except NodeError:
            snapshot.close()
            raise
        total = sum(one.index.shards for one in indices)
        shards = {"total": total, "successful": total, "skipped": 0, "failed": 0}
        return Reply({"id": id_, "_shards": shards})

    def _check_keep_alive(self, text: str, alive: float, indices: Sequence[Resolved]) -> None:
        if alive > _LONGEST_KEPT_SECONDS and indices:
            error = illegal_argument(
                f"Keep alive for request ({text}) is too large. It must be less than (1d). This "
                "limit can be set by changing the [search.max_keep_alive] cluster level setting."
            )
            failures = [(one.index.name, error) for one in indices]
            raise SearchFailed(failures, self._parts.catalog.node_id)

    async def close_pit(self, request: Request) -> Reply:
        """Close a point in time."""
        id_ = request.json(required=True).get("id")
        if not isinstance(id_, str):
            raise illegal_argument("Required [id]")
        freed = self._parts.contexts.close(id_)
        body = {"succeeded": freed > 0, "num_freed": freed}
        return Reply(body, status=200 if freed else 404)

    async def _start_scroll(self, request: Request, body: Json) -> Reply:
        wanted = parse_search(body, request)
        if wanted.from_ > 0:
            raise invalid_request("using [from] is not allowed in a scroll context")
        if wanted.size == 0:
            raise invalid_request("[size] cannot be [0] in a scroll context")
        kept = request.parameters["scroll"] or "5m"
        alive = seconds(kept, "scroll")
        page = wanted.size
        wanted.is_scroll = True
        wanted.size, wanted.track_total_hits = _ALL, _ALL
        indices = resolved(self._parts, request)
        self._check_keep_alive(kept, alive, indices)
        result = await self._run(wanted, indices)
        hits = result["hits"]["hits"]
        id_, context = self._parts.contexts.open(indices, None, alive)
        context.pages = (result, hits, page)
        return Reply({"_scroll_id": id_, **self._page(context)})

    @staticmethod
    def _page(context: Context) -> Json:
        result, hits, size = context.pages
        page, rest = hits[:size], hits[size:]
        context.pages = (result, rest, size)
        return {**result, "hits": {**result["hits"], "hits": page}}

    async def scroll(self, request: Request) -> Reply:
        """Return the next page of a scroll."""
        body = request.json()
        id_ = (
            body.get("scroll_id")
            or request.parameters.get("scroll_id")
            or request.parts.get("scroll_id")
        )
        if not isinstance(id_, str):
            raise invalid_request("scrollId is missing")
        text = body.get("scroll") or request.parameters.get("scroll")
        alive = seconds(str(text), "scroll") if text else None
        context = self._parts.contexts.use(id_, alive, self._parts.catalog.node_id)
        if context.pages is None:
            raise illegal_argument("Cannot parse scroll id")
        return Reply({"_scroll_id": id_, **self._page(context)})

    async def clear_scroll(self, request: Request) -> Reply:
        """Forget scrolls."""
        body = request.json()
        ids: Any = (
            body.get("scroll_id")
            or request.parts.get("scroll_id")
            or request.parameters.get("scroll_id")
        )
        listed = ids.split(",") if isinstance(ids, str) else list(ids or ())
        if not listed:
            raise invalid_request("no scroll ids specified")
        if listed == ["_all"]:
            freed = self._parts.contexts.close_all()
        else:
            freed = sum(self._parts.contexts.close(str(one)) for one in listed)
        return Reply({"succeeded": True, "num_freed": freed}, status=200 if freed else 404)


def _add_failures(shards: Json, gone: Sequence[str]) -> None:
    """Say in ``_shards`` that the shards of deleted indices gave nothing."""
    shards["total"] += len(gone)
    shards["failed"] += len(gone)
    reason = {"type": _NO_SHARD, "reason": None}
    shards.setdefault("failures", []).extend(
        {"shard": 0, "index": name, "node": None, "reason": reason} for name in gone
    )
