"""The two ways through a route agree, and no line makes either of them fail."""

from __future__ import annotations

import json
from typing import Any

import orjson
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logship.model import Chunk, Documents
from logship.route import Route, RouteState
from logship.schema.flat import RESERVED, SCALARS, TEXTS
from logship.settings.model import IndexSettings, ProcessorSettings, SourceSettings
from tests.support.fakes import NOON, FakeClock, bulk_body
from tests.support.routes import line_by_line

DAY = "2026-11-21"
PLAIN = '"@timestamp":"2026-11-21T10:00:00Z"'
CONSTANTS: tuple[dict[str, Any], ...] = (
    {},
    {"service": "api"},
    {"environment": "production", "team": "core"},
    {"tags": ["web"], "user_id": 5, "host": "edge-1", "logger": "root"},
)


def route_of(
    fields: dict[str, Any] | None = None,
    *processors: ProcessorSettings,
    name: str = "logs-%Y.%m.%d",
    seconds: float = NOON,
    **index: Any,
) -> Route:
    source = SourceSettings(name="s", paths=("/a.log",), timezone="UTC", fields=fields or {})
    return line_by_line(
        source,
        IndexSettings(name=name, **index),
        processors,
        host_name="web-1",
        clock=FakeClock(seconds),
    )


def ordinary(route: Route) -> Route:
    route._splice = None
    return route


def run(route: Route, *datas: bytes, day: str = DAY) -> tuple[list[Documents], RouteState]:
    state = RouteState(b"seed", "/a.log")
    made, start = [], 0
    for data in datas:
        documents, end = route(Chunk(data, start, start + len(data), day, 0.0), state)
        assert end == start + len(data)
        made.append(documents)
        start = end
    return made, state


def parsed(documents: Documents) -> list[dict[str, Any]]:
    """The documents as Elasticsearch sees them: a null is as good as nothing."""
    found = []
    for position in range(len(documents)):
        document = orjson.loads(documents.document(position).source)
        found.append(
            {
                name: value
                for name, value in document.items()
                if value is not None or name not in (*TEXTS, *SCALARS, "level")
            }
        )
    return found


def compare(first: Route, second: Route, *datas: bytes) -> None:
    ours, our_state = run(first, *datas)
    others, other_state = run(second, *datas)
    for mine, other, data in zip(ours, others, datas, strict=True):
        assert mine.heads == other.heads
        assert mine.ids == other.ids
        assert mine.offsets == other.offsets
        assert parsed(mine) == parsed(other)
        expected = sum(bool(line.strip(b"\0").removesuffix(b"\r")) for line in data.split(b"\n"))
        assert len(mine) == expected
        assert mine.size_bytes == len(wire(mine))
    assert our_state.last_time == other_state.last_time


def wire(documents: Documents) -> bytes:
    if not len(documents):
        return b""
    body = bulk_body(documents, NOON)
    lines = body.split(b"\n")
    assert lines.pop() == b""
    assert len(lines) == 2 * len(documents)
    for action, source in zip(lines[::2], lines[1::2], strict=True):
        create = json.loads(action)["create"]
        assert create.keys() == {"_index", "_id"}
        assert json.loads(source)["@ingested"] == "2026-11-21T12:00:00.000Z"
    return body


# JSON text, written in all the ways that mean the same

texts = st.text(max_size=8) | st.sampled_from(
    ["", " ", "é", "日本", "😀", '"', "\\", "\n", "\x00", "\u2028", "{", "}", "}\n{", "²", "null"]
)
times = st.sampled_from(
    [
        "2026-11-21T10:00:00Z",
        "2026-11-21T10:00:00.123Z",
        "2026-11-21T10:00:00.123456789+00:00",
        "2026-11-22T00:00:00Z",
        "2026-11-23T00:00:00Z",
        "1999-12-31T23:59:59Z",
        "2000-01-01T00:00:00Z",
        "2026-02-30T10:00:00Z",
        "2026-11-21T23:59:60Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21 10:00:00,123",
        "2026/11/21 10:00:00",
        "2026-11-21T10:00:00+02:00",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "1763719200",
        "yesterday",
        "٢٠٢٦-11-21T10:00:00Z",
    ]
) | st.sampled_from([1763719200, 1763719200123, 1763719200.5, -1, 0, 10**18, 10**30, 1e300])
levels = st.sampled_from(
    ["INFO", "info", "Warn", "WARNING", "fatal", "", " error ", "²", "1" * 5000, "custom", "NOTICE"]
) | st.sampled_from([10, 30, 30.0, 35, 1e300, True])
hexes = st.sampled_from(
    [
        "4bf92f3577b34da6a3ce929d0e0e4736",
        "4BF92F3577B34DA6A3CE929D0E0E4736",
        "4bf92f35-77b3-4da6-a3ce-929d0e0e4736",
        "00f067aa0ba902b7",
        "00F067AA0BA902B7",
        "0" * 32,
        "0" * 16,
        "1" * 32,
        "-" * 32,
        " " * 16,
        "0x" + "0" * 30,
        "0x" + "0" * 14,
        "0-" * 16,
        "a-" * 16,
        "a-" * 8,
        "日本" * 16,
        "ß" * 16,
        "12345678901234567890",
        "²",
        "0",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "nothing of the kind",
    ]
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**63, max_value=2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(
    st.sampled_from(["name", "message", "type", "stack", "level", "file", "path", "ingested", "x"]),
    values,
    max_size=3,
)
names = st.sampled_from(
    [*RESERVED, *TEXTS, *SCALARS, "@timestamp", "level", "name", "team", "status", "a.b", ""]
)
anything = values | objects | times | levels | hexes
pairs = st.tuples(names | texts, anything)
pair_of_its_kind = (
    st.tuples(st.just("@timestamp"), times)
    | st.tuples(st.just("level"), levels)
    | st.tuples(st.sampled_from(["trace_id", "span_id", "traceId", "traceparent"]), hexes)
    | st.tuples(st.just("message"), texts)
)


@st.composite
def json_texts(draw: st.DrawFn, value: Any, blanks: st.SearchStrategy[str]) -> str:
    """*value* (objects as lists of pairs) as JSON with odd blanks and needless escapes."""
    gap = draw(blanks)
    if isinstance(value, Pairs):
        parts = [
            f"{gap}{draw(json_texts(name, blanks))}{gap}:{draw(json_texts(inner, blanks))}"
            for name, inner in value.pairs
        ]
        return gap + "{" + ",".join(parts) + gap + "}"
    if isinstance(value, dict):
        return draw(json_texts(Pairs(list(value.items())), blanks))
    if isinstance(value, list):
        return "[" + ",".join([draw(json_texts(item, blanks)) for item in value]) + gap + "]"
    if isinstance(value, str) and value and draw(st.integers(0, 9)) == 0:
        first = json.dumps(value[0]) if ord(value[0]) > 0xFFFF else f'"\\u{ord(value[0]):04x}"'
        return first[:-1] + json.dumps(value[1:], ensure_ascii=False)[1:]
    return gap + json.dumps(value, ensure_ascii=draw(st.booleans()))


class Pairs:
    """An object whose keys may repeat."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


FEW_BLANKS = st.sampled_from(["", "", " "])
thoroughly = settings(deadline=None, max_examples=100)


@st.composite
def lines(draw: st.DrawFn, blanks: st.SearchStrategy[str] = FEW_BLANKS) -> str:
    """A JSON line: mostly one that could be shipped as it stands, but for a pair or two."""
    found = [("@timestamp", "2026-11-21T10:00:00Z")]
    found += draw(st.lists(pair_of_its_kind, max_size=3)) + draw(st.lists(pairs, max_size=3))
    if draw(st.booleans()):
        found = found[1:]
    return draw(json_texts(Pairs(draw(st.permutations(found))), blanks)).lstrip(" ")


@thoroughly
@given(st.sampled_from(CONSTANTS), lines(), st.sampled_from(["\n", "\r\n", ""]))
@example({"service": "api"}, f'{{{PLAIN},"service":{{"name":"x"}}}}', "\n")
@example({"service": "api"}, f'{{{PLAIN},"service":null}}', "\n")
@example({"tags": ["web"]}, f'{{{PLAIN},"tags":"other"}}', "\n")
@example({}, f'{{{PLAIN},"\\u0074ags":"x"}}', "\n")
@example({}, f'{{{PLAIN},"trace_id":"{"-" * 32}"}}', "\n")
@example({}, f'{{{PLAIN},"error.message":{{"a":1}}}}', "\n")
def test_one_line_is_the_same_document_either_way(
    constants: dict[str, Any], line: str, end: str
) -> None:
    """Shipping a line's own bytes gives what parsing and encoding it would have given."""
    data = (line + end).encode()
    compare(route_of(constants), ordinary(route_of(constants)), data)


@thoroughly
@given(
    st.sampled_from(CONSTANTS),
    st.lists(
        lines(st.sampled_from(["", " ", "\n", "\r", "\r\n"])) | texts | st.just(f"{{{PLAIN}}}"),
        min_size=1,
        max_size=5,
    ),
    st.lists(st.sampled_from(["\n", "\n", " ", "", "\n\n", "\r\n", "\0"]), min_size=5, max_size=5),
)
@example({}, [f'{{{PLAIN},"a":\n{{"b":1}}}} {{{PLAIN}}}'], ["\n"] * 5)
@example({}, [f'{{{PLAIN},"a":\n{{"b":1}}}}\r{{{PLAIN}}}'], ["\n"] * 5)
@example({}, [f"{{{PLAIN}}}", f"{{{PLAIN}}}", f"{{{PLAIN}}}"], ["\n\n", "", "\n", "\n", "\n"])
def test_lines_stay_lines(constants: dict[str, Any], found: list[str], between: list[str]) -> None:
    """Values over several lines, or several on one, never shift the documents of others."""
    text = "".join(one + gap for one, gap in zip(found, between, strict=False))
    data = text.encode()
    compare(route_of(constants), ordinary(route_of(constants)), data, data + b"\n")


nearly_plain = st.fixed_dictionaries(
    {"@timestamp": st.sampled_from(["2026-11-21T10:00:00Z", "2026-11-21T10:00:00.5Z"]) | times},
    optional={
        "trace_id": st.just("4bf92f3577b34da6a3ce929d0e0e4736") | hexes,
        "span_id": st.just("00f067aa0ba902b7") | hexes,
        "level": st.just("INFO") | levels,
        "environment": st.just("test") | values,
        "user_id": scalars,
    },
)


@thoroughly
@given(st.sampled_from(CONSTANTS), st.lists(nearly_plain, min_size=1, max_size=5))
@example(CONSTANTS[2], [{"@timestamp": "2026-11-21T10:00:00Z"}, {"environment": "test"}])
@example({}, [{"trace_id": "4BF92F3577B34DA6A3CE929D0E0E4736"}, {}])
@example({}, [{"span_id": "00F067AA0BA902B7"}, {"span_id": "00f067aa0ba902b7"}])
@example({}, [{"@timestamp": "2026-11-21T10:00:00Z"}, {"@timestamp": "2026-11-22T10:00:00Z"}])
@example({}, [{"@timestamp": "2026-11-21T10:00:00Z"}, {"@timestamp": "2026-11-23T10:00:00Z"}])
def test_a_chunk_of_nearly_plain_lines(
    constants: dict[str, Any], records: list[dict[str, Any]]
) -> None:
    """What is decided for a whole chunk at once is what would be decided for each line."""
    plain = {"@timestamp": "2026-11-21T10:00:00Z"}
    data = b"".join(json.dumps({**plain, **record}).encode() + b"\n" for record in records)
    compare(route_of(constants), ordinary(route_of(constants)), data, data)


@thoroughly
@given(st.lists(st.binary(max_size=40) | lines().map(str.encode), max_size=4), st.data())
@example([f'{{{PLAIN},"n":1e999}}'.encode()], None)
@example([b'{"level":"\xc2\xb2"}'], None)
@example([b'{"error":{"stack_trace":"a","stack":null}}'], None)
@example([b'{"message":' + b"[" * 300 + b"]" * 300 + b"}"], None)
@example([b'{"a":' * 1200 + b"1" + b"}" * 1200], None)
@example([b'{"user_id":' + b"1" * 5000 + b"}"], None)
def test_a_route_never_raises(parts: list[bytes], data: Any) -> None:
    """Whatever bytes lie in a file, each line that is not empty becomes one document."""
    text = bytearray(b"\n".join(parts))
    if data is not None and text:
        for _ in range(data.draw(st.integers(0, 3))):
            text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    for route in (route_of(), ordinary(route_of()), route_of({"service": "api", "extra": "x"})):
        (documents, *_), _ = run(route, bytes(text))
        wire(documents)
        count = sum(bool(line.lstrip(b"\0").removesuffix(b"\r")) for line in text.split(b"\n"))
        assert len(documents) == count


@thoroughly
@given(
    st.text(st.characters(), max_size=20) | st.just('a"b\\c\nd\0e\udcff'),
    st.dictionaries(st.sampled_from(["service", "level"]), texts | st.text(max_size=120)),
)
@example('/var/log/"quoted"\n\udcff.log', {"service": 'a"b\n\0c/../{x}\ud7ff'})
def test_the_bulk_body_is_ndjson_whatever_names_hold(path: str, record: dict[str, Any]) -> None:
    """Neither a file's path nor a field in the index name can break an action or source line."""
    route = route_of(name="{service}-{level}-%Y.%m.%d")
    state = RouteState(b"seed", path)
    data = orjson.dumps(record) + b"\n"
    documents, _ = route(Chunk(data, 0, len(data), DAY, 0.0), state)
    wire(documents)
    index = documents.document(0).index
    assert index == index.lower()
    assert not set(index) & set('\\/*?"<>| ,#:\0\n')
    assert index[0] not in "-_+."


@thoroughly
@given(
    st.lists(lines().map(str.encode) | st.just(b"no time here"), min_size=1, max_size=4),
    st.sampled_from(["logs-%Y.%m.%d", "logs-%Y.%m.%d-%H", "{service}-%Y.%m.%d"]),
    st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Kiritimati", "America/St_Johns"]),
    st.sampled_from([DAY, f"2026-11-14/{DAY}"]),
    st.floats(min_value=-3e6, max_value=3e8),
    st.none() | st.floats(min_value=0, max_value=3e6),
    st.booleans(),
)
def test_a_replay_changes_neither_ids_nor_indices(
    found: list[bytes],
    name: str,
    timezone: str,
    day: str,
    later: float,
    accept_past: float | None,
    starts_in_the_middle: bool,
) -> None:
    """Routed again, at another time and by another run, a line has its id and its index."""
    options: dict[str, Any] = {"timezone": timezone, "accept_past_seconds": accept_past}
    datas = [line.replace(b"\n", b" ") + b"\n" for line in found]
    once, state = run(route_of(name=name, **options), *datas, day=day)
    again = route_of(name=name, seconds=NOON + later, **options)
    ids = [id_ for documents in once for id_ in documents.ids]
    heads = [head for documents in once for head in documents.heads]
    if starts_in_the_middle:
        first = run(route_of(name=name, **options), datas[0], day=day)[1]
        state = RouteState(b"seed", "/a.log", first.last_time)
        rest = b"".join(datas[1:])
        start = len(datas[0])
        ids, heads = ids[len(once[0]) :], heads[len(once[0]) :]
    else:
        state, rest, start = RouteState(b"seed", "/a.log"), b"".join(datas), 0
    documents, _ = again(Chunk(rest, start, start + len(rest), day, 0.0), state)
    assert documents.ids == ids
    assert documents.heads == heads
