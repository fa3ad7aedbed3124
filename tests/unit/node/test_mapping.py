"""Mappings: definitions, merging, dynamic templates."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from logship.node.documents import DocumentReader
from logship.node.errors import NodeError
from logship.node.fields import Field, FlattenedKey
from logship.node.mapping import merged_definitions, normalized
from logship.node.templates import compile_mapping


def _after(definition: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    mapping = compile_mapping(definition, {})
    line = orjson.dumps(document)
    indexed = DocumentReader(mapping, line, "1", (1000, 20, False, 2**63)).read(document)
    result: dict[str, Any] = (indexed.mapping or mapping).definition.get("properties", {})
    return result


def test_dotted_names_are_objects() -> None:
    """Both spellings make one definition."""
    dotted = normalized({"properties": {"a.b": {"type": "long"}, "a.c": {"type": "keyword"}}})
    nested = {"a": {"properties": {"b": {"type": "long"}, "c": {"type": "keyword"}}}}
    assert dotted == {"properties": nested}


def test_names_lead_to_fields() -> None:
    """Leaves, multi-fields, aliases, keys of flattened fields."""
    mapping = compile_mapping(
        {
            "properties": {
                "m": {"type": "text", "fields": {"raw": {"type": "keyword"}}},
                "ts": {"type": "alias", "path": "m.raw"},
                "f": {"type": "flattened"},
            }
        },
        {},
    )
    found = mapping.field("ts")
    assert isinstance(found, Field)
    assert (found.path, found.source_path) == ("m.raw", "m")
    assert mapping.field("f.a.b") == FlattenedKey("f", "a.b")
    assert mapping.field("m.nope") is None
    assert sorted(mapping.matching("*")) == ["f", "m", "m.raw", "ts"]


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ({"properties": {"a": {"type": "nope"}}}, r"The mapper type \[nope\] declared on field"),
        ({"properties": {"a": {"type": "long", "x": 1}}}, r"unknown parameter \[x\] on mapper"),
        ({"bogus": 1}, r"unsupported parameters:  \[bogus : 1\]"),
        ({"properties": {"a": {"type": "alias", "path": "b"}}}, "an alias must refer to"),
        ({"properties": {"a": {"type": "keyword", "normalizer": "n"}}}, r"normalizer \[n\]"),
        ({"dynamic": "maybe"}, "MAYBE"),
        ({"properties": {"a": {"type": "text", "copy_to": "b"}}}, "copy_to"),
        ({"runtime": {"a": {"type": "long"}}}, "runtime"),
    ],
)
def test_definitions_that_cannot_be_used_are_refused(
    definition: dict[str, Any], reason: str
) -> None:
    """What is unknown, and what this node does not do, is named."""
    with pytest.raises(NodeError, match=reason):
        compile_mapping(definition, {})


def test_merging_adds_fields_and_keeps_types() -> None:
    """A field cannot become another type, an object no leaf."""
    old = normalized({"properties": {"a": {"type": "long"}, "o": {"properties": {}}}})
    new = merged_definitions(old, {"properties": {"b": {"type": "keyword"}}})
    assert set(new["properties"]) == {"a", "b", "o"}
    with pytest.raises(NodeError, match=r"\[a\] cannot be changed from type \[long\] to \[text\]"):
        merged_definitions(old, {"properties": {"a": {"type": "text"}}})
    with pytest.raises(NodeError, match="can't merge a non object mapping"):
        merged_definitions(old, {"properties": {"a": {"properties": {"x": {"type": "long"}}}}})


def test_the_first_value_decides() -> None:
    """Texts get a keyword beside them, dates are recognised unless told otherwise."""
    document = {"s": "x", "i": 5, "f": 1.5, "b": True, "d": "2026-11-21", "o": {"n": None}, "e": []}
    text = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
    assert _after({}, document) == {
        "s": text,
        "i": {"type": "long"},
        "f": {"type": "float"},
        "b": {"type": "boolean"},
        "d": {"type": "date"},
        "o": {"type": "object"},
    }
    assert _after({"date_detection": False}, {"d": "2026-11-21"}) == {"d": text}
    slashes = _after({}, {"d": "2026/11/21 10:00:00"})
    assert slashes["d"]["format"].startswith("yyyy/MM/dd")


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ({"match_mapping_type": "string", "mapping": {"type": "keyword"}}, "keyword"),
        ({"match": "*_id", "mapping": {"type": "ip"}}, "ip"),
        ({"match": "user*", "unmatch": "*_id", "mapping": {"type": "ip"}}, "text"),
        ({"path_match": "extra.*", "mapping": {"type": "flattened"}}, "text"),
        ({"match_pattern": "regex", "match": "^user_.*$", "mapping": {"type": "ip"}}, "ip"),
        ({"match": ["a", "user_id"], "mapping": {"type": "keyword"}}, "keyword"),
        ({"match_mapping_type": "long", "mapping": {"type": "ip"}}, "text"),
        ({"match_mapping_type": "*", "mapping": {"type": "{dynamic_type}"}}, "text"),
    ],
)
def test_dynamic_templates(template: dict[str, Any], expected: str) -> None:
    """The first that matches by type, name and path gives the definition."""
    definition = {"dynamic_templates": [{"t": template}]}
    assert _after(definition, {"user_id": "10.0.0.1"})["user_id"]["type"] == expected


def test_dynamic_templates_know_the_path() -> None:
    """And fill in the field's name."""
    template = {
        "path_match": "extra.*",
        "match_mapping_type": "string",
        "mapping": {"type": "keyword", "meta": {"of": "{name}"}},
    }
    after = _after({"dynamic_templates": [{"t": template}]}, {"extra": {"a": "x"}, "a": "x"})
    assert after["extra"]["properties"]["a"] == {"type": "keyword", "meta": {"of": "a"}}
    assert after["a"]["type"] == "text"


def test_dynamic_false_and_strict_hold_below() -> None:
    """Each object may say otherwise."""
    definition = {
        "dynamic": "false",
        "properties": {"open": {"dynamic": "true", "properties": {}}},
    }
    after = _after(definition, {"a": 1, "open": {"b": 1}})
    assert "a" not in after
    assert after["open"]["properties"] == {"b": {"type": "long"}}
    with pytest.raises(NodeError, match=r"dynamic introduction of \[b\] within \[o\]"):
        _after({"dynamic": "strict", "properties": {"o": {"properties": {}}}}, {"o": {"b": 1}})
