"""Answers on their way out: filtered, rendered, compressed."""

from __future__ import annotations

import gzip
from dataclasses import dataclass, field
from typing import Any

import orjson

from logship.node.documents import loads
from logship.node.errors import NodeError
from logship.node.http.filter_path import FilterPath
from logship.node.http.request import Request

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}
_COMPRESSED_FROM = 512


class Raw:
    """JSON text that goes into an answer as it is."""

    __slots__ = ("source",)

    def __init__(self, source: bytes) -> None:
        self.source = source


@dataclass(slots=True)
class Reply:
    """What a handler answers.

    Attributes:
        value: JSON value; `Raw` inside is embedded as it is.
        text: Plain text instead of JSON (the ``_cat`` tables).
        rendered: JSON that needs no more work, filter included.
    """

    value: Any = None
    status: int = 200
    text: str | None = None
    rendered: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)


def render(reply: Reply, request: Request) -> bytes:
    """Return the body of *reply* as the request's parameters want it."""
    if reply.text is not None:
        return reply.text.encode()
    if reply.rendered is not None and "pretty" not in request.parameters:
        return reply.rendered
    value = reply.value if reply.rendered is None else orjson.loads(reply.rendered)
    filters = FilterPath(request.parameters.get("filter_path"))
    if reply.rendered is None and not filters.is_empty and reply.status < 400:
        value = filters.apply(_plain(value))
        value = {} if value is None else value
    if request.parameters.get("pretty", "false") != "false":
        return orjson.dumps(_plain(value), option=orjson.OPT_INDENT_2) + b"\n"
    return dump(value)


def dump(value: Any) -> bytes:
    """Return *value* as JSON; texts with lone surrogates are escaped."""
    try:
        return orjson.dumps(value, default=_embed, option=orjson.OPT_NON_STR_KEYS)
    except TypeError:
        import json

        return json.dumps(_plain(value)).encode()


def _embed(value: Any) -> orjson.Fragment:
    if isinstance(value, Raw):
        return orjson.Fragment(value.source)
    raise TypeError(type(value).__name__)


def _plain(value: Any) -> Any:
    """Return *value* with embedded JSON texts parsed."""
    if isinstance(value, Raw):
        return loads(value.source)
    if isinstance(value, dict):
        return {key: _plain(below) for key, below in value.items()}
    if isinstance(value, list):
        return [_plain(below) for below in value]
    return value


def compressed(body: bytes, accept_encoding: str | None) -> bytes | None:
    """Return *body* gzipped where the client takes it and it is worth it, else None."""
    if len(body) < _COMPRESSED_FROM or "gzip" not in (accept_encoding or ""):
        return None
    return gzip.compress(body, compresslevel=1, mtime=0)


def error_reply(error: NodeError, request: Request | None) -> tuple[int, bytes]:
    """Return status and body for *error*."""
    body = error.body()
    is_pretty = request is not None and request.parameters.get("pretty", "false") != "false"
    if is_pretty:
        return error.status, orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n"
    return error.status, dump(body)
