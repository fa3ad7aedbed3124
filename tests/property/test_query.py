"""What holds for every query, whatever is typed."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from logship.errors import QueryError
from logship.query import Query, compile_predicate, parse, to_dsl
from logship.query.predicate import Predicate
from logship.query.tree import Nothing

SIGNS = '()[]{}":/\\+-!&|~^*?<>=@. '
OTHERS = (
    "AND |or |NOT | TO |level|status|a|5|:|>=|now-1h|&&|_exists_:|/a+/|^2|ERROR|@timestamp|12.5"
)
PIECES = st.sampled_from([*SIGNS, "||", *OTHERS.split("|")])
TEXTS = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=14).map("".join))
OPERATORS = st.sampled_from(["and", "or"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=5,
)
RECORDS = st.dictionaries(
    st.sampled_from(["level", "status", "a", "message", "@timestamp", "a.b"]), VALUES, max_size=4
)


def read(text: str, operator: str = "and") -> Query | QueryError:
    """Any exception but a QueryError fails the test that called."""
    try:
        return parse(text, default_operator="and" if operator == "and" else "or")
    except QueryError as error:
        return error


def compiled(query: Query) -> Predicate | QueryError:
    try:
        return compile_predicate(query)
    except QueryError as error:
        return error


@given(TEXTS, OPERATORS, RECORDS)
@example("x" + "!=" * 3000, "and", {})
@example("(" * 3000, "and", {})
def test_any_text(text: str, operator: str, record: dict[str, object]) -> None:
    """Any text is a query or a QueryError inside it; queries translate to JSON and run."""
    query = read(text, operator)
    if isinstance(query, QueryError):
        assert 0 <= query.position <= len(text)
        return
    json.dumps(to_dsl(query), allow_nan=False)
    predicate = compiled(query)
    if isinstance(predicate, QueryError):
        assert "regular expression" in predicate.what
        return
    assert predicate(record) in (True, False)


@given(st.text(min_size=1, max_size=20))
def test_any_value_can_be_quoted(value: str) -> None:
    """Whatever a value is, the quoted form finds it."""
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    predicate = compile_predicate(parse(f'field:"{quoted}"'))
    assert predicate({"field": value})
    assert not predicate({"field": value + "x"})


@given(TEXTS, RECORDS)
@example("0)0\\", {})
def test_negation(text: str, record: dict[str, object]) -> None:
    """A query and its negation never agree, except where nothing was said."""
    plain, negated = read(text), read(f"not ({text})")
    if isinstance(plain, QueryError) or isinstance(negated, QueryError):
        return
    first, second = compiled(plain), compiled(negated)
    if isinstance(first, QueryError) or isinstance(second, QueryError):
        return
    if not isinstance(plain.root, Nothing):
        assert first(record) != second(record)
