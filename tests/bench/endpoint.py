"""An Elasticsearch that accepts everything and keeps nothing, as a process of its own.

``python -m tests.bench.endpoint [--arrivals] [--trouble KIND]`` listens on a free port of
127.0.0.1 and prints ``port N`` as its first line. It counts the documents of ``_bulk`` requests
while the bytes come in, and never looks into them, so it costs a small part of one core at rates
where a shipper needs a whole one. Every operation of a request is answered as the first one's
kind.

Besides the bulk endpoint:

- ``GET /`` answers like an Elasticsearch 8;
- ``GET /_stats`` gives the counters of `Counters`;
- ``GET /_arrivals`` (with ``--arrivals``) maps each line number found in the documents to the
  moment the request that first held it was answered, in nanoseconds of the monotonic clock,
  which is one clock for all processes of a machine;
- anything else is acknowledged.

After a few good requests ``--trouble`` makes it a server that ``hangs`` (takes connections and
reads no body), ``refuses`` (403 for every bulk request) or is ``slow`` (answers each a while
after it came).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import time
import zlib
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import cast

from tests.bench.records import LINE_NUMBER

BUFFER_BYTES = 1 << 20
ACTION_BYTES = 16  # enough for the first operation's name
TROUBLES = ("hangs", "refuses", "slow")
GOOD_REQUESTS = 3  # before the trouble begins
SLOW_SECONDS = 0.3
REFUSAL = {"error": {"type": "security_exception", "reason": "not allowed"}, "status": 403}
MEDIA_TYPE = b"application/vnd.elasticsearch+json;compatible-with=8"
ROOT = {
    "name": "bench",
    "cluster_name": "bench",
    "cluster_uuid": "Zm9yIG1lYXN1cmluZyBvbg",
    "version": {
        "number": "8.19.0",
        "build_flavor": "default",
        "build_type": "tar",
        "build_hash": "0000000000000000000000000000000000000000",
        "build_date": "2025-07-23T22:10:18.138215839Z",
        "build_snapshot": False,
        "lucene_version": "9.12.2",
        "minimum_wire_compatibility_version": "7.17.0",
        "minimum_index_compatibility_version": "7.0.0",
    },
    "tagline": "You Know, for Search",
}


@dataclass(slots=True)
class Counters:
    """What the endpoint saw so far.

    Attributes:
        docs: Documents in answered bulk requests.
        wire_bytes: Of bulk bodies as received.
        gzip_requests: Bulk requests with a gzip body.
        plain_bytes: Of bulk bodies after decompression.
        first_ns: When the first byte of the first request of a shipper came in; monotonic clock.
        last_bulk_ns: When the last bulk request was answered.
    """

    docs: int = 0
    wire_bytes: int = 0
    plain_bytes: int = 0
    bulk_requests: int = 0
    gzip_requests: int = 0
    other_requests: int = 0
    first_ns: int = 0
    last_bulk_ns: int = 0


@dataclass(slots=True)
class Endpoint:
    """What all connections share."""

    with_arrivals: bool
    trouble: str | None = None
    counters: Counters = field(default_factory=Counters)
    arrivals: dict[int, int] = field(default_factory=dict)
    # One buffer serves all connections: each read is used up before the next one.
    buffer: bytearray = field(default_factory=lambda: bytearray(BUFFER_BYTES))

    def trouble_with(self, target: str) -> str | None:
        """Return what is wrong for a request, if anything is."""
        is_bulk = target.partition("?")[0].endswith("/_bulk")
        return self.trouble if is_bulk and self.counters.bulk_requests >= GOOD_REQUESTS else None

    def answer(self, method: str, target: str, body: Body) -> tuple[bytes, bytes]:
        """Return media type and body of the answer to one complete request."""
        path, _, query = target.partition("?")
        counters = self.counters
        if path.endswith("/_bulk") and method in {"POST", "PUT"}:
            docs = body.newlines // 2
            now = time.monotonic_ns()
            counters.docs += docs
            counters.wire_bytes += body.wire_bytes
            counters.plain_bytes += body.plain_bytes
            counters.bulk_requests += 1
            counters.gzip_requests += body.is_gzip
            counters.last_bulk_ns = now
            if self.with_arrivals:
                for found in LINE_NUMBER.findall(b"".join(body.kept)):
                    self.arrivals.setdefault(int(found), now)
            return MEDIA_TYPE, bulk_reply(docs, body.action, is_short="filter_path" in query)
        if path == "/_stats":
            used = resource.getrusage(resource.RUSAGE_SELF)
            cpu_seconds = used.ru_utime + used.ru_stime
            return MEDIA_TYPE, as_json({**asdict(counters), "cpu_seconds": cpu_seconds})
        if path == "/_arrivals":
            return MEDIA_TYPE, as_json(self.arrivals)
        counters.other_requests += 1
        return MEDIA_TYPE, as_json(ROOT if path == "/" else {"acknowledged": True})


class Body:
    """Counts what a request's body holds while it comes in."""

    def __init__(self, *, is_gzip: bool, keep: bool) -> None:
        self.is_gzip, self.keep = is_gzip, keep
        self.newlines = self.wire_bytes = self.plain_bytes = 0
        self.kept: list[bytes] = []
        self._start = b""
        self._inflate = zlib.decompressobj(31) if is_gzip else None

    @property
    def action(self) -> str:
        """The first operation's name, as in ``{"create":…``."""
        quoted = self._start.split(b'"', 2)
        return quoted[1].decode() if len(quoted) > 2 else "index"

    def feed(self, buffer: bytearray, start: int, end: int) -> None:
        """Take ``buffer[start:end]``; it may be overwritten afterwards."""
        self.wire_bytes += end - start
        if self._inflate is None and not self.keep:
            if len(self._start) < ACTION_BYTES:
                self._start += bytes(buffer[start : min(end, start + ACTION_BYTES)])
            self.newlines += buffer.count(b"\n", start, end)  # no copy: the whole cost per document
            self.plain_bytes += end - start
            return
        part = bytes(memoryview(buffer)[start:end])
        plain = part if self._inflate is None else self._inflate.decompress(part)
        if len(self._start) < ACTION_BYTES:
            self._start += plain[:ACTION_BYTES]
        self.newlines += plain.count(b"\n")
        self.plain_bytes += len(plain)
        if self.keep:
            self.kept.append(plain)


class Connection(asyncio.BufferedProtocol):
    """One keep-alive connection: heads, bodies by length or in chunks, answers in order."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.head = bytearray()
        self.body: Body | None = None
        self.left = 0  # bytes of the body, or of its current chunk, still to come
        self.is_chunked = self.is_last_chunk = False
        self.frame = bytearray()  # a chunk's size line as far as it is there

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep *transport* for the answers."""
        self.transport = cast(asyncio.Transport, transport)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return the buffer that all connections share."""
        return self.endpoint.buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Use up the first *nbytes* of the buffer."""
        position = 0
        while position < nbytes:
            if self.body is None:
                position = self.take_head(position, nbytes)
            elif self.left:
                end = min(nbytes, position + self.left)
                self.body.feed(self.endpoint.buffer, position, end)
                self.left -= end - position
                position = end
                if not self.left and not self.is_chunked:
                    self.finish()
            else:
                position = self.take_frame(position, nbytes)

    def take_head(self, position: int, end: int) -> int:
        """Collect the head; when it is complete, begin the body."""
        self.head += self.endpoint.buffer[position:end]
        head_bytes = self.head.find(b"\r\n\r\n") + 4
        if head_bytes < 4:
            return end
        rest = len(self.head) - head_bytes
        del self.head[head_bytes:]
        lines = self.head.decode("latin-1").split("\r\n")
        self.head.clear()
        self.method, self.target, _ = lines[0].split(" ", 2)
        names = (line.partition(":") for line in lines[1:] if line)
        headers = {name.lower(): value.strip().lower() for name, _, value in names}
        counters = self.endpoint.counters
        if not counters.first_ns and self.target not in {"/_stats", "/_arrivals"}:
            counters.first_ns = time.monotonic_ns()
        if headers.get("expect") == "100-continue":
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.endpoint.trouble_with(self.target) == "hangs":
            self.transport.pause_reading()
            return end
        is_gzip = headers.get("content-encoding") == "gzip"
        self.body = Body(is_gzip=is_gzip, keep=self.endpoint.with_arrivals)
        self.is_chunked = headers.get("transfer-encoding") == "chunked"
        self.is_last_chunk = False
        self.left = 0 if self.is_chunked else int(headers.get("content-length", "0"))
        if not self.left and not self.is_chunked:
            self.finish()
        return end - rest

    def take_frame(self, position: int, end: int) -> int:
        """Read the size line of the next chunk; size 0 and an empty line end the body."""
        buffer = self.endpoint.buffer
        newline = buffer.find(b"\n", position, end)
        if newline < 0:
            self.frame += buffer[position:end]
            return end
        line = bytes(self.frame + buffer[position:newline]).strip()
        self.frame.clear()
        if self.is_last_chunk:
            if not line:  # other lines are trailers
                self.finish()
        elif line:  # an empty one ends the chunk before
            self.left = int(line.split(b";")[0], 16)
            self.is_last_chunk = not self.left
        return newline + 1

    def finish(self) -> None:
        """Answer the request that is complete now."""
        body, self.body, self.left = cast(Body, self.body), None, 0
        trouble = self.endpoint.trouble_with(self.target)
        if trouble == "refuses":
            self.write(b"403 Forbidden", MEDIA_TYPE, as_json(REFUSAL))
            return
        answer = self.endpoint.answer(self.method, self.target, body)
        if trouble == "slow":
            asyncio.get_running_loop().call_later(SLOW_SECONDS, self.write, b"200 OK", *answer)
        else:
            self.write(b"200 OK", *answer)

    def write(self, status: bytes, media_type: bytes, answer: bytes) -> None:
        """Write one whole answer."""
        head = b"HTTP/1.1 %b\r\nX-Elastic-Product: Elasticsearch\r\ncontent-type: %b\r\n" % (
            status,
            media_type,
        )
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(answer))
        if self.method != "HEAD":
            self.transport.write(answer)


@lru_cache(maxsize=64)
def bulk_reply(docs: int, action: str, *, is_short: bool) -> bytes:
    """Return the answer of complete success for *docs* operations.

    With ``filter_path`` it is byte for byte what Elasticsearch sends for
    ``errors,items.*.status,items.*.error``.
    """
    status = 201
    if is_short:
        item = b'{"%b":{"status":%d}},' % (action.encode(), status)
        return b'{"errors":false,"items":[' + (item * docs)[:-1] + b"]}"
    outcome = {
        "_index": "bench",
        "_id": "AAAAAAAAAAAAAAAAAAAA",
        "_version": 1,
        "result": "created",
        "_shards": {"total": 1, "successful": 1, "failed": 0},
        "_seq_no": 0,
        "_primary_term": 1,
        "status": status,
    }
    item = as_json({action: outcome}) + b","
    return b'{"errors":false,"took":1,"items":[' + (item * docs)[:-1] + b"]}"


def as_json(value: object) -> bytes:
    """Return *value* as compact JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


async def serve(*, with_arrivals: bool, trouble: str | None = None) -> None:
    """Listen until cancelled."""
    endpoint = Endpoint(with_arrivals, trouble)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(endpoint), "127.0.0.1", 0
    )
    async with server:
        print("port", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


def main() -> None:
    """Run the endpoint until it is interrupted or terminated."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.endpoint", description=__doc__)
    parser.add_argument("--arrivals", action="store_true", help="record when each line came in")
    parser.add_argument("--trouble", choices=TROUBLES, help="what becomes of it after a while")
    options = parser.parse_args()
    try:
        asyncio.run(serve(with_arrivals=options.arrivals, trouble=options.trouble))
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
