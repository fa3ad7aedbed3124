"""Chunks of any encoding and delimiter become the documents of their texts."""

from __future__ import annotations

import zlib
from typing import Any

import orjson
import pytest

from logship.ids import event_ids
from logship.lines import PLAIN, LineForm, line_form
from logship.model import Chunk, Documents
from logship.route import Route, RouteState
from logship.settings.model import IndexSettings, MultilineSettings, SourceSettings
from tests.support.fakes import FakeClock, bulk_body
from tests.support.routes import line_by_line

DAY = "2026-11-21"
JSON = '{"@timestamp":"2026-11-21T10:00:00Z","level":"INFO","message":"grüße %d"}'


def route_of(**source: Any) -> Route:
    return line_by_line(
        SourceSettings(name="s", paths=("/a.log",), timezone="UTC", **source),
        IndexSettings(), (), host_name="web-1", clock=FakeClock(),
    )  # fmt: skip


def routed(route: Route, data: bytes, form: LineForm = PLAIN, **chunk: Any) -> Documents:
    end = chunk.pop("end", len(data))
    made = Chunk(data, 0, end, DAY, 0.0, form=form, **chunk)
    documents, _ = route(made, RouteState(b"SEEDSEED00", "/a.log"))
    return documents


def sources(documents: Documents) -> list[dict[str, Any]]:
    found = [orjson.loads(documents.document(i).source) for i in range(len(documents))]
    for document in found:
        document.pop("log.offset")
    return found


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "cp1252"])
def test_documents_are_those_of_the_same_text_in_utf8(encoding: str) -> None:
    """Only offsets and checksums differ: these are of the bytes in the file."""
    text = "".join(f"{JSON % n}\n" for n in range(3)) + "2026-11-21T10:00:01Z WARN größer\r\n"
    data, form = text.encode(encoding), line_form(encoding, "\n")
    documents = routed(route_of(), data, form)
    assert sources(documents) == sources(routed(route_of(), text.encode()))
    unit = len("a".encode(encoding))
    lines = [line.encode(encoding) for line in text.split("\n")[:-1]]
    starts = [text.index(JSON % n) * unit for n in range(3)] + [text.index("2026-11-21T10:00:01")
                                                               * unit]  # fmt: skip
    assert documents.ids == event_ids(starts, list(map(zlib.crc32, lines)))


def test_records_over_several_lines_are_one_line_of_a_request() -> None:
    """A line feed within a JSON record never ends a line of the bulk body."""
    record = orjson.loads(JSON % 1)
    data = b"\0".join(orjson.dumps(record, option=orjson.OPT_INDENT_2) for _ in range(3)) + b"\0"
    documents = routed(route_of(), data, line_form("utf-8", "\0"))
    assert [document["message"] for document in sources(documents)] == ["grüße 1"] * 3
    assert b"".join(bulk_body(documents, 0.0).splitlines(keepends=True)).count(b"\n") == 6


def test_a_byte_order_mark_spoils_no_record() -> None:
    """The first record of a UTF-8 file that has one is as it would be without, 3 bytes later."""
    data = f"{JSON % 1}\n{JSON % 2}\n".encode()
    documents = routed(route_of(), b"\xef\xbb\xbf" + data)
    assert sources(documents) == sources(routed(route_of(), data))
    assert documents.offsets[0] == b"3,"
    joined = routed(
        route_of(multiline=MultilineSettings(start="^gr")), "\ufeffgrün\n mehr\ngrau\n".encode()
    )
    assert [document["message"] for document in sources(joined)] == ["grün\n mehr"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "shift_jis"])
def test_what_is_left_of_a_long_line_is_text(encoding: str) -> None:
    """A cut line is tagged, with the checksum of all of it."""
    form = line_form(encoding, "\n")
    data = "表表\n".encode(encoding)
    documents = routed(route_of(), data, form, is_cut=True, crc=5, end=1000)
    (document,) = sources(documents)
    assert (document["message"], document["tags"][0]) == ("表表", "cut")
    assert documents.ids == event_ids([0], [5])


@pytest.mark.parametrize("preset", [None, "java"])
def test_bytes_that_are_no_text_are_tagged(preset: str | None) -> None:
    """They are replaced, as bytes that are not UTF-8 are, joined to an event or not."""
    multiline = None if preset is None else MultilineSettings(preset=preset)
    for form in (PLAIN, line_form("utf-16-le", "\n")):
        good = "2026-11-21 10:00:00 INFO a".encode(form.encoding)
        bad = b"\x00\xd8" if form.unit == 2 else b"\xff"
        end = "\n2026-11-21 10:00:01 INFO b\n{}\n".encode(form.encoding)
        route = route_of(format="text", multiline=multiline)
        first, second, *_ = sources(routed(route, good + bad + end, form))
        assert first["message"] == "2026-11-21 10:00:00 INFO a\ufffd"
        assert first["tags"] == ["invalid_utf8"]
        assert "tags" not in second
