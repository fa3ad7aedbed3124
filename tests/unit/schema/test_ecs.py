"""Records as they are stored under the Elastic Common Schema."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from logship.schema.ecs import VERSION, lift_ecs, to_ecs

TIME = "2026-11-21T10:00:00.000Z"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def stored(**record: Any) -> dict[str, Any]:
    """The record as stored, without the version that every record has."""
    lift_ecs(record, UTC)
    to_ecs(record)
    assert record.pop("ecs.version") == VERSION
    return record


def test_every_name() -> None:
    """Each flat field has the name that ECS has for it; others keep theirs."""
    assert stored(
        timestamp=TIME,
        level="warn",
        service="api",
        environment="production",
        logger="app.db",
        message="m",
        trace_id=TRACE,
        span_id=SPAN,
        user_id="u1",
        request_id="r1",
        method="GET",
        duration_ms=1.5,
        error={"type": "E", "message": "m", "stack": "s"},
        host="web-1",
        tags=["t"],
        extra={"order": 7},
    ) == {
        "@timestamp": TIME,
        "log.level": "WARNING",
        "service.name": "api",
        "service.environment": "production",
        "log.logger": "app.db",
        "message": "m",
        "trace.id": TRACE,
        "span.id": SPAN,
        "user.id": "u1",
        "http.request.id": "r1",
        "http.request.method": "GET",
        "duration_ms": 1.5,
        "error.type": "E",
        "error.message": "m",
        "error.stack_trace": "s",
        "host.name": "web-1",
        "tags": ["t"],
        "extra": {"order": 7},
    }


def test_what_is_ecs_already_stays() -> None:
    """What Elastic's own loggers write goes through as it was meant."""
    assert stored(
        **{
            "@timestamp": TIME,
            "log.level": "info",
            "message": "m",
            "ecs.version": VERSION,
            "service.name": "api",
            "service.version": "1.2",
            "log": {"logger": "app", "origin": {"file": {"name": "a.py", "line": 3}}},
            "process": {"pid": 1},
            "transaction": {"id": "00f067aa0ba902b7"},
            "user": {"id": "u1", "name": "Ada", "geo": {"city": "x"}},
            "event": {"dataset": "api.log"},
            "labels": {"a": "b"},
        }
    ) == {
        "@timestamp": TIME,
        "log.level": "INFO",
        "message": "m",
        "service.name": "api",
        "service.version": "1.2",
        "log.logger": "app",
        "log.origin": {"file": {"name": "a.py", "line": 3}},
        "process": {"pid": 1},
        "transaction.id": "00f067aa0ba902b7",
        "user.id": "u1",
        "user.name": "Ada",
        "user.geo": {"city": "x"},
        "event.dataset": "api.log",
        "labels.a": "b",
    }


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"user": "Ada"}, {"user.name": "Ada"}),
        ({"user": 7}, {"extra": {"user": 7}}),
        ({"http": "text"}, {"extra": {"http": "text"}}),
        ({"labels": ["a"]}, {"extra": {"labels": ["a"]}}),
        ({"user_id": "a", "user": {"id": "b"}}, {"user.id": "b", "extra": {"user_id": "a"}}),
        ({"user_id": "a", "user": {"id": "a"}}, {"user.id": "a"}),
        ({"user": {"id": {"x": 1}}}, {"extra": {"user_id_x": 1}}),
        ({"user": None, "user_id": None}, {}),
        ({"log": "a line"}, {"extra": {"log": "a line"}}),
        ({"event.ingested": "of another", "@ingested": "x"}, {}),
    ],
)
def test_odd_shapes(record: dict[str, Any], expected: dict[str, Any]) -> None:
    """What has no place where it stands is moved, and contradictions are both kept."""
    assert stored(**record) == expected
