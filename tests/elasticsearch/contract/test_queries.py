"""The query language: a server finds what the predicate finds, for a corpus of queries."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from logship.query import compile_predicate, parse, to_dsl
from tests.elasticsearch.client import Client
from tests.elasticsearch.conftest import RUN
from tests.elasticsearch.contract.corpus import LUCENE, MAPPED, QUERIES, RECORDS
from tests.elasticsearch.template import put_own_template

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture(scope="session")
def index(server: str) -> str:
    """The records, stored with their number as id under logship's template."""
    with Client(server) as client:
        name = put_own_template(client, f"{RUN}-queries")
        created = client.create(name, RECORDS)
        assert [item["status"] for item in created] == [201] * len(RECORDS)
    return name


@pytest.mark.parametrize("text", QUERIES)
def test_query(client: Client, index: str, text: str) -> None:
    """The server finds the same records as the predicate."""
    query = parse(text)
    predicate = compile_predicate(query, now=lambda: NOW)
    expected = [
        str(number)
        for number, record in enumerate(RECORDS)
        if predicate(record | {"_id": str(number)})
    ]
    found = client.ids(index, to_dsl(query))
    assert found == sorted(expected)


@pytest.mark.parametrize(("text", "expected"), MAPPED.items(), ids=MAPPED)
def test_mapped(client: Client, index: str, text: str, expected: list[int]) -> None:
    """What the mapping says of a field holds for queries."""
    assert client.ids(index, to_dsl(parse(text))) == sorted(map(str, expected))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "+02:00", "America/New_York"])
@pytest.mark.parametrize(
    "text", ["@timestamp >= 2026-11-21", "@timestamp:[2026-11-21 TO 2026-11-21]"]
)
def test_time_zone(client: Client, index: str, text: str, zone: str) -> None:
    """Times without a zone are read in the one given."""
    local = timezone(timedelta(hours=2)) if zone.startswith("+") else ZoneInfo(zone)
    query = parse(text)
    predicate = compile_predicate(query, now=lambda: NOW, zone=local)
    expected = [str(number) for number, record in enumerate(RECORDS) if predicate(record)]
    assert client.ids(index, to_dsl(query, time_zone=zone)) == sorted(expected)


@pytest.mark.parametrize(("text", "expected"), LUCENE.items(), ids=LUCENE)
def test_query_string(client: Client, index: str, text: str, expected: list[int]) -> None:
    """Elasticsearch's own query syntax finds what it finds there."""
    clause = {
        "query": text,
        "default_field": "message",
        "default_operator": "AND",
        "time_zone": "UTC",
    }
    found = client.ids(index, {"query_string": clause})
    assert found == sorted(map(str, expected))
