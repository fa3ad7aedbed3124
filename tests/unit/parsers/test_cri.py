"""Container logs as the kubelet's runtimes write them."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from logship.parsers.containers import Stacked
from logship.parsers.cri import CriJoiner
from logship.parsers.events import Events, JoinMemory
from logship.parsers.multiline import Multiline
from logship.parsers.multiline_presets import PRESETS, by_start

SAMPLE = Path(__file__).parents[2] / "support" / "samples" / "cri.log"
OUT, ERR = {"stream": "stdout"}, {"stream": "stderr"}


def line(second: int, stream: str, flag: str, text: str) -> bytes:
    return f"2026-11-21T10:00:{second:02}.5Z {stream} {flag} {text}".encode()


def joined(*lines: bytes, joiner: CriJoiner | Stacked | None = None) -> Events:
    return (joiner or CriJoiner()).join(lines, range(len(lines)), JoinMemory())


def test_sample() -> None:
    """Texts are joined per stream and come in the order in which they were complete."""
    lines = SAMPLE.read_bytes().splitlines()
    events = joined(*lines)
    assert events.payloads == [
        b'{"level":"INFO","message":"starting"}',
        b"warning: disk nearly full",
        b"the beginning of a long text, its middle and its end",
        b"in the time of another zone",
        b"this line is of another format",
        b"done",
    ]
    assert events.offsets == [0, 2, 1, 7, 8, 9]
    assert events.times == [
        "2026-11-21T10:00:00.123456789Z",
        "2026-11-21T10:00:01.000000002Z",
        "2026-11-21T10:00:01.000000001Z",
        "2026-11-21T11:00:03.5+01:00",
        None,
        "2026-11-21T10:00:04.000000000Z",
    ]
    unreadable = {"parse_error": "not a line of a CRI container log"}
    assert events.fields == [OUT, ERR, OUT, ERR, unreadable, OUT]
    own_lines = (lines[1], lines[3], lines[5])
    assert events.checksums[2] == zlib.crc32(b"".join(own_lines))
    assert events.checksums[0] == zlib.crc32(lines[0])


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"x",
        b"a stdout F text",
        b"2026-11-21T10:00:00Z stdin F text",
        b"2026-11-21T10:00:00Z stdout X text",
        b"2026-11-21T10:00:00Z stdout",
        b"2026-11-21T10:00:00Z  stdout F text",
        b"2026-11-21T10:00:00Z stdout P",
        b"\xff\xfe stdout F x",
        b"2026-11-21T10:00:00Z stdout F\r",
    ],
)
def test_one_odd_line_changes_no_other(odd: bytes) -> None:
    """The quick way and the careful one agree about complete lines, whatever is among them."""
    good = [line(1, "stdout", "F", "a"), line(2, "stderr", "F", "b\r"), line(3, "stderr", "F", "")]
    plain = joined(*good)
    assert plain.payloads == [b"a", b"b"]
    events = joined(*good, odd)
    first = Events()
    first.extend(events, 0, 2)
    assert first == plain


def test_a_final_line_without_a_text() -> None:
    """Runtimes that leave out the blank before an empty text complete a text, too."""
    events = joined(line(1, "stdout", "P", "a"), b"2026-11-21T10:00:02Z stdout F")
    assert events.payloads == [b"a"]


def test_long_texts_are_cut() -> None:
    """Over the limit a text is cut and tagged, counted whole, and bounded in memory."""
    joiner, memory = CriJoiner(max_bytes=10), JoinMemory()
    lines = [line(1, "stdout", "P", "abcdef")] * 50 + [line(2, "stdout", "F", "g")]
    events = joiner.join(lines, range(51), memory)
    assert events.payloads == [b"abcdefabcd"]
    assert events.tags == [("cut",)]
    assert events.checksums == [zlib.crc32(b"".join(lines))]
    events = joiner.join([line(3, "stdout", "F", "0123456789ab")], [51], memory)
    assert (events.payloads, events.tags) == ([b"0123456789"], [("cut",)])


def test_confirmed_only_where_no_event_lies_on_both_sides() -> None:
    """A text that was joined across another's beginning is read again together with it."""
    joiner, memory = CriJoiner(), JoinMemory()
    joiner.join([line(1, "stdout", "F", "a")], [10], memory)
    assert memory.pending_start is None
    joiner.join([line(2, "stderr", "P", "b")], [20], memory)
    joiner.join([line(3, "stdout", "P", "c")], [30], memory)
    assert memory.pending_start == 20
    assert joiner.join([line(4, "stderr", "F", "d")], [40], memory).payloads == [b"bd"]
    assert memory.pending_start == 20
    joiner.join([line(5, "stderr", "F", "e")], [50], memory)
    assert memory.pending_start == 20
    assert joiner.join([line(5, "stdout", "F", "f")], [60], memory).payloads == [b"cf"]
    assert memory.pending_start is None


def test_flush() -> None:
    """What has not grown is given out; what follows is a text of its own, and tagged."""
    joiner, memory = CriJoiner(), JoinMemory()
    lines = [line(1, "stdout", "P", "a"), line(2, "stderr", "P", "b"), line(3, "stderr", "P", "c")]
    joiner.join(lines, [0, 10, 20], memory)
    assert joiner.flush(memory, before=20).payloads == [b"a"]
    assert memory.pending_start == 10
    lines = [line(4, "stdout", "P", "d"), line(5, "stderr", "F", "e"), line(6, "stdout", "F", "f")]
    events = joiner.join(lines, [30, 40, 50], memory)
    assert events.payloads == [b"bce", b"df"]
    assert events.tags == [(), ("continued",)]
    assert joiner.flush(memory).payloads == []


def test_traces_within_a_stream() -> None:
    """Multiline joins the lines of each stream, empty ones included, after their partials."""
    joiner, memory = Stacked(CriJoiner(), Multiline(PRESETS["go"])), JoinMemory()
    lines = [
        line(1, "stderr", "F", "panic: boom"),
        line(1, "stdout", "F", '{"message":"x"}'),
        line(1, "stderr", "F", ""),
        line(1, "stderr", "F", "goroutine 1 [running]:"),
        line(1, "stdout", "F", "a"),
        line(1, "stderr", "P", "main."),
        b"no container line",
        line(1, "stderr", "F", "main()"),
        line(2, "stderr", "F", "\t/app/main.go:5 +0x1b"),
        line(3, "stdout", "F", "b"),
    ]
    events = joiner.join(lines, range(10), memory)
    assert events.payloads == [b'{"message":"x"}', b"no container line", b"a"]
    assert memory.pending_start == 0
    events = joiner.join([line(4, "stderr", "F", "over")], [10], memory)
    trace = b"panic: boom\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:5 +0x1b"
    assert (events.payloads, events.offsets) == ([trace], [0])
    assert events.fields == [ERR]
    assert events.times == ["2026-11-21T10:00:01.5Z"]
    assert memory.pending_start == 9
    assert joiner.flush(memory).payloads == [b"b", b"over"]
    assert memory.pending_start is None


def test_a_single_line_keeps_its_id_within_a_stream() -> None:
    """Events of one line have the checksum of the line, multiline or not."""
    lines = [line(1, "stdout", "F", "#a"), line(2, "stdout", "F", "#b"), line(3, "stdout", "F", "")]
    memory = JoinMemory()
    joiner = Stacked(CriJoiner(), Multiline(by_start("^#")))
    events = joiner.join(lines, [0, 40, 80], memory)
    events.extend(joiner.flush(memory))
    plain = joined(*lines)
    assert events.checksums == plain.checksums
    assert events.payloads == plain.payloads


def test_a_stream_that_is_quiet_costs_nothing() -> None:
    """What is remembered does not grow while one stream's last line waits for its next."""
    joiner, memory = Stacked(CriJoiner(), Multiline(by_start("^#"))), JoinMemory()
    joiner.join([line(1, "stderr", "F", "#waits")], [0], memory)
    for i in range(200):
        lines = [line(2, "stdout", "F", "#a"), line(2, "stdout", "P", "b")]
        lines.append(line(2, "stdout", "F", "c"))
        joiner.join(lines, [100 * i + 50, 100 * i + 60, 100 * i + 70], memory)
    assert memory.pending_start == 0
    memory.prune()
    assert memory._spans == []
    assert joiner.flush(memory, before=50).payloads == [b"#waits"]
    assert memory.pending_start == 100 * 199 + 50


def test_an_event_ends_by_the_times_of_another_stream() -> None:
    """What a silent stream has under way is over once others were written much later."""
    joiner, memory = Stacked(CriJoiner(), Multiline(PRESETS["java"])), JoinMemory()
    lines = [
        line(1, "stderr", "F", "2026-11-21 10:00:01 ERROR failed"),
        line(1, "stderr", "F", "\tat a.b(C.java:1)"),
        line(2, "stdout", "F", "2026-11-21 10:00:02 INFO a"),
        line(3, "stdout", "F", "2026-11-21 10:00:03 INFO b"),
    ]
    events = joiner.join(lines, range(4), memory)
    assert events.payloads == [b"2026-11-21 10:00:02 INFO a"]
    events = joiner.join([line(4, "stdout", "F", "2026-11-21 10:00:04 INFO c")], [4], memory)
    trace = b"2026-11-21 10:00:01 ERROR failed\n\tat a.b(C.java:1)"
    assert events.payloads == [trace, b"2026-11-21 10:00:03 INFO b"]
    assert memory.pending_start == 4
    late = joiner.join([line(4, "stderr", "F", "\tat a.d(C.java:2)")], [5], memory)
    late.extend(joiner.flush(memory))
    assert dict(zip(late.payloads, late.tags, strict=True)) == {
        b"2026-11-21 10:00:04 INFO c": (),
        b"\tat a.d(C.java:2)": ("continued",),
    }


def test_a_partial_whose_end_never_comes_holds_nothing_back() -> None:
    """A torn text is given out when lines were written much later, and its rest is tagged."""
    joiner, memory = CriJoiner(timeout_seconds=2.0), JoinMemory()
    lines = [line(1, "stderr", "P", "torn"), line(2, "stdout", "F", "a")]
    assert joiner.join(lines, [0, 10], memory).payloads == [b"a"]
    assert memory.pending_start == 0
    events = joiner.join([line(4, "stdout", "F", "b")], [20], memory)
    assert events.payloads == [b"torn", b"b"]
    assert memory.pending_start is None
    events = joiner.join([line(5, "stderr", "F", "rest")], [30], memory)
    assert (events.payloads, events.tags) == ([b"rest"], [("continued",)])


def test_times_that_are_none_end_nothing() -> None:
    """A line that looks right and has no time of any calendar neither ends nor delays an event."""
    joiner, memory = CriJoiner(), JoinMemory()
    joiner.join([line(1, "stderr", "P", "a")], [0], memory)
    odd = b"2026-13-41T10:00:59Z stdout F b"
    assert joiner.join([odd], [10], memory).payloads == [b"b"]
    assert memory.pending_start == 0
    events = joiner.join([line(1, "stderr", "F", "c")], [20], memory)
    assert events.payloads == [b"ac"]
