"""From bytes to ids, through tailer and route: a replay from any confirmed offset adds none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from logship.lines import LineForm, line_form
from logship.model import Chunk
from logship.route import Route, RouteState
from logship.settings.model import IndexSettings, MultilineSettings, SourceSettings
from logship.sources.file.identity import fingerprint_of
from tests.support.fakes import FakeClock
from tests.support.routes import line_by_line
from tests.support.tailing import read

FORMATS: tuple[dict[str, Any], ...] = (
    {"format": "text"},
    {"format": "auto"},
    {"format": "text", "multiline": MultilineSettings(start="^2026", max_lines=3)},
    {"format": "text", "multiline": MultilineSettings(preset="java", max_bytes=1024)},
    {"format": "cri"},
    {"format": "cri", "multiline": MultilineSettings(preset="java")},
    {"format": "docker", "multiline": MultilineSettings(preset="indented")},
)
FORMS = [
    line_form(encoding, delimiter)
    for encoding in ("utf-8", "utf-16-le", "utf-16", "gb18030")
    for delimiter in ("\n", "\r\n", "\0")
]
LINES = (
    "2026-11-21 10:00:00 ERROR größer 一\u0a00", "\tat a.B.c(B.java:1)", "x.y.Exception: b",
    "plain", "",
    '{"message":"json","level":"INFO"}', '{\n"message": "pretty"\n}', "x" * 90, " indented",
    "2026-11-21T10:00:00.1Z stdout F 2026-11-21 10:00:00 INFO a",
    "2026-11-21T10:00:00.2Z stderr F x.y.Exception: b",
    "2026-11-21T10:00:00.3Z stderr F \tat a.B.c(B.java:1)",
    "2026-11-21T10:00:00.4Z stdout P begun ", "2026-11-21T10:00:00.5Z stdout F over",
    "2026-11-21T10:00:09Z stdout F late", "2026-11-21T10:00:19Z stderr P later",
    '{"log":"a\\n","stream":"stdout","time":"2026-11-21T10:00:00Z"}',
    '{"log":"  b","stream":"stderr","time":"2026-11-21T10:00:01Z"}',
    '{"log":"  c\\n","stream":"stdout","time":"2026-11-21T10:00:08Z"}',
)  # fmt: skip
SIZES = st.lists(st.integers(1, 120), min_size=1, max_size=5)


def route_of(options: dict[str, Any]) -> Route:
    source = SourceSettings(name="s", paths=("/a.log",), timezone="UTC", **options)
    return line_by_line(source, IndexSettings(), (), host_name="web-1", clock=FakeClock())


def chunks_of(
    form: LineForm, data: bytes, sizes: Sequence[int], start: int, splits: list[tuple[int, int]]
) -> list[Chunk]:
    """What a tailer gives out of *data* from *start* on; lines over 100 bytes are cut."""
    beginning = fingerprint_of(data[: max(4, min(start, 1024))])
    reading = read(
        data, sizes, start=start, form=form, fingerprint=beginning, splits=splits, max_line=100
    )
    assert not reading.is_rewritten
    return reading.chunks


def ids_from(
    form: LineForm, options: dict[str, Any], data: bytes, sizes: Sequence[int], start: int,
    splits: list[tuple[int, int]],
) -> tuple[list[bytes], list[tuple[int, int]]]:  # fmt: skip
    """The ids from *start* on, and after each chunk: (how many there were, what is confirmed)."""
    route, state = route_of(options), RouteState(b"SEEDSEED00", "/a.log")
    state.begin_at(start, b"")
    ids: list[bytes] = []
    confirmed = [(0, start)]
    for chunk in chunks_of(form, data, sizes, start, splits):
        documents, end = route(chunk, state)
        ids += documents.ids
        confirmed.append((len(ids), end))
    ids += route.flush(state, "2026-11-18").ids
    return ids, confirmed


@settings(max_examples=2 * settings().max_examples)
@given(
    st.sampled_from(FORMS), st.sampled_from(FORMATS), st.lists(st.sampled_from(LINES), max_size=14),
    SIZES, SIZES, st.data(),
)  # fmt: skip
@example(FORMS[3], FORMATS[5], list(LINES[9:15]), [7], [1 << 20], None)
@example(FORMS[2], FORMATS[2], [LINES[0], "", LINES[1]], [1], [4], None).via("empty or a hole")
def test_a_replay_adds_nothing_and_misses_nothing(
    form: LineForm, options: dict[str, Any], lines: list[str], sizes: list[int], again: list[int],
    more: st.DataObject | None,
) -> None:  # fmt: skip
    """Whatever the encoding, the delimiter, the reads, what joins lines, and where a timeout
    ended an event: read again from what is confirmed, there are the same ids and no other.
    """
    coded = form.encoding if form.encoding != "utf-16" else "utf-16-le"
    text = "".join(line + form.delimiter.decode(coded) for line in lines)
    data = (b"\xff\xfe" if form.encoding == "utf-16" else b"") + text.encode(coded)
    splits: list[tuple[int, int]] = []
    if more is not None and data:
        splits = [(0, more.draw(st.integers(1, len(data))))]
    ids, confirmed = ids_from(form, options, data, sizes, 0, splits)
    assert len(ids) == len(set(ids))
    for count, offset in sorted(set(confirmed)):
        replayed, _ = ids_from(form, options, data, again, offset, splits)
        assert set(ids[count:]) <= set(replayed), offset
        assert set(replayed) <= set(ids), offset
