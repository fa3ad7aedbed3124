"""``auto``: a route for each format, and the one that a content's first lines ask for.

The choice is made when a content is new and kept with it, because how lines are joined to
events decides their ids.
"""

from __future__ import annotations

from collections.abc import Callable

from logship.model import Chunk, Documents
from logship.parsers.recognise import recognise
from logship.route.compile import Route
from logship.route.state import RouteState

__all__ = ["AutoRoute", "choose_format"]

FIRST_LINES = 20
LINE_BY_LINE = "auto"  # JSON objects as such, the rest as text


def choose_format(head: bytes) -> str:
    """Return the format of a content that begins with *head*, as settings name formats.

    ``auto`` stands for JSON and text, which are told apart line by line.
    """
    *complete, rest = head.split(b"\n")
    lines = [line.lstrip(b"\0") for line in complete[:FIRST_LINES]] or [rest]
    found = recognise(lines)
    return LINE_BY_LINE if found in ("json", "text") else found


class AutoRoute:
    """Routes each content as the format that it was taken for.

    Args:
        compile_for: Format → its route; called once for each that is met.
    """

    def __init__(self, compile_for: Callable[[str], Route]) -> None:
        self._compile_for = compile_for
        self._routes: dict[str, Route] = {}

    def __call__(self, chunk: Chunk, state: RouteState) -> tuple[Documents, int]:
        """As :meth:`logship.route.compile.Route.__call__`."""
        return self.of(state.format or LINE_BY_LINE)(chunk, state)

    def pending_start(self, state: RouteState) -> int | None:
        """As :meth:`logship.route.compile.Route.pending_start`."""
        return self.of(state.format or LINE_BY_LINE).pending_start(state)

    def flush(self, state: RouteState, day: str) -> Documents:
        """As :meth:`logship.route.compile.Route.flush`."""
        return self.of(state.format or LINE_BY_LINE).flush(state, day)

    def of(self, format_: str) -> Route:
        """Return the route of a format."""
        route = self._routes.get(format_)
        if route is None:
            route = self._routes[format_] = self._compile_for(format_)
        return route
