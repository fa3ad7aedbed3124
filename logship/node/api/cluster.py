"""What clients and shippers ask about the cluster itself."""

from __future__ import annotations

import os
import platform
import time

from logship.node import settings as index_settings
from logship.node.api.parts import EXPAND, NAME, VERSION, WAIT, Parts, resolved, size_of
from logship.node.errors import Json, illegal_argument
from logship.node.http.reply import Reply
from logship.node.http.request import Request
from logship.node.http.router import Router
from logship.node.index import Index, Options, Resolved

_RANKS = {"green": 0, "yellow": 1, "red": 2}
_CLUSTER_SETTINGS = frozenset(
    {"action.auto_create_index", "action.destructive_requires_name", "cluster.max_shards_per_node",
     "cluster.blocks.read_only", "cluster.blocks.read_only_allow_delete"}
)  # fmt: skip
_PASSIVE = ("cluster.", "indices.", "search.", "logger.", "ingest.", "network.", "http.")


class Cluster:
    """Endpoints about the cluster, its node and its fields."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started = time.time()

    def routes(self, router: Router) -> None:
        """Register."""
        router.add("GET HEAD", "/", self.root)
        health = (
            f"{EXPAND} {WAIT} level local wait_for_status wait_for_nodes wait_for_events"
            " wait_for_no_relocating_shards wait_for_no_initializing_shards"
        )
        for path in ("/_cluster/health", "/_cluster/health/{index}"):
            router.add("GET", path, self.health, health)
        router.add(
            "GET", "/_cluster/settings", self.get_settings, f"{WAIT} flat_settings include_defaults"
        )
        router.add("PUT", "/_cluster/settings", self.put_settings, f"{WAIT} flat_settings")
        for path in ("/_cluster/state", "/_cluster/state/{metric}"):
            router.add("GET", path, self.state, f"{EXPAND} local master_timeout flat_settings")
        router.add("GET", "/_cluster/stats", self.cluster_stats, "timeout include_remotes")
        nodes = "timeout flat_settings level types fields"
        for path in ("/_nodes", "/_nodes/{what}", "/_nodes/{what}/{metric}"):
            router.add("GET", path, self.nodes, nodes)
        for path in ("/_nodes/stats", "/_nodes/stats/{metric}", "/_nodes/stats/{metric}/{index}"):
            router.add("GET", path, self.node_stats, nodes)
        for path in ("/_stats", "/_stats/{metric}", "/{index}/_stats", "/{index}/_stats/{metric}"):
            router.add("GET", path, self.stats, f"{EXPAND} level fields forbid_closed_indices")
        router.add("GET", "/_license", self.license, "local accept_enterprise")
        router.add("GET", "/_xpack", self.xpack, "categories accept_enterprise master_timeout")
        router.add("GET", "/_health_report", self.health_report, "timeout verbose size")
        router.add(
            "GET",
            "/_tasks",
            self.tasks,
            "actions detailed nodes group_by parent_task_id timeout wait_for_completion",
        )

    async def root(self, request: Request) -> Reply:
        """Say who this is."""
        return Reply(
            {
                "name": NAME,
                "cluster_name": NAME,
                "cluster_uuid": self._parts.catalog.cluster_uuid,
                "version": {
                    "number": VERSION,
                    "build_flavor": "default",
                    "build_type": "tar",
                    "build_hash": "logship",
                    "build_date": "2026-08-26T22:10:47.574903747Z",
                    "build_snapshot": False,
                    "lucene_version": "9.12.2",
                    "minimum_wire_compatibility_version": "7.17.0",
                    "minimum_index_compatibility_version": "7.0.0",
                },
                "tagline": "You Know, for Search",
            }
        )

    async def health(self, request: Request) -> Reply:
        """Say how the cluster is: green, or yellow where copies are wanted."""
        options = Options(closed=True, hidden=True, ignore_unavailable=True)
        found = resolved(self._parts, request, options)
        body: Json = {"cluster_name": NAME, "status": _status(found), "timed_out": False,
                      "number_of_nodes": 1, "number_of_data_nodes": 1}  # fmt: skip
        missing = "index" in request.parts and not found and "*" not in request.parts["index"]
        wanted = request.parameters.get("wait_for_status")
        if wanted is not None and wanted not in _RANKS:
            raise illegal_argument(f"unknown cluster health status [{wanted}]")
        is_late = missing or (wanted and _RANKS[body["status"]] > _RANKS[wanted])
        body["timed_out"] = bool(is_late)
        if missing:
            body["status"] = "red"
        shards = sum(one.index.shards for one in found)
        copies = sum(one.index.shards * one.index.replicas for one in found)
        body |= _shard_counts(shards, copies)
        body |= {
            "delayed_unassigned_shards": 0,
            "number_of_pending_tasks": 0,
            "number_of_in_flight_fetch": 0,
            "task_max_waiting_in_queue_millis": 0,
            "active_shards_percent_as_number": 100.0 * shards / (shards + copies or 1)
            if shards
            else 100.0,
        }
        if request.parameters.get("level") in {"indices", "shards"}:
            body["indices"] = {one.index.name: _index_health(one.index) for one in found}
        return Reply(body, status=408 if is_late else 200)

    async def get_settings(self, request: Request) -> Reply:
        """Return the cluster settings."""
        return Reply(self._shown_settings(flat=request.flag("flat_settings")))

    def _shown_settings(self, *, flat: bool) -> Json:
        kept = self._parts.catalog.cluster_settings
        return {
            kind: kept[kind] if flat else index_settings.nested(kept[kind])
            for kind in ("persistent", "transient")
        }

    async def put_settings(self, request: Request) -> Reply:
        """Change cluster settings."""
        body = request.json(required=True)
        kept = {kind: dict(value) for kind, value in self._parts.catalog.cluster_settings.items()}
        changes: Json = {"persistent": {}, "transient": {}}
        for kind, given in body.items():
            if kind not in kept:
                raise illegal_argument(f"[cluster_update_settings_request] unknown field [{kind}]")
            for name, value in index_settings.flattened(given or {}).items():
                if name not in _CLUSTER_SETTINGS and not name.startswith(_PASSIVE):
                    raise illegal_argument(f"{kind} setting [{name}], not recognized")
                if value is None:
                    kept[kind].pop(name, None)
                else:
                    kept[kind][name] = changes[kind][name] = value
        await self._parts.store.write(lambda: self._parts.catalog.put("cluster", "settings", kept))
        shown = {kind: index_settings.nested(value) for kind, value in changes.items()}
        return Reply({"acknowledged": True, **shown})

    async def state(self, request: Request) -> Reply:
        """Return the few parts of the cluster state that are asked for."""
        catalog = self._parts.catalog
        body: Json = {
            "cluster_name": NAME,
            "cluster_uuid": catalog.cluster_uuid,
            "master_node": catalog.node_id,
            "nodes": {catalog.node_id: {"name": NAME, "transport_address": self._parts.address}},
            "metadata": {"cluster_uuid": catalog.cluster_uuid},
            "version": 1,
        }
        metrics = request.parts.get("metric", "_all").split(",")
        if "_all" not in metrics:
            always = {"cluster_name", "cluster_uuid"}
            body = {key: value for key, value in body.items() if key in always | set(metrics)}
        return Reply(body)

    async def cluster_stats(self, request: Request) -> Reply:
        """Return counts over all indices."""
        catalog = self._parts.catalog
        documents = sum(index.documents for index in catalog.indices.values())
        found = [Resolved(index) for index in catalog.indices.values()]
        return Reply(
            {
                "_nodes": {"total": 1, "successful": 1, "failed": 0},
                "cluster_name": NAME,
                "cluster_uuid": catalog.cluster_uuid,
                "timestamp": int(time.time() * 1000),
                "status": _status(found),
                "indices": {
                    "count": len(catalog.indices),
                    "docs": {"count": documents, "deleted": 0},
                    "store": {"size_in_bytes": size_of(self._parts, documents)},
                },
                "nodes": {"count": {"total": 1, "data": 1}, "versions": [VERSION]},
            }
        )

    def _node(self) -> Json:
        return {
            "name": NAME,
            "transport_address": self._parts.address,
            "host": self._parts.address.rpartition(":")[0],
            "ip": self._parts.address.rpartition(":")[0],
            "version": VERSION,
            "build_flavor": "default",
            "build_type": "tar",
            "build_hash": "logship",
            "roles": ["data", "ingest", "master"],
        }

    async def nodes(self, request: Request) -> Reply:
        """Return what is known of the one node."""
        node = self._node()
        node["os"] = {"name": platform.system(), "arch": platform.machine(),
                      "available_processors": os.cpu_count()}  # fmt: skip
        node["process"] = {"id": os.getpid(), "mlockall": False}
        node["http"] = {
            "bound_address": [self._parts.address],
            "publish_address": self._parts.address,
            "max_content_length_in_bytes": self._parts.max_content_length,
        }
        node["plugins"] = []
        node["modules"] = []
        node["ingest"] = {"processors": []}
        return self._of_nodes(node)

    async def node_stats(self, request: Request) -> Reply:
        """Return figures of the one node."""
        documents = sum(index.documents for index in self._parts.catalog.indices.values())
        node = {
            **self._node(),
            "timestamp": int(time.time() * 1000),
            "indices": {
                "docs": {"count": documents, "deleted": 0},
                "store": {"size_in_bytes": size_of(self._parts, documents)},
            },
            "process": {"timestamp": int(time.time() * 1000)},
            "jvm": {"uptime_in_millis": int((time.time() - self._started) * 1000)},
        }
        return self._of_nodes(node)

    def _of_nodes(self, node: Json) -> Reply:
        return Reply(
            {
                "_nodes": {"total": 1, "successful": 1, "failed": 0},
                "cluster_name": NAME,
                "nodes": {self._parts.catalog.node_id: node},
            }
        )

    async def stats(self, request: Request) -> Reply:
        """Return document counts and sizes by index."""
        found = resolved(self._parts, request)

        def figures(documents: int) -> Json:
            share = size_of(self._parts, documents)
            return {
                "docs": {"count": documents, "deleted": 0, "total_size_in_bytes": share},
                "store": {"size_in_bytes": share, "total_data_set_size_in_bytes": share,
                          "reserved_in_bytes": 0},
            }  # fmt: skip

        total = figures(sum(one.index.documents for one in found))
        shards = {
            "total": sum(one.index.shards * (1 + one.index.replicas) for one in found),
            "successful": sum(one.index.shards for one in found),
            "failed": 0,
        }
        indices = {
            one.index.name: {
                "uuid": one.index.uuid,
                "health": _status([one]),
                "status": "open",
                "primaries": figures(one.index.documents),
                "total": figures(one.index.documents),
            }
            for one in found
        }
        return Reply(
            {"_shards": shards, "_all": {"primaries": total, "total": total}, "indices": indices}
        )

    async def license(self, request: Request) -> Reply:
        """Return a basic licence: shippers ask before they write."""
        return Reply(
            {
                "license": {
                    "status": "active",
                    "uid": self._parts.catalog.cluster_uuid,
                    "type": "basic",
                    "issue_date": "2026-01-01T00:00:00.000Z",
                    "issue_date_in_millis": 1767225600000,
                    "max_nodes": 1,
                    "max_resource_units": None,
                    "issued_to": NAME,
                    "issuer": NAME,
                    "start_date_in_millis": -1,
                }
            }
        )

    async def xpack(self, request: Request) -> Reply:
        """Say that no licensed feature is there."""
        off = {"available": False, "enabled": False}
        return Reply(
            {
                "build": {"hash": NAME, "date": "2026-08-26T22:10:47.574903747Z"},
                "license": {
                    "uid": self._parts.catalog.cluster_uuid,
                    "type": "basic",
                    "mode": "basic",
                    "status": "active",
                },
                "features": dict.fromkeys(
                    ("ilm", "ml", "monitoring", "rollup", "security", "watcher"), off
                ),
                "tagline": "You know, for X",
            }
        )

    async def health_report(self, request: Request) -> Reply:
        """Say how the cluster is, in one word."""
        found = [Resolved(index) for index in self._parts.catalog.indices.values()]
        return Reply({"status": _status(found), "cluster_name": NAME, "indicators": {}})

    async def tasks(self, request: Request) -> Reply:
        """Return that nothing is going on."""
        return Reply({"nodes": {self._parts.catalog.node_id: {"name": NAME, "tasks": {}}}})


def _status(found: list[Resolved]) -> str:
    return "yellow" if any(one.index.replicas for one in found) else "green"


def _shard_counts(shards: int, copies: int) -> Json:
    return {
        "active_primary_shards": shards,
        "active_shards": shards,
        "relocating_shards": 0,
        "initializing_shards": 0,
        "unassigned_shards": copies,
        "unassigned_primary_shards": 0,
    }


def _index_health(index: Index) -> Json:
    return {
        "status": _status([Resolved(index)]),
        "number_of_shards": index.shards,
        "number_of_replicas": index.replicas,
        **_shard_counts(index.shards, index.shards * index.replicas),
    }
