"""The quick way and the careful way index a document alike."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from logship.node.documents import DocumentReader, parse_source
from logship.node.errors import NodeError
from logship.node.mapping import Mapping
from logship.node.quick import quick
from logship.node.templates import compile_mapping

_LIMITS = (1000, 20, False, 2**63)
_MAPPING: dict[str, Any] = {
    "dynamic": "false",
    "properties": {
        "@timestamp": {"type": "date"},
        "message": {"type": "text"},
        "level": {"type": "keyword", "ignore_above": 10},
        "n": {"type": "long"},
        "small": {"type": "integer"},
        "d": {"type": "double"},
        "b": {"type": "boolean"},
        "flat": {"type": "flattened"},
        "tags": {"type": "keyword"},
        "host": {"properties": {"name": {"type": "keyword"}}},
        "off": {"type": "object", "enabled": False},
        "both": {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 5}}},
    },
}


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return compile_mapping(_MAPPING, {})


@pytest.mark.parametrize(
    "document",
    [
        {"@timestamp": "2026-11-21T10:00:00.5Z", "message": "x y", "level": "INFO", "n": 5},
        {"host": {"name": "web"}, "d": 1.5, "b": True, "tags": ["a", "b"], "message": None},
        {"host.name": "web", "d": 3, "flat": {"a": {"b": "c"}, "k": [1, "x"]}},
        {"level": "much longer than ten", "both": "longer", "unmapped": {"deep": [1, {"x": 2}]}},
        {"off": {"a": {"b": 1}}, "n": -5},
        {},
    ],
)
def test_both_ways_agree(mapping: Mapping, document: dict[str, Any]) -> None:
    """Texts, time and ignored fields are the same."""
    line = orjson.dumps(document)
    fast = quick(document, line, mapping)
    assert fast is not None
    careful = DocumentReader(mapping, line, "1", _LIMITS).read(document)
    assert sorted(fast.texts) == sorted(careful.texts)
    assert (fast.time, fast.ignored) == (careful.time, careful.ignored)
    assert careful.mapping is None


@pytest.mark.parametrize(
    "line",
    [
        b'{"n":1,"n":2}',
        b'{"n" :1}',
        b'{"n":"5"}',
        b'{"small":5}',
        b'{"@timestamp":"2026-11-21"}',
        b'{"n":99999999999999999999}',
        b'{"host":"web"}',
        b'{"b":"true"}',
        b'{"n":[1,2]}',
        b'{"_id":"x"}',
    ],
)
def test_what_is_unusual_goes_the_careful_way(mapping: Mapping, line: bytes) -> None:
    """Also a key that might be there twice."""
    assert quick(orjson.loads(line), line, mapping) is None


def test_a_colon_in_a_text_is_no_second_key(mapping: Mapping) -> None:
    """The careful way finds nothing wrong with it."""
    line = rb'{"message":"say \"a\": 1"}'
    document = parse_source(line, mapping, "1")
    result = DocumentReader(mapping, line, "1", _LIMITS).read(document)
    assert result.texts == ['say "a": 1']


def test_new_fields_leave_the_old_mapping_alone() -> None:
    """Until the commit, and for good when the document is refused."""
    old = compile_mapping({"properties": {"n": {"type": "long"}}}, {})
    line = b'{"a":{"b":"x"},"n":1}'
    new = DocumentReader(old, line, "1", _LIMITS).read(orjson.loads(line)).mapping
    assert new is not None
    assert new.field("a.b") is not None
    assert old.field("a.b") is None
    refused = b'{"c":1,"n":"x"}'
    with pytest.raises(NodeError):
        DocumentReader(old, refused, "1", _LIMITS).read(orjson.loads(refused))
    assert old.field("c") is None
