"""Searches that go on: points in time and scrolls, with their time to live."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from logship.node.errors import NodeError, SearchFailed, illegal_argument
from logship.node.index import Resolved
from logship.node.store import Snapshot

_MOST = 200


@dataclass(slots=True)
class Context:
    """One kept search.

    Attributes:
        resolved: The indices as they were named then.
        snapshot: The state of the database that is seen; None for a scroll, which has its pages.
        expires: On the monotonic clock.
        pages: Of a scroll: what is still to be handed out.
    """

    resolved: Sequence[Resolved]
    snapshot: Snapshot | None
    keep_alive_seconds: float
    expires: float
    pages: Any = field(default=None)


class Contexts:
    """All kept searches of a node; those whose time is over go by themselves."""

    def __init__(self) -> None:
        self._contexts: dict[str, Context] = {}
        self._numbers = count(1)

    def open(
        self, resolved: Sequence[Resolved], snapshot: Snapshot | None, keep_alive_seconds: float
    ) -> tuple[str, Context]:
        """Keep a search and return its id.

        Raises:
            NodeError: There are too many; 429. The caller keeps *snapshot*.
        """
        self.drop_expired()
        if len(self._contexts) >= _MOST:
            raise NodeError(
                429,
                "too_many_scroll_contexts_exception",
                f"Trying to create too many search contexts. Must be less than or equal to: "
                f"[{_MOST}].",
            )
        names = [one.index.name for one in resolved]
        parts = {"node": base64.b64encode(time.time_ns().to_bytes(8, "big")).decode()}
        body = orjson.dumps({**parts, "number": next(self._numbers), "indices": names})
        id_ = base64.urlsafe_b64encode(body).decode()
        context = Context(
            resolved, snapshot, keep_alive_seconds, time.monotonic() + keep_alive_seconds
        )
        self._contexts[id_] = context
        return id_, context

    def use(self, id_: str, keep_alive_seconds: float | None, node_id: str) -> Context:
        """Return a kept search and prolong it.

        Raises:
            NodeError: It is over (404), or *id_* never was an id (400).
        """
        self.drop_expired()
        context = self._contexts.get(id_)
        if context is None:
            raise self.missing(id_, node_id)
        if keep_alive_seconds is not None:
            context.keep_alive_seconds = keep_alive_seconds
        context.expires = time.monotonic() + context.keep_alive_seconds
        return context

    @staticmethod
    def missing(id_: str, node_id: str) -> NodeError:
        """Return the 404 for a kept search that is over.

        Raises:
            NodeError: *id_* never was an id (400).
        """
        number, names = _read(id_)
        missing = NodeError(
            404,
            "search_context_missing_exception",
            f"No search context found for id [{number}]",
        )
        return SearchFailed([(name, missing) for name in names or [""]], node_id)

    def close(self, id_: str) -> int:
        """Forget a kept search; return how many shards it had, 0 when it was gone.

        Raises:
            NodeError: *id_* never was an id.
        """
        _read(id_)
        context = self._contexts.pop(id_, None)
        if context is None:
            return 0
        _release(context)
        return max(1, len(context.resolved))

    def close_all(self) -> int:
        """Forget everything and return how many shards that were."""
        closed = sum(max(1, len(context.resolved)) for context in self._contexts.values())
        for context in self._contexts.values():
            _release(context)
        self._contexts.clear()
        return closed

    def drop_expired(self) -> None:
        """Forget what nobody has asked for in time."""
        now = time.monotonic()
        for id_ in [id_ for id_, one in self._contexts.items() if one.expires < now]:
            _release(self._contexts.pop(id_))


def _release(context: Context) -> None:
    if context.snapshot is not None:
        context.snapshot.close()


def _read(id_: str) -> tuple[int, list[str]]:
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(id_))
        return int(parts["number"]), list(parts["indices"])
    except (ValueError, KeyError, TypeError):
        cause = {"type": "e_o_f_exception", "reason": None}
        raise illegal_argument("java.io.EOFException", cause) from None
