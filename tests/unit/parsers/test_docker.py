"""Container logs as Docker's json-file driver writes them."""

from __future__ import annotations

import zlib
from pathlib import Path

import orjson
import pytest

from logship.parsers.docker import DockerJoiner, is_docker_line
from logship.parsers.events import Events, JoinMemory

SAMPLE = Path(__file__).parents[2] / "support" / "samples" / "docker.log"
OUT, ERR = {"stream": "stdout"}, {"stream": "stderr"}
UNREADABLE = {"parse_error": "not a line of Docker's json-file log"}
TIME = "2026-11-21T10:00:00Z"


def line(log: str, stream: str = "stdout", **more: object) -> bytes:
    return orjson.dumps({"log": log, "stream": stream, "time": TIME, **more})


def joined(*lines: bytes) -> Events:
    return DockerJoiner().join(lines, range(len(lines)), JoinMemory())


def test_sample() -> None:
    """Texts are joined per stream until their newline, and attributes go to extra."""
    lines = SAMPLE.read_bytes().splitlines()
    events = joined(*lines)
    assert events.payloads == [
        b'{"level":"INFO","message":"starting"}',
        b"warning: disk nearly full",
        b"the beginning of a long text, and its end",
        "größer < tag".encode(),
        b'{"message":"json, but not of docker"}',
        b'{"log":"torn',
        b"done",
    ]
    assert events.offsets == [0, 2, 1, 6, 7, 8, 9]
    assert events.times[1] == "2026-11-21T10:00:01.000000002Z"
    attributes = {"docker_attrs_tag": "web", "docker_attrs_com_example_team": "shop"}
    with_attributes = {"stream": "stdout", "extra": attributes}
    assert events.fields == [OUT, ERR, OUT, with_attributes, UNREADABLE, UNREADABLE, OUT]
    assert events.checksums[2] == zlib.crc32(lines[1] + lines[4])
    assert events.tags == [()] * 7


@pytest.mark.parametrize(
    "odd",
    [
        b"{}",
        b"[1]",
        b"",
        b"text",
        line("b\n")[:-1] + b"}{}",
        line("b\n") + b" ",
        line("b\n") + line("c\n"),
        line("b\n", "stdin"),
        b'{"log":1,"stream":"stdout"}',
        line("partial"),
    ],
)
def test_one_odd_line_changes_no_other(odd: bytes) -> None:
    """The quick way and the careful one agree about complete lines, whatever is among them."""
    good = [line("a\r\n"), line("x\ny\n", "stderr"), line("\n"), line("c\n", attrs={"n": "1"})]
    plain = joined(*good)
    assert plain.payloads == [b"a", b"x\ny", b"c"]
    events = joined(*good, odd)
    first = Events()
    first.extend(events, 0, 3)
    assert first == plain
    assert all(fields == UNREADABLE for fields in events.fields[3:]) or odd.endswith(b" ")


def test_bytes_that_are_no_text() -> None:
    """They are replaced and the event is tagged; a lone surrogate does not raise."""
    events = joined(line("a\n").replace(b'"a', b'"\xff'), line("b\n").replace(b'"b', rb'"\ud800'))
    assert events.payloads == ["�".encode(), b"?"]
    assert events.tags[0] == ("invalid_utf8",)
    assert events.fields == [OUT, OUT]


def test_what_is_a_line_of_docker() -> None:
    """Only an object with text, stream and time is."""
    assert is_docker_line(line("a\n"))
    assert is_docker_line(line("a", "stderr", attrs={}))
    for other in (b'{"log":"a\\n","stream":"stdout"}', b'{"log":"a","time":"b"}', b"{}", b"x"):
        assert not is_docker_line(other)


def test_flush() -> None:
    """A text without end is given out when time is over, and its rest is tagged."""
    joiner, memory = DockerJoiner(), JoinMemory()
    joiner.join([line("a")], [0], memory)
    assert memory.pending_start == 0
    assert joiner.flush(memory).payloads == [b"a"]
    events = joiner.join([line("b\n"), line("c\n")], [50, 90], memory)
    assert (events.payloads, events.tags) == ([b"b", b"c"], [("continued",), ()])
