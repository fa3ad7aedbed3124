"""logship ships structured logs into Elasticsearch and finds them again."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from logship.agent import Agent as Agent
    from logship.handler import LogshipHandler as LogshipHandler
    from logship.handler.asgi import ASGIMiddleware as ASGIMiddleware
    from logship.handler.carry import wrap as wrap
    from logship.handler.collector import LogCollector as LogCollector
    from logship.handler.configure import configure_logging as configure_logging
    from logship.handler.context import bind as bind
    from logship.handler.context import current_trace as current_trace
    from logship.handler.context import trace as trace
    from logship.handler.context import traceparent as traceparent
    from logship.handler.formatter import JsonFormatter as JsonFormatter
    from logship.handler.hooks import install_exception_hooks as install_exception_hooks
    from logship.handler.levels import HTTP as HTTP
    from logship.handler.neighbours import loguru_sink as loguru_sink
    from logship.handler.neighbours import structlog_processor as structlog_processor
    from logship.handler.rotation import DailyFileHandler as DailyFileHandler
    from logship.handler.wsgi import WSGIMiddleware as WSGIMiddleware
    from logship.search import AsyncLogSearch as AsyncLogSearch
    from logship.search import LogSearch as LogSearch

# Public name → module. Loaded at first use: `import logship` must cost an application nothing.
_HOMES = {
    "ASGIMiddleware": "logship.handler.asgi",
    "Agent": "logship.agent",
    "AsyncLogSearch": "logship.search",
    "DailyFileHandler": "logship.handler.rotation",
    "HTTP": "logship.handler.levels",
    "JsonFormatter": "logship.handler.formatter",
    "LogCollector": "logship.handler.collector",
    "LogSearch": "logship.search",
    "LogshipHandler": "logship.handler",
    "WSGIMiddleware": "logship.handler.wsgi",
    "bind": "logship.handler.context",
    "configure_logging": "logship.handler.configure",
    "current_trace": "logship.handler.context",
    "install_exception_hooks": "logship.handler.hooks",
    "loguru_sink": "logship.handler.neighbours",
    "structlog_processor": "logship.handler.neighbours",
    "trace": "logship.handler.context",
    "traceparent": "logship.handler.context",
    "wrap": "logship.handler.carry",
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
