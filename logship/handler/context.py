"""Trace ids and bound fields that follow the flow of control, through threads and tasks.

Kept in context variables: asyncio tasks and ``contextvars.copy_context`` inherit them.
Source: W3C Trace Context for ids and the ``traceparent`` header.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

from logship.schema.traces import (
    SPAN_SPELLINGS,
    TRACE_SPELLINGS,
    lift_traces,
    parse_traceparent,
)

__all__ = [
    "IDS",
    "Carried",
    "Trace",
    "bind",
    "carried",
    "current_fields",
    "current_trace",
    "take_ids",
    "trace",
    "traceparent",
]


class Trace(NamedTuple):
    """Where the flow of control is in a trace.

    Attributes:
        trace_id: 32 lower-case hexadecimal digits.
        span_id: 16 lower-case hexadecimal digits.
    """

    trace_id: str
    span_id: str


class _Here(NamedTuple):
    trace: Trace
    flags: str  # of the caller's header: whether tracing systems record this trace


_RECORDED = "01"
_OPENTELEMETRY = "opentelemetry.trace"
# Elastic's agent puts these beside its trace id; the better one first.
_APM_SPANS = ("elasticapm_span_id", "elasticapm_transaction_id")
IDS = frozenset(
    ("trace_id", "span_id", "traceparent", *TRACE_SPELLINGS, *SPAN_SPELLINGS, *_APM_SPANS)
)
_NOTHING: Mapping[str, Any] = MappingProxyType({})
_here: ContextVar[_Here | None] = ContextVar("logship_trace", default=None)
_fields: ContextVar[Mapping[str, Any]] = ContextVar("logship_fields", default=_NOTHING)


def _read(header: str) -> _Here | None:
    found = parse_traceparent(header)
    return None if found is None else _Here(Trace(*found), header.strip()[53:55].lower())


# What started this process may have passed its trace on. Read once: a look into the
# environment costs as much as all the rest of ``current_trace``.
_inherited = _read(os.environ.get("TRACEPARENT", ""))

# The last span context that was met and what it is in text, which costs more than finding it.
_last_span: tuple[object, _Here | None] = (None, None)


class trace:
    """Everything inside belongs to one trace: a new one, or the one of *traceparent*.

    Inside another trace (one of OpenTelemetry's and one of ``TRACEPARENT`` in the environment
    included) a new span of that trace begins. Yields the :class:`Trace`.

    Where a span of OpenTelemetry is current, records carry its ids and not these.

    Args:
        traceparent: A W3C ``traceparent`` header of the caller; one that cannot be read
            counts as none, and begins a new trace.
        trace_id: To continue a trace whose id came another way: 32 hexadecimal digits.

    Raises:
        ValueError: *trace_id* has another form.
    """

    def __init__(self, *, traceparent: str | None = None, trace_id: str | None = None) -> None:
        self._traceparent, self._trace_id = traceparent, trace_id
        self._tokens: list[Token[_Here | None]] = []
        if trace_id is not None and not _is_trace_id(trace_id):
            raise ValueError(f"trace_id must be 32 hexadecimal digits, not {trace_id!r}")

    def __enter__(self) -> Trace:
        continued = self._continued()
        trace_id, flags = continued or (os.urandom(16).hex(), _RECORDED)
        entered = Trace(trace_id, os.urandom(8).hex())
        self._tokens.append(_here.set(_Here(entered, flags)))
        return entered

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _here.reset(self._tokens.pop())

    def _continued(self) -> tuple[str, str] | None:
        """The trace id and flags to go on with."""
        read = _read(self._traceparent) if self._traceparent else None
        if read is not None:
            return read.trace.trace_id, read.flags
        if self._trace_id is not None:
            return self._trace_id.lower(), _RECORDED
        if self._traceparent is not None:
            return None
        around = _now()
        return None if around is None else (around.trace.trace_id, around.flags)


class bind:
    """Every record inside carries *fields*, over those bound further out."""

    def __init__(self, **fields: Any) -> None:
        self._bound = fields
        self._tokens: list[Token[Mapping[str, Any]]] = []

    def __enter__(self) -> Mapping[str, Any]:
        fields = {**_fields.get(), **self._bound}
        self._tokens.append(_fields.set(fields))
        return fields

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _fields.reset(self._tokens.pop())


def current_trace() -> Trace | None:
    """Return where the flow of control is, or None outside of any trace.

    That is OpenTelemetry's current span when that library is loaded and has one, else the
    innermost :class:`trace`, else ``TRACEPARENT`` of the environment as the process began.
    """
    module = sys.modules.get(_OPENTELEMETRY)
    if module is not None:
        found = _of_opentelemetry(module)
        if found is not None:
            return found.trace
    here = _here.get() or _inherited
    return None if here is None else here.trace


def current_fields() -> Mapping[str, Any]:
    """Return what is bound here; not to be changed."""
    return _fields.get()


def traceparent() -> str | None:
    """Return the header for an outgoing request, or None outside of any trace."""
    here = _now()
    if here is None:
        return None
    return f"00-{here.trace.trace_id}-{here.trace.span_id}-{here.flags}"


def take_ids(
    fields: dict[str, Any], around: tuple[str | None, str | None] | None = None
) -> tuple[str | None, str | None]:
    """Return the trace and span id for a record, after taking those it brings out of *fields*.

    What a record brings wins, under every spelling that is known (``trace_id``, ``traceparent``,
    ``dd.trace_id``, ``otelTraceID``, ``elasticapm_trace_id``, …), in W3C form where it can be.
    A record that brings a trace id of another trace has no span id unless it brings that, too.

    Args:
        fields: The attributes that an application or a tracing library put on the record;
            ids are removed from it, all else stays, and so does what says something else.
        around: What holds where the record brings nothing; by default :func:`current_trace`'s.
    """
    if around is None:
        around = current_trace() or (None, None)
    if IDS.isdisjoint(fields):
        return around
    brought = {name: fields.pop(name) for name in IDS if name in fields}
    for name in _APM_SPANS:
        value = brought.pop(name, None)
        if value is not None and brought.setdefault("span_id", value) != value:
            fields[name] = value
    lift_traces(brought)
    trace_id, span_id = (
        brought.pop(name) if isinstance(brought.get(name), str) else None
        for name in ("trace_id", "span_id")
    )
    fields.update(brought)
    if trace_id is None:
        return around[0], span_id or around[1]
    if trace_id == around[0]:
        span_id = span_id or around[1]
    return trace_id, span_id


class Carried(NamedTuple):
    """What a piece of work takes along to where context variables cannot go. Can be pickled."""

    here: _Here | None
    fields: Mapping[str, Any]

    def enter(self) -> None:
        """Make it current here, for good: the caller owns the context."""
        _here.set(self.here)
        _fields.set(self.fields)


def carried() -> Carried:
    """Return what is current here."""
    return Carried(_now(), dict(_fields.get()))


def _now() -> _Here | None:
    module = sys.modules.get(_OPENTELEMETRY)
    found = None if module is None else _of_opentelemetry(module)
    return found or _here.get() or _inherited


def _of_opentelemetry(module: Any) -> _Here | None:
    global _last_span
    try:
        span = module.get_current_span().get_span_context()
        last, here = _last_span
        if span is not last:
            here = None
            if span.is_valid:
                ids = Trace(f"{span.trace_id:032x}", f"{span.span_id:016x}")
                here = _Here(ids, f"{span.trace_flags:02x}")
            _last_span = (span, here)
        return here
    except Exception:  # half imported by another thread, or a span of somebody's own making
        return None


def _is_trace_id(text: str) -> bool:
    try:
        return len(text) == 32 and len(bytes.fromhex(text)) == 16 and bool(text.strip("0"))
    except ValueError:
        return False
