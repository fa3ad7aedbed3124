"""What holds for every joiner, however lines come in."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from itertools import accumulate, pairwise

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logship.parsers.containers import Stacked
from logship.parsers.cri import CriJoiner
from logship.parsers.docker import DockerJoiner
from logship.parsers.events import Events, Joiner, JoinMemory, Limits
from logship.parsers.multiline import Multiline
from logship.parsers.multiline_presets import PRESETS, by_continuation, by_end, by_start

LIMITS = Limits(max_lines=6, max_bytes=160)

TEXT_JOINERS: dict[str, Callable[[], Joiner]] = {
    "start": lambda: Multiline(by_start("^20"), LIMITS),
    "continuation": lambda: Multiline(by_continuation(r"^\s"), LIMITS),
    "end": lambda: Multiline(by_end(r"^\S*$"), LIMITS),
    **{
        name: (lambda grouping=grouping: Multiline(grouping, LIMITS))  # type: ignore[misc]
        for name, grouping in PRESETS.items()
    },
}
CRI_JOINERS: dict[str, Callable[[], Joiner]] = {
    "cri": lambda: CriJoiner(max_bytes=40),
    "cri, java": lambda: Stacked(CriJoiner(max_bytes=40), Multiline(PRESETS["java"], LIMITS)),
    "cri, go": lambda: Stacked(CriJoiner(max_bytes=40), Multiline(PRESETS["go"], LIMITS)),
    "cri, end": lambda: Stacked(CriJoiner(max_bytes=40), Multiline(by_end(r"^\S*$"), LIMITS)),
}
DOCKER_JOINERS: dict[str, Callable[[], Joiner]] = {
    "docker": lambda: DockerJoiner(max_bytes=40),
    "docker, java": lambda: Stacked(DockerJoiner(), Multiline(PRESETS["java"], LIMITS)),
}

TEXTS = st.sampled_from(
    [
        "2026-11-21 10:00:00 INFO a", "plain", "", " ", "\r", "  indented ä€", '{"a":1}', "}",
        "x.y.Exception: b", "\tat c.d(E.java:1)", "Caused by: f.Exception", "\t... 2 more",
        "Traceback (most recent call last):", '  File "a.py", line 1', "ValueError: g",
        "During handling of the above exception, another exception occurred:",
        "panic: h", "goroutine 1 [running]:", "main.main()", "\t/a/b.go:1 +0x1", "exit status 2",
        "/a/b.js:3", "Error: i", "    at j (k:1:1) {", "Node.js v20.0.0",
        "a.rb:1:in 'b': c (D)", "\tfrom a.rb:2:in 'e'", "a.rb:3:in 'f'", "G (h):", "Causes:",
        "fail: A[1]", " ---> B.Exception: c", "--- End of stack trace", "Stack trace:", "#0 {main}",
        "Next A in b", "x" * 70,
    ]
)  # fmt: skip
STREAMS = st.sampled_from(["stdout", "stderr"])
TEXT_LINES = TEXTS.map(str.encode)
# Mostly one moment; now and then later, earlier, or none.
TIMES = st.sampled_from(
    [*["2026-11-21T10:00:00.1Z"] * 4, "2026-11-21T10:00:02.2Z", "2026-11-21T10:00:05Z",
     "2026-11-21T11:00:09.5+01:00", "2026-13-41T10:00:00Z"]
)  # fmt: skip
CRI_LINES = st.builds(
    lambda time, stream, flag, text: f"{time} {stream} {flag} {text}".encode(),
    TIMES, STREAMS, st.sampled_from(["F", "F", "P", "F:x"]), TEXTS,
) | st.sampled_from([b"", b"odd", b"2026-11-21T10:00:00Z stdout F"])  # fmt: skip
DOCKER_LINES = st.builds(
    lambda time, stream, end, text: orjson.dumps(
        {"log": text + end, "stream": stream, "time": time}
    ),
    TIMES | st.sampled_from([None, "t", "2026-11-21T10:00:04"]),
    STREAMS, st.sampled_from(["\n", "\n", ""]), TEXTS,
) | st.sampled_from([b"", b"odd", b"{}"])  # fmt: skip


def cases(
    joiners: dict[str, Callable[[], Joiner]], lines: st.SearchStrategy[bytes]
) -> st.SearchStrategy[tuple[Callable[[], Joiner], list[bytes]]]:
    names = st.sampled_from(sorted(joiners))
    return st.tuples(names.map(joiners.__getitem__), st.lists(lines, max_size=25))


CASES = (
    cases(TEXT_JOINERS, TEXT_LINES)
    | cases(CRI_JOINERS, CRI_LINES)
    | cases(DOCKER_JOINERS, DOCKER_LINES)
)
CUTS = st.sets(st.integers(0, 25))
INTERLEAVED = [
    f"2026-11-21T10:00:00.1Z {stream} {flag} plain".encode()
    for stream, flag in (("stderr", "P"), ("stdout", "P"), ("stderr", "F"), ("stderr", "F"))
]


def offsets_of(lines: list[bytes]) -> list[int]:
    return list(accumulate([len(line) + 1 for line in lines], initial=0))


def in_pieces(
    joiner: Joiner, lines: list[bytes], cuts: set[int], memory: JoinMemory, begin: int = 0
) -> Events:
    """What the lines from *begin* on complete, joined in as many calls as there are cuts."""
    offsets = offsets_of(lines)[:-1]
    events = Events()
    ends = sorted({begin, len(lines)} | {cut for cut in cuts if begin < cut < len(lines)})
    for start, stop in pairwise(ends):
        events.extend(joiner.join(lines[start:stop], offsets[start:stop], memory))
    return events


@settings(deadline=None)
@given(CASES, CUTS, CUTS, st.integers(0, 25))
def test_checksums_of_the_file(
    case: tuple[Callable[[], Joiner], list[bytes]], cuts: set[int], cuts_again: set[int], end: int
) -> None:
    """Given the checksums of what stands in the file, ids are made of these and nothing else."""
    make, lines = case
    offsets = offsets_of(lines)
    own = [zlib.crc32(b"in another encoding " + line) for line in lines]

    def joined(begin: int, cuts: set[int], memory: JoinMemory, stop: int) -> Events:
        joiner, events = make(), Events()
        for start, after in pairwise(sorted({begin, stop} | {c for c in cuts if begin < c < stop})):
            events.extend(
                joiner.join(lines[start:after], offsets[start:after], memory, own[start:after])
            )
        return events

    memory, end = JoinMemory(), min(end, len(lines))
    found = joined(0, cuts, memory, end)
    confirmed = offsets[end] if memory.pending_start is None else memory.pending_start
    rest = joined(end, cuts, memory, len(lines))
    rest.extend(make().flush(memory))
    for offset, checksum, _ in ids(found):
        assert checksum != zlib.crc32(lines[offsets.index(offset)])
    whole = JoinMemory()
    plain = in_pieces(make(), lines, set(), whole)
    plain.extend(make().flush(whole))
    found_all = sorted(ids(found) + ids(rest))
    assert [(at, text) for at, _, text in found_all] == sorted(
        (at, text) for at, _, text in ids(plain)
    )
    again = JoinMemory()
    replayed = joined(offsets.index(confirmed), cuts_again, again, len(lines))
    replayed.extend(make().flush(again))
    assert sorted(ids(replayed)) == [event for event in found_all if event[0] >= confirmed]


def ids(events: Events) -> list[tuple[int, int, bytes]]:
    return list(zip(events.offsets, events.checksums, events.payloads, strict=True))


@settings(deadline=None)
@given(CASES, CUTS)
@example((CRI_JOINERS["cri, java"], INTERLEAVED), {1, 2, 3})
def test_cuts_do_not_matter(case: tuple[Callable[[], Joiner], list[bytes]], cuts: set[int]) -> None:
    """The same lines are the same events, however they are cut into calls."""
    make, lines = case
    whole, pieces = JoinMemory(), JoinMemory()
    expected, found = in_pieces(make(), lines, set(), whole), in_pieces(make(), lines, cuts, pieces)
    assert found == expected
    assert pieces.pending_start == whole.pending_start
    assert make().flush(pieces) == make().flush(whole)


@settings(deadline=None)
@given(CASES, CUTS, st.integers(0, 25), CUTS)
@example((CRI_JOINERS["cri"], INTERLEAVED), {1}, 3, set())
def test_reading_again(
    case: tuple[Callable[[], Joiner], list[bytes]], cuts: set[int], end: int, cuts_again: set[int]
) -> None:
    """From where the content is confirmed, reading again gives what is left and nothing else."""
    make, lines = case
    end = min(end, len(lines))
    memory = JoinMemory()
    joiner = make()
    before = in_pieces(joiner, lines[:end], cuts, memory)
    offsets = offsets_of(lines)
    confirmed = offsets[end] if memory.pending_start is None else memory.pending_start
    rest = in_pieces(joiner, lines, cuts, memory, begin=end)
    rest.extend(joiner.flush(memory))

    again, joiner = JoinMemory(), make()
    found = in_pieces(joiner, lines, cuts_again, again, begin=offsets.index(confirmed))
    found.extend(joiner.flush(again))
    later = [event for event in ids(before) if event[0] >= confirmed]
    assert sorted(ids(found)) == sorted(later + ids(rest))


@settings(deadline=None)
@given(CASES, CUTS, st.integers(0, 25), st.integers(0, 25), st.none() | st.integers(0, 25), CUTS)
@example((CRI_JOINERS["cri"], INTERLEAVED), set(), 3, 2, 1, set())
def test_reading_again_over_a_split(
    case: tuple[Callable[[], Joiner], list[bytes]],
    cuts: set[int],
    end: int,
    split: int,
    before: int | None,
    cuts_again: set[int],
) -> None:
    """A split at the same place, with the same bound, gives the same events again."""
    make, lines = case
    end, split = min(end, len(lines)), min(split, len(lines))
    offsets = offsets_of(lines)
    bound = None if before is None else offsets[min(before, len(lines))]

    def played(begin: int, stop: int, memory: JoinMemory, cuts: set[int]) -> Events:
        joiner = make()
        if not begin <= split < stop:
            return in_pieces(joiner, lines[:stop], cuts, memory, begin)
        events = in_pieces(joiner, lines[:split], cuts, memory, begin)
        events.extend(joiner.flush(memory, bound))
        events.extend(in_pieces(joiner, lines[:stop], cuts, memory, split))
        return events

    memory = JoinMemory()
    before_end = played(0, end, memory, cuts)
    confirmed = offsets[end] if memory.pending_start is None else memory.pending_start
    rest = played(end, len(lines), memory, cuts)
    rest.extend(make().flush(memory))

    again = JoinMemory()
    found = played(offsets.index(confirmed), len(lines), again, cuts_again)
    found.extend(make().flush(again))
    later = [event for event in ids(before_end) if event[0] >= confirmed]
    assert sorted(ids(found)) == sorted(later + ids(rest))


@settings(deadline=None)
@given(CASES, CUTS, st.integers(0, 25), st.none() | st.integers(0, 600))
def test_after_a_split(
    case: tuple[Callable[[], Joiner], list[bytes]], cuts: set[int], end: int, before: int | None
) -> None:
    """Where all was given out early, what follows does not depend on what came before."""
    make, lines = case
    end = min(end, len(lines))
    memory, joiner = JoinMemory(), make()
    in_pieces(joiner, lines[:end], cuts, memory)
    joiner.flush(memory, before)
    left = set(memory.open)
    joiner.flush(memory)
    assert memory.pending_start is None
    assert (before is not None) or not left
    after = in_pieces(joiner, lines, cuts, memory, begin=end)
    afresh = in_pieces(make(), lines, set(), JoinMemory(), begin=end)
    assert ids(after) == ids(afresh)


@settings(deadline=None)
@given(st.lists(TEXT_LINES, max_size=25), st.sampled_from(sorted(TEXT_JOINERS)), CUTS)
def test_no_line_is_lost(lines: list[bytes], name: str, cuts: set[int]) -> None:
    """Multiline events lie one after the other, and hold every line that is not empty."""
    grouping = {**PRESETS, "start": by_start("^20"), "continuation": by_continuation(r"^\s")}
    joiner = Multiline(grouping.get(name, by_end(r"^\S*$")))
    memory = JoinMemory()
    events = in_pieces(joiner, lines, cuts, memory)
    events.extend(joiner.flush(memory))
    data = b"\n".join(lines)
    held = 0
    for offset, checksum, payload in ids(events):
        assert not data[held:offset].strip(b"\r\n")
        # The bytes end where their checksum is right.
        held = next(
            end
            for end in range(offset + len(payload), len(data) + 1)
            if zlib.crc32(data[offset:end]) == checksum
        )
        assert data[offset:held].replace(b"\r\n", b"\n").strip(b"\r\n") == payload
    assert not data[held:].strip(b"\r\n")
