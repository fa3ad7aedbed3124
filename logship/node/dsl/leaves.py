"""Queries on one field: term, match, phrase, range, exists, patterns."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

from logship.node import dates
from logship.node.analysis import index_pieces
from logship.node.dsl import patterns
from logship.node.dsl.comparing import (
    between,
    converter,
    follows,
    not_created,
    wanted_boolean,
)
from logship.node.dsl.compiled import (
    Compiled,
    Predicate,
    all_words,
    both_words,
    disjunction,
    either_words,
    everything,
    nothing,
)
from logship.node.errors import NodeError, failed_query
from logship.node.fields import Field, FlattenedKey
from logship.node.values import BadValue, address_of, float_of, integer_of, value_text
from logship.node.view import Doc, View

METADATA = frozenset({"_id", "_index", "_ignored"})
_TEXTUAL = frozenset({"text", "keyword"})
_PLAIN_ANALYZERS = frozenset({"standard", "default", "whitespace", "keyword"})


class Leaves:
    """Compiles queries on single fields of one index.

    Args:
        view: Of the index.
        now: The present in nanoseconds.
    """

    def __init__(self, view: View, now: int) -> None:
        self.view, self.now = view, now

    def _any(self, path: str, accepts: Callable[[Any], bool]) -> Predicate:
        terms = self.view.terms(path)

        def matches(doc: Doc) -> bool:
            return any(accepts(term) for term in terms(doc))

        return matches

    def _tokens(self, field: Field) -> Callable[[Doc], list[list[str]]]:
        raw, analyze = self.view.raw_values(field.source_path), field.analyze
        return lambda doc: [
            analyze(value_text(value)) for value in raw(doc.source) if not isinstance(value, dict)
        ]

    def _words(
        self, field: Field | FlattenedKey | None, token: str, *, prefix: bool = False
    ) -> str | None:
        """Return what the full-text index must have for *token* in *field*."""
        if isinstance(field, Field) and not _is_indexed_as_words(field):
            return None
        if field is None or len(token) >= 255:
            return None
        pieces = index_pieces(token)
        is_open = prefix and token[-1:].isascii() and token[-1:].isalnum()
        if prefix and not is_open and token and not token[-1].isascii():
            return all_words(pieces)
        return all_words(pieces, prefix=is_open)

    def term(self, path: str, value: Any, *, ignore_case: bool = False) -> Compiled:
        """Match documents that have exactly *value* in *path*."""
        field = self.view.field(path)
        if field is None:
            return self._metadata_term(path, value)
        if isinstance(field, FlattenedKey) or field.family in {"keyword", "flattened"}:
            text = value_text(value)
            if isinstance(field, Field) and field.normalize:
                text = field.normalize(text)
            words = self._words(field, text)
            if ignore_case:
                folded = text.lower()
                return Compiled(self._any(path, lambda term: term.lower() == folded), words=words)
            return Compiled(self._any(path, lambda term: term == text), words=words)
        if field.family == "text":
            text = value_text(value)
            text = text.lower() if ignore_case else text
            tokens = self._tokens(field)
            return Compiled(
                lambda doc: any(text in one for one in tokens(doc)), words=self._words(field, text)
            )
        if field.family == "date":
            return self.range(path, {"gte": value, "lte": value})
        if field.family == "ip" and "/" in str(value):
            return self._network(path, str(value))
        wanted = self._term_value(field, value)
        return Compiled(self._any(path, lambda term: term == wanted))

    def _metadata_term(self, path: str, value: Any) -> Compiled:
        text = value_text(value)
        if path == "_id":
            return Compiled(lambda doc: doc.id == text, ids=frozenset({text}))
        if path == "_index":
            name = self.view.index.name
            is_it = text in {name, self.view.index.stream} or text in self.view.index.aliases
            return everything() if is_it else nothing()
        if path == "_ignored":
            return Compiled(self._any(path, lambda term: term == text))
        return nothing()

    def _network(self, path: str, text: str) -> Compiled:
        try:
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            raise not_created(f"'{text}' is not an IP string literal.") from None
        low = address_of(str(network.network_address))
        high = address_of(str(network.broadcast_address))
        return Compiled(self._any(path, lambda term: low <= term <= high))

    def _term_value(self, field: Field, value: Any) -> Any:
        try:
            if field.family == "integer":
                number = float_of("double", value)
                return integer_of(field.type, value) if number.is_integer() else None
            if field.family == "float":
                return float_of(field.type, value)
            if field.family == "boolean":
                return wanted_boolean(value)
            if field.family == "ip":
                return address_of(value)
        except BadValue as error:
            cause = error.build(b"", (0, 0))
            reason = str(cause["reason"])
            if field.family in {"integer", "float"}:
                cause = {
                    "type": "number_format_exception",
                    "reason": f'For input string: "{value}"',
                }
                reason = str(cause["reason"])
            raise not_created(reason, cause) from None
        raise failed_query(f"Field [{field.path}] of type [{field.type}] does not support terms")

    def match(
        self,
        path: str,
        text: Any,
        *,
        need_all: bool = False,
        minimum: Callable[[int], int] | None = None,
        fuzziness: str | None = None,
        lenient: bool = False,
    ) -> Compiled:
        """Match documents that have the words of *text* in *path*."""
        field = self.view.field(path)
        if not isinstance(field, Field) or field.family != "text":
            if fuzziness is not None and field is not None:
                return self.fuzzy(path, value_text(text), fuzziness)
            try:
                return self.term(path, text)
            except NodeError:
                if lenient:
                    return nothing()
                raise
        tokens = list(dict.fromkeys(field.analyze(value_text(text))))
        if not tokens:
            return nothing()
        if fuzziness is not None:
            queries = [self.fuzzy(path, token, fuzziness) for token in tokens]
            return disjunction(queries, len(queries) if need_all else 1)
        wanted = frozenset(tokens)
        analyzed = self._tokens(field)
        needed = len(tokens) if need_all else minimum(len(tokens)) if minimum else 1
        words = [self._words(field, token) for token in tokens]

        def found(doc: Doc) -> int:
            return len(wanted.intersection(*[{t for one in analyzed(doc) for t in one}]))

        return Compiled(
            lambda doc: found(doc) >= needed,
            lambda doc: float(found(doc)),
            words=both_words(words) if needed >= len(tokens) else either_words(words),
        )

    def phrase(
        self, path: str, text: Any, *, slop: int = 0, prefix: bool = False, lenient: bool = False
    ) -> Compiled:
        """Match documents that have the words of *text* in *path*, one after the other."""
        field = self.view.field(path)
        if not isinstance(field, Field) or field.family != "text":
            try:
                return self.prefix(path, value_text(text)) if prefix else self.term(path, text)
            except NodeError:
                if lenient:
                    return nothing()
                raise
        tokens = field.analyze(value_text(text))
        if not tokens:
            return nothing()
        analyzed = self._tokens(field)
        last = len(tokens) - 1
        words = [
            self._words(field, token, prefix=prefix and number == last)
            for number, token in enumerate(tokens)
        ]
        return Compiled(
            lambda doc: any(follows(one, tokens, slop, prefix) for one in analyzed(doc)),
            words=both_words(words),
        )

    def exists(self, path: str) -> Compiled:
        """Match documents that have a value in *path*, or in anything below it."""
        if path in METADATA:
            return self._present(path) if path == "_ignored" else everything()
        field = self.view.field(path)
        if isinstance(field, Field) and field.family == "text":
            raw = self.view.raw_values(field.source_path)
            return Compiled(lambda doc: bool(raw(doc.source)))
        if field is not None:
            return self._present(path)
        below = [self._present(one.path) for one in self.view.mapping.below(path)]
        return disjunction(below) if below else nothing()

    def _present(self, path: str) -> Compiled:
        terms = self.view.terms(path)
        return Compiled(lambda doc: bool(terms(doc)))

    def _pattern(self, path: str, kind: str) -> tuple[Callable[[Doc], list[str]], Any] | None:
        field = self.view.field(path)
        if field is None:
            return (self.view.terms(path), None) if path in METADATA else None
        if isinstance(field, Field):
            if field.family == "text":
                tokens = self._tokens(field)
                return (lambda doc: [token for one in tokens(doc) for token in one]), field
            if field.family not in {"keyword", "flattened"}:
                raise failed_query(
                    f"Can only use {kind} queries on keyword, text and wildcard fields - not on "
                    f"[{path}] which is of type [{field.type}]"
                )
        elif kind in {"wildcard", "regexp", "fuzzy"}:
            raise not_created(
                f"[{kind}] queries are not currently supported on keyed [flattened] fields."
            )
        return self.view.terms(path), field

    def wildcard(self, path: str, pattern: str, *, ignore_case: bool = False) -> Compiled:
        """Match documents with a term in *path* like *pattern*."""
        found = self._pattern(path, "wildcard")
        if found is None:
            return nothing()
        terms, field = found
        if isinstance(field, Field) and field.normalize:
            pattern = field.normalize(pattern)
        expression = patterns.wildcard(pattern, ignore_case=ignore_case)
        words = None
        if pattern.isascii() and _may_narrow(field):
            runs, is_open = patterns.literal_runs(pattern)
            words = all_words(runs, prefix=is_open)
        return Compiled(
            lambda doc: any(expression.fullmatch(term) for term in terms(doc)), words=words
        )

    def prefix(self, path: str, text: str, *, ignore_case: bool = False) -> Compiled:
        """Match documents with a term in *path* that begins with *text*."""
        found = self._pattern(path, "prefix")
        if found is None:
            return nothing()
        terms, field = found
        if isinstance(field, Field) and field.normalize:
            text = field.normalize(text)
        words = self._words(field, text, prefix=True) if text.isascii() else None
        if ignore_case:
            folded = text.lower()
            return Compiled(
                lambda doc: any(term.lower().startswith(folded) for term in terms(doc)),
                words=words,
            )
        return Compiled(lambda doc: any(term.startswith(text) for term in terms(doc)), words=words)

    def regexp(self, path: str, pattern: str, *, ignore_case: bool = False) -> Compiled:
        """Match documents with a term in *path* that the expression matches as a whole."""
        found = self._pattern(path, "regexp")
        expression = patterns.regexp(pattern, ignore_case=ignore_case)
        if found is None:
            return nothing()
        terms, _field = found
        return Compiled(lambda doc: any(expression.fullmatch(term) for term in terms(doc)))

    def fuzzy(self, path: str, text: str, fuzziness: str = "AUTO") -> Compiled:
        """Match documents with a term in *path* that is nearly *text*."""
        found = self._pattern(path, "fuzzy")
        if found is None:
            return nothing()
        terms, field = found
        if isinstance(field, Field) and field.normalize:
            text = field.normalize(text)
        limit = patterns.edits_for(fuzziness, text)
        return Compiled(
            lambda doc: any(patterns.within_edits(term, text, limit) for term in terms(doc))
        )

    def range(self, path: str, bounds: dict[str, Any]) -> Compiled:
        """Match documents with a value in *path* between *bounds*: gt, gte, lt, lte.

        Dates also take ``format`` and ``time_zone``.
        """
        field = self.view.field(path)
        if field is None:
            if path == "_id":
                return Compiled(self._any(path, between(bounds, value_text)))
            return nothing()
        if isinstance(field, FlattenedKey) or field.family in {"keyword", "flattened"}:
            normalize = field.normalize if isinstance(field, Field) else None
            convert = (lambda v: normalize(value_text(v))) if normalize else value_text
            return Compiled(self._any(path, between(bounds, convert)))
        if field.family == "text":
            tokens, accepts = self._tokens(field), between(bounds, value_text)
            return Compiled(lambda doc: any(accepts(t) for one in tokens(doc) for t in one))
        if field.family == "date":
            return self._date_range(path, field, bounds)
        convert = converter(field)
        return Compiled(self._any(path, between(bounds, convert)))

    def _date_range(self, path: str, field: Field, bounds: dict[str, Any]) -> Compiled:
        fmt = _format_of(bounds, field)
        zone = dates.parse_zone(str(bounds.get("time_zone") or "UTC"))
        low: int | None = None
        high: int | None = None
        for name in ("gte", "gt", "lte", "lt"):
            value = bounds.get(name)
            if value is None:
                continue
            round_up = name in {"gt", "lte"}
            nanos = dates.resolve_math(value, self.now, fmt, zone, round_up=round_up)
            found = nanos // field.unit
            if name in {"gte", "gt"}:
                found += name == "gt"
                low = found if low is None else max(low, found)
            else:
                found -= name == "lt" and nanos % field.unit == 0
                high = found if high is None else min(high, found)
        terms = self.view.terms(path)
        floor = -(2**63) if low is None else low
        ceiling = 2**63 if high is None else high

        def matches(doc: Doc) -> bool:
            return any(floor <= term <= ceiling for term in terms(doc))

        if field.path != "@timestamp":
            return Compiled(matches)
        return Compiled(
            matches,
            low=None if low is None else low * field.unit,
            high=None if high is None else (high + 1) * field.unit - 1,
            only_times=True,
        )


def _format_of(bounds: dict[str, Any], field: Field) -> dates.DateFormat:
    if bounds.get("format"):
        return dates.date_format(bounds["format"])
    ends = (bounds.get(name) for name in ("gte", "gt", "lte", "lt"))
    if any(isinstance(end, int | float) for end in ends):
        return dates.date_format("epoch_millis")  # a number at one end, and both are read so
    return field.format


def _is_indexed_as_words(field: Field) -> bool:
    if field.null_value is not None:
        return False
    if field.family == "text":
        return field.definition.get("analyzer", "standard") in _PLAIN_ANALYZERS
    return field.family in {"keyword", "flattened"}


def _may_narrow(field: Any) -> bool:
    if isinstance(field, FlattenedKey):
        return True
    return isinstance(field, Field) and _is_indexed_as_words(field)
