"""The index template: how Elasticsearch is to understand what logship writes."""

from __future__ import annotations

import asyncio
import logging
import re
import zlib
from collections.abc import Awaitable, Callable
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote

import orjson

from logship.elastic import Elastic
from logship.elastic.advice import advice
from logship.errors import ElasticError, ErrorReply
from logship.settings.index_name import ELASTICS_OWN
from logship.settings.model import IndexSettings, Schema
from logship.sinks.elasticsearch.mapping import mappings
from logship.sinks.index_names import wildcard

__all__ = [
    "confirm_template",
    "index_template",
    "lifecycle",
    "put_some_template",
    "put_template",
    "template_name",
]

log = logging.getLogger(__name__)

TEMPLATE_VERSION = 3
# Above Elastic's own (100) and those of its integrations (200), none of which has our names.
PRIORITY, MOST_SPECIFIC = 200, 99

# Tried in this order: what a server may not know is the type of "rescued" (Elasticsearch;
# OpenSearch; neither), and the lifecycle of data streams.
_Variant = tuple[dict[str, Any] | None, bool]
_FULL: _Variant = ({"type": "flattened", "ignore_above": 8191}, True)
_VARIANTS: tuple[_Variant, ...] = (
    _FULL,
    (_FULL[0], False),
    ({"type": "flat_object"}, False),
    (None, False),
)


def index_template(
    index: IndexSettings, schema: Schema = "flat", variant: _Variant = _FULL
) -> dict[str, Any]:
    """Return the body of ``PUT _index_template``, derived from the settings.

    Of two agents whose patterns overlap, the more specific one decides.

    Args:
        variant: The mapping of the field ``rescued`` (None leaves it to the server), and
            whether a data stream's template may name its lifecycle.
    """
    pattern = index.data_stream or wildcard(index.name)
    rescued, has_lifecycle = variant
    template: dict[str, Any] = {
        "settings": {
            "number_of_shards": index.shards,
            "number_of_replicas": index.replicas,
            "refresh_interval": f"{index.refresh_interval_seconds:g}s",
            "index.mapping.ignore_malformed": True,
            "index.mapping.total_fields.limit": 2000,
        },
        "mappings": mappings(schema, rescued),
    }
    body = {
        "index_patterns": [pattern],
        "priority": PRIORITY + min(MOST_SPECIFIC, len(pattern.replace("*", ""))),
        "version": TEMPLATE_VERSION,
        "_meta": {"description": "Written by logship from its settings; changes are overwritten."},
        "template": template,
    }
    if index.data_stream is not None:
        body["data_stream"] = {}
        if index.retention_seconds is not None and has_lifecycle:
            template["lifecycle"] = lifecycle(index.retention_seconds)
    return body


def lifecycle(retention_seconds: float) -> dict[str, str]:
    """Return the lifecycle of a data stream that keeps its documents so long."""
    days, rest = divmod(round(retention_seconds), 86_400)
    return {"data_retention": f"{round(retention_seconds)}s" if rest else f"{days}d"}


def template_name(index: IndexSettings) -> str:
    """Return the template's name: ``logship-`` and what its pattern begins with.

    Other patterns have other names: agents would take one another's template away.
    """
    if index.data_stream is not None:
        stream = index.data_stream
        is_no_index = any(fnmatchcase(stream, pattern) for pattern in ELASTICS_OWN)
        return _named(stream, "" if is_no_index else f"stream {stream}")
    pattern = wildcard(index.name)
    # The millennium in the pattern is no part of it.
    parts = re.split(r"[*.\-]+", pattern.replace("2*", "*"))
    stem = "-".join(part for part in parts if part) or "all"
    return _named(stem, "" if pattern == f"{stem}-2*.*.*" else pattern)


def _named(stem: str, unusual: str) -> str:
    return f"logship-{stem}" + (f"-{zlib.crc32(unusual.encode()):08x}" if unusual else "")


async def put_template(elastic: Elastic, index: IndexSettings, schema: Schema = "flat") -> None:
    """Put the template; returns when the server confirmed it.

    Refused (for lack of privilege, or by a server that knows no such templates): one warning,
    and on.

    Raises:
        ElasticError: No answer that decides it; to be tried again before the first bulk request.
    """
    try:
        await put_some_template(elastic, index, schema)
    except ErrorReply as error:
        if error.status in (401, 408, 429) or not 400 <= error.status < 500:
            raise
        log.warning(
            "Elasticsearch refuses the index template %s (%s). Delivery goes on without it; let "
            "an administrator put it, or set index.template: false.",
            template_name(index),
            error,
        )


async def put_some_template(
    elastic: Elastic, index: IndexSettings, schema: Schema = "flat"
) -> dict[str, Any]:
    """Put the template in the first variant that the server knows; returns what was put.

    What a 400 is for lies too deep in the reply to tell: the last variant decides.

    Raises:
        ElasticError: It was not put.
    """
    path = f"/_index_template/{quote(template_name(index), safe='')}"
    is_simple = index.data_stream is None or index.retention_seconds is None
    variants = [one for one in _VARIANTS if not (is_simple and one == _VARIANTS[1])]
    for number, variant in enumerate(variants, 1):
        body = index_template(index, schema, variant)
        try:
            await elastic.request("PUT", path, orjson.dumps(body))
        except ErrorReply as error:
            if number == len(variants) or error.status != 400:
                raise
        else:
            return body
    raise AssertionError("the last variant is put or raises")


async def confirm_template(
    elastic: Elastic,
    index: IndexSettings,
    said: Callable[[str], None],
    longest_pause_seconds: Callable[[], float] = lambda: 5.0,
    pause_for: Callable[[float], Awaitable[None]] = asyncio.sleep,
    schema: Schema = "flat",
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
            await put_template(elastic, index, schema)
        except ElasticError as error:
            if str(error) != trouble:
                trouble = str(error)
                log.warning(
                    "Elasticsearch at %s cannot be reached or refuses the index template (%s). "
                    "Nothing is lost: records wait, and it is tried again.%s",
                    where,
                    error,
                    advice(error),
                )
            said(trouble)
            await pause_for(min(pause, longest_pause_seconds()))
            pause *= 1.5
        else:
            if trouble:
                log.info("Elasticsearch at %s answers now.", where)
            said("")
            return
