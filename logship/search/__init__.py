"""Finding records again: ``LogSearch`` and what the search commands stand on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from logship.search.client import AsyncLogSearch, LogSearch
    from logship.search.request import Wanted
    from logship.search.result import FoundRecord, SearchResult

__all__ = ["AsyncLogSearch", "FoundRecord", "LogSearch", "SearchResult", "Wanted"]

_HOMES = {
    "AsyncLogSearch": "client",
    "FoundRecord": "result",
    "LogSearch": "client",
    "SearchResult": "result",
    "Wanted": "request",
}


def __getattr__(name: str) -> Any:
    """Import on first use: the client brings an HTTP stack that a ``--help`` does not need."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
