"""What is looked for, as a request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from logship.errors import QueryError
from logship.search.request import Wanted, build_request, index_pattern

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
NAIVE = datetime.fromisoformat("2026-11-21T09:00")
LAST_15_MINUTES = {"range": {"@timestamp": {"gte": "2026-11-21T11:45:00.000Z"}}}


def body(**wanted: Any) -> dict[str, Any]:
    return build_request(Wanted(**wanted), now=NOW, zone=BERLIN).body


def filters(**wanted: Any) -> list[dict[str, Any]]:
    """Return the clauses beside the default range."""
    clauses: list[dict[str, Any]] = body(**wanted)["query"]["bool"]["filter"]
    assert clauses[-1] == LAST_15_MINUTES
    return clauses[:-1]


def time_range(**wanted: Any) -> dict[str, Any] | None:
    request = build_request(Wanted(**wanted), now=NOW, zone=BERLIN)
    clauses = request.body["query"].get("bool", {"filter": []})["filter"]
    found = [one["range"]["@timestamp"] for one in clauses if "range" in one]
    return found[-1] if found else None


def word(field: str, text: str) -> dict[str, Any]:
    words: dict[str, Any] = {"query": text, "operator": "and"}
    return {"match": {field: words if field == "message" else {**words, "lenient": True}}}


def phrase(field: str, text: str) -> dict[str, Any]:
    return {"multi_match": {"type": "phrase", "query": text, "fields": [field], "lenient": True}}


def test_nothing_said() -> None:
    """Without anything said: the newest 200 of the last 15 minutes, in the order of the file."""
    assert body() == {
        "query": {"bool": {"filter": [LAST_15_MINUTES]}},
        "sort": [
            {"@timestamp": {"order": "desc", "unmapped_type": "date"}},
            {"log.offset": {"order": "desc", "unmapped_type": "long", "missing": 0}},
        ],
        "size": 200,
    }


USER = ("user_id", "user.id", "userId")


def either(
    clause: Callable[[str, str], dict[str, Any]], fields: Sequence[str], text: str
) -> dict[str, Any]:
    """The same clause on each spelling of a field, of which one has to hold."""
    return {
        "bool": {"should": [clause(field, text) for field in fields], "minimum_should_match": 1}
    }


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"since": "1h"}, {"gte": "2026-11-21T11:00:00.000Z"}),
        ({"until": "12:00"}, {"gte": "2026-11-21T10:45:00.000Z", "lt": "2026-11-21T11:00:00.000Z"}),
        (
            {"since": "yesterday", "until": "today"},
            {"gte": "2026-11-19T23:00:00.000Z", "lt": "2026-11-20T23:00:00.000Z"},
        ),
        ({"since": NAIVE}, {"gte": "2026-11-21T08:00:00.000Z"}),
        ({"since": datetime(2026, 11, 21, 9, tzinfo=UTC)}, {"gte": "2026-11-21T09:00:00.000Z"}),
        ({"trace": "abc"}, None),
        ({"trace": "abc", "since": "1h"}, {"gte": "2026-11-21T11:00:00.000Z"}),
        ({"query": "a timestamp:b", "lucene": True}, None),
    ],
)
def test_ranges(wanted: dict[str, Any], expected: dict[str, Any] | None) -> None:
    """The range is what was said; only what says no time gets the default."""
    assert time_range(**wanted) == expected


@pytest.mark.parametrize(
    ("query", "limits"),
    [
        ("@timestamp >= 2026-11-20", {"gte": "2026-11-20"}),
        ("@timestamp >= now-1h/h", {"gte": "now-1h/h"}),
        ("@timestamp > yesterday", {"gt": "2026-11-19T23:00:00.000Z"}),
        ("@timestamp > 2h", {"gt": "2026-11-21T10:00:00.000Z"}),
        (
            "@timestamp:[10:00 TO 11:00]",
            {"gte": "2026-11-21T09:00:00.000Z", "lte": "2026-11-21T10:00:00.000Z"},
        ),
    ],
)
def test_a_range_in_the_query(query: str, limits: dict[str, Any]) -> None:
    """A time in the query replaces the default range, in the grammar and zone of the flags."""
    clause = {"range": {"@timestamp": {**limits, "time_zone": "Europe/Berlin"}}}
    assert body(query=query)["query"] == {"bool": {"filter": [clause]}}


def test_a_time_deep_in_the_query() -> None:
    """Times are found wherever they stand in the query."""
    query = body(query="not (a or @timestamp < yesterday)")["query"]
    (clause,) = query["bool"]["filter"]
    (either,) = clause["bool"]["must_not"]
    assert either["bool"]["should"][1]["range"]["@timestamp"]["lt"] == "2026-11-19T23:00:00.000Z"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"query": "a"}, word("message", "a")),
        ({"service": "api gateway"}, either(phrase, ("service", "service.name"), "api gateway")),
        ({"host": "web-1"}, phrase("host.name", "web-1")),
        ({"logger": "app"}, either(phrase, ("logger", "log.logger"), "app")),
        ({"where": ["user_id=u1"]}, either(word, USER, "u1")),
        ({"where": ["user_id = a=b*"]}, either(word, USER, "a=b*")),
        ({"where": ["user_id!=u1"]}, {"bool": {"must_not": [either(word, USER, "u1")]}}),
        ({"where": ["status>=500"]}, {"range": {"status": {"gte": "500"}}}),
        ({"where": ["status<500"]}, {"range": {"status": {"lt": "500"}}}),
        ({"where": ["path~=a*b"]}, {"wildcard": {"path": {"value": r"*a\*b*"}}}),
        ({"where": ["message~=reset by"]}, {"match_phrase": {"message": "reset by"}}),
        ({"where": ["empty="]}, word("empty", "")),
        (
            {"query": "level:x foo(", "lucene": True},
            {
                "query_string": {
                    "query": "level:x foo(",
                    "default_field": "message",
                    "default_operator": "AND",
                    "time_zone": "Europe/Berlin",
                }
            },
        ),
    ],
)
def test_conditions(wanted: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each flag adds its own clause."""
    assert filters(**wanted) == [expected]


def test_everything_must_hold() -> None:
    """Flags narrow the query further."""
    assert filters(query="a", where=["b=1", "c=2"], service="s") == [
        word("message", "a"),
        word("b", "1"),
        word("c", "2"),
        either(phrase, ("service", "service.name"), "s"),
    ]


def test_level_means_and_above() -> None:
    """A level takes in the more severe ones, however they are written."""
    (clause,) = filters(level="warn")
    flat, ecs = clause["bool"]["should"]
    names = flat["terms"]["level"]
    assert ecs["terms"]["log.level"] == names
    assert {"WARNING", "warning", "ERROR", "FATAL", "critical"} <= set(names)
    assert not {"INFO", "NOTICE", "notice"} & set(names)
    assert filters(level="ERROR") == filters(query="level >= ERROR")


@pytest.mark.parametrize(
    "text",
    [
        "4BF92F3577B34DA6A3CE929D0E0E4736",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ],
)
def test_trace(text: str) -> None:
    """A trace is found by its id in any case, and by a traceparent header."""
    (clause,) = body(trace=text)["query"]["bool"]["filter"]
    assert clause == either(phrase, ("trace_id", "trace.id"), "4bf92f3577b34da6a3ce929d0e0e4736")


def test_no_conditions_at_all() -> None:
    """A lucene query that is empty and names no range is everything in the range."""
    assert filters(query=" ", lucene=True) == []


def test_limit_and_fields() -> None:
    """A page is as large as the limit up to what a server gives at once."""
    assert body(limit=None)["size"] == 10_000
    assert body(limit=25_000)["size"] == 10_000
    request = build_request(Wanted(limit=5), now=NOW, zone=BERLIN, fields=["message"])
    assert (request.body["size"], request.body["_source"]) == (5, ["message"])
    request = build_request(Wanted(), now=NOW, zone=BERLIN, fields=["trace.id", "trace_id"])
    assert request.body["_source"] == ["trace.id", "trace_id"]


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        ({"query": "a and"}, "the query ends"),
        ({"since": "soon"}, "this is no time"),
        ({"query": "@timestamp > soon"}, "this is no time"),
        ({"since": "1h", "until": "2h"}, "before it begins"),
        ({"level": "loud"}, "there is no such level; it is one of TRACE, DEBUG"),
        ({"where": ["user"]}, "a condition is written FIELD=VALUE"),
        ({"where": ["=x"]}, "a condition is written FIELD=VALUE"),
    ],
)
def test_mistakes(wanted: dict[str, Any], what: str) -> None:
    """What cannot be read is said before anything is sent."""
    with pytest.raises(QueryError, match=what):
        body(**wanted)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("logs-%Y.%m.%d", "logs-*"),
        ("logs-%Y-%m-%d-x", "logs-*-x"),
        ("{service}-logs-%Y.%m", "*-logs-*"),
        ("logs-%{+yyyy.MM.dd}", "logs-*"),
        ("logs-{service}-%Y", "logs-*"),
        ("logs", "logs"),
        ("logs-*", "logs-*"),
    ],
)
def test_index_pattern(name: str, pattern: str) -> None:
    """The wildcard takes in every index that the name can give."""
    assert index_pattern(name) == pattern
