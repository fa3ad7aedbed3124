"""A proxy that misbehaves on purpose, between an agent and a server that does not.

It plays one `Fault` per bulk request, in order, and passes everything on when there are none
left. It writes down what came, what the server said of each document, and what the client was
told: enough to say who is wrong when a document is missing or there twice.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from types import TracebackType
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from tests.support.faults import (
    NO_FAULT,
    PAGE,
    Fault,
    Key,
    Outcomes,
    Reply,
    Request,
    cut_short,
    documents,
    holding,
    outcomes,
    plain_body,
    refusal,
    with_refusals,
    withheld,
    without,
    without_last_item,
)

__all__ = ["Exchange", "Proxy"]

T = TypeVar("T")
DRIP_PIECES = 8
NOTHING_CREATED = Reply(200, {"content-type": "application/json"}, b'{"errors":false,"items":[]}')
# What belongs to one connection and not to the message.
REQUEST_HEADERS = frozenset(("host", "connection", "content-length", "accept-encoding", "expect"))
REPLY_HEADERS = frozenset(("connection", "content-length", "transfer-encoding", "keep-alive"))


@dataclass
class Exchange:
    """One request and what became of it.

    Attributes:
        fault: What was done to it.
        sent: The documents in it, in order; empty for other requests than bulk, and where the
            request was cut.
        served: The server's word on each that was passed on, once it has answered.
        told: What the client was told of each; the client may have gone before.
        status: HTTP status that the client was told; None when the connection was ended.
    """

    method: str
    path: str
    fault: Fault
    sent: tuple[Key, ...] = ()
    served: Outcomes = field(default_factory=list)
    told: Outcomes = field(default_factory=list)
    status: int | None = None

    def __str__(self) -> str:
        served = dict(Counter(status for _, status in self.served))
        told = dict(Counter(status for _, status in self.told))
        path = self.path.partition("?")[0]
        return (
            f"{self.method} {path}, {len(self.sent)} documents, {self.fault}: "
            f"answered {self.status}, served {served}, told {told}"
        )


class Proxy:
    """Listens on a port of 127.0.0.1, on a thread of its own, while it is a context.

    What fails in the context shows the story of all requests.

    Attributes:
        url: Where clients reach it.
        exchanges: Every request so far, in the order they came.
    """

    def __init__(
        self,
        upstream: str,
        faults: Iterable[Fault] = (),
        *,
        others: Iterable[Fault] = (),
        poison: bytes | None = None,
        remembers: bool = True,
    ) -> None:
        """Prepare it.

        Args:
            upstream: URL of the server.
            faults: One for each bulk request, in the order they come.
            others: One for each other request.
            poison: Documents that hold it are refused for good, each by itself.
            remembers: Whether ``exchanges`` are kept; millions of documents are better forgotten.
        """
        self.exchanges: list[Exchange] = []
        self._upstream, self._faults = upstream.rstrip("/"), iter(faults)
        self._others, self._poison, self._remembers = iter(others), poison, remembers
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy")
        self._server: asyncio.Server | None = None
        self._session: aiohttp.ClientSession | None = None
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._coming_up: set[asyncio.Task[None]] = set()
        self._mistakes: list[Exception] = []

    @property
    def bulks(self) -> list[Exchange]:
        """Every bulk request so far that came whole."""
        return [exchange for exchange in list(self.exchanges) if exchange.sent]

    @property
    def created(self) -> Counter[Key]:
        """How often the server said that it created each document."""
        return Counter(key for one in self.bulks for key, status in one.served if status == 201)

    @property
    def confirmed(self) -> set[Key]:
        """The documents of which the client may know that they are stored."""
        return {key for one in self.bulks for key, status in one.told if status in (201, 409)}

    @property
    def refused(self) -> set[Key]:
        """The documents of which the client was told, once at least, what is wrong with them."""
        return {key for one in self.bulks for key, status in one.told if status == 400}

    def story(self, key: Key | None = None) -> str:
        """Return the requests, one a line; with *key*, those that its document was in."""
        return "\n".join(
            f"{number}. {one}" + (f"; it {dict(one.served).get(key)}" if key else "")
            for number, one in enumerate(self.exchanges)
            if key is None or key in one.sent
        ) + "".join(f"\nthe proxy itself failed: {error!r}" for error in self._mistakes)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._call(self._open())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if error is not None:
            error.add_note(self.story())
        elif self._mistakes:
            raise ExceptionGroup("the proxy itself failed", self._mistakes)

    def _call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _open(self) -> None:
        timeout = aiohttp.ClientTimeout(total=120)
        self._session = aiohttp.ClientSession(timeout=timeout, auto_decompress=False)
        await self._come_up()

    async def _close(self) -> None:
        assert self._session is not None
        tasks = [*self._coming_up, *self._connections]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()
        server = self._server
        if server is not None:
            server.close()
            await server.wait_closed()

    async def _come_up(self, after_seconds: float = 0.0) -> None:
        await asyncio.sleep(after_seconds)
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self._port, reuse_address=True
        )

    def _go_down(self, seconds: float) -> None:
        """Close the port and every connection; come back after *seconds*."""
        server, self._server = self._server, None
        if server is None:
            return  # another request has done it
        server.close()
        for writer in self._connections.values():
            writer.transport.abort()
        task = asyncio.ensure_future(self._come_up(seconds))
        self._coming_up.add(task)
        task.add_done_callback(self._coming_up.discard)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections[task] = writer
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the proxy ends
        except Exception as error:
            self._mistakes.append(error)
        finally:
            del self._connections[task]
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; returns whether the connection goes on."""
        request, length = await _read_head(reader)
        is_bulk = request.path.partition("?")[0].endswith("/_bulk")
        fault = next(self._faults if is_bulk else self._others, NO_FAULT)
        exchange = Exchange(request.method, request.path, fault)
        if self._remembers:
            self.exchanges.append(exchange)
        if fault.kind == "cut request":
            await reader.readexactly(length // 2)
            return False
        request.body = await reader.readexactly(length)
        if is_bulk:
            exchange.sent = documents(plain_body(request))
        reply = await self._before(exchange, reader)
        if reply is None and exchange.fault.kind not in _NEVER_PASSED_ON:
            reply = await self._pass_on(request, exchange)
            reply = await self._after(reply, exchange, reader, writer)
        if reply is None:
            return False
        await self._answer(reply, exchange, writer)
        return True

    async def _before(self, exchange: Exchange, reader: asyncio.StreamReader) -> Reply | None:
        """What happens before the server is asked; returns the reply where it is not asked."""
        fault = exchange.fault
        match fault.kind:
            case "status":
                # A single document that is too large could never be delivered.
                if fault.status != 413 or len(exchange.sent) > 1:
                    return refusal(fault)
            case "html":
                return Reply(200, {"content-type": "text/html"}, PAGE)
            case "down":
                self._go_down(fault.seconds)
            case "hang":
                await reader.read(1)
            case "delay":
                await asyncio.sleep(fault.seconds)
        return None

    async def _after(
        self,
        reply: Reply,
        exchange: Exchange,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> Reply | None:
        """What happens to the server's reply; None ends the connection."""
        match exchange.fault.kind:
            case "cut after":
                return None
            case "hang after":
                await reader.read(1)
                return None
            case "cut reply":
                data = _framed(reply)
                writer.write(data[: len(data) - max(1, len(reply.body) // 2)])
                await writer.drain()
                return None
            case "half reply":
                return cut_short(reply)
            case "short reply" if exchange.sent and reply.status == 200:
                return without_last_item(reply)
        exchange.told = outcomes(exchange.sent, reply) if exchange.sent else []
        return reply

    async def _answer(self, reply: Reply, exchange: Exchange, writer: asyncio.StreamWriter) -> None:
        exchange.status = reply.status
        data = _framed(reply)
        size, pause = len(data), 0.0
        if exchange.fault.kind == "drip":
            size, pause = -(-size // DRIP_PIECES), exchange.fault.seconds / DRIP_PIECES
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()
            await asyncio.sleep(pause)

    async def _pass_on(self, request: Request, exchange: Exchange) -> Reply:
        """Ask the server, without the documents that are withheld from it."""
        refused = self._refused(request, exchange)
        headers, body = dict(request.headers), request.body
        if refused:
            headers.pop("content-encoding", None)
            body = without(plain_body(request), refused)
        reply = NOTHING_CREATED
        if len(refused) < len(exchange.sent) or not exchange.sent:
            reply = await self._ask(request.method, request.path, headers, body)
        passed = [key for n, key in enumerate(exchange.sent) if n not in refused]
        exchange.served = outcomes(passed, reply) if passed else []
        if refused and reply.status == 200:
            return with_refusals(reply, refused)
        return reply

    def _refused(self, request: Request, exchange: Exchange) -> dict[int, int]:
        """Return the positions of documents that the server is not to get, and why not."""
        if not exchange.sent:
            return {}
        refused: dict[int, int] = {}
        if exchange.fault.kind == "items":
            positions = withheld(exchange.fault, len(exchange.sent))
            refused.update(dict.fromkeys(positions, exchange.fault.status))
        if self._poison is not None:
            poisoned = holding(plain_body(request), self._poison)
            refused.update(dict.fromkeys(poisoned - refused.keys(), 400))
        return refused

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        assert self._session is not None
        kept = {name: value for name, value in headers.items() if name not in REQUEST_HEADERS}
        kept["accept-encoding"] = "identity"  # replies are read here
        url = URL(self._upstream + path, encoded=True)
        try:
            async with self._session.request(
                method, url, headers=kept, data=BytesIO(body) if body else None
            ) as got:
                data = await got.read()
                return Reply(got.status, {k.lower(): v for k, v in got.headers.items()}, data)
        except (aiohttp.ClientError, TimeoutError):
            return Reply(502, {"content-type": "text/html"}, b"<html>Bad Gateway</html>")


_NEVER_PASSED_ON = frozenset(("cut before", "down", "hang"))


async def _read_head(reader: asyncio.StreamReader) -> tuple[Request, int]:
    """Read a request up to its body; returns it and the length of the body."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head[:-4].split("\r\n")
    method, path, _ = first.split(" ", 2)
    headers = {k.strip().lower(): v.strip() for k, _, v in (one.partition(":") for one in lines)}
    return Request(method, path, headers), int(headers.get("content-length", 0))


def _framed(reply: Reply) -> bytes:
    headers = {k: v for k, v in reply.headers.items() if k not in REPLY_HEADERS}
    headers["content-length"] = str(len(reply.body))
    lines = [f"HTTP/1.1 {reply.status} -", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + reply.body
