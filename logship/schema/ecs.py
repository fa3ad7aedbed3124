"""The Elastic Common Schema: how records are named where they are stored, when that is wanted.

Inside, records are flat (see `logship.schema.flat`): processors and index names see that. At
the edge they are renamed. What ECS has no name for keeps its own: ``extra`` stays, since
``labels`` may hold keywords only, and ``log.offset`` is what Elastic's own shippers write.

Source: ECS field reference, version 8.11.
"""

from __future__ import annotations

from datetime import tzinfo
from typing import Any

from logship.schema.encode import as_text
from logship.schema.flat import BELOW_SERVICE, Record, lift, move_to_extra

__all__ = ["NAMES", "VERSION", "lift_ecs", "to_ecs"]

VERSION = "8.11.0"

# Flat name → that of ECS, where they differ.
NAMES = {
    "level": "log.level",
    "logger": "log.logger",
    "service": "service.name",
    "environment": "service.environment",
    "trace_id": "trace.id",
    "span_id": "span.id",
    "user_id": "user.id",
    "request_id": "http.request.id",
    "method": "http.request.method",
}
# Roots that are objects in ECS; text that a record has there is moved.
_OBJECTS = (
    "ecs", "event", "log", "service", "trace", "span", "transaction", "user", "http", "error",
    "host", "labels",
)  # fmt: skip
# What the flat schema makes of these objects is all that it has a place for.
_LIFTED = {"service": ("name",), "log": ("level", "logger", "file", "offset", "file.path")}


def lift_ecs(record: Record, zone: tzinfo | None) -> None:
    """Bring *record* into the flat schema, in place, but leave what only ECS has a place for.

    That keeps its dotted name: ``service.version``, ``log.origin``, ``transaction.id``.
    """
    kept = {name: record.pop(name) for name in (*BELOW_SERVICE, "transaction.id")
            if record.get(name) is not None}  # fmt: skip
    if isinstance(transaction := record.get("transaction"), dict):
        del record["transaction"]
        kept |= {f"transaction.{key}": value for key, value in transaction.items()}
    for root, lifted in _LIFTED.items():
        value = record.get(root)
        if isinstance(value, dict):
            kept |= {f"{root}.{key}": one for key, one in value.items() if key not in lifted}
            record[root] = {key: one for key, one in value.items() if key in lifted}
            if not record[root]:
                del record[root]
    lift(record, zone)
    for name, value in kept.items():
        record.setdefault(name, value)


def to_ecs(record: Record) -> None:
    """Rename the fields of a lifted record, in place.

    Where a record brings both spellings with different values, that of ECS stays and the other
    goes to ``extra``. No root that is an object in ECS holds anything else afterwards.
    """
    for root in _OBJECTS:
        if root in record and root not in NAMES:
            _make_object(record, root)
    for name, ecs_name in NAMES.items():
        if name not in record:
            continue
        value = record.pop(name)
        there = _found(record, ecs_name)
        if value is None:
            continue
        if there is None:
            record[ecs_name] = value
        elif as_text(there) != as_text(value):
            move_to_extra(record, name, value)
    record.setdefault("ecs.version", VERSION)


def _make_object(record: Record, root: str) -> None:
    value = record[root]
    if isinstance(value, dict):
        return
    if isinstance(value, list) and all(isinstance(one, dict) for one in value):
        return
    del record[root]
    if root == "user" and isinstance(value, str) and _found(record, "user.name") is None:
        record["user.name"] = value
    elif value is not None:
        move_to_extra(record, root, value)


def _found(record: Record, name: str) -> Any:
    """The value of a field, under its dotted name or inside of objects."""
    if name in record:
        return record[name]
    inner: Any = record
    for part in name.split("."):
        inner = inner.get(part) if isinstance(inner, dict) else None
    return inner
