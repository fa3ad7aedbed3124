"""The proxy that misbehaves: it does what its faults say, and knows what it did."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, IncompleteRead

import pytest

from tests.elasticsearch.client import Answer, Client, bulk_lines, create
from tests.support.elastic_fake import ElasticFake
from tests.support.faults import MIX, PAGE, Fault, random_faults
from tests.support.node import free_port
from tests.support.proxy import Proxy
from tests.support.wait import wait_until

INDEX = "logs-1"
KEYS = [(INDEX, str(number)) for number in range(10)]


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    """A server that does nothing wrong."""
    server = ElasticFake().start()
    yield server
    server.close()


@contextmanager
def proxied(fake: ElasticFake, *faults: Fault) -> Iterator[tuple[Proxy, Client]]:
    with Proxy(fake.url, faults) as proxy, Client(proxy.url, timeout_seconds=5.0) as client:
        yield proxy, client


def ten(client: Client) -> Answer:
    """Send ten documents."""
    lines = [line for _, id_ in KEYS for line in (create(INDEX, id_), {"n": int(id_)})]
    return client.bulk(*lines)


def test_passes_on(fake: ElasticFake) -> None:
    """Without a fault the reply is the server's own, and all of it is written down."""
    with proxied(fake) as (proxy, client):
        assert [item["create"]["status"] for item in ten(client).json["items"]] == [201] * 10
        assert [item["create"]["status"] for item in ten(client).json["items"]] == [409] * 10
    first, second = proxy.bulks
    assert first.sent == second.sent == tuple(KEYS)
    assert first.served == first.told == [(key, 201) for key in KEYS]
    assert second.told == [(key, 409) for key in KEYS]
    assert proxy.created == dict.fromkeys(KEYS, 1)
    assert proxy.confirmed == set(KEYS)
    assert set(fake.documents) == set(KEYS)


def test_other_requests(fake: ElasticFake) -> None:
    """Requests that are not bulk use up no fault, and have faults of their own."""
    faults = [Fault("status", 503)]
    with (
        Proxy(fake.url, faults, others=[Fault("status", 401)]) as proxy,
        Client(proxy.url) as client,
    ):
        assert client.request("GET", "/").status == 401
        assert client.request("GET", "/").status == 200
        assert ten(client).status == 503
    assert [exchange.sent for exchange in proxy.exchanges] == [(), (), tuple(KEYS)]


@pytest.mark.parametrize("status", [401, 403, 413, 429, 503])
@pytest.mark.parametrize("retry_after", [None, "7"])
def test_status(fake: ElasticFake, status: int, retry_after: str | None) -> None:
    """A refused request has the status and the header asked for, and never gets there."""
    with proxied(fake, Fault("status", status, retry_after)) as (proxy, client):
        answer = ten(client)
    assert answer.status == status
    assert answer.headers.get("retry-after") == retry_after
    assert answer.body == b"" if status == 413 else answer.json["status"] == status
    assert not fake.documents
    assert not proxy.confirmed
    assert proxy.bulks[0].status == status


def test_one_document_is_never_too_large(fake: ElasticFake) -> None:
    """413 is not played to a single document, which could not be halved."""
    with proxied(fake, Fault("status", 413)) as (_, client):
        assert client.bulk(create(INDEX, "0"), {"n": 0}).status == 200


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("share", "count"), [(0.0, 1), (0.3, 3), (1.0, 10)])
def test_items(fake: ElasticFake, status: int, share: float, count: int) -> None:
    """Refused documents stand refused at their positions, and the server never got them."""
    with proxied(fake, Fault("items", status, share=share, seed=4)) as (proxy, client):
        reply = ten(client).json
    assert reply["errors"] is True
    statuses = [item["create"]["status"] for item in reply["items"]]
    assert len(statuses) == 10
    assert statuses.count(status) == count
    stored = {key for key, found in zip(KEYS, statuses, strict=True) if found == 201}
    assert set(fake.documents) == stored == proxy.confirmed
    assert proxy.bulks[0].told == list(zip(KEYS, statuses, strict=True))
    for item in reply["items"]:
        assert ("error" in item["create"]) == (item["create"]["status"] == status)


def test_items_of_a_compressed_body(fake: ElasticFake) -> None:
    """A compressed request is thinned out too."""
    body = gzip.compress(bulk_lines(create(INDEX, "0"), {"n": 0}, create(INDEX, "1"), {"n": 1}))
    headers = {"content-type": "application/x-ndjson", "content-encoding": "gzip"}
    with proxied(fake, Fault("items", 429, share=0.5)) as (proxy, client):
        client.request("POST", "/_bulk", body, headers=headers)
    assert len(fake.documents) == 1
    assert len(proxy.bulks[0].told) == 2


@pytest.mark.parametrize(
    ("kind", "is_applied"),
    [("cut request", False), ("cut before", False), ("cut after", True), ("cut reply", True)],
)
def test_cuts(fake: ElasticFake, kind: str, is_applied: bool) -> None:
    """A cut connection leaves no reply, whether the server has applied the request or not."""
    with proxied(fake, Fault(kind)) as (proxy, client):  # type: ignore[arg-type]  # of the cases
        with pytest.raises((OSError, HTTPException)) as caught:
            ten(client)
        assert isinstance(caught.value, IncompleteRead) == (kind == "cut reply")
        assert bool(fake.documents) == is_applied
        assert not proxy.confirmed
        again = ten(client)
    assert {item["create"]["status"] for item in again.json["items"]} == {
        409 if is_applied else 201
    }
    assert proxy.created == dict.fromkeys(KEYS, 1)


def test_half_reply(fake: ElasticFake) -> None:
    """Half of the JSON comes in a reply that is whole to HTTP."""
    with proxied(fake, Fault("half reply")) as (proxy, client):
        answer = ten(client)
    assert answer.status == 200
    with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
        _ = answer.json
    assert len(fake.documents) == 10
    assert not proxy.confirmed


def test_short_reply(fake: ElasticFake) -> None:
    """One outcome is missing from a reply that is fine otherwise."""
    with proxied(fake, Fault("short reply")) as (proxy, client):
        assert len(ten(client).json["items"]) == 9
    assert len(fake.documents) == 10
    assert not proxy.confirmed


def test_html(fake: ElasticFake) -> None:
    """A page comes with status 200, and the server has nothing."""
    with proxied(fake, Fault("html")) as (_, client):
        answer = ten(client)
    assert (answer.status, answer.body) == (200, PAGE)
    assert answer.headers["content-type"] == "text/html"
    assert not fake.documents


@pytest.mark.parametrize(("kind", "stored"), [("hang", 0), ("hang after", 10)])
def test_hang(fake: ElasticFake, kind: str, stored: int) -> None:
    """No reply comes for as long as the client waits; the next request is served."""
    fault = Fault(kind)  # type: ignore[arg-type]  # one of the two above
    with Proxy(fake.url, [fault]) as proxy, Client(proxy.url, timeout_seconds=0.3) as client:
        with pytest.raises(TimeoutError):
            ten(client)
        assert len(fake.documents) == stored
        assert not proxy.confirmed
        assert ten(client).status == 200


@pytest.mark.parametrize("kind", ["delay", "drip"])
def test_slow(fake: ElasticFake, kind: str) -> None:
    """A slow reply is whole, and takes its time."""
    fault = Fault(kind, seconds=0.2)  # type: ignore[arg-type]  # one of the two above
    with proxied(fake, fault) as (proxy, client):
        began = time.monotonic()
        assert len(ten(client).json["items"]) == 10
        assert time.monotonic() - began > 0.15
    assert proxy.confirmed == set(KEYS)


def test_down(fake: ElasticFake) -> None:
    """For a while nothing listens; then the same port answers again."""
    with proxied(fake, Fault("down", seconds=0.3)) as (_, client):
        with pytest.raises((OSError, HTTPException)):
            ten(client)
        with pytest.raises(ConnectionRefusedError):
            ten(client)
        wait_until(lambda: answers(client), "the port stayed closed")
    assert len(fake.documents) == 10


def answers(client: Client) -> bool:
    try:
        return ten(client).status == 200
    except (OSError, HTTPException):
        return False


def test_server_away() -> None:
    """Where the server itself does not answer, the client is told 502."""
    with Proxy(f"http://127.0.0.1:{free_port()}") as proxy, Client(proxy.url) as client:
        assert ten(client).status == 502


def test_story(fake: ElasticFake) -> None:
    """What was done can be read, also for one document alone."""
    with proxied(fake, Fault("status", 503), Fault("cut after")) as (proxy, client):
        ten(client)
        with pytest.raises((OSError, HTTPException)):
            ten(client)
        client.bulk(create(INDEX, "other"), {})
    assert proxy.story(KEYS[0]).splitlines() == [
        "0. POST /_bulk, 10 documents, status 503: answered 503, served {}, told {}; it None",
        "1. POST /_bulk, 10 documents, cut after: answered None, served {201: 10}, told {}; it 201",
    ]
    assert len(proxy.story().splitlines()) == 3


def test_random_faults() -> None:
    """A seed decides the faults; all kinds come up, and at most one of them hangs."""
    assert random_faults(7, 50) == random_faults(7, 50)
    assert random_faults(7, 50) != random_faults(8, 50)
    many = [random_faults(seed, 20) for seed in range(50)]
    assert {fault.kind for faults in many for fault in faults} == set(MIX)
    for faults in many:
        assert sum(fault.kind.startswith("hang") for fault in faults) <= 1
        assert all(0 < fault.seconds <= 0.3 for fault in faults)
