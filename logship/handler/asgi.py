"""``ASGIMiddleware``: a trace and a record for every request of an ASGI application."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import quote

from logship.handler.context import bind, trace
from logship.handler.exchange import PATH_SAFE, Exchange, Options
from logship.handler.lifespan import Lifespan

__all__ = ["ASGIMiddleware"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]


class ASGIMiddleware:
    """Wraps an ASGI application (FastAPI, Starlette, Django, Quart, …).

    Every record that is logged while a request is served carries its trace (the one of an
    incoming ``traceparent``, else a new one) and its ``request_id`` (the client's, else a new
    one), which goes back in the response, too. Each request ends in one record with ``method``,
    ``url``, ``path``, ``route``, ``status``, ``duration_ms``, ``client_ip``, ``user_agent``,
    ``user_id`` and ``request_id``: when the last byte was handed over, or the application
    ended. Exceptions and answers from 500 on are errors, with the exception, which goes on to
    the server. WebSockets get trace and request id, and no record.

    When the server shuts the application down, what handlers have queued is delivered, as at a
    normal exit: uvicorn ends the process in a way that runs no ``atexit``.

    ``client_ip`` is what the server says; let that read proxies' headers (uvicorn's
    ``--proxy-headers``).

    Args:
        app: The application.
        logger: Name of the logger for the requests.
        level: Of their records.
        slow_ms: From this duration on a request is tagged ``slow_request``.
        skip: Paths without a record, like ``/health``; ``/internal/*`` is all that begin so.
        user_id: Called with the scope when the response begins; returns the user's id or None.
        request_id_header: Read from the request and set on the response.
        silence_access_logs: Drop the access lines of uvicorn, gunicorn and hypercorn, which say
            the same.

    Raises:
        ValueError: There is no such *level*.
    """

    def __init__(
        self,
        app: App,
        *,
        logger: str = "logship.access",
        level: int | str = "INFO",
        slow_ms: float = 1000.0,
        skip: Iterable[str] = (),
        user_id: Callable[[Scope], object] | None = None,
        request_id_header: str = "X-Request-ID",
        silence_access_logs: bool = False,
    ) -> None:
        self._app = app
        self._header = request_id_header.lower().encode("latin-1")
        self._options = Options.of(
            logger=logger,
            level=level,
            slow_ms=slow_ms,
            skip=skip,
            user_id=user_id,
            request_id_header=request_id_header,
            silence_access_logs=silence_access_logs,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan":
            await Lifespan(self._app, receive, send).serve(scope)
            return
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        given = scope.get("headers") or ()
        headers = {name.lower(): value.decode("latin-1") for name, value in given}
        exchange = Exchange(
            self._options, _fields(scope, headers), scope["path"], headers.get(self._header)
        )
        with (
            trace(traceparent=headers.get(b"traceparent", "")),
            bind(request_id=exchange.request_id),
        ):
            if scope["type"] == "http":
                await self._serve(scope, receive, send, exchange)
            else:
                await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, exchange: Exchange) -> None:
        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.begin_response(message["status"], scope, _route(scope))
                message = self._with_request_id(message, exchange.request_id)
            await send(message)
            if _is_last(message):
                exchange.end_response()
                # After an answer from 500 on, its exception may follow.
                if exchange.status is not None and exchange.status < 500:
                    exchange.record()

        try:
            await self._app(scope, receive, send_on)
        except BaseException as error:
            exchange.record(error)
            raise
        exchange.record()

    def _with_request_id(self, message: Message, request_id: str) -> Message:
        headers = list(message.get("headers") or ())
        if any(name.lower() == self._header for name, _ in headers):
            return message
        return {**message, "headers": [*headers, (self._header, request_id.encode("latin-1"))]}


def _fields(scope: Scope, headers: dict[bytes, str]) -> dict[str, Any]:
    query = scope.get("query_string", b"").decode("latin-1")
    raw = scope.get("raw_path")
    path = raw.decode("latin-1").partition("?")[0] if raw else quote(scope["path"], safe=PATH_SAFE)
    client = scope.get("client")
    return {
        "method": scope.get("method", "GET"),
        "url": f"{path}?{query}" if query else path,
        "client_ip": client[0] if client else None,
        "user_agent": headers.get(b"user-agent"),
    }


def _route(scope: Scope) -> str | None:
    """What Starlette and FastAPI leave behind: ``/orders/{id}``; of a mount, where it is."""
    route, root = scope.get("route"), scope.get("root_path", "").rstrip("/")
    path = getattr(route, "path", None)
    if not isinstance(path, str):
        return None
    return root or "/" if hasattr(route, "routes") else f"{root}{path}"


def _is_last(message: Message) -> bool:
    kind = message["type"]
    return kind == "http.response.pathsend" or (
        kind == "http.response.body" and not message.get("more_body")
    )
