"""The search client and the agent's own requests, through their own code."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from logship.elastic import NDJSON, Elastic
from logship.errors import ConnectionFailed, ErrorReply
from logship.search import LogSearch
from logship.settings.model import ElasticsearchSettings, IndexSettings
from logship.sinks.elasticsearch.reply import FILTER_PATH, classify_failure, classify_reply
from logship.sinks.elasticsearch.template import put_template
from tests.elasticsearch.client import Client, bulk_lines, create
from tests.elasticsearch.conftest import RUN
from tests.elasticsearch.template import put_own_template
from tests.support.node import free_port

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MANY = 20_050  # three pages


@pytest.fixture(scope="module")
def many(server: str) -> str:
    """Indices of two days with `MANY` records, several in each millisecond."""
    with Client(server) as client:
        index = put_own_template(client, f"{RUN}-many")
        pattern = index.replace("-2026.11.21", "-*")
        for start in range(0, MANY, 5000):
            lines: list[object] = []
            for number in range(start, min(start + 5000, MANY)):
                day = 20 + number * 2 // MANY
                lines.append(create(index.replace("11.21", f"11.{day}"), f"{number:05}"))
                millisecond = number // 7
                lines.append(
                    {
                        "@timestamp": f"2026-11-{day}T10:00:{millisecond // 1000:02}"
                        f".{millisecond % 1000:03}Z",
                        "log.offset": number,
                        "message": f"message {number}",
                        "level": "ERROR" if number % 1000 == 0 else "INFO",
                        "trace_id": f"{number // 10:032x}",
                    }
                )
            assert client.bulk(*lines).json["errors"] is False
        client.request("POST", f"/{pattern}/_refresh")
    return pattern


def search(server: str, index: str, query: str = "", **options: object) -> list[str]:
    with LogSearch(server, index=index, now=lambda: NOW) as client:
        result = client.search(query, since="2026-11-20T00:00:00Z", **options)  # type: ignore[arg-type]
    return [record.id for record in result.records]


def test_all_records(server: str, many: str) -> None:
    """Every record comes once, oldest first, however many pages it takes."""
    assert search(server, many, limit=None) == [f"{number:05}" for number in range(MANY)]


def test_newest_records(server: str, many: str) -> None:
    """A limit takes the newest, also one that is no whole number of pages."""
    for limit in (10, 10_000, 10_001):
        expected = [f"{number:05}" for number in range(MANY - limit, MANY)]
        assert search(server, many, limit=limit) == expected


def test_conditions(server: str, many: str) -> None:
    """Level, conditions and trace narrow it down."""
    errors = search(server, many, level="warning", limit=None)
    assert errors == [f"{number:05}" for number in range(0, MANY, 1000)]
    assert search(server, many, "level:error and log.offset >= 20000") == ["20000"]
    assert search(server, many, where=["log.offset=77"]) == ["00077"]
    trace = search(server, many, trace=f"{7:032x}")
    assert trace == [f"{number:05}" for number in range(70, 80)]


def test_lucene(server: str, many: str) -> None:
    """Elasticsearch's own syntax is handed on."""
    found = search(server, many, "log.offset:[10 TO 12] AND NOT message:11", lucene=True)
    assert found == ["00010", "00012"]


def test_missing_indices(server: str, name: str) -> None:
    """Where no index is yet, nothing is found and nothing is wrong."""
    assert search(server, f"{name}-*") == []
    assert search(server, f"{name}-*", limit=None) == []


def request(server: str, method: str, path: str, body: bytes | None = None) -> bytes:
    async def ask() -> bytes:
        elastic = Elastic(ElasticsearchSettings(hosts=(server,)))
        try:
            reply = await elastic.request(
                method, path, body, params={"filter_path": FILTER_PATH}, content_type=NDJSON
            )
            return reply.body
        finally:
            await elastic.close()

    return asyncio.run(ask())


def test_own_connection(server: str, name: str) -> None:
    """The agent's own connection gets replies that the sink can classify."""
    body = bulk_lines(create(name, "a"), {"n": 1}, create(name, "b"), {"n": "x"})
    result = classify_reply(2, request(server, "POST", "/_bulk", body))
    assert list(result.delivered) == [0]
    (refusal,) = result.rejected
    assert (refusal.position, refusal.status, refusal.type) == (
        1,
        400,
        "document_parsing_exception",
    )
    assert "For input string" in refusal.reason


def test_own_refusal(server: str) -> None:
    """A request that is refused as a whole is to be sent in halves."""
    with pytest.raises(ErrorReply) as caught:
        request(server, "POST", "/_bulk", bulk_lines(create("x", "i" * 513), {"n": 1}))
    assert (caught.value.status, caught.value.type) == (400, "action_request_validation_exception")
    assert classify_failure(2, caught.value).verdict == "split"
    assert [refusal.position for refusal in classify_failure(1, caught.value).rejected] == [0]


def test_own_template(server: str, name: str) -> None:
    """The sink's own code puts the template."""

    async def put() -> None:
        elastic = Elastic(ElasticsearchSettings(hosts=(server,)))
        try:
            await put_template(elastic, IndexSettings(name=f"{name}-%Y.%m.%d"))
        finally:
            await elastic.close()

    asyncio.run(put())
    with Client(server) as client:
        found = client.request("GET", f"/_index_template/*{name}*").json["index_templates"]
    assert len(found) == 1


def test_nobody_there() -> None:
    """A closed port is a failed connection."""
    with pytest.raises(ConnectionFailed):
        request(f"http://127.0.0.1:{free_port()}", "GET", "/")
