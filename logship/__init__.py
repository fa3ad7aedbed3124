"""logship ships structured logs into Elasticsearch and finds them again."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from logship.agent import Agent as Agent
    from logship.handler import LogshipHandler as LogshipHandler
    from logship.handler.context import bind as bind
    from logship.handler.context import current_trace as current_trace
    from logship.handler.context import trace as trace
    from logship.handler.context import traceparent as traceparent
    from logship.search import AsyncLogSearch as AsyncLogSearch
    from logship.search import LogSearch as LogSearch

# Public name → module. Loaded at first use: `import logship` must cost an application nothing.
_HOMES = {
    "Agent": "logship.agent",
    "AsyncLogSearch": "logship.search",
    "LogSearch": "logship.search",
    "LogshipHandler": "logship.handler",
    "bind": "logship.handler.context",
    "current_trace": "logship.handler.context",
    "trace": "logship.handler.context",
    "traceparent": "logship.handler.context",
}

__all__ = [*sorted(_HOMES), "__version__"]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'logship' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
