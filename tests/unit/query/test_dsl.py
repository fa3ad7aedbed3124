"""The translation to Elasticsearch's query DSL."""

from __future__ import annotations

from typing import Any

import pytest

from logship.query import parse, to_dsl

TEXTS = ("message", "error.message")


def match(field: str, text: str, operator: str = "and") -> dict[str, Any]:
    words: dict[str, Any] = {"query": text, "operator": operator}
    return {"match": {field: words if field in TEXTS else {**words, "lenient": True}}}


def phrase(field: str, text: str) -> dict[str, Any]:
    return {"multi_match": {"type": "phrase", "query": text, "fields": [field], "lenient": True}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {"match_all": {}}),
        ("*:*", {"match_all": {}}),
        ("=", {"bool": {"must_not": [{"match_all": {}}]}}),
        ("timeout", match("message", "timeout")),
        ('"a b"', {"match_phrase": {"message": "a b"}}),
        ("status:500", match("status", "500")),
        ('service:"a b"', phrase("service", "a b")),
        ('_index:"a"', {"match_phrase": {"_index": "a"}}),
        ("url:*", {"exists": {"field": "url"}}),
        ("pay*", {"prefix": {"message": {"value": "pay"}}}),
        ("Pay*", {"prefix": {"message": {"value": "pay"}}}),
        ("service:Pay*", {"prefix": {"service": {"value": "Pay"}}}),
        ("service:*pay?", {"wildcard": {"service": {"value": "*pay?"}}}),
        (r"f:a\*b*", {"wildcard": {"f": {"value": r"a\*b*"}}}),
        (r"/E\S+x/", {"regexp": {"message": {"value": r"e\S+x"}}}),
        ("path:/A+/", {"regexp": {"path": {"value": "A+"}}}),
        ("_id:abc", {"ids": {"values": ["abc"]}}),
        ("status:[400 TO 599}", {"range": {"status": {"gte": "400", "lt": "599"}}}),
        ("d:>1.5", {"range": {"d": {"gt": "1.5"}}}),
        ("d:>007", {"range": {"d": {"gt": "007"}}}),
        ("d:<99999999999999999999", {"range": {"d": {"lt": "99999999999999999999"}}}),
        ("d:>2027", {"range": {"d": {"gt": "2027"}}}),
        ("@timestamp:>2027", {"range": {"@timestamp": {"gt": "2027||/y"}}}),
        ("@timestamp:<=2026-11", {"range": {"@timestamp": {"lte": "2026-11||/M"}}}),
        ("timestamp:>=2026-11-21", {"range": {"timestamp": {"gte": "2026-11-21"}}}),
        ("@timestamp:2026", {"range": {"@timestamp": {"gte": "2026||/y", "lte": "2026||/y"}}}),
        ("@timestamp:>now-1h", {"range": {"@timestamp": {"gt": "now-1h"}}}),
        ("not a", {"bool": {"must_not": [match("message", "a")]}}),
        (
            "a and not b",
            {"bool": {"filter": [match("message", "a")], "must_not": [match("message", "b")]}},
        ),
        (
            "a or b",
            {
                "bool": {
                    "should": [match("message", "a"), match("message", "b")],
                    "minimum_should_match": 1,
                }
            },
        ),
        ("level > CRITICAL", {"terms": {"level": []}}),
        ("level:[notice TO notice]", {"terms": {"level": ["NOTICE", "notice"]}}),
        ("level:>x", {"range": {"level": {"gt": "x"}}}),
    ],
)
def test_translates(text: str, expected: dict[str, Any]) -> None:
    """Each form becomes the plain clause that finds it."""
    assert to_dsl(parse(text)) == expected


def test_default_operator_reaches_the_parts_of_a_word() -> None:
    """With a default of OR one part of a compound word is enough, as in query_string."""
    query = parse("order-7", default_operator="or")
    assert to_dsl(query) == match("message", "order-7", "or")


def test_several_default_fields() -> None:
    """A bare word is looked for in each of the default fields."""
    assert to_dsl(parse("x"), default_fields=("message", "error.message")) == {
        "bool": {
            "should": [match("message", "x"), match("error.message", "x")],
            "minimum_should_match": 1,
        }
    }


def test_time_zone_only_where_there_are_times() -> None:
    """The zone goes with ranges of times; on numbers Elasticsearch would refuse it."""
    query = parse("@timestamp >= 2026-11-21 and status >= 400")
    assert to_dsl(query, time_zone="Europe/Berlin")["bool"]["filter"] == [
        {"range": {"@timestamp": {"gte": "2026-11-21", "time_zone": "Europe/Berlin"}}},
        {"range": {"status": {"gte": "400"}}},
    ]
