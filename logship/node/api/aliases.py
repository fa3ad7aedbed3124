"""Aliases, and moving on to a new index behind one."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from logship.node.api.parts import (
    EXPAND,
    WAIT,
    Parts,
    acknowledged,
    object_of,
    resolved,
)
from logship.node.catalog import next_name
from logship.node.errors import (
    Json,
    NodeError,
    illegal_argument,
)
from logship.node.http.reply import Reply
from logship.node.http.request import Request
from logship.node.http.router import Router
from logship.node.index import Index, Options
from logship.node.names import check_index_name

_KEPT = ("filter", "is_write_index", "is_hidden", "routing", "index_routing", "search_routing")


class Aliases:
    """Endpoints for aliases and rollovers."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self, router: Router) -> None:
        """Register."""
        for path in ("/_alias", "/_alias/{name}", "/{index}/_alias", "/{index}/_alias/{name}"):
            router.add("GET HEAD", path, self.get_alias, f"{EXPAND} local master_timeout")
        router.add("PUT POST", "/{index}/_alias/{name}", self.put_alias, WAIT)
        router.add("DELETE", "/{index}/_alias/{name}", self.delete_alias, WAIT)
        router.add("POST", "/_aliases", self.update_aliases, WAIT)
        for path in ("/{index}/_rollover", "/{index}/_rollover/{new}"):
            router.add("POST", path, self.rollover, f"{WAIT} dry_run lazy")

    async def get_alias(self, request: Request) -> Reply:
        """Return the aliases of indices."""
        patterns = request.parts.get("name", "*").split(",")
        by_name = "name" in request.parts
        answer: Json = {}
        seen: set[str] = set()
        for one in resolved(self._parts, request, Options(closed=True, hidden=True)):
            aliases = {
                alias: body
                for alias, body in one.index.aliases.items()
                if any(fnmatchcase(alias, pattern) for pattern in patterns)
            }
            seen.update(aliases)
            if aliases or (not by_name and not one.index.is_hidden):
                answer[one.index.name] = {"aliases": aliases}
        missing = [name for name in patterns if "*" not in name and name not in seen]
        if by_name and missing:
            text = ", ".join(missing)
            plural = "es" if len(missing) > 1 else ""
            error: Json = {"error": f"alias{plural} [{text}] missing", "status": 404}
            return Reply({**error, **answer}, status=404)
        return Reply(answer)

    async def put_alias(self, request: Request) -> Reply:
        """Give indices an alias."""
        action = {**request.json(), "index": request.parts["index"],
                  "alias": request.parts["name"]}  # fmt: skip
        await self._parts.store.write(lambda: self._apply_aliases([{"add": action}]))
        return acknowledged()

    async def delete_alias(self, request: Request) -> Reply:
        """Take an alias from indices."""
        action = {"index": request.parts["index"], "alias": request.parts["name"]}
        await self._parts.store.write(lambda: self._apply_aliases([{"remove": action}]))
        return acknowledged()

    async def update_aliases(self, request: Request) -> Reply:
        """Change several aliases."""
        actions = request.json(required=True).get("actions")
        if not isinstance(actions, list) or not actions:
            raise NodeError(
                400,
                "action_request_validation_exception",
                "Validation Failed: 1: Must specify at least one alias action;",
            )
        await self._parts.store.write(lambda: self._apply_aliases(actions))
        return acknowledged(errors=False)

    def _apply_aliases(self, actions: Sequence[Any]) -> None:
        catalog = self._parts.catalog
        for one in actions:
            ((kind, body),) = object_of(one, "actions").items()
            indices = _listed(body.get("indices", body.get("index")))
            found = catalog.resolve(",".join(indices), Options(allow_no_indices=False, hidden=True))
            if kind == "remove_index":
                catalog.delete([item.index for item in found])
                continue
            names = _listed(body.get("aliases", body.get("alias")))
            for item in found:
                if kind == "add":
                    self._add_aliases(item.index, names, body)
                elif kind == "remove":
                    self._remove_aliases(item.index, names, body)
                else:
                    raise illegal_argument(f"[aliases] unknown field [{kind}]")

    def _add_aliases(self, index: Index, names: Sequence[str], body: Json) -> None:
        added: Json = {}
        for name in names:
            check_index_name(name)
            if name in self._parts.catalog.indices:
                raise NodeError(
                    400,
                    "invalid_alias_name_exception",
                    f"Invalid alias name [{name}]: an index or data stream exists with the same "
                    "name as the alias",
                    extra={"index_uuid": "_na_", "index": name},
                )
            added[name] = {key: body[key] for key in _KEPT if key in body}
        self._parts.catalog.save(index, aliases={**index.aliases, **added})

    def _remove_aliases(self, index: Index, names: Sequence[str], body: Json) -> None:
        left = {
            alias: one
            for alias, one in index.aliases.items()
            if not any(fnmatchcase(alias, name) for name in names)
        }
        if len(left) == len(index.aliases) and body.get("must_exist", True):
            raise NodeError(
                404,
                "aliases_not_found_exception",
                f"aliases [{', '.join(names)}] missing",
                extra={"resource.type": "aliases", "resource.id": ",".join(names)},
            )
        self._parts.catalog.save(index, aliases=left)

    async def rollover(self, request: Request) -> Reply:
        """Go on writing into a new index."""
        return await self._parts.store.write(lambda: self._rollover(request))

    def _rollover(self, request: Request) -> Reply:
        catalog, name = self._parts.catalog, request.parts["index"]
        body = request.json()
        stream = catalog.state["data_stream"].get(name)
        aliased = catalog.aliased(name)
        if stream is not None:
            old = catalog.indices[stream["indices"][-1]]
            new = f"{old.name[:-6]}{int(stream['generation']) + 1:06d}"
        elif aliased:
            writing = [index for index, one in aliased if one.get("is_write_index")]
            old = writing[0] if writing else aliased[0][0]
            new = request.parts.get("new") or next_name(old.name)
        else:
            raise illegal_argument(f"rollover target [{name}] does not exist")
        conditions = _conditions(body.get("conditions") or {}, old)
        is_due = not conditions or any(conditions.values())
        is_dry = request.flag("dry_run")
        if is_due and not is_dry:
            if stream is not None:
                new = catalog.roll_stream(name).name
            else:
                self._move_alias(name, old, new, body)
        return Reply(
            {
                "acknowledged": is_due and not is_dry,
                "shards_acknowledged": is_due and not is_dry,
                "old_index": old.name,
                "new_index": new,
                "rolled_over": is_due and not is_dry,
                "dry_run": is_dry,
                "lazy": False,
                "conditions": conditions,
            }
        )

    def _move_alias(self, alias: str, old: Index, new: str, body: Json) -> None:
        catalog = self._parts.catalog
        settings: Json = {
            key: body[key] for key in ("settings", "mappings", "aliases") if key in body
        }
        index = catalog.create(new, settings)
        was_explicit = "is_write_index" in old.aliases[alias]
        catalog.save(
            index,
            aliases={**index.aliases, alias: {"is_write_index": True} if was_explicit else {}},
        )
        left = dict(old.aliases)
        if was_explicit:
            left[alias] = {**left[alias], "is_write_index": False}
        else:
            del left[alias]
        catalog.save(old, aliases=left)


def _conditions(wanted: Json, index: Index) -> dict[str, bool]:
    met: dict[str, bool] = {}
    for name, value in wanted.items():
        if name not in {"max_docs", "min_docs"}:
            raise illegal_argument(f"this node does not support the rollover condition [{name}]")
        met[f"[{name}: {value}]"] = index.documents >= int(value)
    return met


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else str(value).split(",")
