from __future__ import annotations

import asyncio
import gzip
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from logship.elastic import Elastic, Reply
from logship.elastic.connection import Compressed, compress_level_1
from logship.errors import ConnectionFailed, ErrorReply
from logship.settings.model import ElasticsearchSettings
from tests.support.certificates import Authority

PIECE = b"x" * (256 << 10)
MANY = 16
HEAD = b"HTTP/1.1 %d -\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"

Serve = Callable[[str, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Body:
    """So many pieces; counts how many were made."""

    def __init__(self, count: int = MANY) -> None:
        self.count, self.made = count, 0

    def __len__(self) -> int:
        return self.count * len(PIECE)

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.count):
            self.made += 1
            yield PIECE


def send(
    serve: Serve,
    body: Body,
    *,
    tls: ssl.SSLContext | None = None,
    ca_certs: Path | None = None,
    timeout_seconds: float = 20.0,
) -> list[Reply]:
    """Send *body* twice to a server that does *serve* after the head of each request."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                await serve(head, reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.transport.abort()

    async def run() -> list[Reply]:
        server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
        port = server.sockets[0].getsockname()[1]
        url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
        elastic = Elastic(
            ElasticsearchSettings(hosts=(url,), timeout_seconds=timeout_seconds, ca_certs=ca_certs)
        )
        try:
            return [await elastic.request("POST", "/_bulk", body) for _ in range(2)]
        finally:
            await elastic.close()
            server.close()

    return asyncio.run(run())


async def take_all(head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take as many bytes as were announced, and say that all is well."""
    assert f"content-length: {MANY * len(PIECE)}\r\n" in head
    assert "transfer-encoding" not in head
    assert set(await reader.readexactly(MANY * len(PIECE))) == {ord("x")}
    writer.write(HEAD % 200)


def test_length_is_announced() -> None:
    """Pieces arrive as one body of known length, time and again on one connection."""
    assert [reply.status for reply in send(take_all, Body())] == [200, 200]


def test_over_tls(authority: Authority) -> None:
    """The same holds over TLS."""
    pair = authority.sign("pieces")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    replies = send(take_all, Body(), tls=tls, ca_certs=authority.certificate)
    assert [reply.status for reply in replies] == [200, 200]


def test_pieces_are_made_as_they_are_taken() -> None:
    """Of a body that nobody reads, only what the connection holds is made."""

    async def hang(_: str, reader: asyncio.StreamReader, __: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(60)

    body = Body(1000)
    with pytest.raises(ConnectionFailed) as caught:
        send(hang, body, timeout_seconds=1.0)
    assert caught.value.timed_out
    assert 0 < body.made < 100


def test_answered_before_the_end() -> None:
    """A reply that comes before the body was taken counts, also when the connection ends then."""

    async def refuse(_: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(PIECE))
        writer.write(HEAD % 413)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    with pytest.raises(ErrorReply) as caught:
        send(refuse, Body())
    assert caught.value.status == 413


def test_cut_in_the_middle() -> None:
    """A connection that ends within the body is an error of the connection."""

    async def cut(_: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(len(PIECE))
        writer.transport.abort()

    with pytest.raises(ConnectionFailed) as caught:
        send(cut, Body())
    assert not caught.value.timed_out


def test_compressed_in_pieces() -> None:
    """The pieces of a compressed body are one gzip stream of the known length."""
    packed = compress_level_1(Body(5))
    assert isinstance(packed, Compressed)
    data = b"".join(packed)
    assert len(packed) == len(data) < len(PIECE)
    assert gzip.decompress(data) == PIECE * 5
    assert list(packed) == list(packed)
