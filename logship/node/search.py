"""Running a search over some indices."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from logship.node import scan
from logship.node.aggs.tree import AggregationTree
from logship.node.dates import MILLI
from logship.node.dsl.compiled import Compiled, conjunction, everything, filtered
from logship.node.dsl.compiler import Compiler
from logship.node.errors import Json, NodeError, SearchFailed, illegal_argument
from logship.node.fetch import field_values
from logship.node.hits import Collector, Found, Hit, Shard
from logship.node.index import Index, Resolved
from logship.node.search_request import SearchRequest
from logship.node.settings import READ_BLOCKS, refuse
from logship.node.sorting import Criterion, Key, SortBy, compile_sort
from logship.node.view import View


class Search:
    """One search, ready to run.

    Args:
        request: As parsed.
        resolved: The indices, by name.
        now: The present in nanoseconds.
        node_id: For error bodies.

    Raises:
        NodeError: The request is malformed, or does not fit an index.
    """

    def __init__(
        self, request: SearchRequest, resolved: Sequence[Resolved], now: int, node_id: str
    ) -> None:
        self.request = request
        self._resolved, self._now, self._node_id = resolved, now, node_id
        sorts = list(request.sort)
        if request.pit_id and sorts and all(one.field != "_shard_doc" for one in sorts):
            sorts.append(SortBy("_shard_doc", descending=False))
        self.sorts = sorts
        self._check_without_index()
        for one in resolved:
            refuse(one.index.settings, one.index.name, READ_BLOCKS)
        self.shards = self._compiled()
        self._aggregations = AggregationTree(request.aggregations) if request.aggregations else None
        self._prepare_aggregations()

    def _check_without_index(self) -> None:
        """Find what is malformed whatever the mapping, before any index is asked."""
        compiler = Compiler(View(_NO_INDEX), self._now)
        try:
            if self.request.query is not None:
                compiler.compile(self.request.query)
            if self.request.post_filter is not None:
                compiler.compile(self.request.post_filter)
            if self.request.aggregations:
                AggregationTree(self.request.aggregations).check(compiler)
        except NodeError as error:
            # What an index has to say is reported by each index.
            if error.type != "query_shard_exception":
                raise

    def _prepare_aggregations(self) -> None:
        if self._aggregations is None:
            return
        failures: list[tuple[str, NodeError]] = []
        for shard in self.shards:
            try:
                self._aggregations.prepare([shard.view], self._now)
            except NodeError as error:
                failures.append((shard.view.index.name, error))
        if failures:
            raise SearchFailed(failures, self._node_id)
        self._aggregations.prepare([shard.view for shard in self.shards], self._now)

    def _compiled(self) -> list[Shard]:
        shards: list[Shard] = []
        failures: list[tuple[str, NodeError]] = []
        for position, resolved in enumerate(self._resolved):
            index = resolved.index
            try:
                shards.append(self._shard(resolved, position))
            except NodeError as error:
                if error.type == "query_shard_exception":
                    error.extra = {"index_uuid": index.uuid, "index": index.name}
                failures.append((index.name, error))
        if failures:
            raise SearchFailed(failures, self._node_id)
        return shards

    def _shard(self, resolved: Resolved, position: int) -> Shard:
        request = self.request
        view = View(resolved.index, position)
        _check_window(request, resolved.index)
        compiler = Compiler(view, self._now)
        query = everything() if request.query is None else compiler.compile(request.query)
        if resolved.is_filtered and resolved.filters:
            alias = compiler.compile({"bool": {"should": resolved.filters}})
            query = conjunction([query, filtered(alias, [])])
        post = compiler.compile(request.post_filter) if request.post_filter is not None else None
        criteria = [compile_sort(by, view) for by in self.sorts]
        return Shard(view, query, post, criteria, self._after(criteria))

    def _after(self, criteria: list[Criterion]) -> Key | None:
        values = self.request.search_after
        if values is None:
            return None
        if not criteria:
            raise illegal_argument("Sort must contain at least one field.")
        wanted = len(criteria)
        if self.request.pit_id and len(values) == wanted - 1:
            criteria = criteria[:-1]
        elif len(values) != wanted:
            raise illegal_argument(
                f"search_after has {len(values)} value(s) but sort has {wanted}."
            )
        for position, (one, value) in enumerate(zip(criteria, values, strict=True)):
            if value is None and one.kind != "STRING":
                raise illegal_argument(
                    f"[search_after] value at position {position} cannot be null for sort field "
                    f"[{self.sorts[position].field}] of type [{one.kind}]."
                )
        return tuple(one.parse(value) for one, value in zip(criteria, values, strict=True))

    def run(self, connection: sqlite3.Connection) -> Found:
        """Execute the search on the calling thread's connection.

        Args:
            connection: Inside a read transaction, so that all indices are of one moment.

        Raises:
            NodeError: An aggregation does not fit an index.
        """
        found = Found()
        order = self.order()
        collector = Collector(
            self.request,
            order,
            found,
            by_score=self._sorts_by_score(),
            sorted_=bool(self.sorts),
        )
        shards = self.shards if order != scan.NEWEST_FIRST else list(reversed(self.shards))
        for shard in shards:
            self._run_shard(connection, shard, order, collector)
        collector.finish()
        if self._aggregations is not None:
            found.aggregations = self._aggregations.result()
        return found

    def _run_shard(
        self,
        connection: sqlite3.Connection,
        shard: Shard,
        order: int,
        collector: Collector,
    ) -> None:
        collector.begin(shard)
        threshold = self.request.track_total_hits
        is_plain = shard.post_filter is None and self.request.min_score is None
        narrowed, beyond = self._after_narrowed(shard, order)
        if self._aggregations is None and is_plain:
            if shard.query.only_times and threshold >= 0:
                collector.found.total += scan.count_times(connection, shard.view, shard.query)
                self._collect(connection, shard, narrowed, order, beyond, collector)
                return
            if narrowed is not shard.query or beyond >= 0 or threshold < 0:
                self._count(connection, shard, collector)
                self._collect(connection, shard, narrowed, order, beyond, collector)
                return
        self._visit_all(connection, shard, order, collector)

    def _count(self, connection: sqlite3.Connection, shard: Shard, collector: Collector) -> None:
        """Count matches up to where the exact number is wanted."""
        threshold, found, matches = self.request.track_total_hits, collector.found, shard.query
        if threshold < 0:
            return
        for doc in scan.candidates(connection, shard.view, matches, scan.ANY_ORDER):
            if found.total > threshold:
                return
            found.total += matches.matches(doc)

    def _collect(
        self,
        connection: sqlite3.Connection,
        shard: Shard,
        query: Compiled,
        order: int,
        beyond: int,
        collector: Collector,
    ) -> None:
        """Take hits only, until no better one can come."""
        if self.request.from_ + self.request.size == 0:
            return
        matches = shard.query.matches
        for doc in scan.candidates(connection, shard.view, query, order, beyond):
            if matches(doc):
                if not collector.wants(doc):
                    return
                collector.add(doc)

    def _visit_all(
        self,
        connection: sqlite3.Connection,
        shard: Shard,
        order: int,
        collector: Collector,
    ) -> None:
        """Count, aggregate and take hits in one go."""
        matches, post, minimum = shard.query.matches, shard.post_filter, self.request.min_score
        aggregations, threshold = self._aggregations, self.request.track_total_hits
        found = collector.found
        for doc in scan.candidates(connection, shard.view, shard.query, order):
            if not matches(doc):
                continue
            if minimum is not None and shard.query.score_of(doc) < minimum:
                continue
            if aggregations is not None:
                aggregations.collect(doc)
            if post is not None and not post.matches(doc):
                continue
            found.total += 1
            if collector.wants(doc):
                collector.add(doc)
            elif aggregations is None and found.total > threshold:
                # Neither a better hit nor a higher count can come any more.
                return

    def _after_narrowed(self, shard: Shard, order: int) -> tuple[Compiled, int]:
        """Return the query, and the place to go on from, that leave out what came before."""
        query, after = shard.query, shard.after
        if after is None or order == scan.ANY_ORDER:
            return query, -1
        if order == scan.AS_WRITTEN:
            position, seq_no = after[0] >> 32, after[0] & 0xFFFFFFFF
            if shard.view.position < position:
                return replace(query, ids=frozenset()), -1
            return query, seq_no if shard.view.position == position else -1
        rank, value = after[0]
        if rank != 0:
            return query, -1
        by, field = self.sorts[0], shard.view.field(self.sorts[0].field)
        unit = {"date_nanos": 1, "date": MILLI}.get(by.numeric_type or "") or getattr(
            field, "unit", 1
        )
        if order == scan.OLDEST_FIRST:
            low = value * unit
            return replace(query, low=low if query.low is None else max(low, query.low)), -1
        high = -value * unit + unit - 1
        return replace(query, high=high if query.high is None else min(high, query.high)), -1

    def order(self) -> int:
        """Return the order of reading in which the best hits come first, if there is one."""
        if not self.sorts:
            is_constant = all(shard.query.score is None for shard in self.shards)
            return scan.AS_WRITTEN if is_constant else scan.ANY_ORDER
        by = self.sorts[0]
        if by.field in {"_doc", "_shard_doc"}:
            return scan.ANY_ORDER if by.descending else scan.AS_WRITTEN
        if by.mode is not None or by.missing not in {"_last", "_first"} or by.field == "_score":
            return scan.ANY_ORDER
        for shard in self.shards:
            target = shard.view.field(by.field)
            if getattr(target, "path", None) != "@timestamp":
                return scan.ANY_ORDER
        return scan.NEWEST_FIRST if by.descending else scan.OLDEST_FIRST

    def hits(self, found: Found) -> list[Json]:
        """Return the hits as they are answered."""
        return [self._hit(hit) for hit in found.hits]

    def _hit(self, hit: Hit) -> Json:
        request, doc = self.request, hit.doc
        shows_score = not self.sorts or request.track_scores or self._sorts_by_score()
        shown: Json = {"_index": doc.view.index.name, "_id": doc.id}
        if request.version:
            shown["_version"] = doc.version
        if request.seq_no_primary_term:
            shown["_seq_no"] = doc.seq_no
            shown["_primary_term"] = 1
        shown["_score"] = hit.score if shows_score else None
        if doc.ignored:
            shown["_ignored"] = doc.view.terms("_ignored")(doc)
        if request.source.is_shown:
            shown["_source"] = request.source.shown(doc)
        if request.fields or request.docvalue_fields:
            values = {
                **field_values(doc, request.docvalue_fields, stored=True),
                **field_values(doc, request.fields, stored=False),
            }
            if values:
                shown["fields"] = values
        if self.sorts:
            shown["sort"] = [one.shown(doc, hit.score) for one in hit.shard.criteria]
        return shown

    def _sorts_by_score(self) -> bool:
        return any(one.field == "_score" for one in self.sorts)

    def body(self, found: Found, took_millis: int) -> Json:
        """Return the whole reply."""
        request = self.request
        shards = sum(one.index.shards for one in self._resolved)
        hits: Json = {}
        if request.track_total_hits >= 0:
            relation, value = "eq", found.total
            if found.total > request.track_total_hits:
                relation, value = "gte", min(found.total, request.track_total_hits)
            hits["total"] = {"value": value, "relation": relation}
        hits["max_score"] = found.max_score if self._resolved else 0.0
        hits["hits"] = self.hits(found)
        body: Json = {}
        if request.pit_id:
            body["pit_id"] = request.pit_id
        body |= {
            "took": took_millis,
            "timed_out": False,
            "_shards": {"total": shards, "successful": shards, "skipped": 0, "failed": 0},
            "hits": hits,
        }
        if found.aggregations is not None:
            body["aggregations"] = found.aggregations
        return body


def _check_window(request: SearchRequest, index: Index) -> None:
    limit = int(index.settings.get("index.max_result_window", 10_000))
    window = request.from_ + request.size
    if window > limit and not request.is_scroll:
        raise illegal_argument(
            "Result window is too large, from + size must be less than or equal to: "
            f"[{limit}] but was [{window}]. See the scroll api for a more efficient way to request "
            "large data sets. This limit can be set by changing the [index.max_result_window] "
            "index level setting."
        )


def _no_index() -> Index:
    from logship.node.templates import compile_mapping

    return Index(0, "", "_na_", 0, {}, compile_mapping({}, {}), {})


_NO_INDEX = _no_index()
