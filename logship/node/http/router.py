"""From method and path to a handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from logship.node.errors import NodeError, PlainError, illegal_argument
from logship.node.http.request import Request

COMMON = frozenset({"pretty", "human", "error_trace", "filter_path", "format"})

Answer = Any
Handler = Callable[[Request], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Route:
    """A handler with the parameters it understands."""

    handler: Handler
    parameters: frozenset[str]


@dataclass(slots=True)
class _Node:
    literals: dict[str, _Node] = field(default_factory=dict)
    placeholder: tuple[str, _Node] | None = None
    routes: dict[str, Route] = field(default_factory=dict)


class Router:
    """All routes; literal steps win over placeholders."""

    def __init__(self) -> None:
        self._root = _Node()

    def add(self, methods: str, pattern: str, handler: Handler, parameters: str = "") -> None:
        """Add a route.

        Args:
            methods: Names with spaces between.
            pattern: Such as ``/{index}/_search``.
            handler: Answers; see the server for what it may return.
            parameters: Names with spaces between, beside those that every route knows.
        """
        node = self._root
        for step in pattern.strip("/").split("/") if pattern != "/" else ():
            if step.startswith("{"):
                if node.placeholder is None:
                    node.placeholder = (step[1:-1], _Node())
                node = node.placeholder[1]
            else:
                node = node.literals.setdefault(step, _Node())
        route = Route(handler, frozenset(parameters.split()) | COMMON)
        for method in methods.split():
            node.routes[method] = route

    def find(self, request: Request, raw_path: str) -> Route:
        """Return the route for *request* and fill in its parts.

        Raises:
            NodeError: No such path, not with this method, or an unknown parameter.
        """
        steps = [unquote(step) for step in raw_path.strip("/").split("/")]
        steps = [] if steps == [""] else steps
        allowed: set[str] = set()
        found = self._walk(self._root, steps, 0, {}, request.method, allowed)
        if found is None:
            raise _no_route(request, allowed)
        route, request.parts = found
        unknown = [name for name in request.parameters if name not in route.parameters]
        if unknown:
            plural = "s" if len(unknown) > 1 else ""
            names = ", ".join(f"[{name}]" for name in sorted(unknown))
            raise illegal_argument(
                f"request [{request.path}] contains unrecognized parameter{plural}: {names}"
            )
        return route

    def _walk(
        self,
        node: _Node,
        steps: list[str],
        at: int,
        parts: dict[str, str],
        method: str,
        allowed: set[str],
    ) -> tuple[Route, dict[str, str]] | None:
        if at == len(steps):
            allowed.update(node.routes)
            route = node.routes.get(method)
            return None if route is None else (route, parts)
        literal = node.literals.get(steps[at])
        if literal is not None:
            found = self._walk(literal, steps, at + 1, parts, method, allowed)
            # A path that is known by name stands for nothing else, whatever the method.
            if found is not None or allowed:
                return found
        if node.placeholder is not None:
            name, below = node.placeholder
            inner = {**parts, name: steps[at]}
            return self._walk(below, steps, at + 1, inner, method, allowed)
        return None


def _no_route(request: Request, allowed: set[str]) -> NodeError:
    if allowed:
        names = [one for one in ("GET", "POST", "PUT", "DELETE", "HEAD") if one in allowed]
        return PlainError(
            405,
            f"Incorrect HTTP method for uri [{request.uri}] and method [{request.method}], "
            f"allowed: [{', '.join(names)}]",
            headers={"Allow": ",".join(names)},
        )
    return PlainError(
        400,
        f"no handler found for uri [{request.uri}] and method [{request.method}]",
        with_status=False,
    )
