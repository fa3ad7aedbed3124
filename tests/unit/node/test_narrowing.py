"""What narrows a search in SQL never loses a document that the query matches."""

from __future__ import annotations

import sqlite3
from typing import Any

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from logship.node.analysis import indexed_text
from logship.node.dsl.compiler import Compiler
from logship.node.index import Index
from logship.node.store import create_text_table
from logship.node.templates import compile_mapping
from logship.node.view import Doc, View

_MAPPING = {
    "properties": {
        "text": {"type": "text"},
        "word": {"type": "keyword"},
        "level": {"type": "keyword", "normalizer": "lowercase"},
        "flat": {"type": "flattened"},
    }
}
_LETTERS = st.text("abAB01._-: '/éİKß漢字\0\n*?\\\"", max_size=8)
_VALUES = st.fixed_dictionaries(
    {"text": _LETTERS, "word": _LETTERS, "level": _LETTERS, "flat": _LETTERS}
)
_FIELD = st.sampled_from(["text", "word", "level", "flat.a"])


def _queries(values: dict[str, str], field: str, cut: int, other: str) -> list[dict[str, Any]]:
    value = values[field.partition(".")[0]]
    part = value[:cut]
    escaped = part.replace("\\", "\\\\").replace("*", "\\*").replace("?", "\\?")
    leaf = [
        {"term": {field: value}},
        {"term": {field: {"value": value.upper(), "case_insensitive": True}}},
        {"match": {field: {"query": f"{value} {other}"}}},
        {"match": {field: {"query": value, "operator": "and"}}},
        {"match_phrase": {field: value}},
        {"match_phrase_prefix": {field: part}},
        {"prefix": {field: part}},
        {"terms": {field: [value, other]}},
    ]
    if field != "flat.a":
        leaf += [
            {"wildcard": {field: f"{escaped}*"}},
            {"wildcard": {field: {"value": f"*{escaped}?*", "case_insensitive": True}}},
        ]
    return [
        *leaf,
        {"bool": {"should": [leaf[0], {"term": {"word": other}}]}},
        {"bool": {"must": [leaf[2], {"exists": {"field": "text"}}], "must_not": [leaf[5]]}},
    ]


@given(values=_VALUES, field=_FIELD, cut=st.integers(0, 8), other=_LETTERS)
@example(
    values={"text": "Kelvin K", "word": "", "level": "", "flat": ""},
    field="text", cut=3, other="k",
)  # fmt: skip
@example(
    values={"text": "a_b", "word": "a_b*", "level": "Aß", "flat": "1.0"},
    field="word", cut=3, other="",
)  # fmt: skip
def test_no_match_is_lost(values: dict[str, str], field: str, cut: int, other: str) -> None:
    """The full-text expression of a query is true of every document that the query matches."""
    source = {**values, "flat": {"a": values["flat"]}}
    index = Index(1, "i", "u", 0, {}, compile_mapping(_MAPPING, {}), {})
    view = View(index)
    doc = Doc(view, 1, "1", 0, 1, None, None, orjson.dumps(source))
    connection = sqlite3.connect(":memory:")
    create_text_table(connection, 1)
    stored = indexed_text(list(values.values()))
    connection.execute("INSERT INTO text_1(rowid, body) VALUES (1, ?)", (stored,))
    compiler = Compiler(view, now=0)
    for query in _queries(values, field, cut, other):
        compiled = compiler.compile(query)
        if compiled.words is None or not compiled.matches(doc):
            continue
        sql = "SELECT rowid FROM text_1 WHERE text_1 MATCH ?"
        assert connection.execute(sql, (compiled.words,)).fetchall() == [(1,)], (
            query,
            compiled.words,
        )
    connection.close()
