"""Whatever applications write, one index can hold all of it, and nothing of it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logship.schema.encode import as_text, encode_record
from logship.schema.flat import RESERVED, SCALARS, TEXTS, lift
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template
from tests.unit.schema import test_flat

PROPERTIES = index_template(IndexSettings())["template"]["mappings"]["properties"]
LEVEL_NAMES = ("level", "severity", "lvl", "levelname", "log.level")


def shapes(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every field that Elasticsearch would see in a document, dots expanded, and its shape."""
    if isinstance(value, dict):
        if path:
            yield path, "object"
        for name, inner in value.items():
            parts = f"{path}.{name}".lstrip(".").split(".") if path else name.split(".")
            for end in range(1, len(parts)):
                yield ".".join(parts[:end]), "object"
            yield from shapes(inner, ".".join(parts))
    elif isinstance(value, list):
        for item in value:
            yield from shapes(item, path)
    elif value is not None:
        yield path, "scalar"


def typed(properties: dict[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    for name, mapping in properties.items():
        is_object = "properties" in mapping or mapping.get("type") == "object"
        yield above + name, "object" if is_object else "scalar"
        yield from typed(mapping.get("properties", {}), f"{above}{name}.")


TYPED = dict(typed(PROPERTIES))


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    elif isinstance(value, str):
        yield value


def everything(value: Any) -> Iterator[str]:
    """The texts of a document, and the texts inside of those that are JSON themselves."""
    for text in leaves(value):
        yield text
        try:
            inner = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        if isinstance(inner, (dict, list, str)):
            yield from everything(inner)


texts = st.text("abcé{\"' ", min_size=1, max_size=6).map(lambda text: f"~{text}~")
scalars = st.none() | st.booleans() | st.integers(-5, 60) | st.floats(-5, 60) | texts
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["name", "message", "type", "stack", "stack_trace", "level", "id", "a", "b.c"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
names = st.sampled_from(
    [*RESERVED, *TEXTS, *SCALARS, "@timestamp", "level", "name", "other", "a.b"]
)
records = st.dictionaries(names, values, max_size=6)
thoroughly = settings(deadline=None, max_examples=200)


@thoroughly
@given(records)
@example({"service.version": "~1~", "service": {"version": "~2~"}})
@example({"log": "~text~", "extra": {"log": "~other~"}})
def test_no_record_meets_a_mapping_of_another_shape(record: dict[str, Any]) -> None:
    """A field that the template maps is never an object in place of a scalar, or the reverse."""
    lift(record, UTC)
    document = orjson.loads(encode_record(record))
    for path, shape in shapes(document):
        assert TYPED.get(path, shape) == shape, (path, shape)
        above = path.rpartition(".")[0]
        assert TYPED.get(above, "object") == "object", path


@thoroughly
@given(records)
@example({"event": {"action": "~a~"}, "event.action": "~b~"})
@example({"level": "~a~", "severity": "~b~"})
@example({"trace_id": "~a~", "traceId": "~b~", "trace": {"id": "~c~"}})
def test_no_text_is_lost(record: dict[str, Any]) -> None:
    """Every text of a record is somewhere in its document; ingest stamps of others are not."""
    stamps = {"@ingested", "event.ingested"}
    expected = [text for name in record.keys() - stamps for text in leaves(record[name])]
    lift(record, UTC)
    document = orjson.loads(encode_record(record))
    found = set(everything(document))
    assert [text for text in expected if not {text, text.upper()} & found] == []


@thoroughly
@given(records)
def test_lifting_twice_is_lifting_once(record: dict[str, Any]) -> None:
    """What is in the flat schema stays as it is."""
    lift(record, UTC)
    before = as_text(record)
    extra = record.pop("extra", None)
    tags = record.get("tags")
    lift(record, UTC)
    assert "extra" not in record
    assert record.get("tags") == tags
    if extra is not None:
        record["extra"] = extra
    assert orjson.loads(as_text(record)) == orjson.loads(before)


LOGGERS = [
    parameter.values[0]
    for mark in test_flat.test_what_loggers_write.pytestmark  # type: ignore[attr-defined]
    for parameter in mark.args[1]
]
ODD = [
    {"host": "web-1", "log": "a line", "service": "api", "error": "x", "event": "y", "tags": "z"},
    {
        "host": {"name": "web-1", "os": {"type": "linux"}},
        "log": {"offset": 3, "file": {"path": "a"}},
    },
    {"log": {"syslog": {"priority": 3}}, "logger": {"name": "a"}, "user_id": {"id": 1}},
    {"level": {"name": "info"}, "time": {"sec": 1}, "tags": {"a": "b"}, "extra": "text"},
    {"level": True, "time": "soon", "message": {"a": 1}, "user_id": "u1", "extra": {"a": 1}},
]


@pytest.mark.parametrize("first", [*LOGGERS, *ODD])
def test_one_index_holds_the_records_of_all_loggers(first: dict[str, Any]) -> None:
    """No field is an object in the record of one logger and a scalar in that of another."""
    seen: dict[str, str] = {}
    for record in (first, *LOGGERS, *ODD):
        copy = orjson.loads(orjson.dumps(record))
        lift(copy, UTC)
        for path, shape in shapes(copy):
            assert seen.setdefault(path, shape) == shape, (path, record)
