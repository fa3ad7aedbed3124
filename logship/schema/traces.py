"""Trace and span ids under their common spellings, in W3C form.

Source: W3C Trace Context, "traceparent header": 32 and 16 lower-case hexadecimal digits,
not all zero. Datadog's are decimal 64-bit numbers.
"""

from __future__ import annotations

import re
from typing import Any

__all__ = ["SPAN_SPELLINGS", "TRACE_SPELLINGS", "lift_traces", "parse_traceparent"]

TRACE_SPELLINGS = ("traceId", "trace.id", "otelTraceID", "dd.trace_id", "elasticapm_trace_id")
SPAN_SPELLINGS = ("spanId", "span.id", "otelSpanID", "dd.span_id", "transaction.id")

_TRACEPARENT = re.compile(
    r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
).fullmatch
_HEX = re.compile(r"[0-9a-f]+").fullmatch


def parse_traceparent(text: str) -> tuple[str, str] | None:
    """Return (trace id, span id) of a ``traceparent`` header, or None when it is not one."""
    match = _TRACEPARENT(text.strip().lower())
    if match is None or text.lower().startswith("ff"):
        return None
    trace, span = match.groups()
    return (trace, span) if trace.strip("0") and span.strip("0") else None


def lift_traces(record: dict[str, Any]) -> None:
    """Bring the trace and span id of *record* under their names and into W3C form, in place.

    What cannot be one (not hexadecimal, too long) stays as it was written. OpenTelemetry's
    "0" for "no span" is removed.
    """
    if "traceparent" in record:
        parsed = parse_traceparent(str(record["traceparent"]))
        if parsed is not None:
            record.pop("traceparent")
            record.setdefault("trace_id", parsed[0])
            record.setdefault("span_id", parsed[1])
    _lift(record, "trace_id", TRACE_SPELLINGS, 32)
    _lift(record, "span_id", SPAN_SPELLINGS, 16)


def _lift(record: dict[str, Any], name: str, spellings: tuple[str, ...], digits: int) -> None:
    for spelling in spellings:
        if spelling in record and not isinstance(record[spelling], (dict, list)):
            value = record.pop(spelling)
            if spelling.startswith("dd."):
                value = _decimal(value, digits)
            if value is not None:
                record.setdefault(name, value)
    value = record.get(name)
    if value is None or isinstance(value, (dict, list)):
        if name in record and value is None:
            del record[name]
        return
    text = str(value)
    canonical = text.strip().lower().replace("-", "").removeprefix("0x")
    if canonical in {"", "0"} or (_HEX(canonical) and not canonical.strip("0")):
        del record[name]
    elif _HEX(canonical) and len(canonical) <= digits and len(canonical) in {16, 32}:
        record[name] = canonical.rjust(digits, "0")
    else:
        record[name] = text


def _decimal(value: object, digits: int) -> str | None:
    """Datadog writes 64-bit numbers in decimal, or 128-bit ones in hexadecimal."""
    text = str(value)
    if text.isdigit() and len(text) <= 20:
        return f"{int(text):x}".rjust(16, "0") if int(text) else None
    return text
