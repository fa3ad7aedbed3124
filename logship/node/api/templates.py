"""Index templates, component templates, data streams, pipelines."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from logship.node import settings as index_settings
from logship.node import templates
from logship.node.api.indices import shown_mapping
from logship.node.api.parts import EXPAND, WAIT, Parts, acknowledged
from logship.node.errors import Json, NodeError, illegal_argument, index_not_found, not_found
from logship.node.http.reply import Reply
from logship.node.http.request import Request
from logship.node.http.router import Handler, Router
from logship.node.index import Index

_CHANGE = f"{WAIT} create cause"


class Templates:
    """Endpoints for what new indices are made from."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def routes(self, router: Router) -> None:
        """Register."""
        more = f"{EXPAND} {WAIT} local flat_settings include_defaults"
        for kind, get, put in (
            ("index_template", self.get_index_template, self.put_index_template),
            ("component_template", self.get_component_template, self.put_component_template),
            ("template", self.get_template, self.put_template),
        ):
            router.add("GET", f"/_{kind}", get, more)
            router.add("GET HEAD", f"/_{kind}/{{name}}", get, more)
            router.add("PUT POST", f"/_{kind}/{{name}}", put, f"{_CHANGE} order")
            router.add("DELETE", f"/_{kind}/{{name}}", self._deleter(kind), WAIT)
        simulate = f"{WAIT} include_defaults create cause"
        router.add("POST", "/_index_template/_simulate_index/{name}", self.simulate_index, simulate)
        for path in ("/_data_stream", "/_data_stream/{name}"):
            router.add(
                "GET", path, self.get_streams, f"{EXPAND} include_defaults master_timeout verbose"
            )
        router.add("PUT", "/_data_stream/{name}", self.create_stream, WAIT)
        router.add("DELETE", "/_data_stream/{name}", self.delete_streams, f"{EXPAND} {WAIT}")
        lifecycle = f"{EXPAND} {WAIT} include_defaults"
        router.add("GET", "/_data_stream/{name}/_lifecycle", self.get_lifecycle, lifecycle)
        router.add("PUT", "/_data_stream/{name}/_lifecycle", self.put_lifecycle, lifecycle)
        router.add("DELETE", "/_data_stream/{name}/_lifecycle", self.delete_lifecycle, lifecycle)
        for path in ("/_ingest/pipeline", "/_ingest/pipeline/{name}"):
            router.add("GET", path, self.get_pipelines, "master_timeout summary")
        router.add("PUT", "/_ingest/pipeline/{name}", self.put_pipeline, f"{WAIT} if_version")
        router.add("DELETE", "/_ingest/pipeline/{name}", self.delete_pipeline, WAIT)

    def _matching(self, kind: str, request: Request) -> dict[str, Json]:
        patterns = request.parts.get("name", "*").split(",")
        return {
            name: body
            for name, body in sorted(self._parts.catalog.state[kind].items())
            if any(fnmatchcase(name, pattern) for pattern in patterns)
        }

    @staticmethod
    def _is_named(request: Request) -> bool:
        return "name" in request.parts and "*" not in request.parts["name"]

    async def get_index_template(self, request: Request) -> Reply:
        """Return composable templates."""
        found = self._matching("index_template", request)
        if not found and self._is_named(request):
            raise not_found(f"index template matching [{request.parts['name']}] not found")
        return Reply(
            {
                "index_templates": [
                    {"name": name, "index_template": _shown(body)} for name, body in found.items()
                ]
            },
            status=_found_status(request, found),
        )

    async def get_component_template(self, request: Request) -> Reply:
        """Return component templates."""
        found = self._matching("component_template", request)
        if not found and self._is_named(request):
            raise not_found(f"component template matching [{request.parts['name']}] not found")
        return Reply(
            {
                "component_templates": [
                    {"name": name, "component_template": _shown(body)}
                    for name, body in found.items()
                ]
            },
            status=_found_status(request, found),
        )

    async def get_template(self, request: Request) -> Reply:
        """Return templates of the older kind; 404 with nothing when there is none."""
        found = self._matching("template", request)
        answer = {
            name: {**body, "settings": _nested_settings(body.get("settings") or {})}
            for name, body in found.items()
        }
        return Reply(answer, status=_found_status(request, found))

    async def put_index_template(self, request: Request) -> Reply:
        """Keep a composable template."""
        state = self._parts.catalog.state
        name, body = request.parts["name"], request.json(required=True)
        return await self._put(
            "index_template",
            request,
            lambda: templates.check_composable(
                name, body, state["index_template"], state["component_template"]
            ),
        )

    async def put_component_template(self, request: Request) -> Reply:
        """Keep a component template."""
        name, body = request.parts["name"], request.json(required=True)
        return await self._put(
            "component_template", request, lambda: templates.check_component(name, body)
        )

    async def put_template(self, request: Request) -> Reply:
        """Keep a template of the older kind."""
        name, body = request.parts["name"], request.json(required=True)
        if "order" in request.parameters:
            body = {**body, "order": request.number("order")}
        return await self._put("template", request, lambda: templates.check_legacy(name, body))

    async def _put(self, kind: str, request: Request, checked: Callable[[], Json]) -> Reply:
        name = request.parts["name"]
        self._parts.check_cluster_blocks()

        def put() -> None:
            if request.flag("create") and name in self._parts.catalog.state[kind]:
                what = kind.replace("_", " ")
                raise illegal_argument(f"{what} [{name}] already exists")
            self._parts.catalog.put(kind, name, checked())

        await self._parts.store.write(put)
        return acknowledged()

    def _deleter(self, kind: str) -> Handler:
        async def delete(request: Request) -> Reply:
            """Forget templates."""
            self._parts.check_cluster_blocks()
            patterns = request.parts["name"].split(",")
            there = self._parts.catalog.state[kind]
            names = [
                name for name in there if any(fnmatchcase(name, pattern) for pattern in patterns)
            ]
            if not names and any("*" not in pattern for pattern in patterns):
                raise NodeError(
                    404,
                    "index_template_missing_exception"
                    if kind != "component_template"
                    else "resource_not_found_exception",
                    f"{kind} [{request.parts['name']}] missing",
                )
            if kind == "component_template":
                self._check_unused(names)
            await self._parts.store.write(lambda: self._parts.catalog.remove(kind, names))
            return acknowledged()

        return delete

    def _check_unused(self, names: list[str]) -> None:
        for other, body in self._parts.catalog.state["index_template"].items():
            used = [name for name in names if name in (body.get("composed_of") or ())]
            if used:
                raise illegal_argument(
                    f"component templates [{', '.join(used)}] cannot be removed as they are still "
                    f"in use by index templates [{other}]"
                )

    async def simulate_index(self, request: Request) -> Reply:
        """Return what a new index of this name would get."""
        name = request.parts["name"]
        there = dict(self._parts.catalog.state["index_template"])
        body = request.json()
        if body:
            components = self._parts.catalog.state["component_template"]
            there["simulated"] = templates.check_composable("simulated", body, {}, components)
        matching = templates.matching(there, name)
        if not matching:
            return Reply({})
        composed = templates.compose(
            name, there, self._parts.catalog.state["component_template"], {}
        )
        shown = {
            "settings": index_settings.nested(composed.settings),
            "mappings": shown_mapping(composed.compile()),
            "aliases": composed.aliases,
        }
        overlapping = [
            {"name": one, "index_patterns": there[one]["index_patterns"]} for one in matching[1:]
        ]
        return Reply({"template": shown, "overlapping": overlapping})

    async def get_streams(self, request: Request) -> Reply:
        """Return data streams."""
        found = self._matching("data_stream", request)
        if not found and self._is_named(request):
            raise index_not_found(request.parts["name"])
        return Reply({"data_streams": [self._stream(name, body) for name, body in found.items()]})

    def _stream(self, name: str, body: Json) -> Json:
        catalog = self._parts.catalog
        indices = [catalog.indices[one] for one in body["indices"]]
        matching = templates.matching(catalog.state["index_template"], name)
        has_replicas = any(index.replicas for index in indices)
        shown: Json = {
            "name": name,
            "timestamp_field": {"name": "@timestamp"},
            "indices": [_backing(index) for index in indices],
            "generation": body["generation"],
            "status": "YELLOW" if has_replicas else "GREEN",
            "template": matching[0] if matching else None,
            "hidden": False,
            "system": False,
            "replicated": False,
        }
        if body.get("lifecycle"):
            shown["lifecycle"] = body["lifecycle"]
        return shown

    async def create_stream(self, request: Request) -> Reply:
        """Make a data stream."""
        name, catalog = request.parts["name"], self._parts.catalog

        def create() -> None:
            if name in catalog.state["data_stream"]:
                raise NodeError(
                    400, "resource_already_exists_exception", f"data_stream [{name}] already exists"
                )
            if catalog.composed(name).data_stream is None:
                raise illegal_argument(f"no matching index template found for data stream [{name}]")
            catalog.create_stream(name)

        await self._parts.store.write(create)
        return acknowledged()

    async def delete_streams(self, request: Request) -> Reply:
        """Delete data streams with all their documents."""
        catalog = self._parts.catalog

        def delete() -> None:
            found = self._matching("data_stream", request)
            if not found and self._is_named(request):
                raise index_not_found(request.parts["name"])
            catalog.delete(
                [catalog.indices[one] for body in found.values() for one in body["indices"]]
            )
            catalog.remove("data_stream", found)

        await self._parts.store.write(delete)
        return acknowledged()

    async def get_lifecycle(self, request: Request) -> Reply:
        """Return how long data streams keep their documents."""
        found = self._matching("data_stream", request)
        if not found and self._is_named(request):
            raise index_not_found(request.parts["name"])
        return Reply(
            {
                "data_streams": [
                    {
                        "name": name,
                        **({"lifecycle": body["lifecycle"]} if body.get("lifecycle") else {}),
                    }
                    for name, body in found.items()
                ]
            }
        )

    async def put_lifecycle(self, request: Request) -> Reply:
        """Say how long data streams keep their documents; the node itself deletes nothing."""
        body = {"enabled": True, **request.json()}
        await self._parts.store.write(lambda: self._set_lifecycle(request, body))
        return acknowledged()

    async def delete_lifecycle(self, request: Request) -> Reply:
        """Take the lifecycle of data streams away."""
        await self._parts.store.write(lambda: self._set_lifecycle(request, None))
        return acknowledged()

    def _set_lifecycle(self, request: Request, lifecycle: Json | None) -> None:
        found = self._matching("data_stream", request)
        if not found:
            raise index_not_found(request.parts["name"])
        for name, body in found.items():
            self._parts.catalog.put("data_stream", name, {**body, "lifecycle": lifecycle})

    async def get_pipelines(self, request: Request) -> Reply:
        """Return ingest pipelines."""
        found = self._matching("pipeline", request)
        return Reply(found, status=404 if not found and self._is_named(request) else 200)

    async def put_pipeline(self, request: Request) -> Reply:
        """Keep an ingest pipeline; only empty ones, the node has no processors."""
        name, body = request.parts["name"], request.json(required=True)
        if body.get("processors"):
            kind = next(iter(body["processors"][0]), "")
            raise NodeError(
                400,
                "parse_exception",
                f"No processor type exists with name [{kind}]",
                extra={"processor_type": kind},
            )
        await self._parts.store.write(lambda: self._parts.catalog.put("pipeline", name, body))
        return acknowledged()

    async def delete_pipeline(self, request: Request) -> Reply:
        """Forget ingest pipelines."""
        found = self._matching("pipeline", request)
        if not found and self._is_named(request):
            raise not_found(f"pipeline [{request.parts['name']}] is missing")
        await self._parts.store.write(lambda: self._parts.catalog.remove("pipeline", found))
        return acknowledged()


def _found_status(request: Request, found: Json) -> int:
    return 404 if not found and "name" in request.parts else 200


def _backing(index: Index) -> Json:
    return {
        "index_name": index.name,
        "index_uuid": index.uuid,
        "prefer_ilm": True,
        "managed_by": "Unmanaged",
    }


def _shown(body: Json) -> Json:
    shown = dict(body)
    if shown.get("template"):
        template = dict(shown["template"])
        if template.get("settings"):
            template["settings"] = _nested_settings(template["settings"])
        shown["template"] = template
    return shown


def _nested_settings(settings: Json) -> Json:
    return index_settings.nested(index_settings.index_settings(settings))
