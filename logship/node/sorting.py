"""Sorting hits: keys to compare, values to show, and where ``search_after`` goes on."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from logship.node import dates
from logship.node.errors import (
    NodeError,
    failed_query,
    illegal_argument,
    parsing,
    unknown_field,
)
from logship.node.fields import Field, FlattenedKey
from logship.node.values import BadValue, address_of, address_text, single
from logship.node.view import Doc, View

Key = tuple[Any, ...]
_OPTIONS = frozenset(
    {"order", "missing", "mode", "numeric_type", "format", "unmapped_type", "nested"}
)
_HIGHEST, _LOWEST = 2**63 - 1, -(2**63)
_NUMERIC = frozenset({"integer", "float", "date", "boolean"})
_SINGLE = frozenset({"float", "half_float"})


class _Descending:
    """A text, or an address, that sorts the other way round."""

    __slots__ = ("text",)

    def __init__(self, text: Any) -> None:
        self.text = text

    def __lt__(self, other: _Descending) -> bool:
        return bool(other.text < self.text)

    def __le__(self, other: _Descending) -> bool:
        return bool(other.text <= self.text)

    def __gt__(self, other: _Descending) -> bool:
        return bool(other.text > self.text)

    def __ge__(self, other: _Descending) -> bool:
        return bool(other.text >= self.text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Descending) and bool(other.text == self.text)

    def __hash__(self) -> int:
        return hash(self.text)


@dataclass(frozen=True, slots=True)
class SortBy:
    """One sort criterion as requested."""

    field: str
    descending: bool
    missing: Any = "_last"
    mode: str | None = None
    numeric_type: str | None = None
    format: str | None = None
    unmapped_type: str | None = None


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion against one index.

    Attributes:
        key: From a document and its score to something comparable, smallest first.
        shown: From the same to what the hit shows.
        parse: From a ``search_after`` value to the same kind of key.
        kind: How errors name the type; only a STRING may be null in ``search_after``.
    """

    key: Callable[[Doc, float], Any]
    shown: Callable[[Doc, float], Any]
    parse: Callable[[Any], Any]
    kind: str = "STRING"


def parse_sort(value: Any) -> list[SortBy]:
    """Return the criteria of a ``sort``: a name, an object, or a list of them.

    Raises:
        NodeError: It is malformed.
    """
    if value is None:
        return []
    criteria: list[SortBy] = []
    for one in value if isinstance(value, list) else [value]:
        if isinstance(one, str):
            criteria.append(SortBy(one, one == "_score"))
        elif isinstance(one, Mapping):
            criteria.extend(_parsed(name, options) for name, options in one.items())
        else:
            raise illegal_argument(
                "malformed sort format, within the sort array, an object, or an actual string are "
                "allowed"
            )
    return criteria


def parse_uri_sort(text: str) -> list[SortBy]:
    """Return the criteria of ``sort=field:desc,other``."""
    criteria = []
    for one in text.split(","):
        name, _, order = one.rpartition(":")
        if name and order in {"asc", "desc"}:
            criteria.append(SortBy(name, order == "desc"))
        else:
            criteria.append(SortBy(one, one == "_score"))
    return criteria


def _parsed(name: str, options: Any) -> SortBy:
    if isinstance(options, str):
        options = {"order": options}
    if not isinstance(options, Mapping):
        raise parsing(f"[{name}] sort malformed")
    for key in options:
        if key not in _OPTIONS:
            raise unknown_field("field_sort", key)
    if "nested" in options or name in {"_script", "_geo_distance"}:
        raise illegal_argument(f"this node does not support sorting with [{name}] like this")
    default = "desc" if name == "_score" else "asc"
    order = str(options.get("order", default)).lower()
    if order not in {"asc", "desc"}:
        raise illegal_argument(
            f"No enum constant org.elasticsearch.search.sort.SortOrder.{order.upper()}"
        )
    return SortBy(
        name,
        order == "desc",
        options.get("missing", "_last"),
        options.get("mode"),
        options.get("numeric_type"),
        options.get("format"),
        options.get("unmapped_type"),
    )


def compile_sort(by: SortBy, view: View) -> Criterion:
    """Return *by* for one index.

    Raises:
        NodeError: The field is not mapped there, or cannot be sorted on.
    """
    if by.field in {"_doc", "_shard_doc"}:
        sign = -1 if by.descending else 1
        return Criterion(
            lambda doc, _score: sign * place_of(doc),
            lambda doc, _score: place_of(doc),
            lambda value: sign * int(value),
            "LONG",
        )
    if by.field == "_score":
        sign = -1 if by.descending else 1
        return Criterion(
            lambda _doc, score: sign * score,
            lambda _doc, score: score,
            lambda value: sign * float(value),
            "FLOAT",
        )
    if by.field == "_id":
        raise illegal_argument(
            "Fielddata access on the _id field is disallowed, you can re-enable it by updating "
            "the dynamic cluster setting: indices.id_field_data.enabled"
        )
    field = view.field(by.field)
    if field is None and by.field != "_index":
        if by.unmapped_type is None:
            raise failed_query(f"No mapping found for [{by.field}] in order to sort on")
        return _absent(by)
    if isinstance(field, Field):
        if field.family == "text":
            raise fielddata_disabled(by.field, view.index.name)
        if field.family in _NUMERIC:
            return _numeric(by, field, view)
        if field.family == "ip":
            return _textual(by, view, address_text, _address_key)
    elif field is None or isinstance(field, FlattenedKey):
        return _textual(by, view, str)
    return _textual(by, view, str)


def fielddata_disabled(field: str, index: str) -> NodeError:
    """Return the 400 for sorting or aggregating on a text field."""
    return illegal_argument(
        f"Fielddata is disabled on [{field}] in [{index}]. Text fields are not optimised for "
        "operations that require per-document field data like aggregations and sorting, so these "
        "operations are disabled by default. Please use a keyword field instead. Alternatively, "
        f"set fielddata=true on [{field}] in order to load field data by uninverting the inverted "
        "index. Note that this can use significant memory."
    )


def place_of(doc: Doc) -> int:
    """Return a document's place among all searched: its index, then the order of writing."""
    return (doc.view.position << 32) + doc.seq_no


def _chosen(values: list[Any], by: SortBy) -> Any:
    if len(values) == 1:
        return values[0]
    mode = by.mode or ("max" if by.descending else "min")
    if mode == "avg":
        return sum(values) / len(values)
    if mode == "sum":
        return sum(values)
    if mode == "median":
        ordered = sorted(values)
        return ordered[len(ordered) // 2]
    return max(values) if mode == "max" else min(values)


def _missing_key(by: SortBy) -> tuple[int, int]:
    return (-1, 0) if by.missing == "_first" else (1, 0)


def _numeric(by: SortBy, field: Field, view: View) -> Criterion:
    terms = view.terms(by.field)
    sign = -1 if by.descending else 1
    factor = 1
    if field.family == "date":
        nanos_wanted = by.numeric_type == "date_nanos"
        if nanos_wanted and field.type == "date":
            factor = dates.MILLI
        elif by.numeric_type == "date" and field.type == "date_nanos":
            factor = -dates.MILLI
    unit = 1 if factor == dates.MILLI else dates.MILLI if factor < 0 else field.unit
    fmt = dates.date_format(by.format) if by.format else field.format
    absent = _missing_key(by)
    custom = None if by.missing in {"_first", "_last"} else by.missing
    # What a document without the field shows: the end of the scale that it is sorted to.
    at_top = (by.missing == "_last") != by.descending
    is_float = field.family == "float"
    sentinel = _end_of_scale(field, by, at_top=at_top)

    def scaled(value: Any) -> Any:
        if value is True or value is False:
            return int(value)
        return value * factor if factor > 0 else value // -factor

    def found(doc: Doc) -> Any:
        values = terms(doc)
        if values:
            return scaled(_chosen(values, by))
        return None if custom is None else parse_plain(custom)

    def parse_plain(value: Any) -> Any:
        if field.family == "date" and isinstance(value, str):
            moment = fmt.moment(value).first
            return moment // unit
        if isinstance(value, bool):
            return int(value)
        try:
            if not is_float:
                return int(value)
            return single(float(value)) if field.type in _SINGLE else float(value)
        except (TypeError, ValueError):
            cause = {"type": "number_format_exception", "reason": f'For input string: "{value}"'}
            raise illegal_argument(
                f"Failed to parse search_after value for field [{by.field}].", cause
            ) from None

    def key(doc: Doc, _score: float) -> Any:
        value = found(doc)
        return absent if value is None else (0, sign * value)

    def shown(doc: Doc, _score: float) -> Any:
        value = found(doc)
        if value is None:
            if field.family == "date" and by.format:
                return fmt.text_of(0) if sentinel == 0 else None
            return sentinel
        if field.family == "date" and by.format:
            return fmt.text_of(value * unit)
        return _shortest(value) if field.type in {"float", "half_float"} else value

    def parse(value: Any) -> Any:
        if custom is None and value == sentinel:
            return absent
        try:
            return (0, sign * parse_plain(value))
        except ValueError as error:
            raise illegal_argument(
                f"Failed to parse search_after value for field [{by.field}].",
                {"type": "parse_exception", "reason": str(error)},
            ) from None

    return Criterion(key, shown, parse, _KINDS.get(field.type, "LONG"))


_KINDS = {"float": "FLOAT", "half_float": "FLOAT", "double": "DOUBLE", "integer": "INT",
          "short": "INT", "byte": "INT"}  # fmt: skip


def _end_of_scale(field: Field, by: SortBy, *, at_top: bool) -> Any:
    if field.family == "float":
        return "Infinity" if at_top else "-Infinity"
    if field.type in {"integer", "short", "byte"}:
        return 2**31 - 1 if at_top else -(2**31)
    is_nanos = by.numeric_type == "date_nanos" or (
        field.type == "date_nanos" and by.numeric_type is None
    )
    if at_top:
        return _HIGHEST
    return 0 if field.family == "date" and is_nanos else _LOWEST


def _textual(
    by: SortBy,
    view: View,
    show: Callable[[Any], str],
    read: Callable[[str], Any] = str,
) -> Criterion:
    terms = view.terms(by.field)
    absent = _missing_key(by)
    custom = None if by.missing in {"_first", "_last"} else read(str(by.missing))

    def found(doc: Doc) -> Any:
        values = terms(doc)
        return _chosen(values, by) if values else custom

    def keyed(value: Any) -> Any:
        if value is None:
            return absent
        return (0, _Descending(value) if by.descending else value)

    def shown(doc: Doc, _score: float) -> Any:
        value = found(doc)
        return None if value is None else show(value)

    return Criterion(
        lambda doc, _score: keyed(found(doc)),
        shown,
        lambda value: keyed(None if value is None else read(str(value))),
    )


def _address_key(text: str) -> bytes:
    try:
        return address_of(text)
    except BadValue:
        raise illegal_argument(f"'{text}' is not an IP string literal.") from None


def _absent(by: SortBy) -> Criterion:
    absent = _missing_key(by)
    shown = None
    if by.unmapped_type not in {"keyword", "text"}:
        at_top = (by.missing == "_last") != by.descending
        shown = _HIGHEST if at_top else _LOWEST
    sign = -1 if by.descending else 1

    def parse(value: Any) -> Any:
        if value is None or value == shown:
            return absent
        if isinstance(value, str):
            return (0, _Descending(value) if by.descending else value)
        return (0, sign * value)

    return Criterion(lambda _doc, _score: absent, lambda _doc, _score: shown, parse)


def _shortest(value: float) -> float:
    """Return the shortest decimal that is the same 32-bit float."""
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            return float(text)
    return value
