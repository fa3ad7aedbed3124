from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logship.parsers import PARSERS
from logship.parsers.auto import parse_auto
from logship.parsers.json import parse_json
from logship.parsers.text import parse_text


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"a":1}', {"a": 1}),
        (b' {"a": "\\u00e9"} ', {"a": "é"}),
        (b"{}", {}),
        (b'{"a":1,"a":2}', {"a": 2}),
        (b'{"a":123456789012345678901234567890}', {"a": 1.2345678901234568e29}),
        # what a strict reader refuses and is worth having
        (b'\xef\xbb\xbf{"a":1}', {"a": 1}),
        (b'{"a":NaN,"b":-Infinity}', {"a": "NaN", "b": "-Infinity"}),
        (b'{"a":"\\ud800","b":"x"}', {"a": "?", "b": "x"}),
        (b'{"\\udfff":1}', {"?": 1}),
        (b'{"a":"\xff"}', {"a": "\ufffd", "tags": ["invalid_utf8"]}),
        (b'{"a":"\xff","tags":["x"]}', {"a": "\ufffd", "tags": ["x", "invalid_utf8"]}),
        (b'{"a":"\xff","tags":"x"}', {"a": "\ufffd", "tags": ["x", "invalid_utf8"]}),
        (b'{"a":"\xff","tags":null}', {"a": "\ufffd", "tags": ["invalid_utf8"]}),
    ],
)
def test_objects(line: bytes, record: dict[str, Any]) -> None:
    """One JSON object is the record, with what cannot be kept replaced."""
    assert parse_json(line) == record


@pytest.mark.parametrize(
    ("line", "message", "error"),
    [
        (b"hello", "hello", None),
        (b"[1]", "[1]", "not a JSON object"),
        (b'"text"', '"text"', "not a JSON object"),
        (b"7", "7", "not a JSON object"),
        (b"null", "null", "not a JSON object"),
        (b'\xef\xbb\xbf["a"]', '\ufeff["a"]', "not a JSON object"),
        (b'{"a":1', '{"a":1', None),
        (b'{"a":1}{"b":2}', '{"a":1}{"b":2}', None),
        (b'{"a":1} trailing', '{"a":1} trailing', None),
        (b'{"a":"tab\there"}', '{"a":"tab\there"}', None),
        (b'{"a":1e999}', '{"a":1e999}', None),
        (b'{"a":' + b"9" * 5000 + b"}", '{"a":' + "9" * 5000 + "}", None),
        (b"[" * 5000, "[" * 5000, None),
        (b"", "", None),
    ],
)
def test_everything_else_is_kept_whole(line: bytes, message: str, error: str | None) -> None:
    """A line that is no object keeps its text, with what was wrong."""
    record = parse_json(line)
    assert record.keys() == {"message", "parse_error"}
    assert record["message"] == message
    assert error is None or record["parse_error"] == error
    assert record["parse_error"]


def test_bytes_that_are_no_text() -> None:
    """A line that is neither JSON nor UTF-8 says both."""
    record = parse_json(b"\xff{")
    assert record["message"] == "\ufffd{"
    assert record["tags"] == ["invalid_utf8"]
    assert record["parse_error"]


@pytest.mark.parametrize(
    ("line", "record"),
    [
        (b'{"a":1}', {"a": 1}),
        (b' \t{"a":1}', {"a": 1}),
        (b"Listening on :8080", {"message": "Listening on :8080"}),
        (b"[1]", {"message": "[1]"}),
        (b"{braces} in a text", {"message": "{braces} in a text"}),
        (b"{}", {}),
        (b" ", {"message": " "}),
        (b"2026-11-21 10:00:00 INFO up", {
            "message": "2026-11-21 10:00:00 INFO up", "@timestamp": "2026-11-21 10:00:00",
            "level": "INFO",
        }),
    ],
)  # fmt: skip
def test_auto_decides_line_by_line(line: bytes, record: dict[str, Any]) -> None:
    """A banner among JSON lines is text, and no mistake."""
    assert parse_auto(line) == record


def test_auto_names_torn_json() -> None:
    """What begins like a record and is none was torn: it says so."""
    record = parse_auto(b'{"message":"cut in the mid')
    assert record["message"] == '{"message":"cut in the mid'
    assert record["parse_error"]


@pytest.mark.parametrize(
    ("line", "time", "level"),
    [
        ("2026-11-21T10:00:00.123Z INFO x", "2026-11-21T10:00:00.123Z", "INFO"),
        ("2026-11-21 10:00:00,123 - root - ERROR - x", "2026-11-21 10:00:00,123", "ERROR"),
        ("2026-11-21 10:00:00,123 - root - x ERROR", "2026-11-21 10:00:00,123", None),
        ("2026-11-21 10:00:00,123 [main] INFO  a.B - x", "2026-11-21 10:00:00,123", "INFO"),
        ("2026-11-21 10:00:00.1 [http-nio-1 x] WARN a", "2026-11-21 10:00:00.1", "WARN"),
        ("2026-11-21 10:00:00.123 UTC [7] ERROR:  x", "2026-11-21 10:00:00.123 UTC", "ERROR"),
        ("2026-11-21 10:00:00 [a] [b] ERROR", "2026-11-21 10:00:00", None),
        ("2026-11-21 10:00:00 [a] no ERROR", "2026-11-21 10:00:00", None),
        ("ERROR 2026-11-21 10:00:00,123 views", "2026-11-21 10:00:00,123", "ERROR"),
        ("[INFO] [2026-11-21 10:00:00] x", "2026-11-21 10:00:00", "INFO"),
        ("\x1b[32m2026-11-21 10:00:00\x1b[0m \x1b[1;31mERROR\x1b[0m x",
         "2026-11-21 10:00:00", "ERROR"),
        ("2026-11-21 10:00:00 \x1b[1mINFO\x1b[0m x", "2026-11-21 10:00:00", "INFO"),
        ("\x1b[2m2026-11-21T10:00:00Z\x1b[0m \x1b[32m INFO\x1b[0m x",
         "2026-11-21T10:00:00Z", "INFO"),
        ("2026-11-21 10:00:00 x \x1b[31mred\x1b[0m", "2026-11-21 10:00:00", None),
        ("[2026-11-21 10:00:00] [error] x", "2026-11-21 10:00:00", "error"),
        ("2026/11/21 10:00:00 +0100 WARN: x", "2026/11/21 10:00:00 +0100", "WARN"),
        ("2026-11-21T10:00:00+01:00|FATAL|x", "2026-11-21T10:00:00+01:00", "FATAL"),
        ("2026-11-21 10:00:00 <notice> x", "2026-11-21 10:00:00", "notice"),
        ("2026-11-21 10:00:00", "2026-11-21 10:00:00", None),
        ("2026-11-21 10:00:00 INFORMATION", "2026-11-21 10:00:00", None),
        ("2026-11-21 10:00:00x", None, None),
        ("x 2026-11-21 10:00:00 INFO", None, None),
        ("2026-11-21 10:00 INFO", None, None),
        ("INFO x", None, None),
        ("", None, None),
    ],
)  # fmt: skip
def test_time_and_level_at_the_beginning_of_text(
    line: str, time: str | None, level: str | None
) -> None:
    """A time at the very beginning is found, and a level beside it; the message keeps both."""
    record = parse_text(line.encode())
    assert record.pop("message") == line
    assert (record.pop("@timestamp", None), record.pop("level", None)) == (time, level)
    assert record == {}


def test_text_that_is_none() -> None:
    """Bytes that are no UTF-8 are replaced, and the record is tagged."""
    assert parse_text(b"caf\xe9") == {"message": "caf\ufffd", "tags": ["invalid_utf8"]}


@given(st.binary() | st.text().map(str.encode), st.sampled_from(sorted(PARSERS)))
def test_no_parser_raises(line: bytes, name: str) -> None:
    """Whatever is on a line, there is a record of it."""
    assert isinstance(PARSERS[name](line), dict)
