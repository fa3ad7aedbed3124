"""Trace and span ids under their common spellings, in W3C form.

Source: W3C Trace Context, "traceparent header": 32 and 16 lower-case hexadecimal digits,
not all zero. Datadog's are decimal 64-bit numbers.
"""

from __future__ import annotations

import re
from typing import Any

from logship.schema.encode import safe_text

__all__ = [
    "SPAN_SPELLINGS",
    "TRACE_SPELLINGS",
    "has_plain_traces",
    "lift_traces",
    "parse_traceparent",
]

TRACE_SPELLINGS = ("traceId", "trace.id", "otelTraceID", "dd.trace_id", "elasticapm_trace_id")
SPAN_SPELLINGS = ("spanId", "span.id", "otelSpanID", "dd.span_id", "transaction.id")

_TRACEPARENT = re.compile(
    r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?"
).fullmatch
_PLAIN_TRACE, _PLAIN_SPAN = "a" * 32, "a" * 16
_HEX = re.compile(r"[0-9a-f]+").fullmatch


def parse_traceparent(text: str) -> tuple[str, str] | None:
    """Return (trace id, span id) of a ``traceparent`` header, or None when it is not one."""
    plain = text.strip().lower()
    match = _TRACEPARENT(plain)
    if match is None or plain.startswith("ff"):
        return None
    trace, span = match.groups()
    return (trace, span) if trace.strip("0") and span.strip("0") else None


def has_plain_traces(record: dict[str, Any]) -> bool:
    """Whether ``trace_id`` and ``span_id`` are absent, or plainly need no change.

    Hot: False may be wrong, True is not.
    """
    trace, span = record.get("trace_id", _PLAIN_TRACE), record.get("span_id", _PLAIN_SPAN)
    return (
        trace.__class__ is str
        and span.__class__ is str
        and len(trace) == 32
        and len(span) == 16
        and trace.islower()
        and span.islower()
    )


def _is_plain(text: str, digits: int) -> bool:
    return len(text) == digits and text == text.lower() and text.strip("0") != ""


def lift_traces(record: dict[str, Any]) -> None:
    """Bring the trace and span id of *record* under their names and into W3C form, in place.

    What cannot be one (not hexadecimal, too long) stays as it was written, and so does a
    spelling that says something else than a better one. OpenTelemetry's "0" for "no span" is
    removed.
    """
    _lift(record, "trace_id", TRACE_SPELLINGS, 32)
    _lift(record, "span_id", SPAN_SPELLINGS, 16)
    if "traceparent" in record:
        parsed = parse_traceparent(safe_text(record["traceparent"]))
        if parsed is not None:
            trace, span = parsed
            same_trace = record.setdefault("trace_id", trace) == trace
            if same_trace and record.setdefault("span_id", span) == span:
                del record["traceparent"]


def _lift(record: dict[str, Any], name: str, spellings: tuple[str, ...], digits: int) -> None:
    for spelling in (name, *spellings):
        value = record.get(spelling)
        if spelling not in record or isinstance(value, (dict, list)):
            continue
        found = _canonical(_hexadecimal(value) if spelling.startswith("dd.") else value, digits)
        if spelling == name or found is None or record.get(name, found) == found:
            del record[spelling]
        if found is not None:
            record.setdefault(name, found)


def _canonical(value: object, digits: int) -> str | None:
    """Return an id in W3C form where it can be one, as it was written else; None for no id."""
    if value is None:
        return None
    text = safe_text(value)
    if _is_plain(text, digits):
        return text
    plain = text.strip().lower().replace("-", "").removeprefix("0x")
    if not plain.strip("0"):
        return None
    if _HEX(plain) and len(plain) <= digits and len(plain) in {16, 32}:
        return plain.rjust(digits, "0")
    return text


def _hexadecimal(value: object) -> str | None:
    """Datadog writes 64-bit numbers in decimal, or 128-bit ones in hexadecimal."""
    if value is None:
        return None
    text = safe_text(value)
    if text.isascii() and text.isdigit() and len(text) <= 20:
        return f"{int(text):016x}"
    return text
