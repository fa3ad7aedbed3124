"""Trace ids and bound fields follow the flow of control."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextvars import ContextVar
from multiprocessing import get_context

import pytest
from opentelemetry import trace as otel
from opentelemetry.sdk.trace import TracerProvider

import logship
from logship.handler.context import Trace, current_fields, take_ids
from logship.testing import CollectingHandler, collect_logs

HEADER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def collected() -> Iterator[CollectingHandler]:
    with collect_logs() as handler:
        yield handler


def log(text: str, **extra: object) -> None:
    logging.getLogger("test").info(text, extra=extra)


class TestTrace:
    def test_new(self) -> None:
        """Ids are W3C's, new each time, and gone outside."""
        assert logship.current_trace() is None
        with logship.trace() as first:
            assert logship.current_trace() == first
            assert len(first.trace_id) == 32
            assert len(first.span_id) == 16
            int(first.trace_id + first.span_id, 16)
        assert logship.current_trace() is None
        with logship.trace() as second:
            assert second.trace_id != first.trace_id

    def test_nested(self) -> None:
        """Inside a trace a new span of it begins, and the outer one comes back."""
        with logship.trace() as outer:
            with logship.trace() as inner:
                assert inner.trace_id == outer.trace_id
                assert inner.span_id != outer.span_id
            assert logship.current_trace() == outer

    @pytest.mark.parametrize("flags", ["00", "01"])
    def test_continued(self, flags: str) -> None:
        """A caller's trace goes on with a span of our own; its flags are kept."""
        with logship.trace(traceparent=HEADER[:-2] + flags) as here:
            assert here.trace_id == TRACE_ID
            assert here.span_id != "00f067aa0ba902b7"
            assert logship.traceparent() == f"00-{TRACE_ID}-{here.span_id}-{flags}"

    @pytest.mark.parametrize(
        "header", ["", "nonsense", HEADER.replace("4", "g"), "00-" + "0" * 32 + HEADER[35:]]
    )
    def test_unreadable_header(self, header: str) -> None:
        """A header that is none begins a new trace, also inside another one."""
        with (
            logship.trace(trace_id=TRACE_ID.upper()) as outer,
            logship.trace(traceparent=header) as here,
        ):
            assert outer.trace_id == TRACE_ID
            assert here.trace_id not in (outer.trace_id, "0" * 32)

    @pytest.mark.parametrize("trace_id", ["abc", "0" * 32, "x" * 32, ""])
    def test_wrong_id(self, trace_id: str) -> None:
        """A trace id that is none is refused."""
        with pytest.raises(ValueError, match="32 hexadecimal digits"):
            logship.trace(trace_id=trace_id)

    def test_no_header_outside(self) -> None:
        """Outside of any trace there is no header to send."""
        assert logship.traceparent() is None


class TestEnvironment:
    CODE = (
        "import logship; print(logship.current_trace());"
        "print(logship.traceparent());"
        "trace = logship.trace(); print(trace.__enter__().trace_id)"
    )

    @pytest.mark.parametrize("header", [HEADER, ""])
    def test_traceparent(self, header: str) -> None:
        """A process that was started inside a trace goes on with it."""
        done = subprocess.run(
            [sys.executable, "-c", self.CODE],
            env={**os.environ, "TRACEPARENT": header},
            capture_output=True,
            text=True,
            check=True,
        )
        current, sent, entered = done.stdout.split("\n")[:3]
        if header:
            assert current == str(Trace(TRACE_ID, "00f067aa0ba902b7"))
            assert sent == HEADER
            assert entered == TRACE_ID
        else:
            assert (current, sent) == ("None", "None")


class TestOpenTelemetry:
    def test_its_span_wins(self, collected: CollectingHandler) -> None:
        """Records inside one of its spans carry that span's ids; outgoing headers, too."""
        tracer = TracerProvider().get_tracer("test")
        with logship.trace() as own:
            with tracer.start_as_current_span("work") as span:
                ids = span.get_span_context()
                log("inside")
                assert logship.traceparent() == (
                    f"00-{ids.trace_id:032x}-{ids.span_id:016x}-{ids.trace_flags:02x}"
                )
            log("outside")
        inside, outside = collected.documents
        assert inside["trace_id"] == f"{ids.trace_id:032x}"
        assert inside["span_id"] == f"{ids.span_id:016x}"
        assert outside["trace_id"] == own.trace_id

    def test_spans_in_turn(self) -> None:
        """Each span is told from the one before."""
        tracer = TracerProvider().get_tracer("test")
        for _ in range(3):
            with tracer.start_as_current_span("work") as span:
                here = logship.current_trace()
                assert here is not None
                assert int(here.span_id, 16) == span.get_span_context().span_id
        assert logship.current_trace() is None

    def test_own_trace_inside(self) -> None:
        """A trace that is begun inside of a span belongs to the span's trace."""
        tracer = TracerProvider().get_tracer("test")
        with tracer.start_as_current_span("work") as span, logship.trace() as here:
            assert int(here.trace_id, 16) == span.get_span_context().trace_id

    def test_odd_span(self) -> None:
        """A span that is not as it should be costs nothing."""

        class Odd(otel.NonRecordingSpan):
            def get_span_context(self) -> otel.SpanContext:
                raise RuntimeError("odd")

        with otel.use_span(Odd(otel.INVALID_SPAN_CONTEXT)), logship.trace() as own:
            assert logship.current_trace() == own


class TestBind:
    def test_fields(self, collected: CollectingHandler) -> None:
        """Bound fields are at the root of every record inside, inner ones over outer ones."""
        with logship.bind(user_id="u1", tenant="a"):
            with logship.bind(tenant="b"):
                log("inner")
            log("outer")
        log("outside")
        inner, outer, outside = collected.documents
        assert (inner["user_id"], inner["tenant"]) == ("u1", "b")
        assert (outer["user_id"], outer["tenant"]) == ("u1", "a")
        assert "user_id" not in outside


def here() -> tuple[Trace | None, dict[str, object]]:
    return logship.current_trace(), dict(current_fields())


OTHER: ContextVar[str] = ContextVar("other", default="")


class TestWrap:
    def test_thread_pool(self) -> None:
        """Work handed to a wrapped pool sees the context of each submit, all variables."""
        with logship.wrap(ThreadPoolExecutor(1)) as pool:
            assert isinstance(pool, ThreadPoolExecutor)
            with logship.trace() as first, logship.bind(a=1):
                OTHER.set("seen")
                one = pool.submit(here)
                other = pool.submit(OTHER.get)
                mapped = list(pool.map(lambda number: (number, here()), [1, 2]))
            two = pool.submit(here)
        assert one.result() == (first, {"a": 1})
        assert mapped == [(1, (first, {"a": 1})), (2, (first, {"a": 1}))]
        assert two.result() == (None, {})
        assert other.result() == "seen"

    def test_run_in_executor(self) -> None:
        """``run_in_executor`` takes the context along, the loop's default executor as well."""

        async def main() -> None:
            loop = asyncio.get_running_loop()
            loop.set_default_executor(logship.wrap(ThreadPoolExecutor(1)))
            with logship.trace() as begun, logship.wrap(ThreadPoolExecutor(1)) as pool:
                assert (await loop.run_in_executor(None, here))[0] == begun
                assert (await loop.run_in_executor(pool, here))[0] == begun
                assert (await asyncio.to_thread(here))[0] == begun

        asyncio.run(main())

    def test_thread(self) -> None:
        """A wrapped function runs with the context of where it was wrapped, several at once."""
        seen: list[object] = []
        both = threading.Barrier(2, timeout=10)

        def work(name: str) -> None:
            both.wait()
            seen.append((name, *here()))

        with logship.trace() as begun, logship.bind(a=1):
            run = logship.wrap(work)
        threads = [threading.Thread(target=run, args=(name,)) for name in "xy"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(seen) == [("x", begun, {"a": 1}), ("y", begun, {"a": 1})]  # type: ignore[type-var]
        assert run.__name__ == "work"

    def test_process_pool(self) -> None:
        """Trace and bound fields go into other processes as well."""
        pool = logship.wrap(ProcessPoolExecutor(1, mp_context=get_context("spawn")))
        with pool:
            with logship.trace() as begun, logship.bind(a=1):
                inside = pool.submit(here)
            outside = pool.submit(here)
        assert inside.result() == (begun, {"a": 1})
        assert outside.result() == (None, {})

    def test_tasks(self) -> None:
        """asyncio's tasks inherit what is current where they begin, and keep theirs apart."""

        async def one(name: str) -> tuple[Trace | None, dict[str, object]]:
            with logship.bind(name=name):
                await asyncio.sleep(0)
                return here()

        async def main() -> None:
            with logship.trace() as begun:
                found = await asyncio.gather(one("a"), one("b"))
            assert found == [(begun, {"name": "a"}), (begun, {"name": "b"})]

        asyncio.run(main())


class TestTakeIds:
    def test_nothing(self) -> None:
        """Without ids of its own a record has those of here, if there are any."""
        extra = {"order_id": "o"}
        assert take_ids(extra) == (None, None)
        with logship.trace() as own:
            assert take_ids(extra) == own
        assert extra == {"order_id": "o"}

    @pytest.mark.parametrize(
        ("extra", "ids"),
        [
            ({"trace_id": TRACE_ID, "span_id": "b" * 16}, (TRACE_ID, "b" * 16)),
            ({"trace_id": TRACE_ID.upper()}, (TRACE_ID, None)),
            ({"traceparent": HEADER}, (TRACE_ID, "00f067aa0ba902b7")),
            ({"dd.trace_id": "255", "dd.span_id": 16}, ("0" * 30 + "ff", "0" * 14 + "10")),
            ({"otelTraceID": TRACE_ID, "otelSpanID": "c" * 16}, (TRACE_ID, "c" * 16)),
            (
                {"elasticapm_trace_id": TRACE_ID, "elasticapm_transaction_id": "d" * 16},
                (TRACE_ID, "d" * 16),
            ),
        ],
    )
    def test_brought(self, extra: dict[str, object], ids: tuple[str, str | None]) -> None:
        """What a record brings wins over what is current, in every spelling, and is taken out."""
        extra["kept"] = 1
        with logship.trace():
            assert take_ids(extra) == ids
        assert extra == {"kept": 1}

    @pytest.mark.parametrize(
        "extra",
        [
            {"otelTraceID": "0", "otelSpanID": "0"},
            {"dd.trace_id": "0", "dd.span_id": "0"},
            {"elasticapm_trace_id": None, "elasticapm_transaction_id": None},
        ],
    )
    def test_none_of_theirs(self, extra: dict[str, object]) -> None:
        """What tracing libraries write for "no span" counts as nothing."""
        with logship.trace() as own:
            assert take_ids(extra) == own
        assert extra == {}

    def test_nothing_is_lost(self) -> None:
        """What says something else than the better spelling stays where it was."""
        extra: dict[str, object] = {
            "elasticapm_trace_id": TRACE_ID,
            "elasticapm_transaction_id": "d" * 16,
            "elasticapm_span_id": "e" * 16,
            "dd.trace_id": "255",
            "traceparent": "garbage",
        }
        assert take_ids(extra) == ("0" * 30 + "ff", "e" * 16)
        assert extra == {
            "elasticapm_trace_id": TRACE_ID,
            "elasticapm_transaction_id": "d" * 16,
            "traceparent": "garbage",
        }

    def test_a_span_alone(self) -> None:
        """A record that brings a span only is one of the trace around it."""
        with logship.trace() as own:
            assert take_ids({"otelSpanID": "c" * 16}) == (own.trace_id, "c" * 16)
        assert take_ids({"span_id": "c" * 16}, (TRACE_ID, "b" * 16)) == (TRACE_ID, "c" * 16)

    def test_span_of_the_same_trace(self) -> None:
        """An explicit trace id has the current span only where that is of the same trace."""
        with logship.trace() as own:
            assert take_ids({"trace_id": own.trace_id}) == own
            assert take_ids({"trace_id": "a" * 32}) == ("a" * 32, None)
