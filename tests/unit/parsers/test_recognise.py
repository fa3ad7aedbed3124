"""Which format a file has, by its first lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from logship.parsers.cri import is_cri_line
from logship.parsers.recognise import recognise

SAMPLES = Path(__file__).parents[2] / "support" / "samples"
JSON = b'{"message":"a"}'
DOCKER = b'{"log":"a\\n","stream":"stdout","time":"2026-11-21T10:00:00Z"}'
CRI = b"2026-11-21T10:00:00Z stdout F a"
LOGFMT = b"level=info msg=a"
SYSLOG = b"Nov 21 10:00:00 web-1 shop[5]: a"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("json", "json"), ("cri", "cri"), ("docker", "docker"), ("logfmt", "logfmt"),
        ("syslog", "syslog"), ("syslog5424", "syslog"), ("java", "text"), ("python", "text"),
        ("go", "text"), ("node", "text"), ("ruby", "text"), ("dotnet", "text"), ("php", "text"),
        ("indented", "text"),
    ],
)  # fmt: skip
def test_samples(name: str, expected: str) -> None:
    """Real-looking files are what they are, with odd lines among the others."""
    lines = (SAMPLES / f"{name}.log").read_bytes().splitlines()[:20]
    assert recognise(lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], "text"),
        ([b"", b"\r", b"  "], "text"),
        ([b"", JSON], "json"),
        ([b"starting", JSON], "json"),
        ([b"starting", b"really", JSON], "text"),
        ([DOCKER], "docker"),
        ([DOCKER, JSON], "json"),
        ([JSON, DOCKER, DOCKER, DOCKER], "docker"),
        ([CRI], "cri"),
        ([CRI, CRI, CRI, b"odd"], "cri"),
        ([CRI, CRI, b"odd"], "text"),
        ([LOGFMT], "logfmt"),
        ([LOGFMT, b"prose", b"prose"], "text"),
        ([SYSLOG], "syslog"),
        ([SYSLOG, LOGFMT], "text"),
        ([b"{", b'  "message": "a"', b"}"], "text"),
        ([b'{"torn'], "text"),
        ([b"[1]", b"5", b'"a"'], "text"),
        ([b"\xff\xfe", b"\0\0"], "text"),
        ([b'{"a":' * 3000], "text"),
        ([b"2026-11-21T10:00:00Z INFO main: started"] * 5, "text"),
        ([b'10.0.0.7 - - [21/Nov/2026:10:00:00 +0000] "GET /?a=1 HTTP/1.1" 200 5'] * 5, "text"),
    ],
)
def test_doubt(lines: list[bytes], expected: str) -> None:
    """A format needs most of the lines; in doubt the file is text."""
    assert recognise(lines) == expected


def test_what_is_a_cri_line() -> None:
    """Time, stream and flag make one."""
    assert is_cri_line(CRI)
    assert is_cri_line(b"2026-11-21T10:00:00.5+01:00 stderr P")
    for other in (b"", b"2026-11-21T10:00:00Z stdout", b"2026-11-21 stdout F a", JSON):
        assert not is_cri_line(other)
