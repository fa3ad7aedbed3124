"""The flat schema: the reserved roots, and how what applications write there is lifted.

Applications use the same roots for different things, and one daily index has one mapping.
So logship owns these roots and moves what it meets; the text is lost nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

import orjson

from logship.schema.levels import standard_level
from logship.schema.times import parse_time
from logship.schema.traces import SPAN_SPELLINGS, TRACE_SPELLINGS, lift_traces

__all__ = ["OWNED", "RESERVED", "Record", "add_tag", "lift"]

Record = dict[str, Any]

# Written by logship alone; what a record brings under these names moves to "extra".
OWNED = ("log.file.path", "log.offset", "@ingested")

TIME_SPELLINGS = ("timestamp", "time", "ts")
LEVEL_SPELLINGS = ("severity", "lvl", "levelname", "log.level")

# A record that holds any of these needs lifting; every other record is plain.
RESERVED = (
    *TIME_SPELLINGS,
    *LEVEL_SPELLINGS,
    *TRACE_SPELLINGS,
    *SPAN_SPELLINGS,
    *OWNED,
    "traceparent",
    "event",
    "event.ingested",
    "error",
    "stack",
    "host",
    "host.name",
    "log",
    "logger.name",
    "service.name",
    "msg",
    "tags",
    "extra",
    "parse_error",
)

_TEXT_ROOTS = ("message", "service", "logger", "parse_error")
_ID_ROOTS = ("user_id", "request_id", "trace_id", "span_id", "host.name")


def lift(record: Record, zone: tzinfo | None) -> None:
    """Bring *record* into the flat schema, in place.

    ``@timestamp`` is UTC text or absent afterwards, ``level`` a standard name or absent,
    ``trace_id`` and ``span_id`` hexadecimal where they were; no reserved root holds a value
    of a shape that its mapping refuses. Works on any dict that JSON can carry.
    """
    _lift_objects(record)
    _lift_texts(record)
    _lift_time(record, zone)
    _lift_level(record)
    lift_traces(record)
    for name in _TEXT_ROOTS:
        if name in record and not isinstance(record[name], str):
            _set_text(record, name, record[name])
    for name in _ID_ROOTS:
        if isinstance(record.get(name), (dict, list)):
            _to_extra(record, name)
    _lift_tags(record)


def add_tag(record: Record, tag: str) -> None:
    """Put *tag* on a lifted record, once."""
    tags = record.setdefault("tags", [])
    if tag not in tags:
        tags.append(tag)


def as_text(value: object) -> str:
    """Return *value* as a person would read it: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else orjson.dumps(value, default=str).decode()


def _to_extra(record: Record, name: str, value: object = None) -> None:
    """Move a root (or *value*, taken from below it) into ``extra`` under its own name."""
    kept = record.pop(name) if value is None else value
    extra = record.get("extra")
    if not isinstance(extra, dict):
        extra = record["extra"] = {} if extra is None else {"extra": extra}
    free = name
    while free in extra:
        free += "_"
    extra[free] = kept


def _lift_objects(record: Record) -> None:
    for name in OWNED:
        if name in record:
            if name == "@ingested":
                del record[name]
            else:
                _to_extra(record, name)
    record.pop("event.ingested", None)
    if "extra" in record and not isinstance(record["extra"], dict):
        value = record.pop("extra")
        if value is not None:
            record["extra"] = {"extra": value}
    for name, lift_one in _OBJECT_ROOTS:
        if name in record:
            value = record.pop(name)
            if value is not None:
                lift_one(record, value)


def _lift_event(record: Record, value: object) -> None:
    if isinstance(value, dict):
        value.pop("ingested", None)
        for key, inner in value.items():
            record.setdefault(f"event.{key}", inner)
    elif "message" not in record and "msg" not in record:
        record["message"] = as_text(value)
    else:
        record.setdefault("event.action", as_text(value))


_ERROR_NAMES = {"stack": "stack_trace", "stacktrace": "stack_trace", "name": "type"}


def _lift_error(record: Record, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"error.{_ERROR_NAMES.get(key, key)}"
            text = as_text(inner) if name in _ERROR_FIELDS else inner
            if record.setdefault(name, text) is not text:
                _to_extra(record, f"error.{key}", inner)
        return
    if record.setdefault("error.message", as_text(value)) != as_text(value):
        _to_extra(record, "error", value)
    for root, name in (("stack", "error.stack_trace"), ("name", "error.type")):
        if isinstance(record.get(root), str) and name not in record:
            record[name] = record.pop(root)


_ERROR_FIELDS = ("error.message", "error.type", "error.stack_trace")


def _lift_host(record: Record, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if record.setdefault(f"host.{key}", inner) is not inner:
                _to_extra(record, f"host.{key}", inner)
    elif record.setdefault("host.name", as_text(value)) != as_text(value):
        _to_extra(record, "host", value)


def _lift_log(record: Record, value: object) -> None:
    if not isinstance(value, dict):
        _to_extra(record, "log", value)
        return
    for key, root in (("level", "level"), ("logger", "logger")):
        if isinstance(value.get(key), str) and root not in record:
            record[root] = value.pop(key)
    if value:
        _to_extra(record, "log", value)


def _lift_service(record: Record, value: object) -> None:
    if not isinstance(value, dict):
        record["service"] = as_text(value)
        return
    if isinstance(value.get("name"), str):
        record["service"] = value.pop("name")
    if value:
        _to_extra(record, "service", value)


def _lift_logger(record: Record, value: object) -> None:
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        record["logger"] = value.pop("name")
        value = value or None
    elif not isinstance(value, dict):
        record["logger"], value = as_text(value), None
    if value is not None:
        _to_extra(record, "logger", value)


_OBJECT_ROOTS: tuple[tuple[str, Callable[[Record, Any], None]], ...] = (
    ("event", _lift_event),
    ("error", _lift_error),
    ("host", _lift_host),
    ("log", _lift_log),
    ("service", _lift_service),
    ("logger", _lift_logger),
)


def _lift_texts(record: Record) -> None:
    for spelling, name in (
        ("msg", "message"),
        ("service.name", "service"),
        ("logger.name", "logger"),
    ):
        if spelling in record:
            if name in record:
                _to_extra(record, spelling)
            else:
                record[name] = record.pop(spelling)


def _set_text(record: Record, name: str, value: object) -> None:
    if value is None:
        del record[name]
    else:
        record[name] = as_text(value)


def _lift_time(record: Record, zone: tzinfo | None) -> None:
    time = None
    if "@timestamp" in record:
        time = parse_time(record["@timestamp"], zone)
        if time is None:
            _to_extra(record, "@timestamp")
        else:
            record["@timestamp"] = time
    for name in TIME_SPELLINGS:
        if name in record:
            value = record[name]
            if time is None and (time := parse_time(value, zone)) is not None:
                record["@timestamp"] = time
                del record[name]
            elif value is None:
                del record[name]
            else:
                _to_extra(record, name)


def _lift_level(record: Record) -> None:
    for name in ("level", *LEVEL_SPELLINGS):
        if name not in record:
            continue
        value = record.pop(name)
        level = standard_level(value)
        if level is not None and "level" not in record:
            record["level"] = level
        elif level is None and value is not None:
            _to_extra(record, name, value)


def _lift_tags(record: Record) -> None:
    if "tags" in record:
        tags = record["tags"]
        if isinstance(tags, list):
            record["tags"] = [as_text(tag) for tag in tags if tag is not None]
        elif isinstance(tags, dict):
            _to_extra(record, "tags")
        elif tags is None:
            del record["tags"]
        else:
            record["tags"] = [as_text(tags)]
