"""What the middlewares do by themselves, at the edges of their protocols."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any
from wsgiref.util import FileWrapper

import pytest

import logship
from logship.testing import CollectingHandler, collect_logs

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
log = logging.getLogger("app")


@pytest.fixture
def collected() -> Iterator[CollectingHandler]:
    with collect_logs(level="INFO") as handler:
        yield handler


def access(collected: CollectingHandler) -> dict[str, Any]:
    (found,) = collected.find(logger="logship.access")
    return found


Message = dict[str, Any]


def ask(
    app: Callable[..., Awaitable[None]],
    path: str = "/orders/7",
    headers: dict[str, str] | None = None,
    **scope: Any,
) -> list[Message]:
    """Serve one request as an ASGI server does; return what was sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    whole = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
        "client": ("10.0.0.7", 1234),
        **scope,
    }
    asyncio.run(app(whole, receive, send))  # type: ignore[arg-type]
    return sent


def answers(status: int = 200, *parts: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        log.info("inside")
        await send({"type": "http.response.start", "status": status, "headers": list(headers)})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
            log.info("part")
        await send({"type": "http.response.body", "body": b""})

    return app


class TestASGI:
    def test_record(self, collected: CollectingHandler) -> None:
        """A request ends in one record with its fields at the root."""
        sent = ask(
            logship.ASGIMiddleware(answers(404)),
            headers={"user-agent": "curl/8", "x-request-id": "r-1"},
            query_string=b"a=1",
            raw_path=b"/orders/7",
        )
        found = access(collected)
        assert {
            "level": "INFO",
            "method": "GET",
            "url": "/orders/7?a=1",
            "path": "/orders/7",
            "status": 404,
            "client_ip": "10.0.0.7",
            "user_agent": "curl/8",
            "request_id": "r-1",
        }.items() <= found.items()
        assert found["duration_ms"] >= 0
        assert found["message"].startswith("GET /orders/7 404 in ")
        assert not {"route", "user_id", "tags", "extra"} & set(found)
        assert (b"x-request-id", b"r-1") in sent[0]["headers"]

    def test_trace(self, collected: CollectingHandler) -> None:
        """The caller's trace goes on, on the application's records and the request's."""
        ask(logship.ASGIMiddleware(answers()), headers={"traceparent": HEADER})
        inside, request = collected.documents
        assert inside["trace_id"] == request["trace_id"] == TRACE_ID
        assert inside["span_id"] == request["span_id"] != "00f067aa0ba902b7"
        assert inside["request_id"] == request["request_id"]
        assert logship.current_trace() is None

    def test_new_trace_for_each(self, collected: CollectingHandler) -> None:
        """Without a header each request has a trace and a request id of its own."""
        app = logship.ASGIMiddleware(answers())
        with logship.trace():
            ask(app)
            ask(app)
        one, two = collected.find(logger="logship.access")
        assert one["trace_id"] != two["trace_id"]
        assert one["request_id"] != two["request_id"]

    @pytest.mark.parametrize("bad", ["a b", "x" * 129, "\x7f", ""])
    def test_bad_request_id(self, collected: CollectingHandler, bad: str) -> None:
        """A request id that could not go back in a header is replaced."""
        ask(logship.ASGIMiddleware(answers()), headers={"x-request-id": bad})
        assert len(access(collected)["request_id"]) == 32

    def test_own_request_id_header(self) -> None:
        """An application that sets the header itself keeps its own, under any name in any case."""
        app = answers(headers=[(b"X-Correlation-Id", b"mine")])
        sent = ask(logship.ASGIMiddleware(app, request_id_header="x-correlation-ID"))
        assert sent[0]["headers"] == [(b"X-Correlation-Id", b"mine")]

    def test_streaming(self, collected: CollectingHandler) -> None:
        """A streamed body is passed on part by part; its record follows the last one."""
        sent = ask(logship.ASGIMiddleware(answers(200, b"a", b"b")))
        assert [message.get("body") for message in sent] == [None, b"a", b"b", b""]
        assert [one["message"][:4] for one in collected.documents] == [
            "insi",
            "part",
            "part",
            "GET ",
        ]

    def test_background_work(self, collected: CollectingHandler) -> None:
        """What an application does after its answer does not delay the record or count as time."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await answers()(scope, receive, send)
            log.info("afterwards")

        ask(logship.ASGIMiddleware(app))
        assert collected.messages[-1] == "afterwards"
        access(collected)

    def test_exception(self, collected: CollectingHandler) -> None:
        """An exception is in the record, as an error with status 500, and goes on."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            raise ValueError("boom")

        with pytest.raises(ValueError, match="boom"):
            ask(logship.ASGIMiddleware(app))
        found = access(collected)
        assert (found["level"], found["status"]) == ("ERROR", 500)
        assert found["error.message"] == "boom"
        assert "boom" in found["error.stack_trace"]

    def test_exception_after_the_answer(self, collected: CollectingHandler) -> None:
        """Frameworks answer 500 and then raise: one record has both."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await answers(500)(scope, receive, send)
            raise ValueError("boom")

        with pytest.raises(ValueError, match="boom"):
            ask(logship.ASGIMiddleware(app))
        found = access(collected)
        assert (found["status"], found["error.message"]) == (500, "boom")

    def test_server_error(self, collected: CollectingHandler) -> None:
        """An answer from 500 on is an error without an exception as well."""
        ask(logship.ASGIMiddleware(answers(503)))
        found = access(collected)
        assert found["level"] == "ERROR"
        assert "error.type" not in found

    def test_cancelled(self, collected: CollectingHandler) -> None:
        """A client that goes away is no error; what was sent is marked as incomplete."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"a", "more_body": True})
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            ask(logship.ASGIMiddleware(app))
        found = access(collected)
        assert (found["level"], found["status"]) == ("INFO", 200)
        assert found["tags"] == ["response_incomplete"]

    def test_no_answer(self, collected: CollectingHandler) -> None:
        """An application that answers nothing has a record that says so."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            pass

        ask(logship.ASGIMiddleware(app))
        found = access(collected)
        assert "without an answer" in found["message"]
        assert "status" not in found

    def test_slow(self, collected: CollectingHandler) -> None:
        """From ``slow_ms`` on a request is tagged, beside the tags that are bound."""
        with logship.bind(tags=["eu"]):
            ask(logship.ASGIMiddleware(answers(), slow_ms=0))
        assert access(collected)["tags"] == ["eu", "slow_request"]

    def test_skip(self, collected: CollectingHandler) -> None:
        """Skipped paths have no record; what is logged inside is kept, with its ids."""
        app = logship.ASGIMiddleware(answers(), skip=["/health", "/internal/*"])
        for path in ("/health", "/internal/a", "/healthy"):
            ask(app, path)
        assert access(collected)["path"] == "/healthy"
        assert all("request_id" in one for one in collected.find("inside"))
        assert len(collected.find("inside")) == 3

    def test_user_id(self, collected: CollectingHandler) -> None:
        """The callback reads what the application put into the scope."""

        async def app(scope: Any, receive: Any, send: Any) -> None:
            scope["user"] = "u-1"
            await answers()(scope, receive, send)

        ask(logship.ASGIMiddleware(app, user_id=lambda scope: scope["user"]))
        assert access(collected)["user_id"] == "u-1"

    def test_user_id_that_fails(self, collected: CollectingHandler) -> None:
        """A callback that raises is said, and costs neither answer nor record."""
        sent = ask(logship.ASGIMiddleware(answers(), user_id=lambda scope: scope["user"]))
        assert len(sent) == 2
        warned, found = collected.find(logger="logship.access")
        assert "KeyError" in warned["message"]
        assert "user_id" not in found

    def test_level(self, collected: CollectingHandler) -> None:
        """The level is an option; below the logger's nothing is written."""
        app = logship.ASGIMiddleware(answers(), level="HTTP")
        ask(app)
        assert collected.find(logger="logship.access") == []
        logging.getLogger().setLevel("HTTP")
        ask(app)
        assert access(collected)["level"] == "HTTP"
        with pytest.raises(ValueError, match="unknown level"):
            logship.ASGIMiddleware(answers(), level="loud")

    def test_line_feeds_in_path(self, collected: CollectingHandler) -> None:
        """A path cannot forge lines in a text log."""
        ask(logship.ASGIMiddleware(answers()), "/a\nERROR forged")
        found = access(collected)
        assert "\n" not in found["message"]
        assert found["path"] == "/a\nERROR forged"
        assert found["url"] == "/a%0AERROR%20forged"

    def test_other_protocols(self, collected: CollectingHandler) -> None:
        """Lifespan passes untouched; WebSockets have a trace and no record."""
        seen = []

        async def app(scope: Any, receive: Any, send: Any) -> None:
            seen.append((scope["type"], logship.current_trace() is not None))

        ask(logship.ASGIMiddleware(app), type="lifespan")
        ask(logship.ASGIMiddleware(app), type="websocket")
        assert seen == [("lifespan", False), ("websocket", True)]
        assert collected.documents == []

    def test_access_lines_of_servers(self, collected: CollectingHandler) -> None:
        """The servers' own access lines are dropped when that is asked for, and only these."""
        server = logging.getLogger("uvicorn.access")
        logship.ASGIMiddleware(answers())
        server.info("one")
        app = logship.ASGIMiddleware(answers(), silence_access_logs=True)
        server.info("two")
        logging.getLogger("uvicorn.error").info("three")
        for name in ("uvicorn.access", "gunicorn.access", "hypercorn.access"):
            logger = logging.getLogger(name)
            for kept in logger.filters[:]:
                logger.removeFilter(kept)
        assert collected.messages == ["one", "three"]
        assert app is not None


def serve(
    app: Any, path: str = "/orders/7", **environ: Any
) -> tuple[str, dict[str, str], list[bytes]]:
    """Serve one request as a WSGI server does."""
    began: list[tuple[str, dict[str, str]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        began.append((status, dict(headers)))
        return lambda data: None

    whole = {"REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, **environ}
    body = app(whole, start_response)
    try:
        parts = list(body)
    finally:
        if hasattr(body, "close"):
            body.close()
    return began[-1][0], began[-1][1], parts


def plain(environ: Any, start_response: Any) -> list[bytes]:
    log.info("inside")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


class Stream:
    """A body that is made while it is read."""

    def __init__(self, environ: Any, start_response: Any, fail_at: int = -1) -> None:
        start_response("200 OK", [])
        self.closed, self.fail_at = 0, fail_at

    def __iter__(self) -> Iterator[bytes]:
        for number in range(3):
            if number == self.fail_at:
                raise ValueError("boom")
            log.info("part")
            yield b"%d" % number

    def close(self) -> None:
        log.info("closing")
        self.closed += 1


class TestWSGI:
    def test_record(self, collected: CollectingHandler) -> None:
        """A request ends in one record with its fields at the root."""
        status, headers, parts = serve(
            logship.WSGIMiddleware(plain),
            "/ord\u00c3\u00a9rs",  # UTF-8 bytes as Latin-1, as WSGI has it
            SCRIPT_NAME="/shop",
            QUERY_STRING="a=1",
            REMOTE_ADDR="10.0.0.7",
            HTTP_USER_AGENT="curl/8",
            HTTP_X_REQUEST_ID="r-1",
        )
        assert (status, parts, headers["X-Request-ID"]) == ("200 OK", [b"hello"], "r-1")
        assert {
            "method": "GET",
            "url": "/shop/ord%C3%A9rs?a=1",
            "path": "/shop/ordérs",
            "status": 200,
            "client_ip": "10.0.0.7",
            "user_agent": "curl/8",
            "request_id": "r-1",
        }.items() <= access(collected).items()

    def test_trace(self, collected: CollectingHandler) -> None:
        """The caller's trace goes on, and is gone afterwards."""
        serve(logship.WSGIMiddleware(plain), HTTP_TRACEPARENT=HEADER)
        inside, request = collected.documents
        assert inside["trace_id"] == request["trace_id"] == TRACE_ID
        assert inside["span_id"] == request["span_id"]
        assert logship.current_trace() is None

    def test_streaming(self, collected: CollectingHandler) -> None:
        """A body that is made while it is read runs in the request's trace, and is closed."""
        made: list[Stream] = []

        def app(environ: Any, start_response: Any) -> Stream:
            made.append(Stream(environ, start_response))
            return made[0]

        _, _, parts = serve(logship.WSGIMiddleware(app), HTTP_TRACEPARENT=HEADER)
        assert parts == [b"0", b"1", b"2"]
        assert made[0].closed == 1
        assert {one["trace_id"] for one in collected.documents} == {TRACE_ID}
        assert "tags" not in access(collected)

    def test_contexts_of_generators(self, collected: CollectingHandler) -> None:
        """A generator may enter and leave a context while it streams."""

        def app(environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("200 OK", [])
            with logship.bind(inner="yes"):
                yield b"a"
                log.info("part")
                yield b"b"

        serve(logship.WSGIMiddleware(app))
        (part,) = collected.find("part")
        assert part["inner"] == "yes"
        assert "inner" not in access(collected)

    def test_generator_that_starts_late(self, collected: CollectingHandler) -> None:
        """The response may begin with the first part."""

        def app(environ: Any, start_response: Any) -> Iterator[bytes]:
            start_response("201 Created", [])
            yield b"a"

        status, _, parts = serve(logship.WSGIMiddleware(app))
        assert (status, parts) == ("201 Created", [b"a"])
        assert access(collected)["status"] == 201

    def test_client_that_goes_away(self, collected: CollectingHandler) -> None:
        """A body that is closed before its end is marked."""
        body = iter(
            logship.WSGIMiddleware(Stream)(
                {"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, lambda *_: None
            )
        )
        next(body)
        body.close()  # type: ignore[attr-defined]
        body.close()  # type: ignore[attr-defined]
        assert access(collected)["tags"] == ["response_incomplete"]

    def test_exception(self, collected: CollectingHandler) -> None:
        """An exception is in the record and goes on."""

        def app(environ: Any, start_response: Any) -> list[bytes]:
            raise ValueError("boom")

        with pytest.raises(ValueError, match="boom"):
            serve(logship.WSGIMiddleware(app))
        found = access(collected)
        assert (found["level"], found["status"], found["error.message"]) == ("ERROR", 500, "boom")

    def test_exception_while_streaming(self, collected: CollectingHandler) -> None:
        """So is one in the middle of the body, with the status that was sent."""

        def app(environ: Any, start_response: Any) -> Stream:
            return Stream(environ, start_response, fail_at=1)

        with pytest.raises(ValueError, match="boom"):
            serve(logship.WSGIMiddleware(app))
        found = access(collected)
        assert (found["level"], found["status"], found["error.message"]) == ("ERROR", 200, "boom")
        assert found["tags"] == ["response_incomplete"]

    def test_exc_info(self, collected: CollectingHandler) -> None:
        """The exception that a framework hands to ``start_response`` is in the record."""
        handed: list[Any] = []

        def app(environ: Any, start_response: Any) -> list[bytes]:
            try:
                raise ValueError("boom")
            except ValueError as error:
                info = (type(error), error, error.__traceback__)
                start_response("500 Internal Server Error", [], info)
            return [b"sorry"]

        logship.WSGIMiddleware(app)({"PATH_INFO": "/"}, lambda *given: handed.extend(given))
        assert handed[2][0] is ValueError
        assert access(collected)["error.message"] == "boom"

    def test_files(self, collected: CollectingHandler, tmp_path: Any) -> None:
        """What a server sends by itself stays recognisable for it."""
        (tmp_path / "file").write_bytes(b"content")
        with open(tmp_path / "file", "rb") as file:

            def app(environ: Any, start_response: Any) -> Any:
                start_response("200 OK", [])
                return environ["wsgi.file_wrapper"](file)

            body = logship.WSGIMiddleware(app)(
                {"PATH_INFO": "/", "wsgi.file_wrapper": FileWrapper}, lambda *_: None
            )
            assert isinstance(body, FileWrapper)
        assert access(collected)["status"] == 200

    def test_options(self, collected: CollectingHandler) -> None:
        """Skipped paths, slow requests, users and the logger's name are options."""
        app = logship.WSGIMiddleware(
            plain, skip="/health", slow_ms=0, user_id=lambda environ: environ["user"], logger="web"
        )
        serve(app, "/health", user="u0")
        serve(app, user="u1")
        (found,) = collected.find(logger="web")
        assert (found["user_id"], found["tags"]) == ("u1", ["slow_request"])
