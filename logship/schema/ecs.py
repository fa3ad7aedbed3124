"""The Elastic Common Schema: how records are named where they are stored, when that is wanted.

Inside, records are flat (see `logship.schema.flat`): processors and index names see that. At
the edge they are renamed. What ECS has no name for keeps its own: ``extra`` stays, since
``labels`` may hold keywords only, and ``log.offset`` is what Elastic's own shippers write.

Source: ECS field reference, version 8.11.
"""

from __future__ import annotations

from datetime import tzinfo

from logship.schema.encode import as_text
from logship.schema.flat import BELOW_SERVICE, Record, lift, move_to_extra

__all__ = ["NAMES", "SCALARS", "VERSION", "lift_ecs", "to_ecs"]

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
# What else has a mapping of its own: never an object, and nothing below it.
SCALARS = (
    *NAMES.values(),
    "ecs.version",
    "error.code",
    "error.id",
    "error.message",
    "error.stack_trace",
    "error.type",
    "event.action",
    "event.created",
    "event.duration",
    "event.end",
    "event.ingested",
    "event.start",
    "host.name",
    "http.response.status_code",
    "log.file.path",
    "log.offset",
    "service.version",
    "transaction.id",
    "user.name",
)
_SCALARS = frozenset(SCALARS)
# All above those, and "labels": always objects.
_OBJECTS = frozenset(
    ("labels", *(name[:at] for name in SCALARS for at, one in enumerate(name) if one == "."))
)
_ROOTS = _OBJECTS - NAMES.keys()
_ASIDE = frozenset((*BELOW_SERVICE, "transaction", "transaction.id"))
# What the flat schema makes of these objects is all that it has a place for.
_LIFTED = {"service": ("name",), "log": ("level", "logger", "file", "offset", "file.path")}


def lift_ecs(record: Record, zone: tzinfo | None) -> None:
    """Bring *record* into the flat schema, in place, but leave what only ECS has a place for.

    That keeps its dotted name: ``service.version``, ``log.origin``, ``transaction.id``.
    """
    if _ASIDE.isdisjoint(record) and not any(
        isinstance(record.get(root), dict) for root in _LIFTED
    ):
        lift(record, zone)
        return
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
    goes to ``extra``; so does what has another shape than its field has in ECS.

    Hot: most records are a handful of texts under known names.
    """
    if not _ROOTS.isdisjoint(record):
        for name in [name for name in record if name in _ROOTS]:
            _spread(record, name, record.pop(name))
    for name, ecs_name in NAMES.items():
        value = record.pop(name, None)
        if value is None:
            continue
        if ecs_name in record:
            _put(record, ecs_name, value, spelling=name)
        else:
            record[ecs_name] = value
    misplaced = [
        name
        for name, value in record.items()
        if "." in name
        and (value.__class__ is not str or name not in _SCALARS)
        and _is_misplaced(name, value)
    ]
    for name in misplaced:
        move_to_extra(record, name, record.pop(name))
    record.setdefault("ecs.version", VERSION)


def _spread(record: Record, name: str, value: object) -> None:
    """Put what is inside of an object under dotted names, as deep as fields are mapped."""
    if isinstance(value, dict):
        for key, inner in value.items():
            below = f"{name}.{key}"
            if below in _OBJECTS:
                _spread(record, below, inner)
            else:
                _put(record, below, inner, spelling=below)
    elif name == "user" and isinstance(value, str):
        _put(record, "user.name", value, spelling=name)
    elif value is not None:
        move_to_extra(record, name, value)


def _put(record: Record, name: str, value: object, *, spelling: str) -> None:
    there = record.get(name)
    if value is None:
        return
    if there is None:
        record[name] = value
    elif as_text(there) != as_text(value):
        move_to_extra(record, spelling, value)


def _is_misplaced(name: str, value: object) -> bool:
    """Whether a dotted name, or its value, contradicts what is mapped."""
    if name in _SCALARS:
        return _holds_object(value)
    if name in _OBJECTS:
        return True
    return any(name[:at] in _SCALARS for at, one in enumerate(name) if one == ".")


def _holds_object(value: object) -> bool:
    if isinstance(value, list):
        return any(map(_holds_object, value))
    return isinstance(value, dict)
