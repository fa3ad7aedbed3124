"""logfmt lines become records."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logship.parsers.logfmt import looks_like_logfmt, parse_logfmt
from logship.schema.flat import lift

SAMPLE = Path(__file__).parents[2] / "support" / "samples" / "logfmt.log"


def test_sample() -> None:
    """Quotes, escapes, empty values, keys alone, and texts without quotes are read."""
    first, second, third, fourth = map(parse_logfmt, SAMPLE.read_bytes().splitlines())
    assert first == {
        "time": "2026-11-21T10:00:00Z",
        "level": "info",
        "msg": "listening on :8080",
        "service": "shop",
        "version": "1.10",
    }
    assert second["msg"] == 'order "17" failed'
    assert second["err"] == "connect: refused"
    assert second["retry"] is True
    assert third == {
        "level": "warn",
        "ts": "1795255202.5",
        "msg": "disk nearly full",
        "path": "C:\\data",
        "note": "größer\nals €",
        "empty": "",
        "quoted": "",
    }
    assert fourth["http.status"] == "200"


def test_lifted() -> None:
    """The usual keys end under their names in the schema."""
    record = parse_logfmt(SAMPLE.read_bytes().splitlines()[1])
    lift(record, None)
    assert record["@timestamp"] == "2026-11-21T10:00:01.123Z"
    assert (record["level"], record["message"]) == ("ERROR", 'order "17" failed')


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"a=1 a=2 a=3", {"a": "1", "extra": {"logfmt_rest": "a=2 a=3"}}),
        (b'msg="alone"', {"msg": "alone"}),
        (b"  a=1   b=2\r", {"a": "1", "b": "2"}),
        (b"a==1 b=x=y", {"a": "=1", "b": "x=y"}),
        (b'a="\\x1b[0m \\"" b="two\nlines"', {"a": 'x1b[0m "', "b": "two\nlines"}),
        (b'msg="never closed b=1', {"msg": '"never closed', "b": "1"}),
        (b'a="x"y b=1', {"a": '"x"y', "b": "1"}),
        (
            b"a=11111111 b=22222222222222222222222 - debug debug",
            {"a": "11111111", "b": "2" * 23, "debug": True, "extra": {"logfmt_rest": "- debug"}},
        ),
        (b"a=1 extra=2 longer=3456789 -", {
            "a": "1", "longer": "3456789", "extra": {"extra": "2", "logfmt_rest": "-"}}),
        (b"a=\xff b=1", {"a": "�", "b": "1", "tags": ["invalid_utf8"]}),
        (b"a=\xff tags=b", {"a": "�", "tags": ["b", "invalid_utf8"]}),
    ],
)  # fmt: skip
def test_odd_lines(line: bytes, expected: dict[str, Any]) -> None:
    """Nothing of a line is lost, however it was written."""
    assert parse_logfmt(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"hello world",
        b"user=5 logged in from ip=1.2.3.4",
        b"connected user=5 ip=1.2.3.4",
        b"x=1, y=2, z=3",
        b"GET /orders?a=1&b=2 200",
        b"http://example.org/?a=1 b=2",
        b'{"a":"b=1 c=2"}',
        b"=1 =2",
    ],
)
def test_other_lines(line: bytes) -> None:
    """Prose in which something is equal is not taken for logfmt, and kept whole."""
    assert not looks_like_logfmt(line)
    assert parse_logfmt(line) == {"message": line.decode(), "parse_error": "not logfmt"}


def test_one_pair_is_too_little_to_look_like_logfmt() -> None:
    """One pair is read where logfmt is expected, but is no sign of it."""
    assert not looks_like_logfmt(b"a=1")
    assert looks_like_logfmt(b"a=1 b=2")


@pytest.mark.parametrize("unit", [b'a="', b"a=1 ", b'a="\\" ', b'"', b"a=", b"msg=a b ", b"a=1 b "])
def test_long_lines_take_no_time(unit: bytes) -> None:
    """A long line is read in linear time, whatever it holds."""
    started = time.process_time()
    parse_logfmt(b"x=1 " + unit * (400_000 // len(unit)))
    assert time.process_time() - started < 5


@settings(deadline=None)
@given(st.binary(max_size=60) | st.text("ab=\"\\ \n,'é", max_size=60).map(str.encode))
def test_any_line(line: bytes) -> None:
    """No line raises, and what is found can be lifted."""
    record = parse_logfmt(line)
    assert record
    lift(record, None)


@settings(deadline=None)
@given(
    st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), st.text(max_size=8), min_size=1)
)
def test_written_and_read(pairs: dict[str, str]) -> None:
    """What was written with quotes and escapes is read as it was."""

    def quoted(text: str) -> str:
        for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r")):
            text = text.replace(plain, escaped)
        return f'"{text}"'

    line = " ".join(f"{key}={quoted(value)}" for key, value in pairs.items())
    assert parse_logfmt(line.encode()) == pairs
