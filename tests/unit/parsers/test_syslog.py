"""Lines of syslog daemons become records."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logship.parsers.syslog import looks_like_syslog, parse_syslog, with_year
from logship.schema.flat import lift

SAMPLES = Path(__file__).parents[2] / "support" / "samples"


def record(text: str, time: str | None = None, **more: object) -> dict[str, Any]:
    fields = {"message": text, **{name.replace("_", "."): at for name, at in more.items()}}
    return fields if time is None else {"@timestamp": time, **fields}


def test_rfc_3164() -> None:
    """Time, host, application, process and text of each usual form are found."""
    lines = (SAMPLES / "syslog.log").read_bytes().splitlines()
    assert [parse_syslog(line) for line in lines] == [
        record("Started shop.service - The shop.", "--11-21T10:00:00",
               host_name="web-1", process_name="systemd", process_pid=1),
        record("[12345.678901] eth0: link up", "--11-01T03:04:05",
               host_name="web-1", process_name="kernel"),
        record("connect from unknown[10.0.0.7]", "--11-21T10:00:01.250",
               host_name="web-1", process_name="postfix/smtpd", process_pid=4711),
        record("last message repeated 2 times", "--11-21T10:00:02", host_name="web-1"),
        record("Accepted publickey for anna", "2026-11-21T10:00:03.123456+01:00",
               host_name="web-1", process_name="sshd", process_pid=123),
        record("'su root' failed on /dev/pts/8", "--10-11T22:14:15", level="CRIT",
               syslog_facility="auth", host_name="mymachine", process_name="su"),
        record("without a host", "--11-21T10:00:04", level="NOTICE",
               syslog_facility="user", process_name="shop", process_pid=99),
        record(": %LINK-5-CHANGED: Interface down", "2026-11-21T10:00:05", level="NOTICE",
               syslog_facility="local7", host_name="switch-1"),
    ]  # fmt: skip


def test_rfc_5424() -> None:
    """Structured data goes to extra, a dash means that there is nothing."""
    lines = (SAMPLES / "syslog5424.log").read_bytes().splitlines()
    extra = {
        "exampleSDID@32473_iut": "3",
        "exampleSDID@32473_eventSource": 'a "b" ]\\',
        "origin@1_ip_v4": "10.0.0.7, 10.0.0.8",
    }
    assert [parse_syslog(line) for line in lines] == [
        record("order placed", "2026-10-11T22:14:15.003Z", level="NOTICE",
               syslog_facility="local4", host_name="web-1.example.com", process_name="shop",
               process_pid=8710, syslog_msgid="ID47", extra=extra),
        record("text alone", "2026-10-11T22:14:15Z", level="CRIT", syslog_facility="auth",
               process_name="su"),
        record("", level="INFO", syslog_facility="kern", host_name="web-1",
               syslog_procid="main-1"),
    ]  # fmt: skip


def test_lifted() -> None:
    """Severities become levels, and a completed time is read in the source's zone."""
    found = parse_syslog(b"<11>Nov 21 10:00:00 web-1 app[1]: text")
    found["@timestamp"] = with_year(found["@timestamp"], "2026-11-21")
    lift(found, None)
    assert found["level"] == "ERROR"
    assert found["@timestamp"].startswith("2026-11-2")
    assert found["host.name"] == "web-1"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"<13>no more than this", record("no more than this", level="NOTICE",
                                          syslog_facility="user")),
        (b"<192>x", {"message": "<192>x", "parse_error": "not a syslog line"}),
        (b"anything", {"message": "anything", "parse_error": "not a syslog line"}),
        (b"", {"message": "", "parse_error": "not a syslog line"}),
        (b"Nov 21 10:00:00 h a: \xff", {
            **record("�", "--11-21T10:00:00", host_name="h", process_name="a"),
            "tags": ["invalid_utf8"]}),
        (b"<6>1 - h a 1 - [torn a=\"b", record('[torn a="b', level="INFO", syslog_facility="kern",
                                              host_name="h", process_name="a", process_pid=1)),
    ],
)  # fmt: skip
def test_odd_lines(line: bytes, expected: dict[str, Any]) -> None:
    """Nothing is lost of lines that are odd or none of syslog's."""
    assert parse_syslog(line) == expected


@pytest.mark.parametrize(
    ("time", "day", "expected"),
    [
        ("--11-21T10:00:00", "2026-11-21", "2026-11-21T10:00:00"),
        ("--11-22T23:59:59.5", "2026-11-21", "2026-11-22T23:59:59.5"),
        ("--11-23T00:00:00", "2026-11-21", "2025-11-23T00:00:00"),
        ("--12-31T23:00:00", "2027-01-01", "2026-12-31T23:00:00"),
        ("--01-01T00:00:00", "2026-12-31", "2027-01-01T00:00:00"),
        ("--12-31T23:00:00", "2026-11-30/2027-01-02", "2026-12-31T23:00:00"),
        ("--02-29T01:00:00", "2026-11-21", "2024-02-29T01:00:00"),
        ("--02-30T01:00:00", "2026-11-21", None),
        ("2026-11-21T10:00:00", "2026-11-21", None),
        ("--12-31T00:00:00", "9999-12-31", "9999-12-31T00:00:00"),
    ],
)
def test_the_year(time: str, day: str, expected: str | None) -> None:
    """A time without year lies at most a day after the day that its line was read on."""
    assert with_year(time, day) == expected


def test_what_looks_like_syslog() -> None:
    """Every line with a tag does; times with other words after them do not."""
    lines = (SAMPLES / "syslog.log").read_bytes().splitlines()
    assert [looks_like_syslog(line) for line in lines] == [True] * 3 + [False] + [True] * 4
    assert all(map(looks_like_syslog, (SAMPLES / "syslog5424.log").read_bytes().splitlines()))
    for other in (
        b"2026-11-21T10:00:00Z INFO main: started",
        b"2026-11-21T10:00:00Z stdout F text: more",
        b"Nov 21, 2026 10:00:00 AM a.B c",
        b"Nov 21 10:00:00 started",
        b"<div>text</div>",
        b"<5>text",
        b"",
    ):
        assert not looks_like_syslog(other)


@settings(deadline=None)
@given(st.binary(max_size=80) | st.text('<1> []-="\\aN:é', max_size=60).map(str.encode))
def test_any_line(line: bytes) -> None:
    """No line raises, and what is found can be lifted."""
    found = parse_syslog(b"<6>1 - h a 1 - " + line)
    assert "message" in found
    lift(found, None)
    found = parse_syslog(line)
    assert "message" in found
    lift(found, None)


@pytest.mark.parametrize("unit", [b'[a b="', b'[a b="\\"', b"[", b" ", b"a:", b'[a b="c" ', b"a["])
def test_long_lines_take_no_time(unit: bytes) -> None:
    """A long line is read in linear time, whatever it holds."""
    started = time.process_time()
    for head in (b"<6>1 - h a 1 - ", b"Nov 21 10:00:00 ", b""):
        parse_syslog(head + unit * (400_000 // len(unit)))
    assert time.process_time() - started < 5
