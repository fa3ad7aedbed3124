from __future__ import annotations

from datetime import UTC
from typing import Any

import pytest

from logship.schema.flat import add_tag, lift, move_to_extra

TIME, UTC_TIME = "2026-11-21T10:00:00Z", "2026-11-21T10:00:00Z"
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def lifted(record: dict[str, Any]) -> dict[str, Any]:
    lift(record, UTC)
    return record


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        pytest.param(
            {"event": "user logged in", "level": "info", "timestamp": TIME, "user": "ada"},
            {"message": "user logged in", "level": "INFO", "@timestamp": TIME, "user": "ada"},
            id="structlog",
        ),
        pytest.param(
            {
                "level": "error", "ts": 1763719200.123, "caller": "a/b.go:7", "msg": "failed",
                "error": "refused", "errorVerbose": "refused\n at", "stacktrace": "main.main",
            },
            {
                "level": "ERROR", "@timestamp": "2025-11-21T10:00:00.123000Z",
                "caller": "a/b.go:7", "message": "failed", "error.message": "refused",
                "errorVerbose": "refused\n at", "stacktrace": "main.main",
            },
            id="zap",
        ),
        pytest.param(
            {
                "level": 50, "time": 1763719200123, "pid": 7, "hostname": "h", "msg": "no",
                "err": {"type": "Error", "message": "x", "stack": "s"},
            },
            {
                "level": "ERROR", "@timestamp": "2025-11-21T10:00:00.123Z", "pid": 7,
                "hostname": "h", "message": "no",
                "err": {"type": "Error", "message": "x", "stack": "s"},
            },
            id="pino",
        ),
        pytest.param(
            {
                "@timestamp": TIME, "ecs": {"version": "1.6.0"}, "message": "m",
                "log": {
                    "level": "warning", "logger": "root",
                    "origin": {"file": {"name": "a.py", "line": 3}},
                },
                "service": {"name": "api", "version": "1.2"}, "host": {"name": "h", "ip": "::1"},
                "error": {"type": "E", "message": "x", "stack_trace": "s", "code": 7},
                "event": {"dataset": "d", "ingested": TIME},
                "trace": {"id": TRACE}, "span": {"id": SPAN, "name": "GET /"},
            },
            {
                "@timestamp": TIME, "ecs": {"version": "1.6.0"}, "message": "m",
                "level": "WARNING", "logger": "root", "service": "api",
                "host.name": "h", "host.ip": "::1", "error.type": "E", "error.message": "x",
                "error.stack_trace": "s", "error.code": 7, "event.dataset": "d",
                "trace_id": TRACE, "span_id": SPAN, "span": {"name": "GET /"},
                "extra": {
                    "log_origin": {"file": {"name": "a.py", "line": 3}}, "service_version": "1.2",
                },
            },
            id="ECS nested",
        ),
        pytest.param(
            {
                "@timestamp": TIME, "log.level": "WARN", "message": "m", "service.name": "api",
                "service.version": "1.2", "service.node.name": "n", "event.dataset": "d",
                "log.logger": "c.e.Main", "process.thread.name": "main", "error.type": "E",
                "error.message": "x", "error.stack_trace": "s", "trace.id": TRACE,
            },
            {
                "@timestamp": TIME, "level": "WARNING", "message": "m", "service": "api",
                "event.dataset": "d", "logger": "c.e.Main", "process.thread.name": "main",
                "error.type": "E", "error.message": "x", "error.stack_trace": "s",
                "trace_id": TRACE, "extra": {"service_version": "1.2", "service_node_name": "n"},
            },
            id="ECS dotted",
        ),
        pytest.param(
            {
                "asctime": "2026-11-21 10:00:00,123", "levelname": "INFO", "name": "app.views",
                "message": "m", "taskName": None,
            },
            {
                "@timestamp": "2026-11-21T10:00:00.123Z", "level": "INFO", "name": "app.views",
                "message": "m", "taskName": None,
            },
            id="python-json-logger",
        ),
        pytest.param(
            {
                "name": "app", "hostname": "h", "pid": 7, "level": 30, "msg": "m", "time": TIME,
                "v": 0,
            },
            {
                "name": "app", "hostname": "h", "pid": 7, "level": "INFO", "message": "m",
                "@timestamp": TIME, "v": 0,
            },
            id="bunyan",
        ),
        pytest.param(
            {"@t": TIME, "@mt": "Hello {Name}", "@l": "Warning", "Name": "x", "@x": "E"},
            {"@t": TIME, "@mt": "Hello {Name}", "@l": "Warning", "Name": "x", "@x": "E"},
            id="Serilog compact",
        ),
        pytest.param(
            {
                "time": TIME, "level": "INFO", "msg": "m", "error": "boom", "stack": "at",
                "name": "E",
            },
            {
                "@timestamp": TIME, "level": "INFO", "message": "m", "error.message": "boom",
                "error.stack_trace": "at", "error.type": "E",
            },
            id="error as text with its neighbours",
        ),
    ],
)  # fmt: skip
def test_what_loggers_write(record: dict[str, Any], expected: dict[str, Any]) -> None:
    """The records of widespread loggers come out under one set of names."""
    assert lifted(record) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        # roots that hold something else
        ({"host": "h"}, {"host.name": "h"}),
        ({"host": 7}, {"host.name": "7"}),
        ({"host": None, "log": None, "event": None, "error": None, "service": None}, {}),
        ({"host.name": None}, {}),
        ({"host.name": {"a": 1}}, {"extra": {"host_name_a": 1}}),
        ({"host": {"name": {"a": 1}}}, {"extra": {"host_name_a": 1}}),
        ({"log": "text"}, {"extra": {"log": "text"}}),
        ({"log": {"level": {"a": 1}}}, {"extra": {"log_level": {"a": 1}}}),
        ({"log.file": "x"}, {"extra": {"log_file": "x"}}),
        ({"log.file.path": "x", "log.offset": 3},
         {"extra": {"log_file_path": "x", "log_offset": 3}}),
        ({"service": 7}, {"service": "7"}),
        ({"service": ["a"]}, {"service": '["a"]'}),
        ({"service": {"name": 7}}, {"extra": {"service_name": 7}}),
        ({"logger": {"name": "a", "level": 1}}, {"logger": "a", "extra": {"logger_level": 1}}),
        ({"message": {"a": 1}}, {"message": '{"a":1}'}),
        ({"message": None}, {}),
        ({"error.message": {"a": 1}}, {"error.message": '{"a":1}'}),
        ({"error.type": ["a"]}, {"error.type": '["a"]'}),
        ({"parse_error": 7}, {"parse_error": "7"}),
        ({"user_id": {"id": 7}}, {"extra": {"user_id_id": 7}}),
        ({"user_id": 7, "request_id": True}, {"user_id": 7, "request_id": True}),
        ({"request_id": [1, 2]}, {"extra": {"request_id": [1, 2]}}),
        ({"request_id": [{"a": 1}]}, {"extra": {"request_id": '[{"a":1}]'}}),
        ({"environment": {"name": "x"}}, {"extra": {"environment_name": "x"}}),
        ({"duration_ms": {"p": 1}, "method": ["GET"]},
         {"extra": {"duration_ms_p": 1, "method": ["GET"]}}),
        ({"event": {"action": {"a": 1}}}, {"extra": {"event_action_a": 1}}),
        ({"trace": "text", "span": {"name": "x"}}, {"trace": "text", "span": {"name": "x"}}),
        ({"trace": {"id": TRACE}, "trace.id": SPAN},
         {"trace": {"id": TRACE}, "trace_id": "0" * 16 + SPAN}),
        ({"trace_id": ["x"], "traceId": TRACE}, {"trace_id": TRACE, "extra": {"trace_id": ["x"]}}),
        # tags
        ({"tags": "a"}, {"tags": ["a"]}),
        ({"tags": ["a", 7, None, {"b": 1}]}, {"tags": ["a", "7", '{"b":1}']}),
        ({"tags": {"a": "b"}}, {"extra": {"tags_a": "b"}}),
        ({"tags": None}, {}),
        ({"tags": {}}, {}),
        # extra
        ({"extra": {"a": 1}}, {"extra": {"a": 1}}),
        ({"extra": "x"}, {"extra": {"extra": "x"}}),
        ({"extra": [1]}, {"extra": {"extra": [1]}}),
        ({"extra": None}, {}),
        ({"extra": {"log": "first"}, "log": "second"},
         {"extra": {"log": "first", "log_": "second"}}),
        # stamps of others
        ({"@ingested": UTC_TIME, "event.ingested": UTC_TIME, "event": {"ingested": 1}}, {}),
        # event
        ({"event": "e", "message": "m"}, {"message": "m", "event.action": "e"}),
        ({"event": "e", "msg": "m"}, {"message": "m", "event.action": "e"}),
        ({"event": "e", "message": None}, {"message": "e"}),
        ({"event": "e", "message": "m", "event.action": "a"},
         {"message": "m", "event.action": "a", "extra": {"event_action": "e"}}),
        ({"event": {"kind": "k"}, "event.kind": "other"},
         {"event.kind": "other", "extra": {"event_kind": "k"}}),
        ({"event": 7}, {"message": "7"}),
        # error
        ({"error": {"stack": "a", "stack_trace": "b"}},
         {"error.stack_trace": "a", "extra": {"error_stack_trace": "b"}}),
        ({"error": {"stack_trace": "a", "stack": None}}, {"error.stack_trace": "a"}),
        ({"error": {"message": None}}, {}),
        ({"error": {"message": {"a": 1}}}, {"error.message": '{"a":1}'}),
        ({"error": "x", "error.message": "x"}, {"error.message": "x"}),
        ({"error": "x", "error.message": "y"}, {"error.message": "y", "extra": {"error": "x"}}),
        ({"error": "x", "stack": 7, "name": "n", "error.type": "t"},
         {"error.message": "x", "stack": 7, "name": "n", "error.type": "t"}),
        ({"error": False}, {"error.message": "false"}),
        ({"error": ["a", "b"]}, {"error.message": '["a","b"]'}),
        # names under several spellings
        ({"host.name": "a", "host": {"name": None}}, {"host.name": "a"}),
        ({"host.name": "a", "host": "b"}, {"host.name": "a", "extra": {"host": "b"}}),
        ({"service": {"name": "a"}, "service.name": "b"},
         {"service": "a", "extra": {"service_name": "b"}}),
        ({"msg": {"a": 1}}, {"message": '{"a":1}'}),
        ({"msg": "a", "message": "b"}, {"message": "b", "extra": {"msg": "a"}}),
        ({"msg": "a", "message": "a"}, {"message": "a"}),
        ({"msg": None}, {}),
        # levels
        ({"level": "info", "severity": "INFO"}, {"level": "INFO"}),
        ({"level": "info", "severity": "7"}, {"level": "INFO", "extra": {"severity": "7"}}),
        ({"level": {"a": 1}, "lvl": "warn"}, {"level": "WARNING", "extra": {"level_a": 1}}),
        ({"level": True}, {"extra": {"level": True}}),
        ({"level": None}, {}),
        ({"level": " "}, {"extra": {"level": " "}}),
        ({"level": None, "log.level": "error"}, {"level": "ERROR"}),
        # times
        ({"@timestamp": None, "time": TIME}, {"@timestamp": TIME}),
        ({"@timestamp": "soon", "time": TIME},
         {"@timestamp": TIME, "extra": {"@timestamp": "soon"}}),
        ({"time": "soon", "ts": "later"}, {"extra": {"time": "soon", "ts": "later"}}),
        ({"timestamp": TIME, "time": TIME}, {"@timestamp": TIME, "extra": {"time": TIME}}),
        ({"time": {"a": 1}, "ts": None}, {"extra": {"time_a": 1}}),
        ({"timestamp": 1763719200}, {"@timestamp": "2025-11-21T10:00:00Z"}),
    ],
)  # fmt: skip
def test_reserved_roots(record: dict[str, Any], expected: dict[str, Any]) -> None:
    """Whatever an application uses a reserved root for is moved, and nothing of it is lost."""
    assert lifted(record) == expected


def test_plain_records_stay_as_they_are() -> None:
    """A record in which nothing has to change is not touched."""
    record = {
        "@timestamp": TIME, "level": "INFO", "service": "a", "message": "m", "trace_id": TRACE,
        "span_id": SPAN, "user_id": 7, "duration_ms": 1.5, "http": {"status": 200},
    }  # fmt: skip
    before = list(record.items())
    assert list(lifted(record).items()) == before


def test_objects_that_others_hold_are_not_changed() -> None:
    """Lifting changes the record alone, not what its values are elsewhere."""
    log, service, extra, event = {"level": "x", "a": 1}, {"name": "s"}, {"b": 2}, {"ingested": 1}
    lifted({"log": log, "service": service, "extra": extra, "event": event, "tags": {"t": 1}})
    assert (log, service, extra, event) == (
        {"level": "x", "a": 1},
        {"name": "s"},
        {"b": 2},
        {"ingested": 1},
    )


def test_values_that_compare_oddly() -> None:
    """An application's objects may raise when compared or written; lifting does not."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise ValueError("no truth")

        __hash__ = None  # type: ignore[assignment]

        def __str__(self) -> str:
            raise RuntimeError

    record: dict[str, Any] = {"error": Odd(), "error.message": "x", "msg": Odd(), "level": Odd()}
    record |= {"trace_id": Odd(), "traceId": Odd(), "traceparent": Odd(), "host": Odd()}
    assert lifted(record)["error.message"] == "x"


def test_tags_are_added_once_and_to_this_record_alone() -> None:
    """A tag comes once, and a list that several records share is not added to."""
    shared = ["web"]
    first: dict[str, Any] = {"tags": shared}
    add_tag(first, "cut")
    add_tag(first, "cut")
    assert first == {"tags": ["web", "cut"]}
    assert shared == ["web"]
    second: dict[str, Any] = {}
    add_tag(second, "cut")
    assert second == {"tags": ["cut"]}
    third: dict[str, Any] = {"tags": "web"}
    add_tag(third, "cut")
    assert third == {"tags": ["web", "cut"]}


def test_moving_to_extra_shares_nothing() -> None:
    """What is moved joins what is there, in an object of this record's own."""
    shared = {"a": 1}
    record: dict[str, Any] = {"extra": shared}
    move_to_extra(record, "a", 2)
    assert record == {"extra": {"a": 1, "a_": 2}}
    assert shared == {"a": 1}
    other: dict[str, Any] = {"extra": "x"}
    move_to_extra(other, "b.c", {"d.e": 1})
    assert other == {"extra": {"extra": "x", "b_c_d_e": 1}}
