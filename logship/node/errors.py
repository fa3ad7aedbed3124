"""Errors of the node, in the shape in which Elasticsearch answers them.

::

    NodeError             one JSON error object with type, reason and status
    ├── PlainError        the routing errors: ``{"error": "text", "status": N}``
    ├── SearchFailed      the same failure in every index searched
    └── EmptyReply        a status without any body (413)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

Json = dict[str, Any]


class NodeError(Exception):
    """A refused request, or a refused item of a bulk request.

    Attributes:
        status: HTTP status, of the request or of the item.
        type: Elasticsearch's error type in snake case.
        reason: What is wrong; quotes the offending value.
        caused_by: The error object below this one, or None.
        extra: Further members of the error object, such as ``index``.
    """

    def __init__(
        self,
        status: int,
        type_: str,
        reason: str | None,
        *,
        caused_by: Json | None = None,
        root: Json | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(reason)
        self.status, self.type, self.reason = status, type_, reason
        self.caused_by, self.root = caused_by, root
        self.extra = dict(extra or {})

    def cause(self, *, deep: bool = True) -> Json:
        """Return the error object; without what caused it when not *deep*."""
        cause = {"type": self.type, "reason": self.reason, **self.extra}
        if deep and self.caused_by is not None:
            cause["caused_by"] = self.caused_by
        return cause

    def body(self) -> Json:
        """Return the whole reply."""
        root = self.root or self.cause(deep=False)
        return {"error": {"root_cause": [root], **self.cause()}, "status": self.status}


class PlainError(NodeError):
    """What the router itself refuses: the error is a text.

    Attributes:
        headers: Further headers of the reply, such as ``Allow``.
    """

    def __init__(
        self,
        status: int,
        text: str,
        *,
        with_status: bool = True,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(status, "", text)
        self.with_status, self.headers = with_status, dict(headers or {})

    def body(self) -> Json:
        """Return the whole reply; the status is left out where Elasticsearch does so."""
        return {"error": self.reason} | ({"status": self.status} if self.with_status else {})


class EmptyReply(NodeError):
    """A refusal without body and without product header, as for 413."""

    def __init__(self, status: int) -> None:
        super().__init__(status, "", None)


class SearchFailed(NodeError):
    """A search that fails in the same way in each of its indices."""

    def __init__(self, failures: Sequence[tuple[str, NodeError]], node_id: str | None) -> None:
        first = failures[0][1]
        super().__init__(first.status, "search_phase_execution_exception", "all shards failed")
        self._failures, self._node_id = failures, node_id

    def body(self) -> Json:
        """Return the whole reply with one failed shard per index."""
        failed = [
            {"shard": 0, "index": name, "node": self._node_id, "reason": error.cause()}
            for name, error in self._failures
        ]
        error: Json = {
            "root_cause": [error.cause(deep=False) for _, error in self._failures],
            "type": self.type,
            "reason": self.reason,
            "phase": "query",
            "grouped": True,
            "failed_shards": failed,
        }
        first = self._failures[0][1]
        if first.type == "illegal_argument_exception":
            error["caused_by"] = {**first.cause(), "caused_by": first.cause()}
        return {"error": error, "status": self.status}


def illegal_argument(reason: str, caused_by: Json | None = None) -> NodeError:
    """Return the 400 for an argument that makes no sense."""
    return NodeError(400, "illegal_argument_exception", reason, caused_by=caused_by)


def invalid_request(*reasons: str) -> NodeError:
    """Return the 400 for a request that contradicts itself."""
    numbered = "".join(f" {number}: {reason};" for number, reason in enumerate(reasons, 1))
    return NodeError(400, "action_request_validation_exception", f"Validation Failed:{numbered}")


def parsing(reason: str, caused_by: Json | None = None) -> NodeError:
    """Return the 400 for a part of a request body that cannot be understood."""
    return NodeError(400, "parsing_exception", reason, caused_by=caused_by)


@contextmanager
def values_checked() -> Iterator[None]:
    """Refuse a search with a value of a wrong kind, wherever in it that comes out.

    Raises:
        NodeError: 400.
    """
    try:
        yield
    except (ValueError, TypeError, OverflowError) as error:
        raise illegal_argument(f"a value in the request cannot be used: {error}") from error


def unknown_field(where: str, name: str) -> NodeError:
    """Return the 400 for a member that an object of a request does not have."""
    return NodeError(400, "x_content_parse_exception", f"[{where}] unknown field [{name}]")


def index_not_found(name: str, *, why: str = "") -> NodeError:
    """Return the 404 for an index, alias or data stream that does not exist."""
    extra: Json = {"index_uuid": "_na_", "index": name}
    if not why:
        extra = {"resource.type": "index_or_alias", "resource.id": name, **extra}
    return NodeError(404, "index_not_found_exception", f"no such index [{name}]{why}", extra=extra)


def not_found(reason: str) -> NodeError:
    """Return the 404 for a resource other than an index."""
    return NodeError(404, "resource_not_found_exception", reason)


def mapper_parsing(reason: str) -> NodeError:
    """Return the 400 for a mapping definition that cannot be used."""
    cause = {"type": "mapper_parsing_exception", "reason": reason}
    return NodeError(
        400,
        "mapper_parsing_exception",
        f"Failed to parse mapping: {reason}",
        caused_by=cause,
        root=cause,
    )


def failed_query(reason: str, caused_by: Json | None = None) -> NodeError:
    """Return the failure of a query that does not fit the mapping of an index.

    The search adds index and uuid when it reports it.
    """
    return NodeError(400, "query_shard_exception", reason, caused_by=caused_by)
