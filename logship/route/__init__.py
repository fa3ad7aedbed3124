"""Routes: a source's compiled way from chunk to documents."""

from __future__ import annotations

from logship.route.auto import AutoRoute, choose_format
from logship.route.compile import Route
from logship.route.routing import Routing, RoutingError
from logship.route.source import compile_route
from logship.route.state import RouteState

__all__ = [
    "AutoRoute",
    "Route",
    "RouteState",
    "Routing",
    "RoutingError",
    "choose_format",
    "compile_route",
]
