"""Routes: a source's compiled way from chunk to documents."""

from __future__ import annotations

from logship.route.compile import Route, compile_route
from logship.route.state import RouteState

__all__ = ["Route", "RouteState", "compile_route"]
