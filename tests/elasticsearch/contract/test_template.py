"""logship's own index template: it is accepted and does what the design says."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template, template_name
from tests.elasticsearch.client import Client
from tests.elasticsearch.template import put_own_template

PARSING = "document_parsing_exception"


@pytest.fixture
def index(client: Client, name: str) -> str:
    """An index that the template applies to."""
    return put_own_template(client, name)


def test_accepted_twice(client: Client, name: str) -> None:
    """The template can be put again and again, and is shown as it was put."""
    put_own_template(client, name)
    put_own_template(client, name)
    settings = IndexSettings(name=f"{name}-%Y.%m.%d", replicas=0)
    found = client.request("GET", f"/_index_template/{template_name(settings)}").json
    (entry,) = found["index_templates"]
    assert entry["name"] == template_name(settings)
    sent, kept = index_template(settings), entry["index_template"]
    for key in ("index_patterns", "priority", "version", "_meta"):
        assert kept[key] == sent[key]
    assert kept["template"]["mappings"] == sent["template"]["mappings"]
    assert kept["template"]["settings"]["index"] == {
        "number_of_shards": "1",
        "number_of_replicas": "0",
        "refresh_interval": "1s",
        "mapping": {"ignore_malformed": "true", "total_fields": {"limit": "2000"}},
    }


def test_applies(client: Client, index: str) -> None:
    """A daily index takes settings and mappings from the template."""
    client.create(index, [{"message": "x"}])
    found = client.request("GET", f"/{index}/_settings").json[index]["settings"]["index"]
    assert found["refresh_interval"] == "1s"
    assert found["number_of_replicas"] == "0"
    properties = client.request("GET", f"/{index}/_mapping").json[index]["mappings"]["properties"]
    assert properties["timestamp"] == {"type": "alias", "path": "@timestamp"}
    assert properties["level"]["normalizer"] == "lowercase"


def test_missing_template(client: Client, name: str) -> None:
    """A template that is not there is 404."""
    answer = client.request("GET", f"/_index_template/{name}-none")
    assert (answer.status, answer.error) == (404, "resource_not_found_exception")


@pytest.mark.parametrize("spelling", ["ERROR", "error", "Error"])
def test_level_in_any_case(client: Client, index: str, spelling: str) -> None:
    """Levels are found in any case, and shown as they were sent."""
    client.create(index, [{"level": "ERROR"}, {"level": "error"}, {"level": "INFO"}])
    assert client.ids(index, {"term": {"level": spelling}}) == ["0", "1"]
    assert client.ids(index, {"match": {"level": spelling}}) == ["0", "1"]
    assert client.ids(index, {"terms": {"level": [spelling]}}) == ["0", "1"]
    assert client.ids(index, {"wildcard": {"level": {"value": spelling[:3] + "*"}}}) == ["0", "1"]
    assert client.ids(index, {"prefix": {"level": {"value": spelling[:3]}}}) == ["0", "1"]
    assert client.request("GET", f"/{index}/_doc/0").json["_source"] == {"level": "ERROR"}


def test_level_buckets(client: Client, index: str) -> None:
    """Counted by level, the spellings of one level are one bucket."""
    client.create(index, [{"level": "ERROR"}, {"level": "error"}, {"level": "INFO"}])
    reply = client.search(index, {"size": 0, "aggs": {"by": {"terms": {"field": "level"}}}})
    buckets = reply["aggregations"]["by"]["buckets"]
    assert buckets == [{"key": "error", "doc_count": 2}, {"key": "info", "doc_count": 1}]


def test_timestamp_alias(client: Client, index: str) -> None:
    """``timestamp`` searches and sorts as ``@timestamp`` does."""
    times = ["2026-11-21T10:00:00Z", "2026-11-21T09:00:00Z", "2026-11-21T11:00:00+01:00"]
    client.create(index, [{"@timestamp": time} for time in times])
    after = {"range": {"timestamp": {"gte": "2026-11-21T10:00:00Z"}}}
    assert client.ids(index, after) == ["0", "2"]
    hits = client.search(index, {"sort": [{"timestamp": "asc"}, "_doc"]})["hits"]["hits"]
    assert [hit["_id"] for hit in hits] == ["1", "0", "2"]
    assert hits[0]["sort"][0] == 1795251600000


def test_dotted_keys(client: Client, index: str) -> None:
    """Flat keys with dots and nested objects are the same field."""
    client.create(index, [{"host.name": "web-1"}, {"host": {"name": "web-1"}}, {"host.name": "x"}])
    assert client.ids(index, {"term": {"host.name": "web-1"}}) == ["0", "1"]
    assert client.ids(index, {"exists": {"field": "host"}}) == ["0", "1", "2"]
    source = client.request("GET", f"/{index}/_doc/0").json["_source"]
    assert source == {"host.name": "web-1"}


def test_ignore_malformed(client: Client, index: str) -> None:
    """A value that does not fit is stored and listed in ``_ignored``, the rest is searchable."""
    document = {
        "duration_ms": "fast",
        "@timestamp": "soon",
        "log.offset": 12345678901234567890,
        "message": "still here",
    }
    (item,) = client.create(index, [document])
    assert item["status"] == 201
    (hit,) = client.search(index, {"query": {"match": {"message": "here"}}})["hits"]["hits"]
    assert sorted(hit["_ignored"]) == ["@timestamp", "duration_ms", "log.offset"]
    assert client.ids(index, {"exists": {"field": "duration_ms"}}) == []


CONFLICTS: dict[str, tuple[Mapping[str, object], Mapping[str, object]]] = {
    "object for a number": ({"a": 1}, {"a": {"b": 1}}),
    "object for a text": ({"a": "x"}, {"a": {"b": 1}}),
    "number for an object": ({"a": {"b": 1}}, {"a": 1}),
    "text for an object": ({"a": {"b": 1}}, {"a": "x"}),
    "dotted below a number": ({"a": 1}, {"a.b": 1}),
    "text for error": ({"message": "x"}, {"error": "text"}),
    "object for service": ({"message": "x"}, {"service": {"name": "x"}}),
    "object for message": ({"message": "x"}, {"message": {"b": "x"}}),
    "text for extra": ({"message": "x"}, {"extra": "x"}),
    "value for timestamp": ({"message": "x"}, {"timestamp": "2026-11-21T10:00:00Z"}),
}


@pytest.mark.parametrize(("first", "second"), CONFLICTS.values(), ids=CONFLICTS)
def test_conflict(
    client: Client, index: str, first: Mapping[str, object], second: Mapping[str, object]
) -> None:
    """Objects against values, and values of an alias, are refused all the same."""
    good, bad = client.create(index, [first, second])
    assert good["status"] == 201
    assert (bad["status"], bad["error"]["type"]) == (400, PARSING)


ACCEPTED: dict[str, Mapping[str, object]] = {
    "list of texts": {"a": ["x", "y"]},
    "null for an object": {"extra": None},
    "empty object": {"extra": {}},
    "list of objects": {"a": [{"b": 1}, {"b": 2}]},
    "number in a keyword": {"service": 7, "user_id": 12},
    "boolean in a keyword": {"service": True},
    "text over ignore_above": {"user_id": "u" * 2000},
    "large text": {"message": "word " * 20_000},
    "large unknown text": {"custom": "x" * 40_000},
    "large word": {"message": "x" * 40_000},
    "control characters": {"message": "a\x00b\x1bc\ufffe"},
    "text with a date in it": {"custom": "2026-11-21"},
}


@pytest.mark.parametrize("document", ACCEPTED.values(), ids=ACCEPTED)
def test_accepted(client: Client, index: str, document: Mapping[str, object]) -> None:
    """What looks odd but fits is stored as it is."""
    (item,) = client.create(index, [document])
    assert item["status"] == 201, item
    assert client.request("GET", f"/{index}/_doc/0").json["_source"] == document


def test_new_texts_are_keywords(client: Client, index: str) -> None:
    """Texts in fields that the template does not name are found as a whole and counted."""
    client.create(index, [{"custom": "One Two"}, {"extra": {"deep": {"key": "One Two"}}}])
    assert client.ids(index, {"term": {"custom": "One Two"}}) == ["0"]
    assert client.ids(index, {"term": {"extra.deep.key": "One Two"}}) == ["1"]
    assert client.ids(index, {"match": {"custom": "one"}}) == []


def test_priority(client: Client, name: str) -> None:
    """Of two templates that match, the one of higher priority decides alone."""
    index = put_own_template(client, name)
    lower = {
        "index_patterns": [f"{name}-*"],
        "priority": 1,
        "template": {"mappings": {"properties": {"level": {"type": "text"}}}},
    }
    assert client.request("PUT", f"/_index_template/{name}-lower", lower).status == 200
    client.create(index, [{"level": "x"}])
    properties = client.request("GET", f"/{index}/_mapping").json[index]["mappings"]["properties"]
    assert properties["level"]["type"] == "keyword"


def test_same_priority(client: Client, name: str) -> None:
    """Two templates of one priority whose patterns overlap are refused."""
    body = {"index_patterns": [f"{name}-*"], "priority": 7}
    assert client.request("PUT", f"/_index_template/{name}-a", body).status == 200
    answer = client.request("PUT", f"/_index_template/{name}-b", body)
    assert (answer.status, answer.error) == (400, "illegal_argument_exception")


BAD_TEMPLATES: dict[str, tuple[object, str]] = {
    "unknown type": (
        {"template": {"mappings": {"properties": {"a": {"type": "nonsense"}}}}},
        "mapper_parsing_exception",
    ),
    "unknown key": ({"nonsense": 1}, "x_content_parse_exception"),
    "unknown setting": (
        {"template": {"settings": {"index.nonsense": 1}}},
        "invalid_index_template_exception",
    ),
    "no normalizer of that name": (
        {"template": {"mappings": {"properties": {"a": {"type": "keyword", "normalizer": "no"}}}}},
        "mapper_parsing_exception",
    ),
}


@pytest.mark.parametrize(("extra", "error"), BAD_TEMPLATES.values(), ids=BAD_TEMPLATES)
def test_bad_template(client: Client, name: str, extra: Mapping[str, object], error: str) -> None:
    """A template that could not be used is refused when it is put."""
    body = {"index_patterns": [f"{name}-*"], "priority": 5, **extra}
    answer = client.request("PUT", f"/_index_template/{name}", body)
    assert answer.status == 400
    types = {answer.error, answer.json["error"].get("caused_by", {}).get("type")}
    types |= {answer.json["error"].get("caused_by", {}).get("caused_by", {}).get("type")}
    assert error in types
