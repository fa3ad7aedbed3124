"""Aggregations: histograms over time in any zone, frequencies, and figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.elasticsearch.client import Client
from tests.elasticsearch.template import put_own_template

HOUR_MS = 3_600_000

# Around the end of summer time in Berlin (2026-10-25, 03:00 becomes 02:00) and of a month.
TIMES = [
    "2026-10-24T21:59:59.999Z",
    "2026-10-24T22:00:00Z",
    "2026-10-25T00:30:00Z",
    "2026-10-25T01:30:00Z",
    "2026-10-25T22:59:59Z",
    "2026-10-25T23:00:00Z",
    "2026-10-31T23:30:00Z",
    "2026-11-01T00:00:00Z",
]


def aggregate(
    client: Client, index: str, aggregation: Mapping[str, Any], **body: object
) -> dict[str, Any]:
    reply = client.search(index, {"size": 0, "aggs": {"a": aggregation}, **body})
    found: dict[str, Any] = reply["aggregations"]["a"]
    return found


@pytest.fixture
def times(client: Client, name: str) -> str:
    """Records at `TIMES`, the odd ones errors."""
    index = put_own_template(client, name)
    client.create(
        index,
        [{"@timestamp": time, "level": ["INFO", "ERROR"][n % 2]} for n, time in enumerate(TIMES)],
    )
    return index


def histogram(client: Client, index: str, **options: object) -> list[tuple[str, int]]:
    options = {"field": "@timestamp", "min_doc_count": 1, **options}
    buckets = aggregate(client, index, {"date_histogram": options})["buckets"]
    for bucket in buckets:
        assert isinstance(bucket["key"], int)
    return [(bucket["key_as_string"], bucket["doc_count"]) for bucket in buckets]


def test_fixed_interval(client: Client, times: str) -> None:
    """Fixed intervals count from the epoch."""
    assert histogram(client, times, fixed_interval="12h") == [
        ("2026-10-24T12:00:00.000Z", 2),
        ("2026-10-25T00:00:00.000Z", 2),
        ("2026-10-25T12:00:00.000Z", 2),
        ("2026-10-31T12:00:00.000Z", 1),
        ("2026-11-01T00:00:00.000Z", 1),
    ]


def test_fixed_interval_in_a_zone(client: Client, times: str) -> None:
    """Fixed intervals in a zone count from its local time."""
    assert histogram(client, times, fixed_interval="1d", time_zone="+02:00") == [
        ("2026-10-24T00:00:00.000+02:00", 1),
        ("2026-10-25T00:00:00.000+02:00", 3),
        ("2026-10-26T00:00:00.000+02:00", 2),
        ("2026-11-01T00:00:00.000+02:00", 2),
    ]


def test_calendar_day_in_a_zone(client: Client, times: str) -> None:
    """Days are those of the zone; the day on which summer time ends has 25 hours."""
    buckets = aggregate(
        client,
        times,
        {
            "date_histogram": {
                "field": "@timestamp",
                "calendar_interval": "day",
                "time_zone": "Europe/Berlin",
                "min_doc_count": 0,
            }
        },
    )["buckets"]
    assert [(bucket["key_as_string"], bucket["doc_count"]) for bucket in buckets] == [
        ("2026-10-24T00:00:00.000+02:00", 1),
        ("2026-10-25T00:00:00.000+02:00", 4),
        ("2026-10-26T00:00:00.000+01:00", 1),
        ("2026-10-27T00:00:00.000+01:00", 0),
        ("2026-10-28T00:00:00.000+01:00", 0),
        ("2026-10-29T00:00:00.000+01:00", 0),
        ("2026-10-30T00:00:00.000+01:00", 0),
        ("2026-10-31T00:00:00.000+01:00", 0),
        ("2026-11-01T00:00:00.000+01:00", 2),
    ]
    keys = [bucket["key"] for bucket in buckets]
    assert keys[2] - keys[1] == 25 * HOUR_MS


@pytest.mark.parametrize(
    ("interval", "zone", "expected"),
    [
        ("hour", "Europe/Berlin", 8),
        ("day", "UTC", 4),
        ("week", "Europe/Berlin", 2),
        ("month", "UTC", 2),
        ("month", "Europe/Berlin", 2),
        ("quarter", "UTC", 1),
        ("year", "America/New_York", 1),
        ("1d", "UTC", 4),
        ("1h", "Asia/Kolkata", 5),
        ("minute", "UTC", 8),
    ],
)
def test_calendar_intervals(
    client: Client, times: str, interval: str, zone: str, expected: int
) -> None:
    """Every calendar interval counts all records, in as many buckets as the zone makes."""
    buckets = histogram(client, times, calendar_interval=interval, time_zone=zone)
    assert sum(count for _, count in buckets) == len(TIMES)
    assert len(buckets) == expected


def test_both_hours_at_the_end_of_summer(client: Client, times: str) -> None:
    """The hour that comes twice is two buckets."""
    query = {"range": {"@timestamp": {"gte": "2026-10-25T00:00:00Z", "lt": "2026-10-25T02:00:00Z"}}}
    options = {"field": "@timestamp", "calendar_interval": "hour", "time_zone": "Europe/Berlin"}
    buckets = aggregate(client, times, {"date_histogram": options}, query=query)["buckets"]
    assert [bucket["key_as_string"] for bucket in buckets] == [
        "2026-10-25T02:00:00.000+02:00",
        "2026-10-25T02:00:00.000+01:00",
    ]


def test_empty_buckets_in_bounds(client: Client, times: str) -> None:
    """Bounds add buckets where nothing is."""
    buckets = histogram(
        client,
        times,
        calendar_interval="month",
        min_doc_count=0,
        extended_bounds={"min": "2026-09-15T00:00:00Z", "max": "2026-12-14T00:00:00Z"},
    )
    assert buckets == [
        ("2026-09-01T00:00:00.000Z", 0),
        ("2026-10-01T00:00:00.000Z", 7),
        ("2026-11-01T00:00:00.000Z", 1),
        ("2026-12-01T00:00:00.000Z", 0),
    ]


def test_format_and_order(client: Client, times: str) -> None:
    """Keys take the format asked for, buckets the order."""
    found = histogram(
        client, times, calendar_interval="day", format="yyyy-MM-dd", order={"_key": "desc"}
    )
    assert [key for key, _ in found] == ["2026-11-01", "2026-10-31", "2026-10-25", "2026-10-24"]


def test_levels_over_time(client: Client, times: str) -> None:
    """A histogram has the levels of each bucket below it."""
    aggregation = {
        "date_histogram": {"field": "@timestamp", "calendar_interval": "month"},
        "aggs": {"levels": {"terms": {"field": "level"}}},
    }
    buckets = aggregate(client, times, aggregation)["buckets"]
    found = [{b["key"]: b["doc_count"] for b in bucket["levels"]["buckets"]} for bucket in buckets]
    assert found == [{"info": 4, "error": 3}, {"error": 1}]


def test_unknown_zone(client: Client, times: str) -> None:
    """A zone that is none is refused."""
    options = {"field": "@timestamp", "calendar_interval": "day", "time_zone": "Mars/Base"}
    body = {"aggs": {"a": {"date_histogram": options}}}
    answer = client.request("POST", f"/{times}/_search", body)
    assert (answer.status, answer.error) == (400, "x_content_parse_exception")


@pytest.fixture
def values(client: Client, name: str) -> str:
    """A thousand records: 1 of service s1, 2 of s2, …, and durations 1 to 1,000."""
    index = put_own_template(client, name)
    services = [f"s{number}" for number in range(1, 45) for _ in range(number)]
    client.create(
        index,
        [
            {"service": services[n] if n < len(services) else "rest", "duration_ms": n + 1}
            for n in range(1000)
        ],
    )
    return index


def test_terms(client: Client, values: str) -> None:
    """The most frequent values come first, and what is left out is counted."""
    found = aggregate(client, values, {"terms": {"field": "service", "size": 3}})
    assert found == {
        "doc_count_error_upper_bound": 0,
        "sum_other_doc_count": 1000 - 44 - 43 - 42,
        "buckets": [
            {"key": "s44", "doc_count": 44},
            {"key": "s43", "doc_count": 43},
            {"key": "s42", "doc_count": 42},
        ],
    }


def test_rare_terms_by_order(client: Client, values: str) -> None:
    """The least frequent come first when that is asked for; equal ones by their key."""
    options = {"field": "service", "size": 2, "order": [{"_count": "asc"}, {"_key": "asc"}]}
    found = aggregate(client, values, {"terms": options})["buckets"]
    assert [bucket["key"] for bucket in found] == ["s1", "s2"]
    by_key = aggregate(client, values, {"terms": {"field": "service", "order": {"_key": "asc"}}})
    assert [bucket["key"] for bucket in by_key["buckets"]][:3] == ["rest", "s1", "s10"]


def test_terms_filtered(client: Client, values: str) -> None:
    """Terms can be chosen by pattern and by how many there are; missing ones counted."""
    options = {"field": "service", "include": "s4.", "min_doc_count": 42}
    found = aggregate(client, values, {"terms": options})["buckets"]
    assert [bucket["key"] for bucket in found] == ["s44", "s43", "s42"]
    missing = aggregate(client, values, {"terms": {"field": "logger", "missing": "none"}})
    assert missing["buckets"] == [{"key": "none", "doc_count": 1000}]


def test_terms_of_lists(client: Client, name: str) -> None:
    """A record counts once for each of its values, also under equal ones."""
    index = put_own_template(client, name)
    client.create(index, [{"tags": ["a", "b", "a"]}, {"tags": "a"}, {"n": True}, {"n": False}])
    found = aggregate(client, index, {"terms": {"field": "tags"}})["buckets"]
    assert found == [{"key": "a", "doc_count": 2}, {"key": "b", "doc_count": 1}]
    booleans = aggregate(client, index, {"terms": {"field": "n"}})["buckets"]
    assert booleans == [
        {"key": 0, "key_as_string": "false", "doc_count": 1},
        {"key": 1, "key_as_string": "true", "doc_count": 1},
    ]


def test_terms_on_text(client: Client, values: str) -> None:
    """Texts cannot be counted by value."""
    body = {"aggs": {"a": {"terms": {"field": "message"}}}}
    answer = client.request("POST", f"/{values}/_search", body)
    assert answer.status == 400
    assert "Fielddata is disabled on [message]" in answer.json["error"]["root_cause"][0]["reason"]


def test_terms_unmapped(client: Client, values: str) -> None:
    """A field that no record has gives no buckets."""
    assert aggregate(client, values, {"terms": {"field": "nosuch"}})["buckets"] == []


def test_cardinality(client: Client, values: str) -> None:
    """The number of distinct values, exact while they are few."""
    assert aggregate(client, values, {"cardinality": {"field": "service"}}) == {"value": 45}
    many = aggregate(client, values, {"cardinality": {"field": "duration_ms"}})["value"]
    assert many == pytest.approx(1000, rel=0.05)


def test_percentiles(client: Client, values: str) -> None:
    """Percentiles are near what they are by definition."""
    options = {"field": "duration_ms", "percents": [50, 95, 99]}
    found = aggregate(client, values, {"percentiles": options})["values"]
    assert set(found) == {"50.0", "95.0", "99.0"}
    for percent, value in found.items():
        assert value == pytest.approx(float(percent) * 10, rel=0.02)


def test_figures(client: Client, values: str) -> None:
    """Sum, mean, least and greatest."""
    found = aggregate(client, values, {"stats": {"field": "duration_ms"}})
    assert found == {"count": 1000, "min": 1.0, "max": 1000.0, "avg": 500.5, "sum": 500500.0}
    assert aggregate(client, values, {"avg": {"field": "duration_ms"}}) == {"value": 500.5}
    assert aggregate(client, values, {"value_count": {"field": "service"}}) == {"value": 1000}
    assert aggregate(client, values, {"avg": {"field": "nosuch"}}) == {"value": None}


def test_filter_and_missing(client: Client, values: str) -> None:
    """Records can be counted by query, by several, and by what they lack."""
    one = {"filter": {"range": {"duration_ms": {"lte": 10}}}}
    assert aggregate(client, values, one)["doc_count"] == 10
    queries = {"slow": {"range": {"duration_ms": {"gt": 900}}}, "all": {"match_all": {}}}
    found = aggregate(client, values, {"filters": {"filters": queries}})["buckets"]
    assert {key: bucket["doc_count"] for key, bucket in found.items()} == {"slow": 100, "all": 1000}
    assert aggregate(client, values, {"missing": {"field": "logger"}})["doc_count"] == 1000


def test_newest_and_oldest(client: Client, times: str) -> None:
    """The bounds of a time field are numbers with their text beside them."""
    found = aggregate(client, times, {"max": {"field": "@timestamp"}})
    assert found == {"value": 1793491200000.0, "value_as_string": "2026-11-01T00:00:00.000Z"}
