"""The node as a server: one data folder, one port."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import sqlite3
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from logship.errors import StateError
from logship.node.api.aliases import Aliases
from logship.node.api.cat import Cat
from logship.node.api.cluster import Cluster
from logship.node.api.documents import Documents
from logship.node.api.fields import Fields
from logship.node.api.indices import Indices
from logship.node.api.parts import Parts
from logship.node.api.searches import Searches
from logship.node.api.templates import Templates
from logship.node.catalog import Catalog
from logship.node.contexts import Contexts
from logship.node.errors import EmptyReply, NodeError, PlainError
from logship.node.http import reply as replies
from logship.node.http.guard import check_caller
from logship.node.http.request import (
    Request,
    check_content_type,
    check_format,
    inflated,
    reply_type,
)
from logship.node.http.router import Router
from logship.node.store import Store
from logship.node.writes import Writer

__all__ = ["DEFAULT_MAX_CONTENT_LENGTH", "Node"]

DEFAULT_MAX_CONTENT_LENGTH = 100 * 1024 * 1024
_log = logging.getLogger("logship.node")
_STOP_SECONDS = 5.0
_SWEEP_SECONDS = 10.0
_LARGE_BYTES = 1 << 16
_TEXT = "text/plain; charset=UTF-8"


class Node:
    """An Elasticsearch-compatible server over one folder.

    Everything acknowledged is durable: it survives a crash of the process or the machine.

    Args:
        data_dir: Made when missing; one node at a time uses it.
        host: Address to listen on; only loopback addresses are safe without a wall in front.
        port: 0 takes a free one.
        max_content_length: Largest body in bytes, unpacked; beyond it the answer is 413.

    Attributes:
        port: The real one, once started.
        url: Where clients reach it, once started.
    """

    def __init__(
        self,
        data_dir: Path,
        host: str,
        port: int,
        *,
        max_content_length: int = DEFAULT_MAX_CONTENT_LENGTH,
    ) -> None:
        self.data_dir, self.host, self.port = data_dir, host, port
        self.url = ""
        self._max_content_length = max_content_length
        self._lock: int | None = None
        self._store: Store | None = None
        self._runner: web.AppRunner | None = None
        self._router = Router()
        self._sweeper: asyncio.Task[None] | None = None
        self._parts: Parts | None = None

    async def start(self) -> None:
        """Open the data and accept connections.

        Raises:
            StateError: The folder is in use by another node, cannot be written, or holds what
                this version cannot read.
            OSError: The port is taken.

        When it raises, nothing is left open.
        """
        try:
            self._lock = _locked(self.data_dir)
            self._store = Store(self.data_dir / "node.db")
            await self._store.write(self._store.open)
            catalog = Catalog(self._store)
            await self._store.write(catalog.load)
            self._parts = Parts(
                self._store, catalog, Writer(catalog), Contexts(), self._max_content_length
            )
            self._add_routes(self._parts)
            await self._listen(self._parts)
            self._sweeper = asyncio.create_task(_sweep(self._parts.contexts))
        except BaseException:
            await self.stop()
            raise

    def _add_routes(self, parts: Parts) -> None:
        for group in (Documents, Searches, Indices, Aliases, Templates, Cluster, Fields, Cat):
            group(parts).routes(self._router)

    async def _listen(self, parts: Parts) -> None:
        app = web.Application(client_max_size=self._max_content_length)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, auto_decompress=False, handler_cancellation=False,
            max_line_size=65536, max_field_size=16384, keepalive_timeout=75.0,
            shutdown_timeout=_STOP_SECONDS, logger=_wire_log(),
        )  # fmt: skip
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.url = f"http://{shown}:{self.port}"
        parts.address = f"{shown}:{self.port}"

    async def stop(self) -> None:
        """Let running requests end, then close everything. Harmless when not started."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        if self._parts is not None:
            self._parts.contexts.close_all()
            self._parts = None
        if self._store is not None:
            # Nothing runs any more: the last request was answered above.
            self._store.close()
            self._store = None
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        request: Request | None = None
        try:
            request = await self._request(incoming)
            content_type = reply_type(
                incoming.headers.get("Accept"), incoming.headers.get("Content-Type")
            )
            route = self._router.find(request, incoming.rel_url.raw_path)
            check_format(request)
            answer: replies.Reply = await route.handler(request)
        except _Unreadable:
            # As a real server: a body that cannot be unpacked ends the connection.
            if incoming.transport is not None:
                incoming.transport.close()
            return web.Response(status=400)
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, headers={"Connection": "close"})
        except EmptyReply as error:
            return web.Response(status=error.status, headers={"Connection": "close"})
        except NodeError as error:
            return await self._respond_error(incoming, request, error)
        except sqlite3.Error as error:
            _log.error("The database could not be used: %s. The request was refused.", error)
            refusal = NodeError(
                503, "unavailable_shards_exception", f"the database could not be used: {error}"
            )
            return await self._respond_error(incoming, request, refusal)
        except Exception as error:
            _log.exception("A request ended in a mistake of the node: %s", incoming.rel_url)
            mistake = NodeError(500, "exception", f"{type(error).__name__}: {error}")
            return await self._respond_error(incoming, request, mistake)
        return await self._respond(incoming, request, answer, content_type)

    async def _request(self, incoming: web.Request) -> Request:
        check_caller(incoming.headers, self.host)
        length = incoming.content_length
        if length is not None and length > self._max_content_length:
            raise EmptyReply(413)
        has_body = incoming.can_read_body
        try:
            body = await incoming.read() if has_body else b""
        except _BROKEN as error:
            raise _Unreadable from error
        if incoming.headers.get("Content-Encoding", "").lower() == "gzip" and body:
            assert self._store is not None
            packed, limit = body, self._max_content_length
            unpacked = await self._store.read(lambda: inflated(packed, limit))
            if unpacked is None:
                raise _Unreadable
            body = unpacked
        parameters = dict(incoming.query)
        body = body or parameters.pop("source", "").encode()
        parameters.pop("source_content_type", None)
        if body and has_body:
            check_content_type(incoming.headers.get("Content-Type"))
        return Request(
            incoming.method, incoming.path, incoming.rel_url.raw_path_qs, parameters,
            incoming.headers, body,
        )  # fmt: skip

    async def _respond(
        self,
        incoming: web.Request,
        request: Request,
        answer: replies.Reply,
        content_type: str,
    ) -> web.Response:
        body = replies.render(answer, request)
        if answer.text is not None:
            content_type = _TEXT
        headers = {**replies.PRODUCT, **answer.headers, "Content-Type": content_type}
        return await self._finished(incoming, answer.status, body, headers)

    async def _respond_error(
        self, incoming: web.Request, request: Request | None, error: NodeError
    ) -> web.Response:
        status, body = replies.error_reply(error, request)
        headers = {**replies.PRODUCT, "Content-Type": "application/json"}
        if isinstance(error, PlainError):
            headers.update(error.headers)
        if error.type == "cluster_block_exception" and status == 403:
            del headers["X-Elastic-Product"]
        try:
            headers["Content-Type"] = reply_type(incoming.headers.get("Accept"), None)
        except NodeError:
            pass
        return await self._finished(incoming, status, body, headers)

    async def _finished(
        self, incoming: web.Request, status: int, body: bytes, headers: dict[str, str]
    ) -> web.Response:
        accepted = incoming.headers.get("Accept-Encoding")
        if len(body) < _LARGE_BYTES or self._store is None:
            packed = replies.compressed(body, accepted)
        else:
            large = body
            packed = await self._store.read(lambda: replies.compressed(large, accepted))
        if packed is not None:
            body, headers["Content-Encoding"] = packed, "gzip"
        if incoming.method == "HEAD":
            headers["Content-Length"] = str(len(body))
            body = b""
        return web.Response(status=status, body=body, headers=headers)


async def _sweep(contexts: Contexts) -> None:
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        contexts.drop_expired()


class _Unreadable(Exception):
    """The body is not what its encoding says, or ends in the middle."""


# What a caller does wrong, or a caller that was killed: no matter of the node.
_BROKEN = (ConnectionError, web.RequestPayloadError, HttpProcessingError)


class _OwnMistakes(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        return not isinstance(error, _BROKEN)


def _wire_log() -> logging.Logger:
    """Return where the server says what went wrong before there was a request."""
    log = logging.getLogger("logship.node.wire")
    if not log.filters:
        log.addFilter(_OwnMistakes())
    return log


def _locked(data_dir: Path) -> int:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(data_dir / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(
            f"{data_dir}: cannot be used for data ({error.strerror}); give another folder with "
            "--data"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StateError(
            f"{data_dir}: another node is using this folder; stop it, or give another folder "
            "with --data"
        ) from error
    return descriptor
