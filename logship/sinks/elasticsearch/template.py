"""The index template: how Elasticsearch is to understand what logship writes."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from logship.elastic import Elastic
from logship.errors import ElasticError, ErrorReply
from logship.settings.model import IndexSettings
from logship.sinks.index_names import wildcard

__all__ = ["confirm_template", "index_template", "put_template", "template_name"]

log = logging.getLogger(__name__)

TEMPLATE_VERSION = 2
PRIORITY = 200

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_ANY_CASE = {"type": "keyword", "normalizer": "lowercase", "ignore_above": 256}
# For what a mapping refuses, by what the server has: Elasticsearch; OpenSearch; neither.
_RESCUED: tuple[dict[str, Any] | None, ...] = (
    {"type": "flattened", "ignore_above": 8191},
    {"type": "flat_object"},
    None,
)


def index_template(
    index: IndexSettings, rescued: dict[str, Any] | None = _RESCUED[0]
) -> dict[str, Any]:
    """Return the body of ``PUT _index_template``, derived from the settings.

    Args:
        rescued: The mapping of the field ``rescued``; None leaves it to the server.
    """
    return {
        "index_patterns": [wildcard(index.name)],
        "priority": PRIORITY,
        "version": TEMPLATE_VERSION,
        "_meta": {"description": "Written by logship from its settings; changes are overwritten."},
        "template": {
            "settings": {
                "number_of_shards": index.shards,
                "number_of_replicas": index.replicas,
                "refresh_interval": f"{index.refresh_interval_seconds:g}s",
                "index.mapping.ignore_malformed": True,
                "index.mapping.total_fields.limit": 2000,
            },
            "mappings": _mappings(rescued),
        },
    }


def template_name(index: IndexSettings) -> str:
    """Return the template's name: ``logship-`` and what its pattern begins with."""
    stem = "-".join(part for part in re.split(r"[*.\-]+", wildcard(index.name)) if part) or "all"
    return f"logship-{stem}"


async def put_template(elastic: Elastic, index: IndexSettings) -> None:
    """Put the template; returns when the server confirmed it.

    Refused (for lack of privilege, or by a server that knows no such templates): one warning,
    and on.

    Raises:
        ElasticError: No answer that decides it; to be tried again before the first bulk request.
    """
    try:
        await _put_with_rescued(elastic, index)
    except ErrorReply as error:
        if error.status in (401, 408, 429) or not 400 <= error.status < 500:
            raise
        log.warning(
            "Elasticsearch refuses the index template %s (%s). Delivery goes on without it; let "
            "an administrator put it, or set index.template: false.",
            template_name(index),
            error,
        )


async def _put_with_rescued(elastic: Elastic, index: IndexSettings) -> None:
    """Put the template with the first mapping of ``rescued`` that the server knows.

    What a 400 is for lies too deep in the reply to tell: the last one, without, decides.
    """
    path = f"/_index_template/{template_name(index)}"
    for rescued in _RESCUED:
        try:
            await elastic.request("PUT", path, orjson.dumps(index_template(index, rescued)))
        except ErrorReply as error:
            if rescued is None or error.status != 400:
                raise
        else:
            return


async def confirm_template(
    elastic: Elastic,
    index: IndexSettings,
    said: Callable[[str], None],
    longest_pause_seconds: Callable[[], float] = lambda: 5.0,
    pause_for: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Put the template before the first bulk request, for as long as it takes.

    Args:
        said: Called with why it did not work, and with an empty text when it did.
        pause_for: Waits that many seconds, or less when there is a hurry.
    """
    pause, trouble = 0.25, ""
    where = ", ".join(elastic.urls)
    while True:
        try:
            await put_template(elastic, index)
        except ElasticError as error:
            if str(error) != trouble:
                trouble = str(error)
                log.warning(
                    "Elasticsearch at %s cannot be reached or refuses the index template (%s). "
                    "Nothing is lost: records wait, and it is tried again.",
                    where,
                    error,
                )
            said(trouble)
            await pause_for(min(pause, longest_pause_seconds()))
            pause *= 1.5
        else:
            if trouble:
                log.info("Elasticsearch at %s answers now.", where)
            said("")
            return


def _mappings(rescued: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "date_detection": False,
        "numeric_detection": False,
        "dynamic_templates": [
            {
                "extra_texts": {
                    "path_match": "extra.*",
                    "match_mapping_type": "string",
                    "mapping": _KEYWORD,
                }
            },
            {"texts": {"match_mapping_type": "string", "mapping": _KEYWORD}},
        ],
        "properties": {
            "@timestamp": {"type": "date"},
            "timestamp": {"type": "alias", "path": "@timestamp"},
            "@ingested": {"type": "date"},
            "level": _ANY_CASE,
            "service": _KEYWORD,
            "environment": _KEYWORD,
            "logger": _KEYWORD,
            "message": {"type": "text"},
            "parse_error": {"type": "text"},
            "trace_id": _KEYWORD,
            "span_id": _KEYWORD,
            "user_id": _KEYWORD,
            "request_id": _KEYWORD,
            "tags": _KEYWORD,
            "method": _ANY_CASE,
            "duration_ms": {"type": "double"},
            "error": {
                "properties": {
                    "type": _KEYWORD,
                    "message": {"type": "text"},
                    "stack_trace": {"type": "text"},
                }
            },
            "host": {"properties": {"name": _KEYWORD}},
            "log": {
                "properties": {
                    "file": {"properties": {"path": _KEYWORD}},
                    "offset": {"type": "long"},
                }
            },
            "extra": {"type": "object"},
            **({} if rescued is None else {"rescued": rescued}),
            "rescued_source": {"type": "text", "index": False},
        },
    }
