"""The flat schema: the reserved roots, and how what applications write there is lifted.

Applications use the same roots for different things, and one daily index has one mapping.
So logship owns these roots and moves what it meets; the text is lost nowhere.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Any

from logship.schema.encode import as_text
from logship.schema.levels import standard_level
from logship.schema.times import is_utc, parse_time
from logship.schema.traces import SPAN_SPELLINGS, TRACE_SPELLINGS, has_plain_traces, lift_traces

__all__ = ["OWNED", "RESERVED", "SCALARS", "TEXTS", "Record", "add_tag", "lift", "move_to_extra"]

Record = dict[str, Any]

# Written by logship alone; what a record brings under these names moves to "extra".
OWNED = ("log.file.path", "log.offset", "log.file", "@ingested")

# Dotted names below a root that is a text here; what Elastic's and OpenTelemetry's loggers write.
BELOW_SERVICE = (
    "service.version",
    "service.environment",
    "service.node.name",
    "service.namespace",
    "service.instance.id",
    "service.id",
    "service.type",
    "service.state",
    "service.ephemeral_id",
)
# Objects whose "id" is one of ours.
WITH_IDS = ("trace", "span", "transaction")

TIME_SPELLINGS = ("timestamp", "time", "ts", "asctime")
LEVEL_SPELLINGS = ("severity", "lvl", "levelname", "log.level")

# A record that holds any of these needs lifting; every other record is plain.
RESERVED = (
    *TIME_SPELLINGS,
    *LEVEL_SPELLINGS,
    *TRACE_SPELLINGS,
    *SPAN_SPELLINGS,
    *OWNED,
    *BELOW_SERVICE,
    *WITH_IDS,
    "traceparent",
    "event",
    "event.ingested",
    "error",
    "stack",
    "host",
    "host.name",
    "log",
    "log.logger",
    "logger.name",
    "service.name",
    "msg",
    "tags",
    "extra",
    "parse_error",
)

# Roots with a mapping of their own, and what becomes of a value that is no scalar there:
# it is written as text, or moved to "extra".
TEXTS = (
    "message",
    "service",
    "logger",
    "parse_error",
    "error.message",
    "error.type",
    "error.stack_trace",
)
SCALARS = (
    "user_id",
    "request_id",
    "trace_id",
    "span_id",
    "host.name",
    "environment",
    "method",
    "duration_ms",
    "event.action",
)
_RESERVED, _TEXTS, _SCALARS = frozenset(RESERVED), frozenset(TEXTS), frozenset(SCALARS)


def lift(record: Record, zone: tzinfo | None) -> None:
    """Bring *record* into the flat schema, in place.

    ``@timestamp`` is UTC text or absent afterwards, ``level`` a standard name, other text in
    upper case or absent, ``trace_id`` and ``span_id`` hexadecimal where they were; no reserved
    root holds a value of a shape that its mapping refuses. Works on any dict. What a caller
    still holds of it (objects below the roots) is not changed.

    Hot: most records have no reserved root, and then only a few fields are looked at.
    """
    is_plain = _RESERVED.isdisjoint(record) and not _is_misshapen(record)
    if not is_plain:
        _lift_objects(record)
        _lift_texts(record)
        _lift_shapes(record)
        _lift_tags(record)
    if not (is_plain and is_utc(record.get("@timestamp"))):
        _lift_time(record, zone)
    level = record.get("level")
    if is_plain and level.__class__ is str and (standard := standard_level(level)):
        if standard is not level:
            record["level"] = standard
    else:
        _lift_level(record)
    if not (is_plain and has_plain_traces(record)):
        lift_traces(record)


def _is_misshapen(record: Record) -> bool:
    for name, value in record.items():
        if value.__class__ is not str and (
            name in _TEXTS or (isinstance(value, (dict, list)) and name in _SCALARS)
        ):
            return True
    return False


def add_tag(record: Record, tag: str) -> None:
    """Put *tag* on a lifted record, once."""
    tags = record.get("tags", ())
    if not isinstance(tags, (list, tuple)):
        tags = (as_text(tags),)
    if tag not in tags:
        record["tags"] = [*tags, tag]


def move_to_extra(record: Record, name: str, value: object) -> None:
    """Put *value*, met under *name*, into ``extra``, where it meets no other shape.

    Dots become underscores, and an object is spread over names of their own (``log_origin``):
    one record may bring a text where another brings an object.
    """
    extra = record.get("extra")
    if isinstance(extra, dict):
        record["extra"] = extra = {**extra}  # perhaps shared with other records
    else:
        record["extra"] = extra = {} if extra is None else {"extra": extra}
    name = name.replace(".", "_")
    if isinstance(value, dict):
        for key, inner in value.items():
            _put(extra, f"{name}_{key}".replace(".", "_"), inner)
    elif isinstance(value, list) and any(isinstance(item, (dict, list)) for item in value):
        _put(extra, name, as_text(value))
    else:
        _put(extra, name, value)


def _put(extra: Record, name: str, value: object) -> None:
    while name in extra:
        name += "_"
    extra[name] = value


def _set(record: Record, name: str, value: object, *, spelling: str = "") -> None:
    """Set a root; what is there already wins, and *value* goes to ``extra`` if it differs."""
    if value is None:
        return
    if record.get(name) is None:
        record[name] = value
    elif as_text(record[name]) != as_text(value):
        move_to_extra(record, spelling or name, value)


def _lift_objects(record: Record) -> None:
    record.pop("@ingested", None)
    record.pop("event.ingested", None)
    if record.get("host.name") is None:
        record.pop("host.name", None)
    extra = record.get("extra")
    if "extra" in record and not isinstance(extra, dict):
        del record["extra"]
        if extra is not None:
            move_to_extra(record, "extra", extra)
    for name in (*OWNED, *BELOW_SERVICE):
        if name in record:
            move_to_extra(record, name, record.pop(name))
    for name in WITH_IDS:
        value = record.get(name)
        if isinstance(value, dict) and "id" in value and f"{name}.id" not in record:
            record[f"{name}.id"] = value["id"]
            record[name] = {key: inner for key, inner in value.items() if key != "id"}
            if not record[name]:
                del record[name]
    for name, lift_one in _OBJECT_ROOTS:
        if name in record:
            value = record.pop(name)
            if value is not None:
                lift_one(record, value)


def _lift_event(record: Record, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key != "ingested":
                _set(record, f"event.{key}", inner)
    elif record.get("message") is None and record.get("msg") is None:
        record["message"] = as_text(value)
    else:
        _set(record, "event.action", as_text(value))


_ERROR_NAMES = {"stack": "stack_trace", "stacktrace": "stack_trace", "name": "type"}


def _lift_error(record: Record, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            name = f"error.{_ERROR_NAMES.get(key, key)}"
            if inner is not None and name in TEXTS:
                inner = as_text(inner)
            _set(record, name, inner, spelling=f"error.{key}")
        return
    _set(record, "error.message", as_text(value), spelling="error")
    for root, name in (("stack", "error.stack_trace"), ("name", "error.type")):
        if isinstance(record.get(root), str) and name not in record:
            record[name] = record.pop(root)


def _lift_host(record: Record, value: object) -> None:
    if isinstance(value, dict):
        for key, inner in value.items():
            _set(record, f"host.{key}", inner)
    else:
        _set(record, "host.name", as_text(value), spelling="host")


def _lift_log(record: Record, value: object) -> None:
    if isinstance(value, dict):
        value = dict(value)
        for name in ("level", "logger"):
            if isinstance(value.get(name), str) and record.get(name) is None:
                record[name] = value.pop(name)
    if value != {}:
        move_to_extra(record, "log", value)


def _lift_name(record: Record, root: str, value: object) -> None:
    """``service`` and ``logger``: text, or an object with a name."""
    if not isinstance(value, dict):
        record[root] = as_text(value)
        return
    value = dict(value)
    if isinstance(value.get("name"), str):
        record[root] = value.pop("name")
    if value:
        move_to_extra(record, root, value)


def _lift_service(record: Record, value: object) -> None:
    _lift_name(record, "service", value)


def _lift_logger(record: Record, value: object) -> None:
    _lift_name(record, "logger", value)


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
        ("log.logger", "logger"),
        ("logger.name", "logger"),
    ):
        if spelling in record:
            value = record.pop(spelling)
            if value is not None:
                _set(record, name, as_text(value), spelling=spelling)


def _lift_time(record: Record, zone: tzinfo | None) -> None:
    time = None
    for name in ("@timestamp", *TIME_SPELLINGS):
        if name not in record:
            continue
        value = record.pop(name)
        if time is None and (time := parse_time(value, zone)) is not None:
            continue
        if value is not None:
            move_to_extra(record, name, value)
    if time is not None:
        record["@timestamp"] = time


def _lift_level(record: Record) -> None:
    found = None
    for name in ("level", *LEVEL_SPELLINGS):
        if name not in record:
            continue
        value = record.pop(name)
        level = standard_level(value)
        if found is None and level is not None:
            found = level
        elif value is not None and (level is None or level != found):
            move_to_extra(record, name, value)
    if found is not None:
        record["level"] = found


def _lift_shapes(record: Record) -> None:
    for name in TEXTS:
        if name in record and not isinstance(record[name], str):
            value = record.pop(name)
            if value is not None:
                record[name] = as_text(value)
    for name in SCALARS:
        if isinstance(record.get(name), (dict, list)):
            move_to_extra(record, name, record.pop(name))


def _lift_tags(record: Record) -> None:
    if "tags" not in record:
        return
    tags = record["tags"]
    if isinstance(tags, list):
        record["tags"] = [as_text(tag) for tag in tags if tag is not None]
    elif isinstance(tags, dict) or tags is None:
        del record["tags"]
        if tags:
            move_to_extra(record, "tags", tags)
    else:
        record["tags"] = [as_text(tags)]
