from __future__ import annotations

import asyncio
import gzip
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from logship.elastic import Pieces, Reply
from logship.elastic.connection import Compressed
from logship.errors import BadReply, ConnectionFailed, ErrorReply
from logship.model import BatchResult
from logship.settings.model import ElasticsearchSettings
from logship.sinks.elasticsearch import ElasticsearchSink
from tests.support.fakes import NOON, FakeClock, bulk_body, make_documents


class FakeElastic:
    """Answers with a body or an error, and keeps what it was asked."""

    def __init__(self, answer: bytes | Exception, *, compresses: bool = False) -> None:
        self.settings = ElasticsearchSettings(timeout_seconds=30)
        self.answer, self.compresses = answer, compresses
        self.asked: list[tuple[Any, ...]] = []
        self.is_closed = False

    def compress(self, pieces: Pieces) -> Compressed:
        return Compressed([gzip.compress(piece) for piece in pieces])

    async def request(self, method: str, path: str, body: Pieces, **options: Any) -> Reply:
        self.asked.append((method, path, b"".join(body), options))
        if isinstance(self.answer, Exception):
            raise self.answer
        return Reply(200, {}, self.answer)

    async def close(self) -> None:
        self.is_closed = True


def write(elastic: FakeElastic, count: int = 2) -> tuple[BatchResult, ElasticsearchSink]:
    async def run() -> tuple[BatchResult, ElasticsearchSink]:
        with ThreadPoolExecutor(1) as pool:
            sink = ElasticsearchSink(elastic, clock=FakeClock(), pool=pool)  # type: ignore[arg-type]
            result = await sink.write(make_documents(count)[0])
            await sink.close()
            return result, sink

    return asyncio.run(run())


def success(count: int) -> bytes:
    return b'{"errors":false,"items":[' + b",".join([b'{"create":{"status":201}}'] * count) + b"]}"


def test_one_bulk_request_per_batch() -> None:
    """The request asks for the little that is needed, within half the client's patience."""
    elastic = FakeElastic(success(2))
    result, sink = write(elastic)
    assert result == BatchResult(delivered=range(2))
    body = bulk_body(make_documents(2)[0], NOON)
    options = {
        "params": {"filter_path": "errors,items.*.status,items.*.error", "timeout": "15s"},
        "content_type": "application/x-ndjson",
        "content_encoding": None,
    }
    assert elastic.asked == [("POST", "/_bulk", body, options)]
    assert (sink.requests, sink.request_bytes) == (1, len(body))
    assert elastic.is_closed


def test_compressed_bodies() -> None:
    """A compressed body says so, and is counted as sent."""
    elastic = FakeElastic(success(2), compresses=True)
    result, sink = write(elastic)
    assert list(result.delivered) == [0, 1]
    ((_, _, body, options),) = elastic.asked
    assert gzip.decompress(body) == bulk_body(make_documents(2)[0], NOON)
    assert options["content_encoding"] == "gzip"
    assert sink.request_bytes == len(body)


@pytest.mark.parametrize(
    ("answer", "verdict", "cause"),
    [
        (ConnectionFailed("refused"), "retry", "refused"),
        (ConnectionFailed("no reply in time", timed_out=True), "retry", "no reply in time"),
        (BadReply("unreadable"), "retry", "unreadable"),
        (success(1), "retry", "the bulk reply has 1 items for 2 documents"),
        (b"<html>", "retry", "the bulk reply is not the JSON that was asked for"),
        (ErrorReply(503, "", "busy"), "retry", "HTTP 503: busy"),
        (ErrorReply(401, "security", "who?"), "pause", "HTTP 401 security: who?"),
        (ErrorReply(413, "", ""), "split", "HTTP 413: "),
    ],
)  # fmt: skip
def test_nothing_raises(answer: bytes | Exception, verdict: str, cause: str) -> None:
    """Whatever the server does comes back as a result for every document."""
    result, _ = write(FakeElastic(answer))
    assert (result.verdict, result.cause) == (verdict, cause)
    assert list(result.retryable) == [0, 1]
