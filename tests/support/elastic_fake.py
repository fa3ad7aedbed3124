"""An Elasticsearch in memory, on a thread of this process, that can be told to misbehave.

It keeps what ``_bulk`` creates, answers 409 for an (index, id) that is there, and plays one
fault per request from a script, or one fault all the time. Nothing else of Elasticsearch is
there: every other request is acknowledged.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter, deque
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar
from zlib import decompress

import orjson
from aiohttp import web

__all__ = ["ElasticFake"]

T = TypeVar("T")
ACCEPTED = b'{"create":{"status":201}}'
CONFLICT = (
    b'{"create":{"status":409,"error":{"type":"version_conflict_engine_exception","reason":"x"}}}'
)
THROTTLED = (
    b'{"create":{"status":429,"error":{"type":"es_rejected_execution_exception","reason":"full"}}}'
)
REJECTED = b'{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"bad"}}}'


class ElasticFake:
    """A server on a port of 127.0.0.1, listening while it is started.

    Faults, for ``fault`` (every bulk request) and ``script`` (one request each, first):
    ``"503"``, ``"hang"`` (no answer until it stops), ``"throttle"`` (every second document
    429), ``"cut"`` (stored, but the connection ends without an answer), ``"garbage"``
    (stored, but the answer is not JSON), ``"reject"`` (400 for each document), ``""`` (none).

    Attributes:
        documents: (index, id) → the document, as created.
        copies: How often each (index, id) was sent and understood.
        bulks: Bulk requests so far, faults included.
        refuse: Tells for what (status, error type) a document is refused; None stores it.
        on_bulk: Called when a bulk request has come, before anything is stored.
        on_answered: Called when a bulk request was stored and its answer is on its way.
        requests: All requests so far, as ``METHOD path``.
        tls: What it answers under, when it was set before the start; None: plain HTTP.
    """

    def __init__(self) -> None:
        self.documents: dict[tuple[str, str], dict[str, Any]] = {}
        self.copies: Counter[tuple[str, str]] = Counter()
        self.bulks = 0
        self.requests: list[str] = []
        self.fault = ""
        self.script: deque[str] = deque()
        self.refuse: Callable[[dict[str, Any]], tuple[int, str] | None] = lambda document: None
        self.on_bulk: Callable[[], None] | None = None
        self.on_answered: Callable[[], None] | None = None
        self.port = 0
        self.tls: ssl.SSLContext | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="elastic-fake")
        self._thread.start()
        self._runner: web.AppRunner | None = None
        self._hanging: asyncio.Event = self._call(_new_event())

    @property
    def url(self) -> str:
        """Where it listens, or will."""
        scheme = "http" if self.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def start(self) -> ElasticFake:
        """Listen: on a free port the first time, then always on that one."""
        self._call(self._start())
        return self

    def stop(self) -> None:
        """Stop listening and end every connection; what is stored stays."""
        self._call(self._stop())

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> ElasticFake:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def found(self, field: str = "message") -> Counter[Any]:
        """Return the values of *field* in all documents, counted."""
        return Counter(document.get(field) for document in list(self.documents.values()))

    def all(self) -> list[dict[str, Any]]:
        """Return all documents, by file and offset."""
        return sorted(
            self.documents.values(), key=lambda d: (d.get("log.file.path", ""), d["log.offset"])
        )

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    async def _start(self) -> None:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, "127.0.0.1", self.port, reuse_address=True, ssl_context=self.tls
        )
        await site.start()
        if not self.port:
            self.port = self._runner.addresses[0][1]

    async def _stop(self) -> None:
        runner, self._runner = self._runner, None
        self._hanging.set()
        if runner is not None:
            await runner.cleanup()
        self._hanging.clear()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(f"{request.method} {request.path}")
        if not request.path.endswith("/_bulk"):
            return _json({"acknowledged": True})
        self.bulks += 1
        if self.on_bulk is not None:
            self.on_bulk()
        fault = self.script.popleft() if self.script else self.fault
        if fault == "503":
            return _json({"error": {"type": "unavailable", "reason": "not now"}}, status=503)
        if fault == "hang":
            await self._hanging.wait()
            return _json({"error": {"type": "unavailable", "reason": "late"}}, status=503)
        if request.headers.get("content-encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = decompress(body, 31)
        items = self._store(body.split(b"\n"), fault)
        if fault == "cut":
            assert request.transport is not None
            request.transport.abort()
        if fault == "garbage":
            return web.Response(body=b"<html>", content_type="application/json")
        failed = any(item is not ACCEPTED for item in items)
        answer = b'{"errors":%b,"items":[%b]}' % (
            b"true" if failed else b"false",
            b",".join(items),
        )
        response = web.Response(
            body=answer,
            content_type="application/json",
            headers={"X-Elastic-Product": "Elasticsearch"},
        )
        if self.on_answered is not None:
            await response.prepare(request)
            await response.write_eof()
            self.on_answered()
        return response

    def _store(self, lines: list[bytes], fault: str) -> list[bytes]:
        items = []
        for number, (action, source) in enumerate(_pairs(lines)):
            if fault == "reject":
                items.append(REJECTED)
                continue
            if fault == "throttle" and number % 2:
                items.append(THROTTLED)
                continue
            create = orjson.loads(action)["create"]
            key = create["_index"], create.get("_id") or f"auto-{len(self.documents)}"
            self.copies[key] += 1
            if key in self.documents:
                items.append(CONFLICT)
            elif why := self.refuse(document := orjson.loads(source)):
                error = {"type": why[1], "reason": "because"}
                items.append(orjson.dumps({"create": {"status": why[0], "error": error}}))
            else:
                self.documents[key] = document
                items.append(ACCEPTED)
        return items


async def _new_event() -> asyncio.Event:
    return asyncio.Event()


def _pairs(lines: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    if len(lines) % 2 != 1 or lines[-1]:
        raise AssertionError("a bulk body is pairs of lines, with a newline at the end")
    return zip(lines[0::2], lines[1::2], strict=False)


def _json(value: object, status: int = 200) -> web.Response:
    return web.Response(
        body=json.dumps(value).encode(),
        status=status,
        content_type="application/json",
        headers={"X-Elastic-Product": "Elasticsearch"},
    )
