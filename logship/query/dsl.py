"""Tree → Elasticsearch's query DSL."""

from __future__ import annotations

import re
from typing import Any

from logship.query.dates import is_time_field
from logship.query.levels import LEVELS, is_level_field, level_rank, names_between
from logship.query.tree import (
    And,
    Bound,
    Everything,
    Exists,
    Node,
    Not,
    Nothing,
    Or,
    Phrase,
    Query,
    Range,
    Regexp,
    Wildcard,
    Word,
)
from logship.query.words import is_text_field

__all__ = ["level_terms", "to_dsl"]

_YEAR, _MONTH = re.compile(r"\d{4}"), re.compile(r"\d{4}-\d\d")


def to_dsl(
    query: Query, *, default_fields: tuple[str, ...] = ("message",), time_zone: str | None = None
) -> dict[str, Any]:
    """Return what finds *query* in Elasticsearch.

    Uses ``bool`` (``filter``, ``should`` with ``minimum_should_match``, ``must_not``),
    ``match``, ``match_phrase``, ``multi_match``, ``terms``, ``range``, ``exists``, ``wildcard``,
    ``prefix``, ``regexp``, ``ids`` and ``match_all``. Nothing scores. A range over levels
    (``level >= WARNING``) becomes the names of the levels in it. A word that a field cannot hold
    (``status:error`` where the status is a number) finds nothing; a range with such an end, and
    a pattern on numbers, is refused by Elasticsearch.

    Args:
        query: As read by ``parse``.
        default_fields: Where words without a field are looked for; one hit is enough.
        time_zone: IANA name or offset for times in ranges that carry none; None is UTC.
    """
    return _Translator(query.default_operator, default_fields, time_zone).clause(query.root)


def level_terms(field: str, lowest: int, highest: int = len(LEVELS)) -> dict[str, Any]:
    """Return the clause for levels ranked *lowest* to *highest*, under every name.

    Lower case stands beside upper case for indices without a normalizer on the field.
    """
    names = names_between(lowest, highest)
    return {"terms": {field: names + [name.lower() for name in names]}}


class _Translator:
    def __init__(
        self, default_operator: str, default_fields: tuple[str, ...], time_zone: str | None
    ) -> None:
        self.default_operator = default_operator
        self.default_fields = default_fields
        self.time_zone = time_zone

    def clause(self, node: Node) -> dict[str, Any]:
        match node:
            case Everything():
                return {"match_all": {}}
            case Nothing():
                return {"bool": {"must_not": [{"match_all": {}}]}}
            case Word() | Phrase() | Wildcard() | Regexp():
                return self._spread(node)
            case Exists():
                return {"exists": {"field": node.field}}
            case Range():
                return self._range(node)
            case Not():
                return {"bool": {"must_not": [self.clause(node.operand)]}}
            case And():
                return self._and(node)
            case Or():
                should = [self.clause(operand) for operand in node.operands]
                return {"bool": {"should": should, "minimum_should_match": 1}}

    def _and(self, node: And) -> dict[str, Any]:
        filters = [self.clause(one) for one in node.operands if not isinstance(one, Not)]
        excluded = [self.clause(one.operand) for one in node.operands if isinstance(one, Not)]
        body: dict[str, Any] = {}
        if filters:
            body["filter"] = filters
        if excluded:
            body["must_not"] = excluded
        return {"bool": body}

    def _spread(self, node: Word | Phrase | Wildcard | Regexp) -> dict[str, Any]:
        fields = self.default_fields if node.field is None else (node.field,)
        clauses = [self._leaf(field, node) for field in fields]
        if len(clauses) == 1:
            return clauses[0]
        return {"bool": {"should": clauses, "minimum_should_match": 1}}

    def _leaf(self, field: str, node: Word | Phrase | Wildcard | Regexp) -> dict[str, Any]:
        # Words of a text are indexed in lower case, and patterns are not analysed.
        is_text = is_text_field(field, self.default_fields)
        match node:
            case Word() | Phrase() if field == "_id":
                return {"ids": {"values": [node.text]}}
            case Word() | Phrase() if is_time_field(field):
                bound = Bound(node.text, inclusive=True)
                return self._range(Range(field, bound, bound, node.position))
            case Word():
                words = {"query": node.text, "operator": self.default_operator}
                return {"match": {field: words if is_text else {**words, "lenient": True}}}
            case Phrase():
                # The one that can be lenient passes over metadata such as _index.
                if is_text or field.startswith("_"):
                    return {"match_phrase": {field: node.text}}
                phrase = {"type": "phrase", "query": node.text, "fields": [field]}
                return {"multi_match": {**phrase, "lenient": True}}
            case Wildcard():
                pattern = node.pattern.lower() if is_text else node.pattern
                stem = pattern[:-1]
                if pattern[-1] == "*" and not re.search(r"[*?\\]", stem):
                    return {"prefix": {field: {"value": stem}}}
                return {"wildcard": {field: {"value": pattern}}}
            case Regexp():
                pattern = lower_regexp(node.pattern) if is_text else node.pattern
                return {"regexp": {field: {"value": pattern}}}

    def _range(self, node: Range) -> dict[str, Any]:
        if is_level_field(node.field):
            ranks = level_range(node)
            if ranks is not None:
                return level_terms(node.field, *ranks)
        # As text, which every field reads as its own: a number would mean milliseconds to a date.
        is_time = is_time_field(node.field)
        limits: dict[str, Any] = {}
        if node.lower is not None:
            limits["gte" if node.lower.inclusive else "gt"] = _end(node.lower.text, is_time)
        if node.upper is not None:
            limits["lte" if node.upper.inclusive else "lt"] = _end(node.upper.text, is_time)
        if self.time_zone is not None and is_time:
            limits["time_zone"] = self.time_zone
        return {"range": {node.field: limits}}


def lower_regexp(pattern: str) -> str:
    r"""Return *pattern* in lower case, leaving escapes: ``\W`` means the opposite of ``\w``."""
    return re.sub(
        r"\\.|[^\\]+", lambda part: part[0] if part[0][0] == "\\" else part[0].lower(), pattern
    )


def level_range(node: Range) -> tuple[int, int] | None:
    """Return the lowest and highest rank in a range of levels; None when an end is no level."""
    lowest = _level_bound(node.lower, 0, step=1)
    highest = _level_bound(node.upper, len(LEVELS), step=-1)
    return None if lowest is None or highest is None else (lowest, highest)


def _level_bound(bound: Bound | None, open_end: int, *, step: int) -> int | None:
    if bound is None:
        return open_end
    rank = level_rank(bound.text)
    if rank is None or bound.inclusive:
        return rank
    return rank + step


def _end(text: str, is_time: bool) -> str:
    """Return an end of a range. A year or a month reaches to its end, not to its first day's."""
    if not is_time:
        return text
    if _YEAR.fullmatch(text):
        return f"{text}||/y"
    return f"{text}||/M" if _MONTH.fullmatch(text) else text
