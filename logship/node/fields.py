"""Field types: what each accepts from a document, and what searches compare.

``check`` is asked while a document is indexed, ``terms`` while one is searched; both get
single values, never lists. Terms are ``str`` for keywords, ``int`` for integers and for
dates (milliseconds, or nanoseconds for ``date_nanos``), ``float``, ``bool``, and 16 bytes
for addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from logship.node import dates
from logship.node.analysis import Analyzer, Analyzers
from logship.node.errors import illegal_argument, mapper_parsing
from logship.node.values import (
    INTEGER,
    BadValue,
    address_of,
    boolean_of,
    expected_text,
    flattened_leaves,
    float_of,
    integer_of,
    refuse,
    value_text,
)

TEXT = frozenset({"text", "match_only_text"})
KEYWORD = frozenset({"keyword", "constant_keyword", "wildcard", "version"})
FLOAT = frozenset({"double", "float", "half_float", "scaled_float"})
DATE = frozenset({"date", "date_nanos"})
OPAQUE = frozenset({"binary", "geo_point", "geo_shape", "dense_vector"})
FAMILIES = {
    **dict.fromkeys(TEXT, "text"),
    **dict.fromkeys(KEYWORD, "keyword"),
    **dict.fromkeys(INTEGER, "integer"),
    **dict.fromkeys(FLOAT, "float"),
    **dict.fromkeys(DATE, "date"),
    **dict.fromkeys(OPAQUE, "opaque"),
    **{name: name for name in ("boolean", "ip", "flattened", "alias")},
}
MAX_KEYWORD_BYTES = 32766
_MAX_NANOS = 2**63 - 1

_COMMON = frozenset(
    {"type", "index", "doc_values", "store", "meta", "copy_to", "boost", "fields",
     "on_script_error", "time_series_dimension", "time_series_metric", "null_value", "script"}
)  # fmt: skip
_PARAMETERS = {
    "text": {"analyzer", "search_analyzer", "search_quote_analyzer", "norms", "index_options",
             "similarity", "term_vector", "fielddata", "position_increment_gap",
             "eager_global_ordinals", "index_prefixes", "index_phrases"},
    "keyword": {"ignore_above", "normalizer", "norms", "index_options", "similarity", "value",
                "eager_global_ordinals", "split_queries_on_whitespace"},
    "integer": {"coerce", "ignore_malformed"},
    "float": {"coerce", "ignore_malformed", "scaling_factor"},
    "date": {"format", "locale", "ignore_malformed"},
    "boolean": {"ignore_malformed"},
    "ip": {"ignore_malformed"},
    "flattened": {"ignore_above", "depth_limit", "eager_global_ordinals", "index_options",
                  "split_queries_on_whitespace", "similarity"},
    "alias": {"path"},
    "opaque": {"ignore_malformed", "ignore_z_value", "dims", "similarity", "index_options",
               "element_type", "coerce", "orientation"},
}  # fmt: skip
_REFUSED = {"copy_to", "script"}


@dataclass(frozen=True, slots=True)
class FlattenedKey:
    """One key inside a flattened field, searched like a keyword."""

    path: str
    key: str


class Field:
    """One mapped leaf.

    Attributes:
        path: Full name, such as ``host.name`` or ``message.keyword``.
        source_path: Where its values are in a document: the parent's for multi-fields.
        type: As mapped.
        family: text, keyword, integer, float, date, boolean, ip, flattened, alias or opaque.
        ignore_malformed: Whether a value that does not fit is stored all the same.
    """

    def __init__(
        self,
        path: str,
        source_path: str,
        definition: Mapping[str, Any],
        analyzers: Analyzers,
        *,
        ignore_malformed: bool,
    ) -> None:
        self.path, self.source_path = path, source_path
        self.type = str(definition["type"])
        self.family = FAMILIES[self.type]
        self.definition = definition
        self._check_parameters(definition)
        self.ignore_malformed = _flag(definition.get("ignore_malformed", ignore_malformed))
        self.ignore_above = int(definition.get("ignore_above", 2**31 - 1))
        self.null_value = definition.get("null_value")
        self.is_indexed = _flag(definition.get("index", True))
        name = definition.get("normalizer")
        self.normalize: Callable[[str], str] | None = (
            analyzers.normalizer(name, path) if name else None
        )
        self.analyze: Analyzer = analyzers.analyzer(definition.get("analyzer", "standard"), path)
        default = dates.NANOS if self.type == "date_nanos" else dates.MILLIS
        self.format = dates.date_format(definition.get("format", default))
        self.unit = dates.MILLI if self.type == "date" else 1
        self.subfields: list[Field] = []
        self.finish()

    def finish(self) -> None:
        """Work out what the quick way needs, once the multi-fields are known."""
        everyone = (self, *self.subfields)
        self.ignored_above = [
            (one.ignore_above, one.path) for one in everyone if one.family == "keyword"
        ]
        limits = [limit for limit, _path in self.ignored_above]
        self.quick_characters = min([*limits, MAX_KEYWORD_BYTES // 4]) if limits else 2**31
        self.needs_care = (
            any(one.family not in {"text", "keyword"} for one in self.subfields)
            or self.type in INTEGER.keys() - {"long"}
            or (self.family == "date" and "format" in self.definition)
        )

    def _check_parameters(self, definition: Mapping[str, Any]) -> None:
        known = _COMMON | _PARAMETERS[self.family]
        name = self.path.rpartition(".")[2]
        for parameter in definition:
            if parameter not in known:
                raise mapper_parsing(
                    f"unknown parameter [{parameter}] on mapper [{name}] of type [{self.type}]"
                )
            if parameter in _REFUSED:
                raise illegal_argument(
                    f"this node does not support the parameter [{parameter}] of field [{self.path}]"
                )

    @property
    def searches_as_keyword(self) -> bool:
        """Whether terms are plain strings."""
        return self.family in {"keyword", "flattened"}

    def check(self, value: Any) -> None:
        """Accept *value* for indexing.

        Raises:
            BadValue: It does not fit.
        """
        _CHECKS[self.family](self, value)

    def terms(self, value: Any) -> list[Any]:
        """Return what *value* is searched by; nothing for a value that does not fit."""
        if value is None:
            if self.null_value is None:
                return []
            value = self.null_value
        try:
            return _TERMS[self.family](self, value)
        except (ValueError, OverflowError, BadValue):
            return []


def _flag(value: Any) -> bool:
    return value is True or value == "true"


def _check_text(field: Field, value: Any) -> None:
    if isinstance(value, dict):
        raise expected_text()


def _check_keyword(field: Field, value: Any) -> None:
    _check_text(field, value)
    text = value_text(value)
    if len(text) * 4 <= MAX_KEYWORD_BYTES or len(text) > field.ignore_above:
        return
    data = text.encode("utf-8", "surrogatepass")
    if len(data) > MAX_KEYWORD_BYTES:
        prefix = ", ".join(str(byte) for byte in data[:30])
        raise refuse(
            f'Document contains at least one immense term in field="{field.path}" (whose UTF8 '
            f"encoding is longer than the max length {MAX_KEYWORD_BYTES}), all of which were "
            "skipped. Please correct the analyzer to not produce such terms. The prefix of the "
            f"first immense term is: '[{prefix}]...'"
        )


def _check_integer(field: Field, value: Any) -> None:
    if value != "":
        integer_of(field.type, value)


def _check_float(field: Field, value: Any) -> None:
    if value != "":
        float_of(field.type, value)


def date_of(field: Field, value: Any) -> int:
    """Return *value* in nanoseconds.

    Raises:
        BadValue: It is no date in the field's format.
    """
    if isinstance(value, dict):
        raise expected_text()
    if value == "":
        raise refuse("cannot parse empty datetime")
    try:
        nanos = field.format.nanos(str(value).lower() if isinstance(value, bool) else value)
    except dates.BadDate as error:
        cause = error.caused_by()
        raise BadValue(lambda _data, _span: cause) from None
    if field.type == "date_nanos" and not 0 <= nanos <= _MAX_NANOS:
        shown = dates.date_format("date_time_no_millis").text_of(nanos)
        where = "before the epoch in 1970" if nanos < 0 else "after 2262-04-11T23:47:16.854775807"
        raise refuse(f"date[{shown}] is {where} and cannot be stored in nanosecond resolution")
    return nanos


def _check_flattened(field: Field, value: Any) -> None:
    if not isinstance(value, dict):
        token = {str: "STRING", bool: "BOOLEAN"}.get(type(value), "NUMBER")
        reason = (
            f"Failed to parse object: expecting token of type [START_OBJECT] but found "
            f"[VALUE_{token}]"
        )
        raise BadValue(
            lambda _data, span: {
                "type": "parsing_exception",
                "reason": reason,
                "line": 1,
                "col": span[0] + 1,
            }
        )


_CHECKS: dict[str, Callable[[Field, Any], object]] = {
    "text": _check_text,
    "keyword": _check_keyword,
    "integer": _check_integer,
    "float": _check_float,
    "date": date_of,
    "boolean": lambda _field, value: boolean_of(value),
    "ip": lambda _field, value: address_of(value),
    "flattened": _check_flattened,
    "opaque": lambda _field, _value: None,
    "alias": lambda _field, _value: None,
}


def _keyword_terms(field: Field, value: Any) -> list[Any]:
    if isinstance(value, dict):
        return []
    text = value_text(value)
    if len(text) > field.ignore_above:
        return []
    return [field.normalize(text) if field.normalize else text]


def _date_terms(field: Field, value: Any) -> list[Any]:
    return [date_of(field, value) // field.unit]


_TERMS: dict[str, Callable[[Field, Any], list[Any]]] = {
    "text": lambda field, value: [] if isinstance(value, dict) else [value_text(value)],
    "keyword": _keyword_terms,
    "integer": lambda field, value: [] if value == "" else [integer_of(field.type, value)],
    "float": lambda field, value: [] if value == "" else [float_of(field.type, value)],
    "date": _date_terms,
    "boolean": lambda _field, value: [boolean_of(value)],
    "ip": lambda _field, value: [address_of(value)],
    "flattened": lambda field, value: [
        text for _key, text in flattened_leaves(value) if len(text) <= field.ignore_above
    ],
    "opaque": lambda _field, value: [value],
    "alias": lambda _field, _value: [],
}
