"""What a hit shows of its document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from logship.node import dates
from logship.node.errors import Json, illegal_argument, parsing
from logship.node.fields import Field, FlattenedKey
from logship.node.http.reply import Raw
from logship.node.sorting import fielddata_disabled
from logship.node.values import address_text
from logship.node.view import Doc


class SourceFilter:
    """Which part of the source is shown.

    Args:
        value: ``_source`` of a request: a boolean, a pattern, a list, or an object with
            includes and excludes; None for all.

    Raises:
        NodeError: It is malformed.
    """

    def __init__(self, value: Any = None) -> None:
        self.is_shown = value is not False
        self._includes: list[str] = []
        self._excludes: list[str] = []
        if value is None or isinstance(value, bool):
            return
        if isinstance(value, Mapping):
            for key in value:
                if key not in {"includes", "include", "excludes", "exclude"}:
                    raise parsing(f"Unknown key for a START_ARRAY in [{key}].")
            self._includes = _listed(value.get("includes", value.get("include")))
            self._excludes = _listed(value.get("excludes", value.get("exclude")))
        else:
            self._includes = _listed(value)

    def shown(self, doc: Doc) -> Any:
        """Return the wanted part of the document's source."""
        if not self._includes and not self._excludes:
            return Raw(doc.raw)
        return self.filtered(doc.source)

    def filtered(self, source: Any) -> Any:
        """Return the wanted part of *source*."""
        kept = _included(source, self._includes, "") if self._includes else source
        return _without(kept, self._excludes, "") if self._excludes else kept


def source_filter_of(parameters: Mapping[str, str]) -> SourceFilter | None:
    """Return the filter of a query string, None when it has none."""
    text = parameters.get("_source")
    includes = parameters.get("_source_includes")
    excludes = parameters.get("_source_excludes")
    if text is None and includes is None and excludes is None:
        return None
    if text in {"true", "false"}:
        return SourceFilter(text == "true")
    wanted = includes if includes is not None else text
    return SourceFilter(
        {
            "includes": [one for one in (wanted or "").split(",") if one],
            "excludes": [one for one in (excludes or "").split(",") if one],
        }
    )


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [str(one) for one in value]
    raise parsing("Expected one of [VALUE_STRING, START_OBJECT] for [_source]")


def _names(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(path, one) or fnmatchcase(path, one + ".*") for one in patterns)


def _included(value: Any, patterns: Sequence[str], prefix: str) -> Any:
    kept = {}
    for key, below in value.items():
        path = prefix + key
        if _names(path, patterns):
            kept[key] = below
        elif isinstance(below, dict):
            inner = _included(below, patterns, path + ".")
            if inner:
                kept[key] = inner
        elif isinstance(below, list):
            listed = [
                one
                for one in (
                    _included(item, patterns, path + ".")
                    for item in below
                    if isinstance(item, dict)
                )
                if one
            ]
            if listed:
                kept[key] = listed
    return kept


def _without(value: Any, patterns: Sequence[str], prefix: str) -> Any:
    kept = {}
    for key, below in value.items():
        path = prefix + key
        if _names(path, patterns):
            continue
        if isinstance(below, dict):
            below = _without(below, patterns, path + ".")
        elif isinstance(below, list):
            below = [
                _without(item, patterns, path + ".") if isinstance(item, dict) else item
                for item in below
            ]
        kept[key] = below
    return kept


def parse_fields(value: Any, name: str) -> list[tuple[str, str | None]]:
    """Return ``fields`` or ``docvalue_fields`` as (pattern, format).

    Raises:
        NodeError: It is malformed.
    """
    wanted: list[tuple[str, str | None]] = []
    for one in value or ():
        if isinstance(one, str):
            wanted.append((one, None))
        elif isinstance(one, Mapping) and "field" in one:
            wanted.append((str(one["field"]), one.get("format")))
        else:
            raise illegal_argument(f"[{name}] malformed, expected names or objects with [field]")
    return wanted


def field_values(doc: Doc, wanted: Sequence[tuple[str, str | None]], *, stored: bool) -> Json:
    """Return the values of fields, each a list, as their types print them.

    Args:
        doc: The document.
        wanted: From `parse_fields`.
        stored: Whether only what sorting and aggregating could use counts (no text).
    """
    found: Json = {}
    for pattern, fmt in wanted:
        for path in doc.view.mapping.matching(pattern):
            field = doc.view.field(path)
            if stored and isinstance(field, Field) and field.family == "text":
                raise fielddata_disabled(path, doc.view.index.name)
            values = doc.view.terms(path)(doc)
            if values:
                found[path] = [shown_value(field, value, fmt) for value in values]
    return found


def shown_value(field: Field | FlattenedKey | None, value: Any, fmt: str | None = None) -> Any:
    """Return one term as ``fields`` shows it."""
    if isinstance(field, Field):
        if field.family == "date":
            writer = dates.date_format(fmt) if fmt else field.format
            return writer.text_of(value * field.unit)
        if field.family == "ip":
            return address_text(value)
        if field.type in {"float", "half_float"}:
            from logship.node.sorting import _shortest

            return _shortest(value)
    return value
