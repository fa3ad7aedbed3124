"""The mappings of the index template, for either schema.

Every field named here has its shape guarded by the schema: no record can bring an object where
a scalar is mapped, or the other way round.
"""

from __future__ import annotations

from typing import Any

from logship.settings.model import Schema

__all__ = ["mappings"]

_KEYWORD = {"type": "keyword", "ignore_above": 1024}
_ANY_CASE = {"type": "keyword", "normalizer": "lowercase", "ignore_above": 256}
_TEXT = {"type": "text"}
# Up to nine digits of a fraction are taken, of which milliseconds can be searched.
_DATE = {"type": "date"}

_COMMON: dict[str, Any] = {
    "@timestamp": _DATE,
    "timestamp": {"type": "alias", "path": "@timestamp"},
    "message": _TEXT,
    "parse_error": _TEXT,
    "tags": _KEYWORD,
    "duration_ms": {"type": "double"},
    "extra": {"type": "object"},
    "rescued_source": {"type": "text", "index": False},
}
_ERROR = {"type": _KEYWORD, "message": _TEXT, "stack_trace": _TEXT}

_FLAT: dict[str, Any] = {
    "@ingested": _DATE,
    "level": _ANY_CASE,
    "service": _KEYWORD,
    "environment": _KEYWORD,
    "logger": _KEYWORD,
    "trace_id": _KEYWORD,
    "span_id": _KEYWORD,
    "user_id": _KEYWORD,
    "request_id": _KEYWORD,
    "method": _ANY_CASE,
    "error": {"properties": _ERROR},
    "host": {"properties": {"name": _KEYWORD}},
    "log": {
        "properties": {
            "file": {"properties": {"path": _KEYWORD}},
            "offset": {"type": "long"},
        }
    },
}

# Source: ECS field reference 8.11. "log.offset" is not part of it, and is what Filebeat writes.
_ECS: dict[str, Any] = {
    "ecs": {"properties": {"version": _KEYWORD}},
    "event": {
        "properties": {
            "ingested": _DATE,
            "created": _DATE,
            "start": _DATE,
            "end": _DATE,
            "duration": {"type": "long"},
            "action": _KEYWORD,
        }
    },
    "log": {
        "properties": {
            "level": _ANY_CASE,
            "logger": _KEYWORD,
            "file": {"properties": {"path": _KEYWORD}},
            "offset": {"type": "long"},
        }
    },
    "service": {"properties": {"name": _KEYWORD, "environment": _KEYWORD, "version": _KEYWORD}},
    "trace": {"properties": {"id": _KEYWORD}},
    "span": {"properties": {"id": _KEYWORD}},
    "transaction": {"properties": {"id": _KEYWORD}},
    "user": {"properties": {"id": _KEYWORD, "name": _KEYWORD}},
    "http": {
        "properties": {
            "request": {"properties": {"id": _KEYWORD, "method": _ANY_CASE}},
            "response": {"properties": {"status_code": {"type": "long"}}},
        }
    },
    "error": {"properties": {**_ERROR, "code": _KEYWORD, "id": _KEYWORD}},
    "host": {"properties": {"name": _KEYWORD}},
    "labels": {"type": "object"},
}
_BY_SCHEMA: dict[Schema, dict[str, Any]] = {"flat": _FLAT, "ecs": _ECS}


def mappings(schema: Schema, rescued: dict[str, Any] | None) -> dict[str, Any]:
    """Return the mappings of new indices.

    Args:
        schema: How fields are named.
        rescued: The mapping of the field ``rescued``; None leaves it to the server.
    """
    properties = {**_COMMON, **_BY_SCHEMA[schema]}
    if rescued is not None:
        properties["rescued"] = rescued
    return {
        "date_detection": False,
        "numeric_detection": False,
        "dynamic_templates": [
            {"texts": {"match_mapping_type": "string", "mapping": _KEYWORD}},
        ],
        "properties": properties,
    }
