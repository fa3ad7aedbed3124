"""Under the Elastic Common Schema, too, one index can hold everything and nothing is lost."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logship.schema.ecs import NAMES, SCALARS, lift_ecs, to_ecs
from logship.schema.encode import encode_record
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template
from tests.property.test_schema import (
    LOGGERS,
    ODD,
    everything,
    leaves,
    names,
    shapes,
    texts,
    thoroughly,
    typed,
    values,
)

TYPED = dict(typed(index_template(IndexSettings(), "ecs")["template"]["mappings"]["properties"]))
PARTS = ["id", "name", "request", "request.id", "method", "version", "file", "path", "level"]
inside = st.recursive(
    texts | st.integers(0, 9),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(PARTS), inner, max_size=3)
    ),
    max_leaves=6,
)
ecs_names = st.sampled_from(
    [*SCALARS, *NAMES, "user", "http", "http.request", "trace", "span", "ecs", "labels", "log",
     "service", "transaction", "user.id.x", "labels.a", "http.request.id.y"]
)  # fmt: skip
records = st.dictionaries(names, values, max_size=5) | st.dictionaries(
    ecs_names | names, inside | values, max_size=6
)


def stored(record: dict[str, Any]) -> dict[str, Any]:
    lift_ecs(record, UTC)
    to_ecs(record)
    document: dict[str, Any] = orjson.loads(encode_record(record))
    return document


@thoroughly
@given(records)
@example({"user": {"id": {"x": "~a~"}}, "user_id": "~b~"})
@example({"http": {"request": "~GET~"}, "method": "~a~"})
@example({"http.request": "~GET~"})
@example({"service": {"name.x": "~a~"}, "log": {"offset.y": "~b~"}})
@example({"labels": "~a~", "user": ["~a~", {"id": 1}]})
def test_no_record_meets_a_mapping_of_another_shape(record: dict[str, Any]) -> None:
    """A field that the template maps is never an object in place of a scalar, or the reverse."""
    for path, shape in shapes(stored(record)):
        assert TYPED.get(path, shape) == shape, (path, shape)
        above = path.rpartition(".")[0]
        assert TYPED.get(above, "object") == "object", path


@thoroughly
@given(records)
@example({"user_id": "~a~", "user": {"id": "~b~"}, "user.id": "~c~"})
@example({"trace_id": "~a~", "trace": {"id": "~b~"}})
def test_no_text_is_lost(record: dict[str, Any]) -> None:
    """Every text of a record is somewhere in its document; ingest stamps of others are not."""
    record.pop("event", None)  # may hold a stamp
    stamps = {"@ingested", "event.ingested"}
    expected = [text for name in record.keys() - stamps for text in leaves(record[name])]
    found = set(everything(stored(record)))
    assert [text for text in expected if not {text, text.upper()} & found] == []


@pytest.mark.parametrize("first", [*LOGGERS, *ODD])
def test_one_index_holds_the_records_of_all_loggers(first: dict[str, Any]) -> None:
    """No field is an object in the record of one logger and a scalar in that of another."""
    seen: dict[str, str] = {}
    for record in (first, *LOGGERS, *ODD):
        for path, shape in shapes(stored(orjson.loads(orjson.dumps(record)))):
            assert seen.setdefault(path, shape) == shape, (path, record)


def test_every_mapped_field_is_guarded() -> None:
    """What the template maps as a scalar is known to the schema as one."""
    by_flat = {"@timestamp", "timestamp", "message", "parse_error", "tags", "duration_ms"}
    by_logship = {"rescued", "rescued_source"}
    scalars = {path for path, shape in TYPED.items() if shape == "scalar"}
    assert scalars - by_flat - by_logship == set(SCALARS)
