"""Lines that belong together become one event."""

from __future__ import annotations

import time
import zlib
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from logship.parsers.events import Events, Joiner, JoinMemory, Limits, add_to_record
from logship.parsers.multiline import Multiline
from logship.parsers.multiline_presets import (
    PRESETS,
    by_continuation,
    by_end,
    by_filebeat,
    by_start,
)

SAMPLES = Path(__file__).parents[2] / "support" / "samples"

# Preset → how each event of its sample begins.
BEGINNINGS = {
    "java": [
        "2026-11-21 10:00:00,120 INFO",
        "2026-11-21 10:00:01,004 ERROR",
        "2026-11-21 10:00:02,000 WARN",
        "warming",
        "Exception in thread",
        '{"@timestamp"',
        "Nov 21, 2026",
        "ready",
        "2026-11-21 10:00:05,000 ERROR",
        "2026-11-21 10:00:06,000 INFO",
    ],
    "python": [
        "2026-11-21 10:00:00,000 INFO",
        "2026-11-21 10:00:01,000 ERROR",
        "INFO:shop:next",
        "ERROR:asyncio",
        "Traceback",
        "served",
        "  indented, of no trace",
        "ERROR:shop:several",
        "stopped",
        "2026-11-21 10:00:05,000 ERROR",
        "2026-11-21 10:00:06,000 INFO",
    ],
    "go": [
        "2026/11/21 10:00:00 listening",
        "2026/11/21 10:00:01 http: panic",
        "2026/11/21 10:00:02 served",
        "panic: order 17",
        "restarting",
        "fatal error",
        '{"level"',
        "done (for now)",
    ],
    "node": [
        "2026-11-21T10:00:00.000Z info",
        "2026-11-21T10:00:01.000Z error",
        "2026-11-21T10:00:02.000Z info",
        "/app/main.js:3",
        "node:internal/modules",
        "server started",
        "request failed",
        '{"level"',
        "bye",
    ],
    "ruby": [
        "I, [2026-11-21T10:00:00",
        "E, [2026-11-21T10:00:01",
        "I, [2026-11-21T10:00:02",
        "/app/orders.rb:60",
        "Completed 500",
        "ZeroDivisionError",
        "Started GET",
        "Traceback",
    ],
    "dotnet": [
        "info: Microsoft.Hosting",
        "fail: Microsoft.AspNetCore",
        "2026-11-21 10:00:01.000 [ERR]",
        "2026-11-21 10:00:02.000 [INF]",
        "Unhandled exception.",
        "stopping",
    ],
    "php": [
        "[21-Nov-2026 10:00:00 UTC] PHP Notice",
        "[21-Nov-2026 10:00:01 UTC] PHP Fatal",
        "[2026-11-21T10:00:02",
        "[2026-11-21T10:00:03",
        "bye",
    ],
    "indented": ["loaded settings:", "ready", '{"level"', "  lost", "INFO done"],
}


def offsets_of(lines: list[bytes], start: int = 0) -> list[int]:
    return list(accumulate([len(line) + 1 for line in lines], initial=start))[:-1]


def all_of(joiner: Joiner, lines: list[bytes], memory: JoinMemory | None = None) -> Events:
    memory = memory or JoinMemory()
    events = joiner.join(lines, offsets_of(lines), memory)
    events.extend(joiner.flush(memory))
    assert memory.pending_start is None
    return events


def payloads(joiner: Joiner, data: bytes) -> list[bytes]:
    return all_of(joiner, data.split(b"\n")).payloads


@pytest.mark.parametrize("preset", PRESETS)
def test_traces_are_joined_and_other_lines_are_not(preset: str) -> None:
    """A runtime's traces, nested causes included, are one event each; other lines are too."""
    data = (SAMPLES / f"{preset}.log").read_bytes()
    events = all_of(Multiline(PRESETS[preset]), data.splitlines())
    found = [payload.decode() for payload in events.payloads]
    expected = BEGINNINGS[preset]
    assert [text[: len(begin)] for text, begin in zip(found, expected, strict=False)] == expected
    assert len(found) == len(expected)
    assert "".join(found).replace("\n", "") == data.decode().replace("\n", "")


@pytest.mark.parametrize("preset", PRESETS)
def test_traces_with_carriage_returns(preset: str) -> None:
    """Files with CRLF give the same payloads as those without, under other checksums."""
    data = (SAMPLES / f"{preset}.log").read_bytes()
    joiner = Multiline(PRESETS[preset])
    with_returns = data.replace(b"\n", b"\r\n")
    assert payloads(joiner, with_returns) == payloads(joiner, data)


@pytest.mark.parametrize("preset", PRESETS)
def test_a_sample_of_one_language_harms_no_ordinary_lines(preset: str) -> None:
    """Log records without traces stay single under every preset."""
    lines = [
        b"2026-11-21 10:00:00 INFO one",
        b"level=info msg=two",
        b"plain three (with a bracket)",
        b"https://example.org/four: 200",
        b'10.0.0.7 - - [21/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 5',
        b"Nov 21 10:00:00 web-1 sshd[5]: Accepted publickey",
        b'{"message":"seven"}',
        b"Error handling is fine",
        b"done.",
    ]
    assert all_of(Multiline(PRESETS[preset]), lines).payloads == lines


def test_single_lines_have_the_ids_that_they_have_without_a_joiner() -> None:
    """Offset and checksum of an event of one line are those of the line."""
    lines = [b"2026 a", b"2026 b", b"2026 c\r"]
    events = all_of(Multiline(by_start("^2026")), lines)
    assert events.offsets == [0, 7, 14]
    assert events.checksums == [zlib.crc32(line) for line in lines]
    assert events.payloads == [b"2026 a", b"2026 b", b"2026 c"]


def test_the_checksum_is_over_the_bytes_in_the_file() -> None:
    """All lines of an event with their newlines, without the last and empty lines after it."""
    data = b"2026 a\r\n\r\n  b\r\n\r\n\n2026 c"
    events = all_of(Multiline(by_start("^2026")), data.split(b"\n"))
    assert events.payloads == [b"2026 a\n\n  b", b"2026 c"]
    assert events.checksums == [zlib.crc32(b"2026 a\r\n\r\n  b\r"), zlib.crc32(b"2026 c")]
    assert events.offsets == [0, data.index(b"2026 c")]


def test_empty_lines_begin_nothing() -> None:
    """An event begins with its first line that is not empty."""
    events = all_of(Multiline(by_start("^#")), [b"", b"\r", b"a", b"", b"b", b"#c"])
    assert events.payloads == [b"a\n\nb", b"#c"]
    assert events.offsets == [3, 8]


@pytest.mark.parametrize(
    ("grouping", "expected"),
    [
        (by_start("^#"), [b"x", b"#a\n b\n b\\", b"#c\nend", b"#d"]),
        (by_continuation("^ "), [b"x", b"#a\n b\n b\\", b"#c", b"end", b"#d"]),
        (by_end("end$"), [b"x\n#a\n b\n b\\\n#c\nend", b"#d"]),
        (by_filebeat("^ ", negate=False, match="after"),
         [b"x", b"#a\n b\n b\\", b"#c", b"end", b"#d"]),
        (by_filebeat("^#", negate=True, match="after"),
         [b"x", b"#a\n b\n b\\", b"#c\nend", b"#d"]),
        (by_filebeat(r"\\$", negate=False, match="before"),
         [b"x", b"#a", b" b", b" b\\\n#c", b"end", b"#d"]),
        (by_filebeat("^end", negate=True, match="before"),
         [b"x\n#a\n b\n b\\\n#c\nend", b"#d"]),
        (by_filebeat("^[[:space:]]", negate=False, match="after"),
         [b"x", b"#a\n b\n b\\", b"#c", b"end", b"#d"]),
    ],
)  # fmt: skip
def test_patterns(grouping: object, expected: list[bytes]) -> None:
    """Start, continuation and end patterns, and Filebeat's spelling of them."""
    lines = [b"x", b"#a", b" b", b" b\\", b"#c", b"end", b"#d"]
    assert all_of(Multiline(grouping), lines).payloads == expected  # type: ignore[arg-type]


def test_a_mistake_in_a_pattern() -> None:
    """What is no regular expression is refused with what is wrong where."""
    with pytest.raises(ValueError, match=r"not a regular expression: missing .* at position 0"):
        by_start("(a")


def test_limits_keep_the_beginning() -> None:
    """Over a limit an event is cut and tagged; all of it counts in the checksum."""
    lines = [b"#a", b"b", b"c", b"d", b"", b"#e"]
    for limits, kept in ((Limits(max_lines=3), b"#a\nb\nc"), (Limits(max_bytes=5), b"#a\nb")):
        for size in (1, 2, 6):
            memory, joiner = JoinMemory(), Multiline(by_start("^#"), limits)
            events = Events()
            for i in range(0, 6, size):
                some = lines[i : i + size]
                events.extend(joiner.join(some, offsets_of(lines)[i : i + size], memory))
            events.extend(joiner.flush(memory))
            assert events.payloads == [kept, b"#e"]
            assert events.tags == [("cut",), ()]
            assert events.checksums == [zlib.crc32(b"#a\nb\nc\nd"), zlib.crc32(b"#e")]


def test_an_event_just_within_its_limits_is_whole() -> None:
    """Empty lines behind an event do not count against it."""
    joiner = Multiline(by_start("^#"), Limits(max_lines=2, max_bytes=5))
    events = all_of(joiner, [b"#ab", b"c", b"", b"", b"#d"])
    assert events.payloads == [b"#ab\nc", b"#d"]
    assert events.tags == [(), ()]


def test_a_cut_goes_through_no_character() -> None:
    """A character that the limit splits is left out; a single long line is cut, too."""
    events = all_of(Multiline(by_start("^#"), Limits(max_bytes=4)), ["#aä€".encode(), b"#b"])
    assert events.payloads == ["#aä".encode(), b"#b"]
    assert events.tags == [("cut",), ()]
    assert events.checksums[0] == zlib.crc32("#aä€".encode())


def test_memory_is_bounded() -> None:
    """An event without end holds no more than its limit, and goes on being counted."""
    memory, joiner = JoinMemory(), Multiline(by_start("^#"), Limits(max_bytes=1000))
    checksum = zlib.crc32(b"#a")
    joiner.join([b"#a"], [0], memory)
    for i in range(2000):
        joiner.join([b"x" * 100, b""], [3 + 102 * i, 104 + 102 * i], memory)
        checksum = zlib.crc32(b"\n" + b"x" * 100 + (b"\n" if i < 1999 else b""), checksum)
    (pending,) = memory.open.values()
    assert len(pending._kept) == 1000
    events = joiner.flush(memory)
    assert events.checksums == [checksum]
    assert events.tags == [("cut",)]


def test_what_is_pending() -> None:
    """The content is unconfirmed from the event under way on."""
    memory, joiner = JoinMemory(), Multiline(by_start("^#"))
    assert joiner.join([b"#a", b"b"], [0, 3], memory).payloads == []
    assert memory.pending_start == 0
    assert joiner.join([b"#c"], [5], memory).payloads == [b"#a\nb"]
    assert memory.pending_start == 5
    assert joiner.flush(memory, before=5).payloads == []
    assert joiner.flush(memory, before=6).payloads == [b"#c"]
    assert memory.pending_start is None
    assert joiner.join([], [], memory).payloads == []


def test_complete_at_once() -> None:
    """What needs no look at the next line does not wait for it: JSON, and an end pattern."""
    memory = JoinMemory()
    joiner = Multiline(PRESETS["java"])
    assert joiner.join([b"a", b"{}"], [0, 2], memory).payloads == [b"a", b"{}"]
    assert memory.pending_start is None
    joiner = Multiline(by_end(";$"))
    assert joiner.join([b"a", b"b;"], [0, 2], memory).payloads == [b"a\nb;"]
    assert memory.pending_start is None


def test_after_a_split() -> None:
    """What goes on after an event was given out early is an event of its own, and tagged."""
    for begin, rest in ((b"#a", b"b"), (b"x", b"y")):
        memory, joiner = JoinMemory(), Multiline(by_start("^#"))
        joiner.join([begin], [0], memory)
        joiner.flush(memory)
        joiner.join([b""], [3], memory)
        joiner.join([rest, b"c"], [4, 6], memory)
        events = joiner.join([b"#d"], [8], memory)
        assert (events.payloads, events.tags) == ([rest + b"\nc"], [("continued",)])
        assert joiner.flush(memory).tags == [()]


def test_a_new_event_after_a_split() -> None:
    """A line that begins an event anyway is not tagged as the rest of another."""
    memory, joiner = JoinMemory(), Multiline(PRESETS["java"])
    joiner.join([b"2026-11-21 a", b"\tat a.b(C.java:1)"], [0, 13], memory)
    joiner.flush(memory)
    events = joiner.join([b"2026-11-21 b", b"2026-11-21 c"], [40, 53], memory)
    assert events.tags == [()]
    joiner.flush(memory)
    events = joiner.join([b"\tat a.b(C.java:1)", b"x"], [66, 84], memory)
    assert events.tags == [("continued",)]


def test_fields_of_an_event_give_way_to_those_of_its_record() -> None:
    """What a record has stays; only extra is merged."""
    record: dict[str, Any] = {"stream": "mine", "extra": {"a": 1}}
    add_to_record(record, {"stream": "stdout", "other": 2, "extra": {"a": 3, "b": 4}})
    assert record == {"stream": "mine", "other": 2, "extra": {"a": 1, "b": 4}}
    shared = {"extra": {"b": 4}}
    for record in ({}, {"extra": "text"}):
        add_to_record(record, shared)
    assert record == {"extra": "text"}
    assert shared == {"extra": {"b": 4}}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize(
    "unit", [b"Error", b"a.b", b"a.js:1", b"at ", b"(", b")", b" ", b"\t", b":1", b"Exception."]
)
def test_hostile_lines_take_no_time(preset: str, unit: bytes) -> None:
    """A long line made to keep a regular expression busy is looked at in linear time."""
    machine = PRESETS[preset]
    lines = [b"2026-11-21 a", unit * (200_000 // len(unit)), b"x" + unit * 20_000]
    started = time.process_time()
    assert machine(lines, None)[0]
    assert time.process_time() - started < 5
