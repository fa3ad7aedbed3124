"""Trace ids and bound fields that follow the flow of control, through threads and tasks.

Kept in one context variable: asyncio tasks and ``contextvars.copy_context`` inherit it.
Source: W3C Trace Context for ids and the ``traceparent`` header.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any, NamedTuple

from logship.schema.traces import parse_traceparent

__all__ = ["Trace", "bind", "current_fields", "current_trace", "trace", "traceparent"]


class Trace(NamedTuple):
    """Where the flow of control is in a trace.

    Attributes:
        trace_id: 32 lower-case hexadecimal digits.
        span_id: 16 lower-case hexadecimal digits.
    """

    trace_id: str
    span_id: str


_NOTHING: Mapping[str, Any] = MappingProxyType({})
_trace: ContextVar[Trace | None] = ContextVar("logship_trace", default=None)
_fields: ContextVar[Mapping[str, Any]] = ContextVar("logship_fields", default=_NOTHING)


class trace:
    """Everything inside belongs to one trace: a new one, or the one of *traceparent*.

    Inside another trace a new span of that trace begins. Yields the :class:`Trace`.

    Args:
        traceparent: A W3C ``traceparent`` header of the caller; one that cannot be read
            counts as none.
        trace_id: To continue a trace whose id came another way: 32 hexadecimal digits.

    Raises:
        ValueError: *trace_id* has another form.
    """

    def __init__(self, *, traceparent: str | None = None, trace_id: str | None = None) -> None:
        self._traceparent, self._trace_id = traceparent, trace_id
        self._tokens: list[Token[Trace | None]] = []
        if trace_id is not None and not _is_hex(trace_id, 32):
            raise ValueError(f"trace_id must be 32 hexadecimal digits, not {trace_id!r}")

    def __enter__(self) -> Trace:
        continued = parse_traceparent(self._traceparent) if self._traceparent else None
        around = _trace.get()
        if continued is not None:
            trace_id = continued[0]
        elif self._trace_id is not None:
            trace_id = self._trace_id.lower()
        elif around is not None and self._traceparent is None:
            trace_id = around.trace_id
        else:
            trace_id = _random_hex(16)
        entered = Trace(trace_id, _random_hex(8))
        self._tokens.append(_trace.set(entered))
        return entered

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _trace.reset(self._tokens.pop())


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
    """Return where the flow of control is, or None outside of any trace."""
    return _trace.get()


def current_fields() -> Mapping[str, Any]:
    """Return what is bound here; not to be changed."""
    return _fields.get()


def traceparent() -> str | None:
    """Return the header for an outgoing request, or None outside of any trace."""
    here = _trace.get()
    return None if here is None else f"00-{here.trace_id}-{here.span_id}-01"


def _random_hex(count: int) -> str:
    """Of *count* random bytes; never all zero, which the standard forbids."""
    return os.urandom(count).hex() if count else ""


def _is_hex(text: str, digits: int) -> bool:
    try:
        return len(text) == digits and len(bytes.fromhex(text)) * 2 == digits
    except ValueError:
        return False
