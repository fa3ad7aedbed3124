"""Searches that go on: points in time and scrolls, with their time to live."""

from __future__ import annotations

import base64
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import orjson

from logship.node.catalog import Resolved
from logship.node.errors import NodeError, SearchFailed, illegal_argument


@dataclass(slots=True)
class Context:
    """One kept search.

    Attributes:
        resolved: The indices as they were named then.
        bound: Documents with a ``seq`` below it are seen, later ones are not.
        expires: On the monotonic clock.
        pages: Of a scroll: what is still to be handed out.
    """

    resolved: Sequence[Resolved]
    bound: int
    keep_alive_seconds: float
    expires: float
    pages: Any = field(default=None)


class Contexts:
    """All kept searches of a node; those whose time is over go by themselves."""

    def __init__(self) -> None:
        self._contexts: dict[str, Context] = {}
        self._numbers = count(1)

    def open(
        self, resolved: Sequence[Resolved], bound: int, keep_alive_seconds: float
    ) -> tuple[str, Context]:
        """Keep a search and return its id."""
        self._drop_expired()
        names = [one.index.name for one in resolved]
        parts = {"node": base64.b64encode(time.time_ns().to_bytes(8, "big")).decode()}
        body = orjson.dumps({**parts, "number": next(self._numbers), "indices": names})
        id_ = base64.urlsafe_b64encode(body).decode()
        context = Context(
            resolved, bound, keep_alive_seconds, time.monotonic() + keep_alive_seconds
        )
        self._contexts[id_] = context
        return id_, context

    def use(self, id_: str, keep_alive_seconds: float | None, node_id: str) -> Context:
        """Return a kept search and prolong it.

        Raises:
            NodeError: It is over (404), or *id_* never was an id (400).
        """
        self._drop_expired()
        context = self._contexts.get(id_)
        if context is None:
            number, names = _read(id_)
            missing = NodeError(
                404,
                "search_context_missing_exception",
                f"No search context found for id [{number}]",
            )
            raise SearchFailed([(name, missing) for name in names or [""]], node_id)
        if keep_alive_seconds is not None:
            context.keep_alive_seconds = keep_alive_seconds
        context.expires = time.monotonic() + context.keep_alive_seconds
        return context

    def close(self, id_: str) -> int:
        """Forget a kept search; return how many shards it had, 0 when it was gone.

        Raises:
            NodeError: *id_* never was an id.
        """
        _read(id_)
        context = self._contexts.pop(id_, None)
        return 0 if context is None else max(1, len(context.resolved))

    def close_all(self) -> int:
        """Forget everything and return how many shards that were."""
        closed = sum(max(1, len(context.resolved)) for context in self._contexts.values())
        self._contexts.clear()
        return closed

    def _drop_expired(self) -> None:
        now = time.monotonic()
        for id_ in [id_ for id_, one in self._contexts.items() if one.expires < now]:
            del self._contexts[id_]


def _read(id_: str) -> tuple[int, list[str]]:
    try:
        parts = orjson.loads(base64.urlsafe_b64decode(id_))
        return int(parts["number"]), list(parts["indices"])
    except (ValueError, KeyError, TypeError):
        cause = {"type": "e_o_f_exception", "reason": None}
        raise illegal_argument("java.io.EOFException", cause) from None
