"""Routes for tests."""

from __future__ import annotations

from typing import Any

from logship.route import AutoRoute, Route, compile_route

__all__ = ["line_by_line"]


def line_by_line(*arguments: Any, **options: Any) -> Route:
    """Return a compiled route; of ``auto`` the one that tells JSON and text apart by line."""
    route = compile_route(*arguments, **options)
    return route.of("auto") if isinstance(route, AutoRoute) else route
