"""The middlewares around real applications, and their records in Elasticsearch."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import flask
import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

import logship
from logship.testing import CollectingHandler, collect_logs
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
log = logging.getLogger("app")


@pytest.fixture
def collected() -> Iterator[CollectingHandler]:
    with collect_logs(level="INFO") as handler:
        yield handler


def access(collected: CollectingHandler) -> dict[str, Any]:
    """The request's record: a server may write it when the client has its answer already."""
    wait_until(lambda: collected.find(logger="logship.access"), lambda: collected.messages)
    (found,) = collected.find(logger="logship.access")
    return found


async def order(request: Request) -> Response:
    log.info("in a task")
    await run_in_threadpool(log.info, "in a thread")
    request.state.seen = True
    return JSONResponse({"traceparent": logship.traceparent()})


async def stream(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for number in range(3):
            log.info("part")
            yield b"%d" % number

    return StreamingResponse(parts(), background=BackgroundTask(log.info, "afterwards"))


async def fail(request: Request) -> Response:
    raise ValueError("boom")


class PassOn(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: Any) -> Response:
        request.scope["user_id"] = "u-1"
        response: Response = await call_next(request)
        return response


def ask(path: str, headers: dict[str, str] | None = None, **options: Any) -> httpx.Response:
    """Ask a Starlette application behind the middleware."""
    app = Starlette(
        routes=[
            Route("/orders/{id:int}", order),
            Route("/stream", stream),
            Route("/fail", fail),
            Mount("/shop", routes=[Route("/items/{name}", order)]),
            Mount("/static", app=PlainTextResponse("file")),
        ],
        middleware=[Middleware(PassOn)],
    )
    transport = httpx.ASGITransport(
        logship.ASGIMiddleware(app, **options),  # type: ignore[arg-type]
        raise_app_exceptions=False,
    )

    async def main() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.get(path, headers=headers)

    return asyncio.run(main())


class TestStarlette:
    @pytest.mark.parametrize(
        ("path", "route", "status"),
        [
            ("/orders/7", "/orders/{id:int}", 200),
            ("/shop/items/a%20b", "/shop/items/{name}", 200),
            ("/static/a.css", "/static", 200),
            ("/nowhere", None, 404),
        ],
    )
    def test_route(
        self, collected: CollectingHandler, path: str, route: str | None, status: int
    ) -> None:
        """The record names the route, so that requests can be counted by it."""
        reply = ask(f"{path}?a=1")
        found = access(collected)
        assert reply.status_code == found["status"] == status
        assert found.get("route") == route
        assert found["url"] == f"{path}?a=1"
        assert found["request_id"] == reply.headers["x-request-id"]

    def test_trace(self, collected: CollectingHandler) -> None:
        """Tasks and threads of the request are in the caller's trace."""
        reply = ask("/orders/7", headers={"traceparent": HEADER})
        assert {one["trace_id"] for one in collected.find(logger="app")} == {TRACE_ID}
        assert reply.json()["traceparent"].startswith(f"00-{TRACE_ID}-")
        assert collected.messages[:2] == ["in a task", "in a thread"]

    def test_streaming(self, collected: CollectingHandler) -> None:
        """A streamed body is in the trace; the record comes before the background work's."""
        reply = ask("/stream", headers={"traceparent": HEADER})
        assert reply.text == "012"
        assert len(collected.find("part", trace_id=TRACE_ID)) == 3
        assert len(collected.find("afterwards", trace_id=TRACE_ID)) == 1
        assert "tags" not in access(collected)

    def test_exception(self, collected: CollectingHandler) -> None:
        """What a handler raises is in the request's record."""
        reply = ask("/fail")
        found = access(collected)
        assert reply.status_code == found["status"] == 500
        assert (found["error.type"], found["error.message"]) == ("ValueError", "boom")
        assert found["route"] == "/fail"

    def test_opentelemetry_inside(self, collected: CollectingHandler) -> None:
        """With a tracing library inside, all records of a request have its ids."""
        tracer = TracerProvider().get_tracer("test")

        async def app(scope: Any, receive: Any, send: Any) -> None:
            with tracer.start_as_current_span("request"):
                log.info("inside")
                await PlainTextResponse("failed", 500)(scope, receive, send)

        async def main() -> None:
            transport = httpx.ASGITransport(logship.ASGIMiddleware(app))  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport) as client:
                await client.get("http://test/")

        asyncio.run(main())
        (inside,) = collected.find("inside")
        found = access(collected)
        assert (found["trace_id"], found["span_id"]) == (inside["trace_id"], inside["span_id"])

    def test_user(self, collected: CollectingHandler) -> None:
        """The callback finds what inner middlewares left in the scope."""
        ask("/orders/7", user_id=lambda scope: scope.get("user_id"))
        assert access(collected)["user_id"] == "u-1"


def flask_app() -> flask.Flask:
    app = flask.Flask("shop")

    @app.get("/orders/<int:number>")
    def order(number: int) -> dict[str, Any]:
        flask.g.user = "u-1"
        log.info("inside")
        return {"traceparent": logship.traceparent()}

    @app.get("/stream")
    def stream() -> flask.Response:
        def parts() -> Iterator[str]:
            for number in range(3):
                log.info("part of %s", flask.request.path)
                yield str(number)

        return flask.Response(flask.stream_with_context(parts()))

    @app.get("/fail")
    def fail() -> str:
        raise ValueError("boom")

    return app


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        pass


class TestFlask:
    @pytest.fixture
    def url(self) -> Iterator[str]:
        app = flask_app()
        app.wsgi_app = logship.WSGIMiddleware(  # type: ignore[method-assign]
            app.wsgi_app, user_id=lambda environ: flask.g.get("user")
        )
        server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
        server.server_close()

    def test_record(self, collected: CollectingHandler, url: str) -> None:
        """The record has route, user and the caller's trace; the header goes back."""
        reply = httpx.get(f"{url}/orders/7?a=1", headers={"traceparent": HEADER})
        found = access(collected)
        assert {
            "route": "/orders/<int:number>",
            "url": "/orders/7?a=1",
            "status": 200,
            "user_id": "u-1",
            "client_ip": "127.0.0.1",
            "trace_id": TRACE_ID,
            "request_id": reply.headers["x-request-id"],
        }.items() <= found.items()
        assert reply.json()["traceparent"].startswith(f"00-{TRACE_ID}-")
        (inside,) = collected.find("inside")
        assert inside["request_id"] == found["request_id"]

    def test_streaming(self, collected: CollectingHandler, url: str) -> None:
        """A streamed body keeps Flask's context and the request's trace."""
        reply = httpx.get(f"{url}/stream", headers={"traceparent": HEADER})
        assert reply.text == "012"
        assert len(collected.find("part of /stream", trace_id=TRACE_ID)) == 3
        assert access(collected)["status"] == 200

    def test_exception(self, collected: CollectingHandler, url: str) -> None:
        """Flask logs the exception itself, with the request's ids; the record is an error."""
        assert httpx.get(f"{url}/fail").status_code == 500
        found = access(collected)
        (raised,) = collected.find(logger="shop")
        assert (found["level"], found["status"]) == ("ERROR", 500)
        assert raised["error.message"] == "boom"
        assert raised["request_id"] == found["request_id"]

    def test_not_found(self, collected: CollectingHandler, url: str) -> None:
        """Where no route matches there is none in the record."""
        httpx.get(f"{url}/nowhere")
        found = access(collected)
        assert found["status"] == 404
        assert "route" not in found


def test_shipped() -> None:
    """The same fields arrive in Elasticsearch, at the root of the document."""
    with ElasticFake() as fake:
        handler = logship.LogshipHandler(hosts=fake.url, service="shop", batch_age="50ms")
        logger = logging.getLogger("logship.access")
        logger.addHandler(handler)
        logger.setLevel("INFO")
        try:
            ask("/orders/7", headers={"traceparent": HEADER}, slow_ms=0)
            assert handler.flush(timeout=10)
        finally:
            logger.removeHandler(handler)
            logger.setLevel("NOTSET")
            handler.close()
        (found,) = fake.documents.values()
    assert {
        "service": "shop",
        "method": "GET",
        "path": "/orders/7",
        "route": "/orders/{id:int}",
        "status": 200,
        "trace_id": TRACE_ID,
        "tags": ["slow_request"],
    }.items() <= found.items()
    assert isinstance(found["duration_ms"], float)
