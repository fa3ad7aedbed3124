from __future__ import annotations

import zlib
from typing import Any

import orjson
import pytest

from logship.ids import event_ids
from logship.interfaces import Record
from logship.model import EXPIRED_HEAD, Chunk, Documents
from logship.parsers import PARSERS
from logship.route import Route, RouteState
from logship.route.state import AcceptWindow
from logship.settings.model import IndexSettings, ProcessorSettings, SourceSettings
from logship.sinks.index_names import IndexNames
from tests.support.fakes import NOON, FakeClock
from tests.support.routes import line_by_line

DAY = "2026-11-21"
PLAIN = b'{"@timestamp":"2026-11-21T10:00:00Z","level":"INFO","message":"m"}'
TEXT = b"2026-11-21T09:00:00Z INFO up"


def route_of(
    *processors: ProcessorSettings,
    format: str = "auto",  # noqa: A002 (as in the settings)
    fields: dict[str, Any] | None = None,
    clock: FakeClock | None = None,
    stable_ids: bool = True,
    timezone: str = "UTC",
    **index: Any,
) -> Route:
    source: Any = SourceSettings(
        name="s",
        paths=("/a.log",),
        format=format,  # type: ignore[arg-type]
        timezone=timezone,
        fields=fields or {},
    )
    return line_by_line(
        source,
        IndexSettings(**index),
        processors,
        host_name="web-1",
        clock=clock or FakeClock(),
        stable_ids=stable_ids,
    )


def state_of(**values: Any) -> RouteState:
    return RouteState(b"SEEDSEED00", "/a.log", **values)


def routed(route: Route, data: bytes, state: RouteState | None = None, **chunk: Any) -> Documents:
    given: dict[str, Any] = {"start": 0, "day": DAY, "read_at": 3.0, **chunk}
    given.setdefault("end", given["start"] + len(data))
    documents, _ = route(Chunk(data, **given), state or state_of())
    return documents


def sources(documents: Documents) -> list[dict[str, Any]]:
    return [orjson.loads(documents.document(i).source) for i in range(len(documents))]


def indices(documents: Documents) -> list[str]:
    return [documents.document(i).index for i in range(len(documents))]


@pytest.mark.parametrize("splices", [True, False])
def test_a_document_is_pinned(splices: bool) -> None:
    """A line has its seed, offset and checksum in its id, and says where it stands."""
    route = route_of()
    if not splices:
        route._splice = None
    documents = routed(route, PLAIN + b"\n", start=283)
    document = documents.document(0)
    assert document.index == "logs-2026.11.21"
    assert document.id == "SEEDSEED00" + event_ids([283], [zlib.crc32(PLAIN)])[0].decode()
    assert document.source == (
        b'{"host.name":"web-1","log.file.path":"/a.log","log.offset":283,' + PLAIN[1:]
    )
    assert (documents.read_at, documents.runs) == (3.0, [])


def test_checksums_are_over_the_bytes_as_they_stand() -> None:
    """A carriage return belongs to the line's bytes, and not to its text."""
    documents = routed(route_of(format="text"), b"hello\r\n")
    assert documents.ids == event_ids([0], [zlib.crc32(b"hello\r")])
    assert sources(documents)[0]["message"] == "hello"


def test_offsets_are_those_of_the_lines() -> None:
    """Empty lines are no records, and those that follow keep their offsets."""
    documents = routed(route_of(), b"\n" + TEXT + b"\n\r\n\n" + PLAIN + b"\n" + TEXT, start=100)
    second = 101 + len(TEXT) + 1 + 2 + 1
    assert [one["log.offset"] for one in sources(documents)] == [
        101,
        second,
        second + len(PLAIN) + 1,
    ]


@pytest.mark.parametrize("line", [TEXT, PLAIN])
def test_holes_are_skipped(line: bytes) -> None:
    """NUL bytes before a line are no part of it: offset and checksum begin after them."""
    route = route_of()
    documents = routed(route, b"\0" * 10 + line + b"\n" + b"\0" * 5 + b"\n" + line, start=50)
    second = 60 + len(line) + 1 + 6
    crc = zlib.crc32(line)
    assert documents.ids == event_ids([60, second], [crc, crc])
    assert [one["log.offset"] for one in sources(documents)] == [60, second]
    assert route.skipped_nul_bytes == 15


def test_cut_line_has_the_checksum_of_all_of_it() -> None:
    """A line that was longer than allowed is a document of its own, tagged, with its own id."""
    documents = routed(route_of(), PLAIN[:40] + b"\n", is_cut=True, crc=12345, start=7, end=9999)
    assert documents.ids == event_ids([7], [12345])
    (document,) = sources(documents)
    assert document["tags"][0] == "cut"
    assert document["message"] == PLAIN[:40].decode()


def test_rest_of_a_line_says_so() -> None:
    """What continues a line that was shipped already is tagged; the lines after it are not."""
    documents = routed(route_of(), b"rest\n" + PLAIN + b"\n", is_continued=True)
    assert [one.get("tags", []) for one in sources(documents)] == [
        ["continued", "time_of_reading"],
        [],
    ]
    whole = routed(route_of(), PLAIN + b"\n", is_continued=True)
    assert sources(whole)[0]["tags"] == ["continued"]


def test_ids_may_be_left_to_elasticsearch() -> None:
    """Without stable ids there is no id in any action."""
    documents = routed(route_of(stable_ids=False), PLAIN + b"\n" + TEXT + b"\n")
    assert [documents.document(i).id for i in range(2)] == ["", ""]
    assert b"_id" not in b"".join(documents.heads)


# Times


def test_records_without_time_inherit_the_last_one() -> None:
    """The time of the record before is taken over, within a chunk and from the last one."""
    state = state_of()
    route = route_of()
    data = b"banner\n" + PLAIN + b'\n{"message":"no time"}\nnor here\n'
    first, second, third, fourth = sources(routed(route, data, state))
    assert first["tags"] == ["time_of_reading"]
    assert first["@timestamp"] == "2026-11-21T12:00:00.000Z"
    assert "tags" not in second
    assert third["tags"] == fourth["tags"] == ["time_inherited"]
    assert third["@timestamp"] == fourth["@timestamp"] == "2026-11-21T10:00:00Z"
    assert state.last_time == "2026-11-21T10:00:00Z"
    (later,) = sources(routed(route, b"still none\n", state, start=len(data)))
    assert later["@timestamp"] == "2026-11-21T10:00:00Z"
    resumed = state_of(last_time="2026-11-20T10:00:00Z")
    documents = routed(route, b"none\n", resumed)
    assert indices(documents) == ["logs-2026.11.20"]


def test_plain_records_pass_their_time_on() -> None:
    """Also the time of a record whose bytes were not touched is inherited."""
    state = state_of()
    route = route_of()
    routed(route, PLAIN + b"\n" + PLAIN.replace(b"10:00:00", b"10:00:07") + b"\n", state)
    (after,) = sources(routed(route, b"none\n", state, start=200))
    assert after["@timestamp"] == "2026-11-21T10:00:07Z"


@pytest.mark.parametrize(
    ("seconds", "day", "expected"),
    [
        (NOON, DAY, "2026-11-21T12:00:00.000Z"),
        (NOON + 86_400, DAY, "2026-11-21T23:59:59.999Z"),
        (NOON - 86_400, DAY, "2026-11-21T00:00:00.000Z"),
        (NOON, f"2026-11-14/{DAY}", "2026-11-14T23:59:59.999Z"),
    ],
)
def test_time_of_reading_stays_within_the_marks_day(
    seconds: float, day: str, expected: str
) -> None:
    """Read again on another day, a record without any time goes into the same index."""
    documents = routed(route_of(clock=FakeClock(seconds)), b"none\n", day=day)
    assert sources(documents)[0]["@timestamp"] == expected
    assert indices(documents) == [f"logs-{day[:10].replace('-', '.')}"]


@pytest.mark.parametrize("hours", [0, 5, 11, 13, 23, 40])
@pytest.mark.parametrize("name", ["logs-%Y.%m.%d-%H", "{service}-%Y.%m.%d-%H"])
def test_index_of_a_record_without_time_depends_on_the_mark_alone(hours: int, name: str) -> None:
    """Under hourly names, too, the moment of reading decides nothing."""
    clock = FakeClock(NOON + (hours - 12) * 3600)
    route = route_of(clock=clock, name=name, fields={"service": "a"})
    (index,) = indices(routed(route, b"none\n"))
    assert index.endswith("-2026.11.21-12")


@pytest.mark.parametrize(
    ("time", "options", "is_believed"),
    [
        ("2026-11-22T23:59:59Z", {}, True),
        ("2026-11-23T00:00:00Z", {}, False),
        ("2026-11-22T00:00:00Z", {"accept_future_seconds": 0.0}, False),
        ("2000-01-01T00:00:00Z", {}, True),
        ("1999-12-31T23:59:59Z", {}, False),
        ("2026-11-14T00:00:00Z", {"accept_past_seconds": 7 * 86_400.0}, True),
        ("2026-11-13T23:59:59Z", {"accept_past_seconds": 7 * 86_400.0}, False),
        ("2026-02-30T10:00:00Z", {}, False),
        ("0001-01-01T00:00:00Z", {}, False),
        ("9999-12-31T23:59:59Z", {}, False),
        ("9999-12-31T23:59:59Z", {"timezone": "Pacific/Kiritimati"}, False),
        (
            "9999-12-31T23:59:59Z",
            {"timezone": "Pacific/Kiritimati", "accept_future_seconds": 1e15},
            False,
        ),
        ("gibberish", {}, False),
    ],
)
@pytest.mark.parametrize("splices", [True, False])
def test_times_that_are_not_believed(
    time: str, options: dict[str, Any], is_believed: bool, splices: bool
) -> None:
    """Times outside of the window count as none, and are kept beside the one in their place."""
    index = {name: value for name, value in options.items() if name != "timezone"}
    route = route_of(**index)
    if "timezone" in options:
        route = route_with_index_zone(options["timezone"], **index)
    if not splices:
        route._splice = None
    data = orjson.dumps({"@timestamp": time, "message": "m"}) + b"\n"
    (document,) = sources(routed(route, data))
    if is_believed:
        assert document["@timestamp"] == time
        assert "tags" not in document
    else:
        assert document["extra"] == {"@timestamp": time}
        assert document["tags"] == ["time_of_reading"]


def route_with_index_zone(timezone: str, **index: Any) -> Route:
    source = SourceSettings(name="s", paths=("/a.log",))
    settings = IndexSettings(timezone=timezone, **index)
    return line_by_line(source, settings, (), host_name="web-1", clock=FakeClock())


def test_a_record_of_the_reading_day_opens_no_door() -> None:
    """What was made for a record without a time does not make another record's time believed."""
    route = route_of(accept_past_seconds=0.0)
    state = state_of()
    mark = "2026-11-14/2026-11-21"
    first = routed(route, b"none\n", state, day=mark)
    assert indices(first) == ["logs-2026.11.14"]
    data = b'{"@timestamp":"2026-11-13T10:00:00Z"}\n'
    (document,) = sources(routed(route, data, state, day=mark, start=5))
    assert "time_of_reading" in document["tags"]


def test_a_new_day_is_a_new_window() -> None:
    """What was believed under one mark is measured anew under the next."""
    route, state = route_of(accept_past_seconds=0.0), state_of()
    assert "tags" not in sources(routed(route, PLAIN + b"\n", state))[0]
    later = sources(routed(route, PLAIN + b"\n", state, start=100, day="2026-11-22"))[0]
    assert later["tags"] == ["time_of_reading"]
    assert later["@timestamp"] == "2026-11-22T00:00:00.000Z"


def test_times_without_a_zone_are_the_sources() -> None:
    """A naive time is read in the time zone of the source."""
    route = route_of(timezone="Europe/Berlin")
    documents = routed(route, b"2026-11-21 00:30:00 INFO x\n")
    assert sources(documents)[0]["@timestamp"] == "2026-11-20T23:30:00Z"
    assert indices(documents) == ["logs-2026.11.20"]


# Fields


def test_fields_of_the_settings_join_untouched_bytes() -> None:
    """What a source adds stands before the record's own bytes, unless the record has it."""
    route = route_of(fields={"service": "api", "labels": {"a": 1}})
    own = PLAIN.replace(b'"message"', b'"service":"own","message"')
    first, second = (routed(route, line + b"\n").document(0).source for line in (PLAIN, own))
    before = b'{"host.name":"web-1","service":"api","labels":{"a":1},"log.file.path":"/a.log",'
    assert first == before + b'"log.offset":0,' + PLAIN[1:]
    assert orjson.loads(second)["service"] == "own"
    assert second.count(b'"service"') == 1


def test_what_overwrites_is_no_duplicate() -> None:
    """A field that overwrites takes the place of the record's own."""
    route = route_of(ProcessorSettings("add_fields", {"service": "api"}))
    own = PLAIN.replace(b'"message"', b'"service":"own","message"')
    source = routed(route, own + b"\n").document(0).source
    assert orjson.loads(source)["service"] == "api"
    assert source.count(b'"service"') == 1


@pytest.mark.parametrize("name", ["log.offset", "log.file.path", "@ingested"])
def test_fields_that_logship_writes_cannot_be_set(name: str) -> None:
    """A setting that names one of logship's own fields breaks no document."""
    documents = routed(route_of(fields={name: "x"}), PLAIN + b"\n" + TEXT + b"\n")
    for document in sources(documents):
        assert (document["log.file.path"], "@ingested" in document) == ("/a.log", False)
        assert isinstance(document["log.offset"], int)


def test_records_may_name_their_own_host() -> None:
    """A record's own host is kept, and no second one added."""
    documents = routed(route_of(), b'{"host":"edge-7","message":"m"}\n')
    assert documents.document(0).source.count(b'"host.name"') == 1
    assert sources(documents)[0]["host.name"] == "edge-7"


def test_path_follows_the_file() -> None:
    """A content that was renamed is shipped under its new name."""
    route, state = route_of(), state_of()
    routed(route, PLAIN + b"\n" + TEXT + b"\n", state)
    state.moved("/a.log.1")
    documents = routed(route, PLAIN + b"\n" + TEXT + b"\n", state, start=200)
    assert {one["log.file.path"] for one in sources(documents)} == {"/a.log.1"}


def test_indices_named_by_fields() -> None:
    """A field in the index name is that of each record, after the processors."""
    route = route_of(name="{service}-%Y.%m.%d", fields={"service": "none"})
    data = b'{"service":"a"}\n{"service":"B b"}\n{}\n{"service":{"name":"c"}}\n{"service":1}\n'
    names = ["a", "b-b", "none", "c", "1"]
    assert indices(routed(route, data)) == [f"{name}-2026.11.21" for name in names]


# Processors and counters


def drop_debug(record: Record) -> Record | None:
    return None if record.get("level") == "DEBUG" else {**record, "seen": True}


def test_records_dropped_on_purpose_are_counted() -> None:
    """A processor may replace a record or drop it; the others keep their offsets."""
    route = Route(
        PARSERS["auto"],
        [drop_debug],
        IndexNames("logs"),
        AcceptWindow(None, 0.0),
        zone_name="UTC",
        host_name="web-1",
        clock=FakeClock(),
        stable_ids=True,
        reads_json=True,
    )
    debug = PLAIN.replace(b"INFO", b"debug")
    documents = routed(route, debug + b"\n" + PLAIN + b"\n" + debug + b"\n")
    (document,) = sources(documents)
    assert document["seen"] is True
    assert document["log.offset"] == len(debug) + 1
    assert route.dropped == 2


def test_lines_that_could_not_be_parsed_are_counted() -> None:
    """Lines that were to be JSON and are not are shipped as text, and counted."""
    route = route_of(format="json")
    documents = routed(route, b"[1]\n{\n" + PLAIN + b'\n{"parse_error":"own","a":1}\n')
    assert route.parse_errors == 2
    assert ["parse_error" in one for one in sources(documents)] == [True, True, False, True]


def test_a_chunk_without_a_line() -> None:
    """Nothing but empty lines confirms itself and gives nothing."""
    documents, end = route_of()(Chunk(b"\n\r\n\n", 5, 9, DAY, 0.0), state_of())
    assert (len(documents), end, documents.size_bytes) == (0, 9, 0)


def test_looking_in_vain_is_given_up_and_taken_up_again() -> None:
    """After chunks without a plain record only some are looked at; plain ones are found again."""
    route = route_of()
    state = state_of()
    looks: list[bool] = []
    for _ in range(100):
        assert route._splice is not None
        looks.append(route._splice.is_worth_a_look())
        routed(route, b"a text\n", state)
    assert looks[:4] == [True] * 4
    assert 1 < sum(looks) < 12
    for _ in range(40):
        routed(route, PLAIN + b"\n", state)
    assert route._splice is not None
    assert route._splice._in_vain == 0


def expired(documents: Documents) -> list[bool]:
    return [head.startswith(EXPIRED_HEAD) for head in documents.heads]


@pytest.mark.parametrize("splices", [True, False])
def test_records_older_than_the_retention_are_marked(splices: bool) -> None:
    """By their own time at the day mark, on either way; a replay decides the same."""
    route = route_of(retention_seconds=30 * 86_400.0)
    if not splices:
        route._splice = None
    lines = b"".join(
        b'{"@timestamp":"%b","message":"m"}\n' % time
        for time in (b"2026-10-21T23:59:59Z", b"2026-10-22T00:00:00Z", b"2026-11-21T10:00:00Z")
    )
    state = state_of()
    made = routed(route, lines, state)
    assert expired(made) == [True, False, False]
    assert indices(made) == ["logs-2026.10.21", "logs-2026.10.22", "logs-2026.11.21"]
    assert expired(routed(route, lines, state, day="2026-11-22")) == [True, True, False]
    assert expired(routed(route, lines, state, day=DAY)) == [True, False, False]


def test_records_without_time_are_as_old_as_the_one_before() -> None:
    """What inherits a time inherits its age."""
    route = route_of(retention_seconds=30 * 86_400.0)
    made = routed(route, b'{"@timestamp":"2026-10-01T00:00:00Z"}\n{"message":"m"}\n')
    assert expired(made) == [True, True]
    assert expired(routed(route, b'{"message":"m"}\n')) == [False]


def test_a_data_stream_takes_any_age() -> None:
    """Its indices go by when they were written, not by the time of records."""
    route = route_of(retention_seconds=86_400.0, data_stream="logs-app-default")
    made = routed(route, b'{"@timestamp":"2020-01-01T00:00:00Z"}\n' + PLAIN + b"\n")
    assert expired(made) == [False, False]
    assert indices(made) == ["logs-app-default"] * 2


def test_ecs_is_spelled_at_the_edge() -> None:
    """Index names and settings see flat names, the document those of ECS; nothing is spliced."""
    source = SourceSettings(
        name="s", paths=("/a.log",), timezone="UTC", fields={"environment": "test"}
    )
    route = line_by_line(
        source,
        IndexSettings(name="{service}-%Y"),
        (),
        host_name="web-1",
        clock=FakeClock(),
        schema="ecs",
    )
    line = b'{"@timestamp":"2026-11-21T10:00:00Z","level":"INFO","service":{"name":"api"}}\n'
    made = routed(route, line)
    assert indices(made) == ["api-2026"]
    assert sources(made) == [
        {
            "host.name": "web-1",
            "log.file.path": "/a.log",
            "log.offset": 0,
            "@timestamp": "2026-11-21T10:00:00Z",
            "log.level": "INFO",
            "service.name": "api",
            "service.environment": "test",
            "ecs.version": "8.11.0",
        }
    ]
    assert route._splice is None
