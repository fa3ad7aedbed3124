"""Fields under each of their names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from logship.query import compile_predicate, parse
from logship.query.synonyms import spellings, spread
from logship.schema.ecs import NAMES


def matches(query: str, record: dict[str, Any]) -> bool:
    tree = parse(query)
    return compile_predicate(replace(tree, root=spread(tree.root)))(record)


@pytest.mark.parametrize(
    ("query", "record"),
    [
        ("level:error", {"log.level": "ERROR"}),
        ("log.level:error", {"level": "ERROR"}),
        ("level >= warning", {"log": {"level": "ERROR"}}),
        ("service.name:api", {"service": "api"}),
        ("service:a*", {"service": {"name": "api"}}),
        ('trace.id:"abc"', {"trace_id": "abc"}),
        ("userId:u1", {"user.id": "u1"}),
        ("user_id:*", {"userId": "u1"}),
        ("http.request.id:/r[0-9]+/", {"requestId": "r1"}),
        ("responseTime:>5", {"duration_ms": 6}),
        ("not (a or not level:info)", {"log.level": "info"}),
    ],
)
def test_either_spelling_finds(query: str, record: dict[str, Any]) -> None:
    """What is asked for by one name is found under another, in every kind of clause."""
    assert matches(query, record)


@pytest.mark.parametrize(
    ("query", "record"),
    [
        ("not level:error", {"log.level": "ERROR"}),
        ("level:error", {"log.logger": "error"}),
        ("service:api", {"message": "api"}),
        ("other:x", {"x": "x"}),
    ],
)
def test_nothing_else_is_found(query: str, record: dict[str, Any]) -> None:
    """Other fields stay other fields, and a negation excludes every spelling."""
    assert not matches(query, record)


def test_every_name_of_ecs_is_known() -> None:
    """What is renamed where it is stored is found by the name that it had."""
    for flat, ecs in NAMES.items():
        assert spellings(flat)[:2] == (flat, ecs)
        assert flat in spellings(ecs)
