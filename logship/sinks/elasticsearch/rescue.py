"""Mapping rescue: which field a refusal names, and how a document is changed to be taken.

What the mapping of an index does not take is kept as text, in fields that take any text::

    {"tags": […, "mapping_rescued"], "rescued": {field: text, or texts}}       the field named
    {"tags": […, "mapping_rescued"], "rescued_source": "{…}"}                  everything else

No I/O. Off the hot path: only documents that were refused come here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from enum import IntEnum
from typing import Any

from logship.model import Document, Refusal
from logship.schema.ecs import NAMES
from logship.schema.encode import as_text, encode_record
from logship.schema.flat import SCALARS, TEXTS
from logship.sinks.elasticsearch.blame import (
    blamed_shape,
    blames_key_twice,
    blames_mapping,
    named_field,
)
from logship.sinks.elasticsearch.known_conflicts import (
    Conflict,
    conflicting,
    elements,
    suspects,
    values_of,
)

__all__ = ["TAG", "Rescuer", "Step"]

TAG = "mapping_rescued"
FIELD, SOURCE = "rescued", "rescued_source"
INGESTED = "@ingested"
MAX_INDICES, MAX_FIELDS = 200, 100
MAX_DIGITS = 1000  # what Elasticsearch takes; Python takes four times as many

_KEPT = frozenset(
    (*TEXTS, *SCALARS, "@timestamp", "level", "tags", "log.file.path", "log.offset", "log", "host",
     "error", *NAMES.values(), "ecs.version")
)  # fmt: skip


class Step(IntEnum):
    """What was done to a document before it was sent."""

    AS_IT_WAS = 0
    KEYS_ONCE = 1
    FIELDS_MOVED = 2
    ALL_MOVED = 3


class Rescuer:
    """Changes refused documents so that they can be taken, in at most three steps.

    Remembers per index, within bounds, which field refused objects or refused anything else, so
    that documents with such fields are changed before they are sent.
    """

    def __init__(self) -> None:
        self._known: dict[str, dict[str, Conflict]] = {}

    def rescue(
        self, document: Document, done: Step, refusals: Sequence[Refusal]
    ) -> tuple[bytes, Step] | None:
        """Return what to send in place of *document*, and the step that is.

        Args:
            document: As it was first sent.
            done: The step that was refused last.
            refusals: Every refusal of it so far, the last one last; at least one.

        Returns:
            A JSON object without the ingest stamp; None when nothing is left to try, or the
            mapping is not what refused it.
        """
        if done >= Step.ALL_MOVED or not blames_mapping(refusals[-1]):
            return None
        lost: dict[str, list[str]] = {}
        try:
            fields = _parse(document.source, lost)
        except (ValueError, RecursionError):
            return None
        names = self._names(document.index, fields, refusals)
        reason = refusals[-1].reason
        if blames_key_twice(reason) and done < Step.KEYS_ONCE:
            step = Step.KEYS_ONCE
        elif done < Step.FIELDS_MOVED:
            step = Step.FIELDS_MOVED
            moved = [_move(fields, name, lost) for name in names]
            any_known = self._move_known(document.index, fields, lost)
            if (is_blamed := blamed_shape(reason)) is not None:
                moved.append(_move_where(fields, is_blamed, lost) or any_known)
            if not any(moved):
                _move_unreserved(fields, lost)
        else:
            step = Step.ALL_MOVED
            fields = _with_source({**fields, **({FIELD: lost} if lost else {})}, names)
            lost = {}
        if lost:
            _add_rescued(fields, lost)
        _add_tag(fields)
        return encode_record(fields), step

    def suspects(self, heads: Sequence[bytes], bodies: Sequence[bytes]) -> list[int]:
        """Return the positions of documents that their index is known to refuse."""
        return suspects(heads, bodies, self._known) if self._known else []

    def before(self, document: Document) -> bytes | None:
        """Return what to send in place of a document that would be refused; None: itself."""
        lost: dict[str, list[str]] = {}
        try:
            fields = _parse(document.source, lost)
        except (ValueError, RecursionError):
            return None
        if not self._move_known(document.index, fields, lost):
            return None
        _add_rescued(fields, lost)
        _add_tag(fields)
        return encode_record(fields)

    def forget(self) -> None:
        """Take all indices for new: what is refused there is learned once more."""
        self._known.clear()

    def _move_known(self, index: str, fields: dict[str, Any], lost: dict[str, list[str]]) -> bool:
        """Move the fields that are known to be refused there; whether there are any."""
        refused = conflicting(fields, self._known.get(index, {}))
        for name in refused:
            _move(fields, name, lost)
        return bool(refused)

    def _names(
        self, index: str, fields: dict[str, Any], refusals: Sequence[Refusal]
    ) -> tuple[str, ...]:
        """The fields that refusals of this document name; what they teach is noted."""
        names: list[str] = []
        for refusal in refusals:
            name, refuses_objects = named_field(refusal.reason)
            if not name:
                continue
            names.append(name)
            if refuses_objects is None and any(
                isinstance(value, dict) for value in values_of(fields, name)
            ):
                refuses_objects = True
            if refuses_objects is not None:
                has_dots = refuses_objects and _has_dots(fields, name)
                self._note(index, name, Conflict(refuses_objects, has_dots))
        return tuple(dict.fromkeys(names))

    def _note(self, index: str, name: str, conflict: Conflict) -> None:
        if index not in self._known and len(self._known) >= MAX_INDICES:
            del self._known[next(iter(self._known))]
        known = self._known.setdefault(index, {})
        if name in known or len(known) < MAX_FIELDS:
            before = known.get(name, conflict)
            known[name] = conflict._replace(has_dots=conflict.has_dots or before.has_dots)


def _parse(source: bytes, lost: dict[str, list[str]]) -> dict[str, Any]:
    """Return the fields of *source*; of a key that is there twice the last value.

    The earlier values are added to *lost*. Not by orjson: that rounds integers beyond 64 bits,
    which are among what a mapping refuses. Numbers beyond all bounds are their text.
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            last = {key: position for position, (key, _) in enumerate(pairs)}
            for position, (key, value) in enumerate(pairs):
                if position < last[key] and value != found[key] and key != INGESTED:
                    lost.setdefault(_key(key), []).extend(_texts(value))
        return found

    fields = json.loads(
        source,
        object_pairs_hook=unique,
        parse_float=_float,
        parse_int=_integer,
        parse_constant=str,
    )
    if not isinstance(fields, dict):
        raise ValueError("no JSON object")
    fields.pop(INGESTED, None)
    return fields


def _float(text: str) -> float | str:
    return number if math.isfinite(number := float(text)) else text


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= MAX_DIGITS else text


def _move(fields: dict[str, Any], name: str, lost: dict[str, list[str]]) -> bool:
    """Move the field *name*, or else what is nearest above it; False when there is none."""
    while name:
        values = _take(fields, name)
        if values:
            for value in values:
                lost.setdefault(_key(name), []).extend(_texts(value))
            return True
        name = name.rpartition(".")[0]  # a field's other mapping, as in ``message.keyword``
    return False


def _take(fields: dict[str, Any], name: str) -> list[Any]:
    """Remove the field *name*, which may be spelled with dots or objects, and return its values."""
    taken: list[Any] = []
    for key in [key for key in fields if key == name or key.startswith(f"{name}.")]:
        value = fields.pop(key)
        taken.append(value if key == name else {key[len(name) + 1 :]: value})
    for above, below in _objects_above(fields, name):
        taken += _take(above, below)
    return taken


def _has_dots(fields: dict[str, Any], name: str) -> bool:
    """Whether the field is there as keys with dots below it."""
    return any(key.startswith(f"{name}.") for key in fields) or any(
        _has_dots(above, below) for above, below in _objects_above(fields, name)
    )


def _objects_above(fields: dict[str, Any], name: str) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield every object under a beginning of *name*, with what is left of the name."""
    for position, character in enumerate(name):
        if character == "." and name[:position] in fields:
            for one in elements(fields[name[:position]]):
                if isinstance(one, dict):
                    yield one, name[position + 1 :]


def _move_where(
    fields: dict[str, Any], is_blamed: Callable[[str, Any], bool], lost: dict[str, list[str]]
) -> bool:
    """Move every field that *is_blamed*; whether there are any."""
    names = [key for key, value in fields.items() if is_blamed(key, value)]
    for name in names:
        lost.setdefault(_key(name), []).extend(_texts(fields.pop(name)))
    return bool(names)


def _move_unreserved(fields: dict[str, Any], lost: dict[str, list[str]]) -> None:
    for name in [key for key, value in fields.items() if not _is_kept(key, value)]:
        lost.setdefault(_key(name), []).extend(_texts(fields.pop(name)))


def _with_source(fields: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return the reserved fields that nothing blamed, and all others as one text."""
    blamed = {name.split(".")[0] for name in names} | {*names}
    kept = {k: v for k, v in fields.items() if k not in blamed and _is_kept(k, v)}
    others = {key: value for key, value in fields.items() if key not in kept}
    return {**kept, SOURCE: encode_record(others).decode()}


def _is_kept(key: str, value: Any) -> bool:
    """Whether a field is logship's own, and of the shape that it has there."""
    if key not in _KEPT:
        return False
    if key in ("log", "host", "error"):
        return isinstance(value, dict) and all(
            _is_kept(f"{key}.{below}", inner)
            or (f"{key}.{below}" == "log.file" and _is_file(inner))
            for below, inner in value.items()
        )
    if key == "tags":
        return all(isinstance(tag, str) for tag in value) if isinstance(value, list) else False
    return not isinstance(value, (dict, list))


def _is_file(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"path"} and isinstance(value["path"], str)


def _add_rescued(fields: dict[str, Any], lost: dict[str, list[str]]) -> None:
    mine = fields.pop(FIELD, None)
    if mine is not None:
        lost.setdefault(FIELD, []).extend(_texts(mine))
    fields[FIELD] = {
        name: texts[0] if len(texts) == 1 else texts for name, texts in lost.items() if texts
    }


def _add_tag(fields: dict[str, Any]) -> None:
    tags = fields.get("tags")
    if tags is None:
        tags = []
    fields["tags"] = [*(tags if isinstance(tags, list) else [tags]), TAG]


def _texts(value: Any) -> list[str]:
    """Return *value* as texts: of a plain array each element, of anything else the whole."""
    if value is None:
        return []
    if isinstance(value, list) and not any(isinstance(one, (dict, list)) for one in value):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, int) and not isinstance(value, bool):
        return [str(value)]  # also beyond 64 bits
    return [as_text(value)]


def _key(name: str) -> str:
    """Return a name under which Elasticsearch takes a text: no part of it is blank."""
    return ".".join(part if part.strip() else "_" for part in name.split("."))
