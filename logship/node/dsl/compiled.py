"""A compiled query, and how several become one.

The predicate decides. Everything else only narrows: it must be true of every document that
the predicate accepts, and may be true of others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from logship.node.view import Doc

Predicate = Callable[[Doc], bool]
Score = Callable[[Doc], float]

_MAX_WORDS = 200


@dataclass(frozen=True, slots=True)
class Compiled:
    """One query against one index.

    Attributes:
        matches: Decides.
        score: Of a document that matches. None: the same for all, `constant`.
        words: Full-text expression that every match satisfies; None when there is none.
        low: Lowest ``@timestamp`` of a match in nanoseconds, None without bound.
        high: Highest, likewise.
        ids: Every match has one of these ids; None when there is no such bound.
        only_times: Whether *low* and *high* alone decide, for documents with one time.
    """

    matches: Predicate
    score: Score | None = None
    constant: float = 1.0
    words: str | None = None
    low: int | None = None
    high: int | None = None
    ids: frozenset[str] | None = None
    only_times: bool = False

    def score_of(self, doc: Doc) -> float:
        """Return the score of a matching document."""
        return self.constant if self.score is None else self.score(doc)

    def boosted(self, boost: float) -> Compiled:
        """Return the same query with scores multiplied."""
        if boost == 1.0:
            return self
        score = self.score
        if score is None:
            return replace(self, constant=self.constant * boost)
        return replace(self, score=lambda doc: score(doc) * boost)


def everything(constant: float = 1.0) -> Compiled:
    """Return the query that all documents match."""
    return Compiled(lambda _doc: True, constant=constant, only_times=True)


def nothing() -> Compiled:
    """Return the query that no document matches."""
    return Compiled(lambda _doc: False, constant=0.0, ids=frozenset())


def all_words(tokens: Sequence[str], *, prefix: bool = False) -> str | None:
    """Return the full-text expression for runs of letters and digits that must all be there.

    Args:
        tokens: As the full-text index has them.
        prefix: Whether the last one may go on.
    """
    if not tokens or len(tokens) > _MAX_WORDS:
        return None
    parts = [f'"{token}"' for token in tokens]
    if prefix:
        parts[-1] += " *"
    return parts[0] if len(parts) == 1 else "(" + " AND ".join(parts) + ")"


def both_words(expressions: Sequence[str | None]) -> str | None:
    """Return the expression for all of *expressions*; None stands for no bound."""
    given = list(dict.fromkeys(one for one in expressions if one is not None))
    if not given:
        return None
    return given[0] if len(given) == 1 else "(" + " AND ".join(given[:_MAX_WORDS]) + ")"


def either_words(expressions: Sequence[str | None]) -> str | None:
    """Return the expression for any of *expressions*; None when one has no bound."""
    if not expressions or len(expressions) > _MAX_WORDS:
        return None
    given: list[str] = []
    for one in expressions:
        if one is None:
            return None
        given.append(one)
    given = list(dict.fromkeys(given))
    return given[0] if len(given) == 1 else "(" + " OR ".join(given) + ")"


def conjunction(queries: Sequence[Compiled]) -> Compiled:
    """Return the query that matches where all of *queries* do; scores add up."""
    if not queries:
        return everything()
    if len(queries) == 1:
        return queries[0]
    predicates = [query.matches for query in queries]
    if len(predicates) == 2:
        first, second = predicates
        matches: Predicate = lambda doc: first(doc) and second(doc)  # noqa: E731
    else:
        matches = lambda doc: all(one(doc) for one in predicates)  # noqa: E731
    lows = [query.low for query in queries if query.low is not None]
    highs = [query.high for query in queries if query.high is not None]
    ids: frozenset[str] | None = None
    for query in queries:
        if query.ids is not None:
            ids = query.ids if ids is None else ids & query.ids
    score, constant = _sum(queries)
    return Compiled(
        matches,
        score,
        constant,
        both_words([query.words for query in queries]),
        max(lows) if lows else None,
        min(highs) if highs else None,
        ids,
        all(query.only_times for query in queries),
    )


def disjunction(queries: Sequence[Compiled], minimum: int = 1, *, best: bool = False) -> Compiled:
    """Return the query that matches where at least *minimum* of *queries* do.

    Args:
        queries: Any number.
        minimum: At least 1.
        best: Score by the best one, not by the sum.
    """
    if not queries or minimum > len(queries):
        return nothing()
    if len(queries) == 1:
        return queries[0]
    predicates = [query.matches for query in queries]
    if minimum == 1:
        matches: Predicate = lambda doc: any(one(doc) for one in predicates)  # noqa: E731
    else:
        matches = lambda doc: sum(one(doc) for one in predicates) >= minimum  # noqa: E731
    combine = max if best else sum

    def score(doc: Doc) -> float:
        return float(combine([one.score_of(doc) for one in queries if one.matches(doc)] or [0.0]))

    lows = [query.low for query in queries]
    highs = [query.high for query in queries]
    ids: frozenset[str] | None = frozenset()
    for query in queries:
        ids = None if ids is None or query.ids is None else ids | query.ids
    return Compiled(
        matches,
        score,
        1.0,
        either_words([query.words for query in queries]),
        None if None in lows else min(low for low in lows if low is not None),
        None if None in highs else max(high for high in highs if high is not None),
        ids,
    )


def filtered(query: Compiled, score_from: Sequence[Compiled]) -> Compiled:
    """Return *query* with the scores of others: of those that match, added up."""
    if not score_from:
        return replace(query, score=None, constant=0.0)

    def score(doc: Doc) -> float:
        return sum(one.score_of(doc) for one in score_from if one.matches(doc))

    return replace(query, score=score)


def _sum(queries: Sequence[Compiled]) -> tuple[Score | None, float]:
    if all(query.score is None for query in queries):
        return None, sum(query.constant for query in queries)
    return (lambda doc: sum(query.score_of(doc) for query in queries)), 1.0
