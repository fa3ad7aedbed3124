"""A small HTTP server on a thread: says who came and how, with TLS, and as a proxy."""

from __future__ import annotations

import asyncio
import ssl
import threading
from types import TracebackType

__all__ = ["HttpServer"]

REPLY = b'{"took":1}'


class HttpServer:
    """Answers every request with a small JSON object, while it is a context.

    As a proxy it passes on what CONNECT asks for, and answers requests for other hosts itself.

    Attributes:
        url: Where it listens.
        requests: The head of every request so far, as text; of tunnels only the CONNECT.
        handshakes: How many TLS connections came about.
        status: What it answers; a redirect goes to ``location``.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, *, status: int = 200) -> None:
        self.requests: list[str] = []
        self.status, self.location = status, "/elsewhere"
        self.url = ""
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="http-server")
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """Its port."""
        return int(self.url.rpartition(":")[2])

    def headers(self, name: str) -> list[str]:
        """Return the values of a header in all requests so far."""
        found = []
        for request in self.requests:
            for line in request.splitlines()[1:]:
                key, _, value = line.partition(":")
                if key.strip().lower() == name:
                    found.append(value.strip())
        return found

    def __enter__(self) -> HttpServer:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self._tls else 'http'}://127.0.0.1:{port}"

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                first = await reader.readexactly(1)
                if not first.isalpha():  # a handshake where none is expected
                    writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
                    return
                head = (first + await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                self.requests.append(head.strip())
                if head.startswith("CONNECT ") and self.status == 200:
                    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                    await self._tunnel(head.split()[1], reader, writer)
                    return
                writer.write(self._reply())
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the server ends
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    def _reply(self) -> bytes:
        return (
            f"HTTP/1.1 {self.status} -\r\ncontent-type: application/json\r\n"
            f"location: {self.location}\r\ncontent-length: {len(REPLY)}\r\n\r\n"
        ).encode() + REPLY

    async def _tunnel(
        self, target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        host, _, port = target.rpartition(":")
        far_reader, far_writer = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, far_writer))
                group.create_task(_copy(far_reader, writer))
        finally:
            far_writer.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError
