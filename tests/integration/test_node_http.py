"""The node over HTTP: media types, encodings, limits, filters, and who may call."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.node import NodeProcess, NodeThread, get, post, request

_PRODUCT = "x-elastic-product"
_BULK = '{"create":{"_index":"http-1"}}\n{"message":"x"}\n'


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with NodeProcess() as node:
        yield node


@pytest.fixture(scope="module")
def url(node: NodeProcess) -> str:
    return node.url


def test_every_reply_names_the_product(url: str) -> None:
    """Official clients refuse a server that does not, errors included."""
    for path in ("/", "/nothing-here/_search", "/_cluster/health", "/a/b/c/d"):
        assert get(url + path).headers[_PRODUCT] == "Elasticsearch"


@pytest.mark.parametrize("version", [7, 8, 9])
def test_vendor_media_types_are_answered_in_kind(url: str, version: int) -> None:
    """Clients of different majors ask for their own type and check that they get it."""
    wanted = f"application/vnd.elasticsearch+json;compatible-with={version}"
    sent = f"application/vnd.elasticsearch+x-ndjson; compatible-with={version}"
    answer = request(
        "POST", f"{url}/_bulk", _BULK, headers={"Content-Type": sent, "Accept": wanted}
    )
    assert (answer.status, answer.headers["content-type"]) == (200, wanted)
    missing = request("GET", f"{url}/none-here", headers={"Accept": wanted})
    assert (missing.status, missing.headers["content-type"]) == (404, wanted)


def test_a_version_from_the_future_is_refused(url: str) -> None:
    """Compatibility is promised for known majors only."""
    accept = "application/vnd.elasticsearch+json;compatible-with=12"
    answer = request("GET", f"{url}/", headers={"Accept": accept})
    assert answer.status == 400
    assert answer.json()["error"]["type"] == "media_type_header_exception"


@pytest.mark.parametrize(
    "sent", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""]
)
def test_other_body_types_are_refused(url: str, sent: str) -> None:
    """Forms of web pages can send these without asking; nothing of them is read."""
    answer = request("POST", f"{url}/_bulk", _BULK, headers={"Content-Type": sent})
    assert answer.status == 406
    error = f"Content-Type header [{sent}] is not supported"
    assert answer.json() == {"error": error, "status": 406}


def test_gzip_goes_both_ways(url: str) -> None:
    """Bodies may come packed, and replies are packed when asked for."""
    packed = gzip.compress(_BULK.encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
    answer = request("POST", f"{url}/_bulk", packed, headers=headers)
    assert answer.json()["errors"] is False
    answer = request("GET", f"{url}/_nodes", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["content-encoding"] == "gzip"
    assert "nodes" in json.loads(gzip.decompress(answer.body))


def test_broken_gzip_ends_the_connection(url: str) -> None:
    """A real server closes without a reply; the sender learns nothing was taken."""
    packed = gzip.compress(_BULK.encode())[:-20] + b"garbage" * 5
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
    with pytest.raises((http.client.RemoteDisconnected, ConnectionResetError)):
        request("POST", f"{url}/_bulk", b"\x1f\x8b\x08\x00" + packed, headers=headers)


def test_gzip_cut_short_is_no_complete_request(url: str) -> None:
    """What came through lacks its last newline, so nothing of it is executed."""
    body = (_BULK * 200).encode()
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    packed = packer.compress(body) + packer.flush()
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
    answer = request("POST", f"{url}/gz-cut/_bulk", packed[:-40], headers=headers)
    assert answer.status == 400
    assert get(f"{url}/gz-cut").status == 404


def test_a_body_beyond_the_limit_is_answered_413_and_nothing_else(tmp_path: Path) -> None:
    """Empty and without product header, as from the server's front; unpacked size counts."""
    line = json.dumps({"message": "x" * 1000})
    body = f'{{"create":{{"_index":"big"}}}}\n{line}\n' * 20
    with NodeThread(tmp_path, max_content_length=10_000) as node:
        packed = gzip.compress(body.encode())
        assert len(packed) < 10_000
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
        for answer in (
            post(f"{node.url}/_bulk", body),
            request("POST", f"{node.url}/_bulk", packed, headers=headers),
        ):
            assert (answer.status, answer.body) == (413, b"")
            assert _PRODUCT not in answer.headers
        assert post(f"{node.url}/_bulk", _BULK).json()["errors"] is False


def test_a_chunked_body_beyond_the_limit_is_answered_413(tmp_path: Path) -> None:
    """The size is not known beforehand, and counts all the same."""
    with NodeThread(tmp_path, max_content_length=10_000) as node:
        connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
        connection.request(
            "POST",
            "/_bulk",
            iter([b"x" * 4096] * 10),
            {"Content-Type": "application/json"},
            encode_chunked=True,
        )
        assert connection.getresponse().status == 413
        connection.close()


def test_pretty_and_filter_path_shape_any_reply(url: str) -> None:
    """Both are for every endpoint; wildcards reach over names and lists."""
    post(f"{url}/shape-1/_doc", {"a": {"b": 1, "c": 2}})
    answer = get(f"{url}/_cluster/health?filter_path=status,number_of_*nodes")
    assert set(answer.json()) == {"status", "number_of_nodes", "number_of_data_nodes"}
    answer = get(f"{url}/shape-1/_search?filter_path=hits.hits._source.a.c")
    assert answer.json() == {"hits": {"hits": [{"_source": {"a": {"c": 2}}}]}}
    answer = get(f"{url}/shape-1/_search?filter_path=**.b")
    assert answer.json() == {"hits": {"hits": [{"_source": {"a": {"b": 1}}}]}}
    answer = get(f"{url}/shape-1/_search?filter_path=-took,-hits,-_shards")
    assert answer.json() == {"timed_out": False}
    assert get(f"{url}/shape-1/_search?filter_path=nothing").json() == {}
    assert get(f"{url}/?pretty").body.startswith(b'{\n  "name"')


def test_the_filter_of_shippers_gives_one_compact_text(url: str) -> None:
    """Success is recognised by comparing bytes, so the spelling is a promise."""
    wanted = "filter_path=errors,items.*.status,items.*.error"
    actions = '{"create":{"_id":"1"}}\n{"n":1}\n{"index":{"_id":"2"}}\n{"n":2}\n'
    answer = post(f"{url}/compact/_bulk?{wanted}", actions)
    expected = b'{"errors":false,"items":[{"create":{"status":201}},{"index":{"status":201}}]}'
    assert answer.body == expected


def test_head_tells_whether_something_is_there(url: str) -> None:
    """Without a body, for indices, documents, templates and aliases."""
    request("PUT", f"{url}/head-1/_doc/1", {"a": 1})
    for path, status in (
        ("/", 200),
        ("/head-1", 200),
        ("/head-2", 404),
        ("/head-1/_doc/1", 200),
        ("/head-1/_doc/2", 404),
        ("/head-1/_source/1", 200),
        ("/_index_template/none", 404),
        ("/_alias/none", 404),
    ):
        answer = request("HEAD", url + path)
        assert (path, answer.status, answer.body) == (path, status, b"")


@pytest.mark.parametrize(
    ("path", "status", "text"),
    [
        ("/_search?bogus=1", 400, "request [/_search] contains unrecognized parameter: [bogus]"),
        ("/_search?a=1&b=2", 400, "request [/_search] contains unrecognized parameters: [a], [b]"),
        ("/a/_nope/c", 400, "no handler found for uri [/a/_nope/c] and method [GET]"),
        ("/_search?size=many", 400, "Failed to parse int parameter [size] with value [many]"),
        ("/_search?track_scores=5", 400, "Failed to parse value [5] as only [true] or [false]"),
    ],
)
def test_what_is_not_understood_is_named(url: str, path: str, status: int, text: str) -> None:
    """Nothing is ignored in silence."""
    answer = get(url + path)
    assert answer.status == status
    assert text in answer.body.decode()


def test_a_wrong_method_says_which_are_right(url: str) -> None:
    """In words and in the Allow header."""
    answer = post(f"{url}/_cluster/health", {})
    assert (answer.status, answer.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:9200"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_web_page_cannot_reach_it(url: str, headers: dict[str, str]) -> None:
    """A rebound name, a foreign page: refused before anything is done."""
    answer = request("POST", f"{url}/page-1/_doc", {"a": 1}, headers=headers)
    assert answer.status == 403
    assert answer.json()["error"]["type"] == "security_exception"
    assert "access-control-allow-origin" not in answer.headers
    assert get(f"{url}/page-1").status == 404


def test_names_of_this_machine_are_let_in(node: NodeProcess) -> None:
    """localhost, the addresses, and a page that the node itself would serve."""
    for host in ("localhost", "127.0.0.1", "[::1]", "localhost:1234"):
        assert request("GET", node.url, headers={"Host": host}).status == 200
    own = {"Origin": f"http://127.0.0.1:{node.port}"}
    assert request("GET", node.url, headers=own).status == 200


def test_several_requests_on_one_connection(node: NodeProcess) -> None:
    """Connections stay open, after errors too."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=10)
    for path, status in (("/", 200), ("/none-1/_search", 404), ("/x/y/z", 400), ("/", 200)):
        connection.request("GET", path)
        reply = connection.getresponse()
        reply.read()
        assert reply.status == status
    connection.close()


def test_expect_continue_is_answered(node: NodeProcess) -> None:
    """curl waits for it before larger bodies."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=10) as raw:
        head = (
            "POST /_bulk HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(_BULK)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        raw.sendall(head.encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 100 Continue")
        raw.sendall(_BULK.encode())
        assert b'"errors":false' in b"".join(iter(lambda: raw.recv(65536), b""))


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\nhost: localhost\r\ncontent-length: -5\r\n\r\n",
        b"POST /_bulk HTTP/1.1\r\nhost: localhost\r\ncontent-length: 99\r\n"
        b"content-type: application/x-ndjson\r\n\r\n{",
        b"POST /_bulk HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
        b"content-type: application/x-ndjson\r\n\r\nzz\r\n",
        b"POST /_bulk HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
        b"content-type: application/x-ndjson\r\n\r\n5\r\n{",
    ],
)
def test_whoever_speaks_no_http_leaves_no_trace(sent: bytes) -> None:
    """What cannot be read, or ends in the middle, is the caller's matter: the node says nothing."""
    with NodeProcess() as node:
        with socket.create_connection(("127.0.0.1", node.port)) as connection:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(10)
            while connection.recv(65536):
                pass
        assert get(f"{node.url}/").status == 200
    assert len(node.errors.splitlines()) == 1, node.errors
