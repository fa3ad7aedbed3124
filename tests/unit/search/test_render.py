"""Records as lines."""

from __future__ import annotations

import json
import re
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from logship.search.render import Look, PrettyLines, json_line, short_line
from logship.search.result import FoundRecord
from logship.search.terminal import columns_of, padded, visible, wrapped

HOSTILE = "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eabc\u2066\x7f\r"


def record(**fields: Any) -> FoundRecord:
    source = {
        "@timestamp": "2026-11-21T11:30:00.250Z",
        "level": "INFO",
        "service": "api",
        "message": "hello",
        **fields,
    }
    return FoundRecord(source, "logs-2026.11.21", "id1")


def pretty(one: FoundRecord, **look: Any) -> list[str]:
    return PrettyLines(Look(zone=UTC, **look)).lines(one)


def test_pretty_line() -> None:
    """Time, level, service, message, then what is notable."""
    one = record(trace_id="4bf92f3577b34da6a3ce929d0e0e4736", duration_ms=12.5, user_id="u 1")
    assert pretty(one) == [
        "2026-11-21 11:30:00.250 INFO  api hello  "
        'took=12.5ms  user="u 1"  trace=4bf92f3577b34da6a3ce929d0e0e4736'
    ]


def test_times_are_shown_in_the_zone() -> None:
    """The time is that of the zone, with or without its date."""
    look = Look(zone=ZoneInfo("Asia/Kolkata"), with_date=False)
    assert PrettyLines(look).lines(record())[0].startswith("17:00:00.250 INFO")
    assert short_line(record(), look) == "17:00:00.250 INFO api hello"


def test_a_terminal_shortens_and_wraps() -> None:
    """On a terminal lines stay inside it and continue indented; elsewhere nothing is cut."""
    one = record(message="word " * 40, service="a-service-with-a-long-name", trace_id="ab" * 16)
    lines = pretty(one, columns=100, with_date=False)
    assert len(lines) == 3
    assert all(columns_of(line) <= 100 for line in lines)
    assert all(line.startswith("    word") for line in lines[1:])
    assert "a-service-with-…" in lines[0]
    assert lines[-1].endswith("trace=abababab")
    (only,) = pretty(one)
    assert "a-service-with-a-long-name" in only
    assert only.endswith("trace=" + "ab" * 16)


def test_notes_go_below_where_they_do_not_fit() -> None:
    """What is notable never breaks in the middle of a value."""
    lines = pretty(record(message="x" * 60, user_id="u" * 30), columns=100, with_date=False)
    assert lines == ["11:30:00.250 INFO  api " + "x" * 60, "    user=" + "u" * 30]


def test_many_lines() -> None:
    """Further lines of a message, and a stack trace, stand indented below."""
    one = record(
        message="first\nsecond\n\tthird\n",
        error={"type": "KeyError", "message": "first", "stack_trace": "Traceback\n  File x"},
    )
    assert pretty(one) == [
        "2026-11-21 11:30:00.250 INFO  api first",
        "    second",
        "        third",
        "    error=KeyError",
        "    Traceback",
        "      File x",
    ]


def test_long_stack_traces_are_cut_on_a_terminal_only() -> None:
    """On a terminal the beginning and the end of a stack trace are shown, elsewhere all of it."""
    stack = "\n".join(f"line {number}" for number in range(100))
    one = record(error={"stack_trace": stack})
    lines = pretty(one, columns=100)
    assert lines[1:5] == [f"    line {number}" for number in range(4)]
    assert lines[5] == "    … 84 more lines; -o json has them all"
    assert lines[6:] == [f"    line {number}" for number in range(88, 100)]
    assert len(pretty(one)) == 101


def test_services_line_up() -> None:
    """Messages begin below one another."""
    one, other = record(), record(service="checkout")
    maker = PrettyLines(Look())
    maker.measure([one, other])
    places = {maker.lines(each)[0].index("hello") for each in (one, other)}
    assert len(places) == 1


def test_colors() -> None:
    """Colours stand around the same text."""
    one = record(level="error", duration_ms=3)
    (plain,), (colored,) = pretty(one), pretty(one, color=True)
    assert "\x1b[1;31mERROR\x1b[0m" in colored
    assert re.sub(r"\x1b\[[\d;]*m", "", colored) == plain
    assert "\x1b" not in plain


@pytest.mark.parametrize(
    "fields",
    [
        {"message": HOSTILE},
        {"service": HOSTILE},
        {"level": HOSTILE},
        {"@timestamp": HOSTILE},
        {"user_id": HOSTILE},
        {"trace_id": HOSTILE},
        {"error": {"type": HOSTILE, "message": HOSTILE, "stack_trace": HOSTILE}},
        {"message": None, HOSTILE: HOSTILE},
    ],
)
def test_what_is_logged_cannot_steer_the_terminal(fields: dict[str, Any]) -> None:
    """Control characters come out as escapes, in every field and every output."""
    one = record(**fields)
    shown = [*pretty(one, columns=100), *pretty(one), short_line(one, Look()), json_line(one)]
    shown += PrettyLines(Look(fields=[*fields, "error.type"])).lines(one)
    for line in shown:
        assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", line)
    assert "\\x1b" in pretty(one)[0] + "".join(pretty(one)[1:])


def test_json_says_the_same() -> None:
    """JSON keeps every value as it is, in one line, and says where the record is."""
    one = record(message=HOSTILE + "\n", nested={"a": [1, None, 2.5]})
    line = json_line(one)
    assert json.loads(line) == {**one, "_index": "logs-2026.11.21", "_id": "id1"}
    assert "\n" not in line


def test_json_fields() -> None:
    """Only the fields asked for, under the names asked for."""
    one = record(http={"status": 200}, tags=["a", "b"])
    line = json_line(one, ["http.status", "tags", "absent", "_id"])
    assert json.loads(line) == {"http.status": 200, "tags": ["a", "b"], "_id": "id1"}


def test_json_fields_by_any_spelling() -> None:
    """A field is printed under the name it was asked for by, whatever it is stored as."""
    one = FoundRecord({"service": {"name": "api"}, "level": "INFO"}, "logs", "a")
    line = json_line(one, ["service", "log.level"])
    assert json.loads(line) == {"service": {"name": "api"}, "log.level": "INFO"}
    assert json.loads(json_line(one, ["service.name"])) == {"service.name": "api"}


def test_pretty_fields() -> None:
    """Fields asked for stand where the notable ones would, whole."""
    one = record(trace_id="ab" * 16, status=200, n=3.0)
    assert pretty(one, fields=["status", "trace_id", "n", "absent"])[0].endswith(
        "hello  status=200  trace_id=" + "ab" * 16 + "  n=3"
    )


def test_odd_records() -> None:
    """Records that lack what others have are shown all the same."""
    assert pretty(FoundRecord({}, "i", "1")) == ["-                             "]
    assert pretty(FoundRecord({"message": "only"}, "i", "1"))[0].endswith(" only")
    assert (
        "event.action=login n=5" in pretty(record(message=None, event={"action": "login"}, n=5))[0]
    )
    assert "ecs-service" in pretty(record(service={"name": "ecs-service"}))[0]
    assert " ERROR " in pretty(FoundRecord({"log": {"level": "error"}}, "i", "1"))[0]


def test_short_is_one_line() -> None:
    """The short form is one line for every record."""
    assert short_line(record(message="a\nb\n"), Look()) == "2026-11-21 11:30:00.250 INFO api a ↵ b"


def test_visible_keeps_what_is_harmless() -> None:
    """Ordinary text of any language is left alone."""
    text = "naïve 日本語 🚀 a\tb\n"
    assert visible(text) == text
    assert visible("\ud800") == "\\ud800"


def test_columns() -> None:
    """Wide characters take two columns, combining ones none."""
    assert [columns_of(text) for text in ("ab", "日本", "e\u0301")] == [2, 4, 1]
    assert padded("日本語", 5, cut=True) == "日本…"
    assert padded("ab", 4, cut=True) == "ab  "


@pytest.mark.parametrize(
    ("text", "first", "columns", "expected"),
    [
        ("aa bb cc", 5, 5, ["aa bb", "cc"]),
        ("aa bb cc", 2, 8, ["aa", "bb cc"]),
        ("aaaaaaaa b", 3, 3, ["aaaaaaaa", "b"]),
        ("", 3, 3, [""]),
        ("  aa bb", 4, 4, ["  aa", "bb"]),
    ],
)
def test_wrapping(text: str, first: int, columns: int, expected: list[str]) -> None:
    """Lines break at spaces, and only there."""
    assert wrapped(text, first, columns) == expected
