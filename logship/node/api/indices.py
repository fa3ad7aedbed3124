"""Indices: create, delete, settings, mappings, aliases, open and close."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from logship.node import settings as index_settings
from logship.node.api.parts import (
    EXPAND,
    WAIT,
    Parts,
    acknowledged,
    options_of,
    resolved,
    shards_of,
)
from logship.node.errors import (
    Json,
    NodeError,
    illegal_argument,
    index_not_found,
)
from logship.node.http.reply import Reply
from logship.node.http.request import Request
from logship.node.http.router import Router
from logship.node.index import Index, Options
from logship.node.mapping import Mapping
from logship.node.names import without_date_math

_EVERY = Options(closed=True)


class Indices:
    """Endpoints that manage indices."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self, router: Router) -> None:
        """Register."""
        more = f"{EXPAND} {WAIT} local flat_settings include_defaults features"
        router.add("PUT", "/{index}", self.create, f"{WAIT}")
        router.add("GET HEAD", "/{index}", self.get, more)
        router.add("DELETE", "/{index}", self.delete, f"{EXPAND} {WAIT}")
        for path in ("/_mapping", "/{index}/_mapping", "/{index}/_mappings"):
            router.add("GET", path, self.get_mapping, more)
        for path in ("/{index}/_mapping", "/{index}/_mappings"):
            router.add("PUT POST", path, self.put_mapping, f"{EXPAND} {WAIT} write_index_only")
        for path in ("/_mapping/field/{fields}", "/{index}/_mapping/field/{fields}"):
            router.add("GET", path, self.get_field_mapping, more)
        for path in ("/_settings", "/{index}/_settings", "/{index}/_settings/{name}"):
            router.add("GET", path, self.get_settings, more)
        for path in ("/_settings", "/{index}/_settings"):
            router.add(
                "PUT",
                path,
                self.put_settings,
                f"{EXPAND} {WAIT} preserve_existing reopen flat_settings",
            )
        router.add("POST", "/{index}/_close", self.close, f"{EXPAND} {WAIT}")
        router.add("POST", "/{index}/_open", self.open, f"{EXPAND} {WAIT}")
        for name in ("_refresh", "_flush", "_forcemerge", "_cache/clear"):
            extra = f"{EXPAND} force wait_if_ongoing max_num_segments only_expunge_deletes flush"
            extra += " wait_for_completion fielddata query request fields"
            router.add(
                "GET POST" if name != "_forcemerge" else "POST", f"/{name}", self.nothing, extra
            )
            router.add(
                "GET POST" if name != "_forcemerge" else "POST",
                f"/{{index}}/{name}",
                self.nothing,
                extra,
            )

    async def create(self, request: Request) -> Reply:
        """Make an index."""
        body = request.json()
        for key in body:
            if key not in {"settings", "mappings", "aliases"}:
                raise NodeError(400, "parse_exception", f"unknown key [{key}] for create index")
        name = without_date_math(request.parts["index"])
        self._parts.check_cluster_blocks(name)
        await self._parts.store.write(lambda: self._parts.catalog.create(name, body))
        return acknowledged(shards_acknowledged=True, index=name)

    async def get(self, request: Request) -> Reply:
        """Return everything about indices."""
        found = resolved(self._parts, request, _EVERY)
        flat = request.flag("flat_settings")
        return Reply(
            {
                one.index.name: {
                    "aliases": one.index.aliases,
                    "mappings": shown_mapping(one.index.mapping),
                    "settings": _settings(one.index, flat=flat),
                }
                for one in found
            }
        )

    async def delete(self, request: Request) -> Reply:
        """Delete indices; wildcards only where the cluster settings allow them."""
        expression = request.parts["index"]
        catalog = self._parts.catalog
        needs_names = catalog.cluster_setting("action.destructive_requires_name", "true")
        if needs_names != "false" and ("*" in expression or expression in {"_all", ""}):
            raise illegal_argument("Wildcard expressions or all indices are not allowed")

        def delete() -> None:
            for name in expression.split(","):
                self._check_deletable(name)
            found = catalog.resolve(expression, options_of(request, _EVERY))
            for one in found:
                self._parts.check_cluster_blocks(one.index.name, deletes=True)
                index_settings.refuse(
                    one.index.settings, one.index.name, index_settings.DELETE_BLOCKS
                )
            catalog.delete([one.index for one in found])

        await self._parts.store.write(delete)
        return acknowledged()

    def _check_deletable(self, name: str) -> None:
        catalog = self._parts.catalog
        if name in catalog.state["data_stream"]:
            error = index_not_found(name)
            error.extra = {"resource.type": "index_or_alias", "excluded_ds": "true",
                           "resource.id": name, "index_uuid": "_na_", "index": name}  # fmt: skip
            raise error
        index = catalog.indices.get(name)
        if index is None and catalog.aliased(name):
            raise illegal_argument(
                f"The provided expression [{name}] matches an alias, specify the corresponding "
                "concrete indices instead."
            )
        stream = catalog.state["data_stream"].get(index.stream or "") if index else None
        if stream and stream["indices"][-1] == name:
            raise illegal_argument(
                f"index [{name}] is the write index for data stream [{index.stream}] and cannot "  # type: ignore[union-attr]
                "be deleted"
            )

    async def get_mapping(self, request: Request) -> Reply:
        """Return the mappings of indices."""
        found = resolved(self._parts, request, _EVERY)
        return Reply(
            {one.index.name: {"mappings": shown_mapping(one.index.mapping)} for one in found}
        )

    async def put_mapping(self, request: Request) -> Reply:
        """Add fields to indices."""
        body = request.json(required=True)

        def put() -> None:
            for one in resolved(self._parts, request, Options(allow_no_indices=False)):
                self._parts.check_cluster_blocks(one.index.name)
                index_settings.refuse(
                    one.index.settings, one.index.name, index_settings.CHANGE_BLOCKS
                )
                self._parts.catalog.put_mapping(one.index, body)

        await self._parts.store.write(put)
        return acknowledged()

    async def get_field_mapping(self, request: Request) -> Reply:
        """Return the mappings of single fields."""
        patterns = request.parts["fields"].split(",")
        answer: Json = {}
        for one in resolved(self._parts, request, _EVERY):
            mapping = one.index.mapping
            paths = sorted({path for pattern in patterns for path in mapping.matching(pattern)})
            answer[one.index.name] = {
                "mappings": {
                    path: {
                        "full_name": path,
                        "mapping": {path.rpartition(".")[2]: mapping.fields[path].definition},
                    }
                    for path in paths
                    if path in mapping.fields
                }
            }
        return Reply(answer)

    async def get_settings(self, request: Request) -> Reply:
        """Return the settings of indices."""
        flat = request.flag("flat_settings")
        wanted = request.parts.get("name", "*").split(",")
        answer: Json = {}
        for one in resolved(self._parts, request, _EVERY):
            answer[one.index.name] = {"settings": _settings(one.index, flat=flat, wanted=wanted)}
        return Reply(answer)

    async def put_settings(self, request: Request) -> Reply:
        """Change the settings of indices."""
        body = request.json(required=True)
        body = body.get("settings", body) if set(body) == {"settings"} else body
        self._parts.check_cluster_blocks()

        def put() -> None:
            for one in resolved(self._parts, request, Options(closed=True)):
                changed = index_settings.changed(one.index.settings, body, one.index.name)
                self._parts.catalog.save(one.index, settings=changed)

        await self._parts.store.write(put)
        return acknowledged()

    async def close(self, request: Request) -> Reply:
        """Close indices: they keep their documents but answer nothing."""
        found = await self._parts.store.write(lambda: self._set_closed(request, is_closed=True))
        return acknowledged(
            shards_acknowledged=True, indices={name: {"closed": True} for name in found}
        )

    async def open(self, request: Request) -> Reply:
        """Open closed indices."""
        await self._parts.store.write(lambda: self._set_closed(request, is_closed=False))
        return acknowledged(shards_acknowledged=True)

    def _set_closed(self, request: Request, *, is_closed: bool) -> list[str]:
        found = resolved(self._parts, request, Options(allow_no_indices=False, closed=True))
        for one in found:
            self._parts.check_cluster_blocks(one.index.name)
            self._parts.catalog.save(one.index, is_closed=is_closed)
        return [one.index.name for one in found]

    async def nothing(self, request: Request) -> Reply:
        """Answer refresh, flush, forcemerge: every write is visible and durable already."""
        return Reply({"_shards": shards_of(resolved(self._parts, request))})


def _settings(index: Index, *, flat: bool, wanted: Sequence[str] = ("*",)) -> Json:
    own = {
        "index.creation_date": str(index.created_millis),
        "index.number_of_replicas": str(index.replicas),
        "index.number_of_shards": str(index.shards),
        "index.provided_name": index.name,
        "index.routing.allocation.include._tier_preference": "data_content",
        "index.uuid": index.uuid,
        "index.version.created": "8537000",
    }
    everything = dict(sorted({**own, **index.settings}.items()))
    chosen = {
        name: value
        for name, value in everything.items()
        if any(fnmatchcase(name, pattern) for pattern in wanted) or "_all" in wanted
    }
    return chosen if flat else index_settings.nested(chosen)


def shown_mapping(mapping: Mapping) -> Json:
    """Return a mapping as a client gets it: fields in the order of their names."""
    definition = mapping.definition
    shown = {key: value for key, value in definition.items() if key != "properties"}
    if "properties" in definition:
        shown["properties"] = _ordered(definition["properties"])
    return shown


def _ordered(properties: Json) -> Json:
    result: Json = {}
    for name in sorted(properties):
        definition = properties[name]
        if "properties" in definition:
            definition = {**definition, "properties": _ordered(definition["properties"])}
        result[name] = definition
    return result
