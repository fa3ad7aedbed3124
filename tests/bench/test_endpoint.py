"""The endpoint counts what it is sent, however it is sent."""

from __future__ import annotations

import gzip
import http.client
import json
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from tests.bench.measure import EndpointClient, endpoint
from tests.bench.records import encode_record, records

ACTION = b'{"create":{"_index":"logs","_id":"a"}}\n'
BULK = b"".join(ACTION + encode_record(record) for record in records(300, date(2026, 11, 20)))
SHORT = "/_bulk?filter_path=errors,items.*.status,items.*.error"


@pytest.fixture
def client(tmp_path: Path) -> Iterator[EndpointClient]:
    with endpoint(tmp_path, "--arrivals") as running:
        yield running


def post(
    client: EndpointClient, path: str, body: object, *, timeout: float = 10.0, **headers: str
) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=timeout)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        chunked = "transfer-encoding" in named
        connection.request("POST", path, body, named, encode_chunked=chunked)  # type: ignore[arg-type]
        return connection.getresponse().read()
    finally:
        connection.close()


def test_short_reply_is_byte_for_byte_the_one_of_elasticsearch(client: EndpointClient) -> None:
    """With filter_path: errors first, then one status per operation, and no white space."""
    items = b",".join([b'{"create":{"status":201}}'] * 300)
    assert post(client, SHORT, BULK) == b'{"errors":false,"items":[' + items + b"]}"


def test_long_reply_has_one_item_per_operation(client: EndpointClient) -> None:
    """Without filter_path each item carries its result, and the operation's own name."""
    reply = json.loads(post(client, "/logs/_bulk", BULK.replace(b'"create"', b'"index"')))
    assert len(reply["items"]) == 300
    assert {item["index"]["result"] for item in reply["items"]} == {"created"}


@pytest.mark.parametrize("step", [1, 7, 4096, len(BULK)])
def test_chunked_bodies_are_counted_whatever_their_chunks(
    client: EndpointClient, step: int
) -> None:
    """Chunk borders may lie anywhere."""
    body = BULK if step > 1 else BULK[: BULK.index(b"\n", len(ACTION)) + 1]
    parts = (body[at : at + step] for at in range(0, len(body), step))
    reply = json.loads(post(client, SHORT, parts, transfer_encoding="chunked"))
    expected = 300 if step > 1 else 1
    assert len(reply["items"]) == client.get("/_stats")["docs"] == expected


def test_gzip_bodies_are_counted_by_what_they_hold(client: EndpointClient) -> None:
    """Documents come from the unpacked body, wire bytes from the packed one."""
    packed = gzip.compress(BULK)
    post(client, SHORT, packed, content_encoding="gzip")
    stats = client.get("/_stats")
    seen = (stats["docs"], stats["gzip_requests"], stats["wire_bytes"], stats["plain_bytes"])
    assert seen == (300, 1, len(packed), len(BULK))


def test_body_that_waits_to_be_asked_for_is_asked_for(client: EndpointClient) -> None:
    """``Expect: 100-continue`` is answered before the body comes."""
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=10)
    try:
        connection.putrequest("POST", SHORT)
        connection.putheader("Expect", "100-continue")
        connection.putheader("Content-Length", str(len(BULK)))
        connection.endheaders()
        assert connection.sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.send(BULK)
        assert len(json.loads(connection.getresponse().read())["items"]) == 300
    finally:
        connection.close()


def test_arrivals_name_every_line_once_with_a_moment_between_write_and_reply(
    client: EndpointClient,
) -> None:
    """Line numbers are found in the documents; a later copy does not change the moment."""
    before = time.monotonic_ns()
    post(client, SHORT, BULK)
    after = time.monotonic_ns()
    post(client, SHORT, BULK)
    arrivals = client.get("/_arrivals")
    assert sorted(map(int, arrivals)) == list(range(300))
    assert before < min(arrivals.values()) <= max(arrivals.values()) < after


def test_everything_else_is_acknowledged(client: EndpointClient) -> None:
    """The root names an Elasticsearch 8; templates and the like are accepted."""
    assert client.get("/")["version"]["number"].startswith("8.")
    assert client.get("/_index_template/logship") == {"acknowledged": True}


@pytest.mark.parametrize("trouble", ["refuses", "slow", "hangs"])
def test_trouble_begins_after_a_few_requests(tmp_path: Path, trouble: str) -> None:
    """The first bulk requests are taken, later ones meet what was asked for, and others do not."""
    with endpoint(tmp_path, "--trouble", trouble) as client:
        for _ in range(3):
            assert json.loads(post(client, SHORT, BULK))["errors"] is False
        started = time.monotonic()
        if trouble == "hangs":
            with pytest.raises(TimeoutError):
                post(client, SHORT, BULK, timeout=0.3)
        elif trouble == "slow":
            assert json.loads(post(client, SHORT, BULK))["errors"] is False
            assert time.monotonic() - started >= 0.3
        else:
            assert json.loads(post(client, SHORT, BULK))["status"] == 403
        assert client.get("/_stats")["bulk_requests"] == (4 if trouble == "slow" else 3)
        assert client.get("/")["name"] == "bench"
