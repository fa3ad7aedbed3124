from __future__ import annotations

from typing import Any

import pytest

from logship.schema.traces import lift_traces, parse_traceparent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEADER, (TRACE, SPAN)),
        (f" {HEADER.upper()} ", (TRACE, SPAN)),
        (f"{HEADER}-what-comes-later", (TRACE, SPAN)),
        (f"ff-{TRACE}-{SPAN}-01", None),
        (f" FF-{TRACE}-{SPAN}-01", None),
        (f"00-{'0' * 32}-{SPAN}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE}-{SPAN}", None),
        ("", None),
    ],
)
def test_traceparent(text: str, expected: tuple[str, str] | None) -> None:
    """A header of W3C Trace Context gives its two ids; what is invalid there gives none."""
    assert parse_traceparent(text) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ({"trace_id": TRACE, "span_id": SPAN}, {"trace_id": TRACE, "span_id": SPAN}),
        ({"trace_id": TRACE.upper()}, {"trace_id": TRACE}),
        ({"trace_id": "4bf92f35-77b3-4da6-a3ce-929d0e0e4736"}, {"trace_id": TRACE}),
        ({"trace_id": f" 0x{TRACE}"}, {"trace_id": TRACE}),
        ({"trace_id": SPAN}, {"trace_id": "0" * 16 + SPAN}),
        ({"span_id": SPAN.upper()}, {"span_id": SPAN}),
        ({"span_id": TRACE}, {"span_id": TRACE}),
        ({"traceId": TRACE, "spanId": SPAN}, {"trace_id": TRACE, "span_id": SPAN}),
        ({"trace.id": TRACE, "span.id": SPAN}, {"trace_id": TRACE, "span_id": SPAN}),
        ({"otelTraceID": TRACE, "otelSpanID": "0"}, {"trace_id": TRACE}),
        (
            {"dd.trace_id": "1234567890123456789", "dd.span_id": 255},
            {"trace_id": "0" * 16 + "112210f47de98115", "span_id": "00000000000000ff"},
        ),
        ({"dd.trace_id": TRACE}, {"trace_id": TRACE}),
        ({"dd.trace_id": "0", "dd.span_id": 0}, {}),
        ({"dd.trace_id": "²"}, {"trace_id": "²"}),
        ({"traceparent": HEADER}, {"trace_id": TRACE, "span_id": SPAN}),
        ({"traceparent": "nonsense"}, {"traceparent": "nonsense"}),
        ({"traceparent": 7}, {"traceparent": 7}),
        ({"trace_id": "0" * 32, "span_id": ""}, {}),
        ({"trace_id": "0", "span_id": None}, {}),
        ({"trace_id": 0}, {}),
        ({"dd.trace_id": None, "traceId": None}, {}),
        ({"trace_id": "no trace"}, {"trace_id": "no trace"}),
        ({"trace_id": 12}, {"trace_id": "12"}),
        ({"trace.id": {"a": 1}}, {"trace.id": {"a": 1}}),
        # the same under two names is one; another is kept under its own
        ({"trace_id": TRACE, "traceId": TRACE.upper()}, {"trace_id": TRACE}),
        ({"trace_id": TRACE, "traceId": SPAN}, {"trace_id": TRACE, "traceId": SPAN}),
        ({"trace_id": None, "traceId": TRACE}, {"trace_id": TRACE}),
        ({"trace_id": "0", "traceId": TRACE}, {"trace_id": TRACE}),
        (
            {"trace_id": TRACE, "traceparent": HEADER},
            {"trace_id": TRACE, "span_id": SPAN},
        ),
        (
            {"trace_id": "a" * 32, "traceparent": HEADER},
            {"trace_id": "a" * 32, "traceparent": HEADER},
        ),
        (
            {"span_id": "a" * 16, "traceparent": HEADER},
            {"trace_id": TRACE, "span_id": "a" * 16, "traceparent": HEADER},
        ),
    ],
)
def test_spellings(record: dict[str, Any], expected: dict[str, Any]) -> None:
    """Ids come under one name and in one form, and no two of them make one of them vanish."""
    lift_traces(record)
    assert record == expected
