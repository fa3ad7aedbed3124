"""Tree → a function that says whether a record matches."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeAlias

from logship.errors import QueryError
from logship.query.dates import is_time_field, span_of
from logship.query.dsl import level_range
from logship.query.fields import values_of
from logship.query.levels import is_level_field, level_rank
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
from logship.query.words import is_text_field, words_of

__all__ = ["Predicate", "compile_predicate"]

Predicate: TypeAlias = Callable[[Mapping[str, Any]], bool]
_ValueTest: TypeAlias = Callable[[Any], bool]
_Clock: TypeAlias = Callable[[], datetime]

_NUMERIC = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def compile_predicate(
    query: Query,
    *,
    default_fields: tuple[str, ...] = ("message",),
    now: _Clock = _utc_now,
    zone: tzinfo = UTC,
) -> Predicate:
    """Return a function that says whether a record matches *query*.

    It finds what ``to_dsl`` finds in an index with logship's template: words of the message
    and of error texts in any case, levels in any case and in their order, other texts as a
    whole and exactly, numbers by value, times as moments. Ranges over texts compare as numbers
    where both sides are.
    A list matches when one of its values does. The function raises nothing, whatever the
    record holds.

    Args:
        query: As read by ``parse``.
        default_fields: Where words without a field are looked for; one hit is enough.
        now: What ``now`` stands for, asked for each record.
        zone: Of times in the query that carry none.

    Raises:
        QueryError: A regular expression in *query* cannot be read.
    """
    return _Compiler(query, default_fields, now, zone).node(query.root)


class _Compiler:
    def __init__(
        self, query: Query, default_fields: tuple[str, ...], now: _Clock, zone: tzinfo
    ) -> None:
        self.query = query
        self.default_fields = default_fields
        self.now = now
        self.zone = zone

    def node(self, node: Node) -> Predicate:
        match node:
            case Everything():
                return lambda record: True
            case Nothing():
                return lambda record: False
            case Exists():
                return _exists(node.field)
            case Not():
                inner = self.node(node.operand)
                return lambda record: not inner(record)
            case And():
                return _all([self.node(operand) for operand in node.operands])
            case Or():
                return _any([self.node(operand) for operand in node.operands])
            case Range():
                return _on_values(node.field, self._range(node))
            case Word() | Phrase() | Wildcard() | Regexp():
                fields = self.default_fields if node.field is None else (node.field,)
                return _any([_on_values(field, self._leaf(field, node)) for field in fields])

    def _leaf(self, field: str, node: Word | Phrase | Wildcard | Regexp) -> _ValueTest:
        is_text = is_text_field(field, self.default_fields)
        match node:
            case Word() if is_text:
                return _has_words(words_of(node.text), every=self.query.default_operator == "and")
            case Phrase() if is_text:
                return _has_phrase(words_of(node.text))
            case Word() | Phrase():
                return self._equals(field, node.text)
            case Wildcard():
                expression = _wildcard_expression(node.pattern)
            case Regexp():
                expression = node.pattern
        any_case = is_text or is_level_field(field)
        try:
            fits = re.compile(expression, re.DOTALL | (re.IGNORECASE if any_case else 0)).fullmatch
        except (re.error, OverflowError, RecursionError) as error:
            what = f"this regular expression cannot be read: {error}"
            raise QueryError(what, self.query.text, node.position) from error
        if is_text:
            return lambda value: any(map(fits, words_of(str(value))))
        return lambda value: fits(_as_text(value)) is not None

    def _equals(self, field: str, text: str) -> _ValueTest:
        if is_level_field(field):
            folded = text.casefold()
            return lambda value: str(value).casefold() == folded
        number = _number(text)

        def same(value: Any) -> bool:
            if _as_text(value) == text:
                return True
            # Not so for numbers in quotes: they may be ids, and 007 is not 7.
            is_number = number is not None and not isinstance(value, str)
            return is_number and _number(value) == number

        if is_time_field(field) and self._span(text) is not None:
            within = self._between(Bound(text, True), Bound(text, True))  # noqa: FBT003
            return lambda value: within(value) or same(value)
        return same

    def _range(self, node: Range) -> _ValueTest:
        if is_level_field(node.field) and (ranks := level_range(node)) is not None:
            lowest, highest = ranks
            return lambda value: lowest <= _rank(value) <= highest
        bounds = [bound for bound in (node.lower, node.upper) if bound is not None]
        is_time = is_time_field(node.field) or any(one.text.startswith("now") for one in bounds)
        if is_time and all(self._span(bound.text) is not None for bound in bounds):
            return self._between(node.lower, node.upper)
        lower, upper = _above(node.lower), _below(node.upper)
        return lambda value: lower(value) and upper(value)

    def _between(self, lower: Bound | None, upper: Bound | None) -> _ValueTest:
        """Between two bounds of time; those that say ``now`` move with the clock."""

        def within(value: Any) -> bool:
            moment = self._moment(value)
            if moment is None:
                return False
            if lower is not None and not _is_after(moment, self._span(lower.text), lower):
                return False
            return upper is None or _is_before(moment, self._span(upper.text), upper)

        return within

    def _span(self, text: str) -> tuple[datetime, datetime] | None:
        return span_of(text, self.now(), self.zone)

    def _moment(self, value: Any) -> datetime | None:
        if isinstance(value, datetime):
            return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            return None
        span = span_of(str(value), self.now())
        return None if span is None else span[0]


def _is_after(moment: datetime, span: tuple[datetime, datetime] | None, bound: Bound) -> bool:
    if span is None:
        return False
    start, end = span
    if bound.inclusive:
        return moment >= start
    return moment > start if start == end else moment >= end


def _is_before(moment: datetime, span: tuple[datetime, datetime] | None, bound: Bound) -> bool:
    if span is None:
        return False
    start, end = span
    if not bound.inclusive:
        return moment < start
    return moment <= start if start == end else moment < end


def _exists(field: str) -> Predicate:
    return lambda record: any(_has_leaf(value) for value in values_of(record, field))


def _has_leaf(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_has_leaf(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_has_leaf(inner) for inner in value)
    return value is not None


def _on_values(field: str, test: _ValueTest) -> Predicate:
    """A text or number directly under its name is the common case and takes the short way."""

    def matches(record: Mapping[str, Any]) -> bool:
        value = record.get(field)
        if isinstance(value, str | int | float):
            return test(value)
        return any(test(one) for one in values_of(record, field) if not isinstance(one, Mapping))

    return matches


def _all(predicates: list[Predicate]) -> Predicate:
    return lambda record: all(predicate(record) for predicate in predicates)


def _any(predicates: list[Predicate]) -> Predicate:
    if len(predicates) == 1:
        return predicates[0]
    return lambda record: any(predicate(record) for predicate in predicates)


def _has_words(wanted: list[str], *, every: bool) -> _ValueTest:
    combine = all if every else any

    def test(value: Any) -> bool:
        text = str(value).lower()
        # Most texts hold no wanted word anywhere, and cutting them up is what costs.
        if not wanted or not combine(word in text for word in wanted):
            return False
        words = set(words_of(text))
        return combine(word in words for word in wanted)

    return test


def _has_phrase(wanted: list[str]) -> _ValueTest:
    def test(value: Any) -> bool:
        text = str(value).lower()
        if not wanted or not all(word in text for word in wanted):
            return False
        words = words_of(text)
        length = len(wanted)
        return any(words[at : at + length] == wanted for at in range(len(words) - length + 1))

    return test


def _wildcard_expression(pattern: str) -> str:
    pieces: list[str] = []
    characters = iter(pattern)
    for character in characters:
        if character == "*":
            if pieces[-1:] != [".*"]:
                pieces.append(".*")
        elif character == "?":
            pieces.append(".")
        else:
            pieces.append(re.escape(next(characters, "") if character == "\\" else character))
    return "".join(pieces)


def _above(bound: Bound | None) -> _ValueTest:
    if bound is None:
        return lambda value: True
    return _compared(bound.text, (lambda order: order >= 0) if bound.inclusive else _is_positive)


def _below(bound: Bound | None) -> _ValueTest:
    if bound is None:
        return lambda value: True
    return _compared(bound.text, (lambda order: order <= 0) if bound.inclusive else _is_negative)


def _is_positive(order: int) -> bool:
    return order > 0


def _is_negative(order: int) -> bool:
    return order < 0


def _compared(text: str, accepts: Callable[[int], bool]) -> _ValueTest:
    """Compare as numbers when both are, else as text; a number has no place among words."""
    limit = _number(text)

    def test(value: Any) -> bool:
        number = _number(value)
        if number is not None and limit is not None:
            return accepts((number > limit) - (number < limit))
        if not isinstance(value, str):
            return False
        return accepts((value > text) - (value < text))

    return test


def _rank(value: Any) -> int:
    rank = level_rank(value) if isinstance(value, str) else None
    return -1 if rank is None else rank


def _number(value: Any) -> float | int | None:
    if isinstance(value, str):
        if not _NUMERIC.fullmatch(value):
            return None
        value = int(value) if len(value) < 19 and value.lstrip("-").isdigit() else float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)
