"""Records become documents: every field in its place, whatever an application puts on a record."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from typing import Any

import orjson
import pytest

from logship.handler.context import bind, trace
from logship.handler.document import Documenter, record_of
from logship.sinks.index_names import IndexNames

TIME = "2026-11-21T10:00:00.000000Z"
CONSTANTS = {"service": "shop", "host.name": "here"}
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def record(message: object = "hello", *arguments: Any, **more: Any) -> logging.LogRecord:
    level = more.pop("level", logging.INFO)
    error = more.pop("exc_info", None)
    made = logging.LogRecord("app.orders", level, "f.py", 1, message, arguments, error)
    made.__dict__.update(more)
    return made


def document(message: object = "hello", *arguments: Any, **more: Any) -> dict[str, Any]:
    field = more.pop("extra_field", "extra")
    return record_of(record(message, *arguments, **more), CONSTANTS, field, TIME)


def test_a_plain_record() -> None:
    """Time, level, logger, message and constants, and nothing that says nothing."""
    assert document("took %d ms", 12) == {
        "@timestamp": TIME,
        "level": "INFO",
        "logger": "app.orders",
        "message": "took 12 ms",
        "service": "shop",
        "host.name": "here",
    }


def test_extras_have_a_place_of_their_own() -> None:
    """They cannot be taken for, or replace, what the schema owns."""
    found = document(order=1, level_="x", service="mine", message_="m", **{"@timestamp": "mine"})
    assert found["service"] == "shop"
    assert found["@timestamp"] == TIME
    assert found["extra"] == {
        "order": 1,
        "level_": "x",
        "service": "mine",
        "message_": "m",
        "@timestamp": "mine",
    }


def test_extras_at_the_root_replace_nothing() -> None:
    """Merged by option, they still give way to what is there."""
    found = document(order=1, service="mine", logger="x", extra_field=None)
    assert (found["order"], found["service"], found["logger"]) == (1, "shop", "app.orders")
    assert found["extra"]["service"] == "mine"


def test_roots_of_the_schema_are_roots_wherever_they_come_from() -> None:
    """Ids of users, requests and traces are where searches look for them."""
    found = document(user_id="u1", request_id="r1", tags=["a"], trace_id=TRACE.upper())
    assert found["user_id"] == "u1"
    assert found["request_id"] == "r1"
    assert found["tags"] == ["a"]
    assert found["trace_id"] == TRACE
    assert "extra" not in found


def test_bound_fields_and_traces() -> None:
    """What is bound is on the record; an explicit extra is stronger."""
    with trace(trace_id=TRACE) as here, bind(user_id="u1", tenant="t"):
        found = document(tenant="other", order=1)
        explicit = document(trace_id="a" * 32, user_id="u2")
    assert (found["trace_id"], found["span_id"]) == (TRACE, here.span_id)
    assert (found["user_id"], found["tenant"]) == ("u1", "t")
    assert found["extra"] == {"tenant": "other", "order": 1}
    assert (explicit["trace_id"], explicit["user_id"]) == ("a" * 32, "u2")
    assert "span_id" not in explicit


def test_ids_of_tracing_libraries() -> None:
    """Where a library put its ids on the record, they are the record's trace."""
    open_telemetry = document(otelTraceID=TRACE, otelSpanID=SPAN)
    assert (open_telemetry["trace_id"], open_telemetry["span_id"]) == (TRACE, SPAN)
    with trace(trace_id=TRACE):
        outside = document(otelTraceID="0", otelSpanID="0")
        datadog = document(**{"dd.trace_id": "255", "dd.span_id": "16"})
    assert outside["trace_id"] == TRACE
    assert (datadog["trace_id"], datadog["span_id"]) == ("ff".rjust(32, "0"), "10".rjust(16, "0"))


def test_ids_of_elastic_apm() -> None:
    """Its agent sets attributes on every record, with None outside of transactions."""
    none = dict.fromkeys(("elasticapm_trace_id", "elasticapm_transaction_id", "elasticapm_span_id"))
    with trace(trace_id=TRACE) as here:
        outside = document(**none)
        inside = document(elasticapm_trace_id="a" * 32, elasticapm_transaction_id="b" * 16)
    assert (outside["trace_id"], outside["span_id"]) == (TRACE, here.span_id)
    assert (inside["trace_id"], inside["span_id"]) == ("a" * 32, "b" * 16)
    assert "extra" not in outside
    assert "extra" not in inside


def test_ids_that_are_bound() -> None:
    """They count as those of here: over the trace around them, and below a record's own."""
    with trace(), bind(trace_id="c" * 32, span_id="d" * 16):
        found = document()
        own = document(trace_id="e" * 32)
        span = document(span_id="f" * 16)
    assert (found["trace_id"], found["span_id"]) == ("c" * 32, "d" * 16)
    assert (own["trace_id"], "span_id" in own) == ("e" * 32, False)
    assert (span["trace_id"], span["span_id"]) == ("c" * 32, "f" * 16)


@pytest.mark.parametrize("extra_field", ["extra", None])
def test_ids_that_cannot_be_used_are_kept(extra_field: str | None) -> None:
    """One trace is the record's; what says another, or nothing, is among the extras."""
    odd = {"trace_id": TRACE, "dd.trace_id": "255", "traceparent": "garbage", "span_id": ["x"]}
    found = document(extra_field=extra_field, **odd)
    assert found["trace_id"] == TRACE
    assert "span_id" not in found
    assert found["extra"] == {"dd.trace_id": "255", "traceparent": "garbage", "span_id": ["x"]}


def test_exceptions_with_their_causes() -> None:
    """Type, message and the whole chain."""
    try:
        try:
            raise KeyError("cause")
        except KeyError as cause:
            raise ValueError("effect") from cause
    except ValueError:
        found = document("failed", exc_info=sys.exc_info(), stack_info="Stack (most recent):\n  x")
    assert (found["error.type"], found["error.message"]) == ("ValueError", "effect")
    stack = found["error.stack_trace"]
    assert stack.index("KeyError: 'cause'") < stack.index("ValueError: effect")
    assert stack.endswith("Stack (most recent):\n  x\n")


def test_exceptions_that_came_from_elsewhere() -> None:
    """On records from another process only the text of an exception is left."""
    assert document(exc_text="Traceback …\nValueError: x")["error.stack_trace"] == (
        "Traceback …\nValueError: x\n"
    )


def test_exceptions_whose_methods_fail() -> None:
    """They cost their text, not the record."""

    class Sour(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no")

    try:
        raise Sour
    except Sour:
        found = document("failed", exc_info=sys.exc_info())
    assert found["error.type"].endswith("Sour")
    assert "whose str() raised RuntimeError" in found["error.message"]


def test_messages_that_cannot_be_formatted() -> None:
    """The text and its arguments are there, and what was wrong."""
    assert document("%d items", "no number")["message"].startswith("%d items ('no number',) (TypeE")
    assert document(ValueError("an object"))["message"] == "an object"


def test_threads_processes_and_tasks_are_named() -> None:
    """Unless they are the only ones."""
    found: list[dict[str, Any]] = []

    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(0), name="other")
        if sys.version_info >= (3, 12):
            found.append(document())
        else:
            found.append(document(taskName=None))
        await task

    def run() -> None:
        found.append(document())

    thread = threading.Thread(target=run, name="worker-1")
    thread.start()
    thread.join()
    asyncio.run(main())
    assert found[0]["process.thread.name"] == "worker-1"
    assert found[1]["process.task.name"].startswith("Task-")
    assert document(processName="ForkProcess-1")["process.name"] == "ForkProcess-1"


def test_a_record_is_not_changed() -> None:
    """Other handlers get it as it was."""
    made = record("took %d", 1, order={"a": 1}, trace_id=TRACE.upper())
    before = dict(made.__dict__)
    record_of(made, CONSTANTS, None, TIME)
    assert made.__dict__ == before


def test_levels_have_standard_names() -> None:
    """Own levels keep their number's name, in upper case."""
    assert document(level=logging.WARNING)["level"] == "WARNING"
    assert document(level=17)["level"] == "LEVEL 17"


def test_the_index_follows_the_records_own_time() -> None:
    """A record just before midnight goes to its own day, however late it is sent."""
    documenter = Documenter(IndexNames("app-%Y.%m.%d"), CONSTANTS, "extra")
    made = record()
    made.created = 1795305599.999  # 2026-11-21T23:59:59.999Z
    encoded = documenter.encode(made)
    assert b'"_index":"app-2026.11.21"' in encoded.head
    body = orjson.loads(b"{" + encoded.body)
    assert body["@timestamp"] == "2026-11-21T23:59:59.999000Z"
    made.created += 0.001
    assert b'"_index":"app-2026.11.22"' in documenter.encode(made).head


def test_the_index_may_name_fields() -> None:
    """Each record goes where its own fields say."""
    documenter = Documenter(IndexNames("{tenant}-%Y"), CONSTANTS, None)
    names = [
        orjson.loads(documenter.encode(record(tenant=name)).head + b'"}}')["create"]["_index"]
        for name in ("a", "b", "a")
    ]
    assert [name.partition("-")[0] for name in names] == ["a", "b", "a"]


def test_two_documenters_never_make_equal_ids() -> None:
    """Each has random bits of its own, as parent and child of a fork need."""
    prefixes = {Documenter(IndexNames("a"), {}, None).prefix for _ in range(100)}
    assert len(prefixes) == 100
    assert {len(prefix) for prefix in prefixes} == {16}
