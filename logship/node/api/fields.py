"""What there is to search: indices by name, fields by name, tokens of a text."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from logship.node.api.parts import EXPAND, Parts, resolved
from logship.node.errors import Json, illegal_argument
from logship.node.http.reply import Reply
from logship.node.http.request import Request
from logship.node.http.router import Router
from logship.node.index import Index, Options


class Fields:
    """Endpoints about names and fields."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self, router: Router) -> None:
        """Register."""
        router.add("GET", "/_resolve/index/{name}", self.resolve, EXPAND)
        for path in ("/_field_caps", "/{index}/_field_caps"):
            router.add(
                "GET POST",
                path,
                self.field_caps,
                f"{EXPAND} fields include_unmapped filters types include_empty_fields",
            )
        for path in ("/_analyze", "/{index}/_analyze"):
            router.add("GET POST", path, self.analyze, "index")

    async def resolve(self, request: Request) -> Reply:
        """Return what an index expression stands for."""
        catalog, patterns = self._parts.catalog, request.parts["name"].split(",")

        def is_wanted(name: str) -> bool:
            return any(fnmatchcase(name, pattern) for pattern in patterns)

        indices = []
        aliases: dict[str, list[str]] = {}
        for index in catalog.indices.values():
            if is_wanted(index.name) and not index.is_hidden:
                shown: Json = {"name": index.name}
                if index.aliases:
                    shown["aliases"] = sorted(index.aliases)
                shown["attributes"] = ["closed" if index.is_closed else "open"]
                indices.append(shown)
            for alias in index.aliases:
                if is_wanted(alias):
                    aliases.setdefault(alias, []).append(index.name)
        streams = [
            {"name": name, "backing_indices": body["indices"], "timestamp_field": "@timestamp"}
            for name, body in sorted(catalog.state["data_stream"].items())
            if is_wanted(name)
        ]
        listed = [{"name": name, "indices": names} for name, names in sorted(aliases.items())]
        return Reply({"indices": indices, "aliases": listed, "data_streams": streams})

    async def field_caps(self, request: Request) -> Reply:
        """Return which fields there are, and what can be done with them."""
        body = request.json()
        wanted: Any = body.get("fields") or request.parameters.get("fields")
        patterns = wanted.split(",") if isinstance(wanted, str) else list(wanted or ())
        if not patterns:
            raise illegal_argument("no fields specified")
        found = resolved(self._parts, request)
        fields: dict[str, dict[str, list[str]]] = {}
        for one in found:
            for path, type_ in _types(one.index).items():
                if any(fnmatchcase(path, str(pattern)) for pattern in patterns):
                    names = fields.setdefault(path, {}).setdefault(type_, [])
                    names.append(one.index.name)
        return Reply(
            {
                "indices": [one.index.name for one in found],
                "fields": {path: _caps(types) for path, types in sorted(fields.items())},
            }
        )

    async def analyze(self, request: Request) -> Reply:
        """Return the tokens that an analyzer makes of a text."""
        from logship.node.analysis import Analyzers

        body = request.json(required=True)
        name = request.parts.get("index")
        index = self._parts.catalog.resolve(name, Options())[0].index if name else None
        analyzers = index.mapping.analyzers if index else Analyzers({})
        wanted = str(body.get("analyzer", "standard"))
        field = index.mapping.field(str(body.get("field"))) if index and "field" in body else None
        if wanted not in analyzers.names():
            raise illegal_argument(f"failed to find global analyzer [{wanted}]")
        analyze = getattr(field, "analyze", None) or analyzers.analyzer(wanted, "")
        texts = body.get("text")
        listed = texts if isinstance(texts, list) else [texts]
        tokens = [token for text in listed for token in analyze(str(text))]
        return Reply({"tokens": [{"token": one, "position": at} for at, one in enumerate(tokens)]})


def _types(index: Index) -> dict[str, str]:
    types = {"_id": "_id", "_index": "_index", "_ignored": "_ignored", "_source": "_source"}
    mapping = index.mapping
    types.update(dict.fromkeys(mapping.objects, "object"))
    for path, field in mapping.fields.items():
        target = mapping.field(path)
        type_ = getattr(target, "type", field.type)
        types[path] = {"constant_keyword": "constant_keyword", "wildcard": "wildcard"}.get(
            type_, type_
        )
    return types


def _caps(types: dict[str, list[str]]) -> Json:
    shown: Json = {}
    for type_, indices in types.items():
        is_own = type_.startswith("_")
        caps: Json = {
            "type": type_,
            "metadata_field": is_own,
            "searchable": type_ not in {"object", "nested", "_source", "binary"},
            "aggregatable": type_
            not in {"text", "match_only_text", "object", "nested", "_source", "binary", "_id"},
        }
        if len(types) > 1:
            caps["indices"] = indices
        shown[type_] = caps
    return shown
