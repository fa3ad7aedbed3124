"""The hits of a search while they are collected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from logship.node import scan
from logship.node.dsl.compiled import Compiled
from logship.node.errors import Json
from logship.node.search_request import SearchRequest
from logship.node.sorting import Criterion, Key, place_of
from logship.node.view import Doc, View

_SLACK = 1000


@dataclass(slots=True)
class Shard:
    """One index of a search, with everything compiled for it."""

    view: View
    query: Compiled
    post_filter: Compiled | None
    criteria: list[Criterion]
    after: Key | None


@dataclass(slots=True)
class Hit:
    """A document in the result."""

    key: Key
    doc: Doc
    score: float
    shard: Shard


@dataclass
class Found:
    """What came out, before it is written down.

    Attributes:
        total: Matches counted; exact up to the wanted threshold.
        hits: In order, from the first to the last wanted.
    """

    total: int = 0
    hits: list[Hit] = field(default_factory=list)
    max_score: float | None = None
    aggregations: Json | None = None


class Collector:
    """Keeps the best hits seen so far."""

    def __init__(
        self, request: SearchRequest, order: int, found: Found, *, by_score: bool, sorted_: bool
    ) -> None:
        self.found = found
        self._wanted = request.from_ + request.size
        self._from = request.from_
        self._hits: list[Hit] = []
        self._worst: Key | None = None
        self._scores = by_score or not sorted_ or request.track_scores
        self._is_sorted = sorted_
        self._shard: Shard
        self._order = order
        self._key: Callable[[Doc, float], Key]
        self._is_settled = False

    def begin(self, shard: Shard) -> None:
        """Go on with another index."""
        self._shard = shard
        self._is_settled = self._wanted == 0
        if not shard.criteria:
            self._key = lambda doc, score: (-score, place_of(doc))
            return
        criteria = [one.key for one in shard.criteria]
        if len(criteria) == 1:
            first = criteria[0]
            self._key = lambda doc, score: (first(doc, score), place_of(doc))
        else:
            self._key = lambda doc, score: (
                *(one(doc, score) for one in criteria),
                place_of(doc),
            )

    def wants(self, doc: Doc) -> bool:
        """Whether *doc* could be among the hits; once it cannot, no later one of this index."""
        if self._is_settled:
            return False
        if len(self._hits) < self._wanted or self._worst is None:
            return True
        if self._order == scan.AS_WRITTEN:
            self._is_settled = self._key(doc, self._shard.query.constant) > self._worst
        elif self._order != scan.ANY_ORDER and doc.time is not None:
            self._is_settled = self._shard.criteria[0].key(doc, 0.0) > self._worst[0]
        return not self._is_settled

    def add(self, doc: Doc) -> None:
        """Keep *doc* if it is good enough."""
        score = self._shard.query.score_of(doc) if self._scores else 0.0
        key = self._key(doc, score)
        after = self._shard.after
        if after is not None and key[: len(after)] <= after:
            return
        if self._worst is not None and key > self._worst:
            return
        self._hits.append(Hit(key, doc, score, self._shard))
        if len(self._hits) == self._wanted or len(self._hits) >= 2 * self._wanted + _SLACK:
            self._cut()

    def _cut(self) -> None:
        self._hits.sort(key=lambda hit: hit.key)
        del self._hits[self._wanted :]
        if len(self._hits) == self._wanted and self._hits:
            self._worst = self._hits[-1].key

    def finish(self) -> None:
        """Hand over the hits of the wanted page."""
        self._cut()
        if self._scores and self._hits and not self._is_sorted:
            self.found.max_score = max(hit.score for hit in self._hits)
        self.found.hits = self._hits[self._from :]
