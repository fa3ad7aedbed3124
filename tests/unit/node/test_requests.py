"""Parts of requests: filters, names, settings, bulk lines, routes, patterns."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from logship.node import bulk, names, settings
from logship.node.dsl import patterns
from logship.node.dsl.options import minimum_of
from logship.node.errors import NodeError
from logship.node.http.filter_path import FilterPath
from logship.node.http.request import inflated, seconds
from logship.node.writes import Outcome


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", {"a": {"b": 1, "c": [{"d": 1, "e": 2}, {"d": 3}]}}),
        ("a.b", {"a": {"b": 1}}),
        ("a.c.d", {"a": {"c": [{"d": 1}, {"d": 3}]}}),
        ("*.c.e", {"a": {"c": [{"e": 2}]}}),
        ("**.e", {"a": {"c": [{"e": 2}]}}),
        ("x*", {"x.y": 5}),
        ("x.y", {"x.y": 5}),
        ("-a", {"x.y": 5}),
        ("a,-a.c", {"a": {"b": 1}}),
        ("nothing", None),
    ],
)
def test_filter_path(text: str, expected: Any) -> None:
    """Paths, wildcards over one and many steps, exclusions."""
    value = {"a": {"b": 1, "c": [{"d": 1, "e": 2}, {"d": 3}]}, "x.y": 5}
    assert FilterPath(text).apply(value) == expected


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("UPPER", "must be lowercase"),
        ("_x", "must not start with '_'"),
        ("-x", "must not start with '_', '-', or '+'"),
        ("a b", "must not contain the following characters"),
        ("a#b", "must not contain '#'"),
        ("a:b", "must not contain ':'"),
        (".", "must not be '.' or '..'"),
        ("x" * 256, "too long"),
    ],
)
def test_index_names(name: str, why: str) -> None:
    """What Elasticsearch does not allow is refused with its reason."""
    with pytest.raises(NodeError, match="Invalid index name") as caught:
        names.check_index_name(name)
    assert why in str(caught.value.reason)


def test_index_names_with_dates() -> None:
    """Date math is written out by the clock in UTC."""
    now = datetime(2026, 11, 21, 10, tzinfo=UTC)
    assert names.without_date_math("<logs-{now/d}>", now) == "logs-2026.11.21"
    assert names.without_date_math("<l-{now/M-1M{yyyy.MM}}-x>", now) == "l-2026.10-x"
    assert names.without_date_math("logs-1", now) == "logs-1"


def test_ids_need_no_escaping() -> None:
    """20 characters, each time others."""
    ids = {names.new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(len(id_) == 20 and id_.replace("-", "a").replace("_", "a").isalnum() for id_ in ids)


def test_settings_are_flat_texts() -> None:
    """However they were written; null takes one away, unknown ones are named."""
    given = {
        "index": {"refresh_interval": "5s"},
        "number_of_replicas": 0,
        "codec": "best_compression",
    }
    flat = settings.index_settings(given)
    assert flat == {
        "index.refresh_interval": "5s",
        "index.number_of_replicas": "0",
        "index.codec": "best_compression",
    }
    changed = settings.changed(flat, {"index.refresh_interval": None}, "i")
    assert "index.refresh_interval" not in changed
    with pytest.raises(NodeError, match=r"unknown setting \[index.bogus\]"):
        settings.index_settings({"bogus": 1})
    with pytest.raises(NodeError, match="non dynamic settings"):
        settings.changed(flat, {"number_of_shards": 2}, "i")


def test_bulk_lines_become_operations() -> None:
    """In order, with the path's index as default and options where given."""
    body = (
        b'{"index":{"_index":"a","_id":"1","version":5,"version_type":"external"}}\n{"x":1}\n'
        b'\n{"create":{}}\n{"y":1}\n{"delete":{"_id":"2"}}\n'
    )
    operations = bulk.parse_bulk(body, "default", {})
    assert [(one.action, one.target, one.id, one.source) for one in operations] == [
        ("index", "a", "1", b'{"x":1}'),
        ("create", "default", None, b'{"y":1}'),
        ("delete", "default", "2", b""),
    ]
    assert operations[0].options == {"version": 5, "version_type": "external"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "request body is required"),
        (b"{}", "must be terminated by a newline"),
        (b'{"delete":{}}\n', "index is missing"),
        (b'{"delete":{"_index":"a"}}\n', "id is missing"),
        (b'{"create":{"_index":"a","_id":"' + b"i" * 513 + b'"}}\n{}\n', "was: 513"),
        (b'{"create":{"_index":"a","_type":"x"}}\n{}\n', r"unknown parameter \[_type\]"),
        (b'{"create":5}\n{}\n', r"but found \[VALUE_NUMBER\]"),
    ],
)
def test_a_broken_bulk_request_is_refused_whole(body: bytes, reason: str) -> None:
    """Before anything is executed."""
    with pytest.raises(NodeError, match=reason):
        bulk.parse_bulk(body, None, {})


def test_filtered_bulk_replies_keep_what_differs() -> None:
    """Only items that are equal after the filter are rendered once."""
    outcomes = [Outcome("create", "i", "1"), Outcome("create", "i", "2")]
    reply = bulk.render_reply(outcomes, 1, FilterPath("items.*._id,took"), bulk.Style())
    assert reply == b'{"took":1,"items":[{"create":{"_id":"1"}},{"create":{"_id":"2"}}]}'
    reply = bulk.render_reply(outcomes, 1, FilterPath("errors"), bulk.Style())
    assert reply == b'{"errors":false}'


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a.*", "abc", True),
        ("a.*", "xabc", False),
        ("(api|web)-[0-9]{2}", "web-12", True),
        ("a^b$", "a^b$", True),
        ('"a.b"', "a.b", True),
        ('"a.b"', "axb", False),
        (r"\d+", "123", True),
        ("a@", "anything", True),
        ("a#", "a", False),
    ],
)
def test_lucene_expressions(pattern: str, text: str, matches: bool) -> None:
    """They match a whole term, and have signs of their own."""
    assert bool(patterns.regexp(pattern, ignore_case=False).fullmatch(text)) is matches


@pytest.mark.parametrize("pattern", ["a(", "[a", "~a", "<1-5>"])
def test_expressions_that_cannot_be_used_are_refused(pattern: str) -> None:
    """Broken ones, and operators that this node lacks."""
    with pytest.raises(NodeError, match="failed to create query"):
        patterns.regexp(pattern, ignore_case=False)


@pytest.mark.parametrize(
    ("pattern", "runs"),
    [
        ("web*", (["web"], True)),
        ("*web", ([], False)),
        ("web-1*", (["web", "1"], True)),
        ("a*b-c", (["c", "a"], True)),
        ("web", (["web"], False)),
        (r"a\*b", (["a", "b"], False)),
        ("w?b", (["w"], True)),
    ],
)
def test_words_in_a_wildcard_pattern(pattern: str, runs: tuple[list[str], bool]) -> None:
    """Only those whose ends are known can narrow."""
    assert patterns.literal_runs(pattern) == runs


def test_edit_distance_counts_swaps_once() -> None:
    """As Lucene's automaton does."""
    assert patterns.within_edits("erorr", "error", 1)
    assert not patterns.within_edits("eror", "timeout", 2)


@pytest.mark.parametrize(
    ("wanted", "count", "expected"),
    [(2, 5, 2), ("-1", 5, 4), ("75%", 4, 3), ("-25%", 4, 3), ("2<75%", 2, 2), ("2<75%", 4, 3)],
)
def test_minimum_should_match(wanted: object, count: int, expected: int) -> None:
    """Numbers, percentages, conditions."""
    assert minimum_of(wanted, count) == expected


def test_inflating_stops_at_the_limit() -> None:
    """So that a small body cannot fill the memory."""
    import gzip

    packed = gzip.compress(b"x" * 1_000_000)
    assert inflated(packed, 2_000_000) == b"x" * 1_000_000
    with pytest.raises(NodeError):
        inflated(packed, 999_999)
    assert inflated(b"no gzip", 100) is None
    assert inflated(gzip.compress(b"a") + gzip.compress(b"b"), 100) == b"ab"


def test_time_values() -> None:
    """With a unit, always."""
    assert (seconds("1m", "x"), seconds("500ms", "x"), seconds("2d", "x")) == (60, 0.5, 172800)
    with pytest.raises(NodeError, match="unit is missing or unrecognized"):
        seconds("5", "x")
