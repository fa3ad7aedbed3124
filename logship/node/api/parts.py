"""What the endpoints share: the node's parts, and index expressions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from logship.node.catalog import Catalog
from logship.node.contexts import Contexts
from logship.node.errors import Json, NodeError, illegal_argument
from logship.node.http.reply import Reply
from logship.node.http.request import Request
from logship.node.index import Options, Resolved
from logship.node.store import Store
from logship.node.writes import Writer

NAME = "logship"
VERSION = "8.19.21"
EXPAND = "ignore_unavailable allow_no_indices expand_wildcards ignore_throttled"
_EMPTY_INDEX_BYTES = 249
_CLUSTER_BLOCKS = {
    "read_only": "FORBIDDEN/6/cluster read-only (api)",
    "read_only_allow_delete": "FORBIDDEN/13/cluster read-only / allow delete (api)",
}
WAIT = "master_timeout timeout wait_for_active_shards"


@dataclass(slots=True)
class Parts:
    """Everything that a handler may need."""

    store: Store
    catalog: Catalog
    writer: Writer
    contexts: Contexts
    max_content_length: int
    address: str = ""

    def check_cluster_blocks(self, index: str = "", *, deletes: bool = False) -> None:
        """Refuse a change while the whole cluster is read-only.

        Args:
            index: What is to be changed, where it is one.
            deletes: Whether it would free space.

        Raises:
            NodeError: 403.
        """
        for name, text in _CLUSTER_BLOCKS.items():
            if deletes and name == "read_only_allow_delete":
                continue
            if self.catalog.cluster_setting(f"cluster.blocks.{name}") == "true":
                subject = f"index [{index}] " if index else ""
                reason = f"{subject}blocked by: [{text}];"
                raise NodeError(403, "cluster_block_exception", reason)


def acknowledged(**more: Any) -> Reply:
    """Return the usual answer to a change."""
    return Reply({"acknowledged": True, **more})


def options_of(request: Request, default: Options = Options()) -> Options:  # noqa: B008
    """Return how the request wants its index expression read.

    Raises:
        NodeError: ``expand_wildcards`` has an unknown value.
    """
    wanted = request.parameters.get("expand_wildcards")
    kinds = (
        {"open": default.open, "closed": default.closed, "hidden": default.hidden}
        if wanted is None
        else {"open": False, "closed": False, "hidden": False}
    )
    for one in wanted.split(",") if wanted else ():
        if one == "all":
            kinds = dict.fromkeys(kinds, True)
        elif one == "none":
            kinds = dict.fromkeys(kinds, False)
        elif one in kinds:
            kinds[one] = True
        else:
            raise illegal_argument(f"No valid expand wildcard value [{one}]")
    if wanted and kinds["hidden"] and not kinds["open"] and not kinds["closed"]:
        kinds["open"] = True
    return Options(
        request.flag("ignore_unavailable", default=default.ignore_unavailable),
        request.flag("allow_no_indices", default=default.allow_no_indices),
        kinds["open"],
        kinds["closed"],
        kinds["hidden"],
    )


def resolved(parts: Parts, request: Request, default: Options = Options()) -> list[Resolved]:  # noqa: B008
    """Return the indices that the path of *request* names; all when it names none."""
    expression = request.parts.get("index", "")
    return parts.catalog.resolve(expression, options_of(request, default))


def shards_of(found: list[Resolved]) -> Json:
    """Return ``_shards`` for an operation on all of *found* that succeeded."""
    total = sum(one.index.shards * (1 + one.index.replicas) for one in found)
    return {"total": total, "successful": sum(one.index.shards for one in found), "failed": 0}


def size_of(parts: Parts, documents: int) -> int:
    """Return roughly how many bytes so many documents take; never 0, as an index has a cost."""
    every = sum(index.documents for index in parts.catalog.indices.values())
    total = 0
    for suffix in ("", "-wal"):
        try:
            total += parts.store.path.with_name(parts.store.path.name + suffix).stat().st_size
        except OSError:
            continue
    return _EMPTY_INDEX_BYTES + (total * documents // every if every else 0)


def object_of(value: Any, what: str) -> Json:
    """Return *value* as an object.

    Raises:
        NodeError: It is none.
    """
    if not isinstance(value, dict):
        raise NodeError(400, "parse_exception", f"[{what}] must be an object")
    return value
