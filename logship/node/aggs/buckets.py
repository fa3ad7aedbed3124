"""Aggregations that group: terms, filter, filters, missing, global, range, date_range."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from logship.node import dates
from logship.node.aggs.collector import Bucket, BucketBudget, Collector, MakeCollectors
from logship.node.aggs.values import Context, bucket_key, field_of, only
from logship.node.dsl import patterns
from logship.node.errors import NodeError, illegal_argument, parsing
from logship.node.fields import Field
from logship.node.values import value_text
from logship.node.view import Doc


class Terms:
    """One bucket per value, the most frequent first."""

    def __init__(
        self,
        name: str,
        body: Mapping[str, Any],
        context: Context,
        below: MakeCollectors,
        budget: BucketBudget,
    ) -> None:
        only("terms", body, "field", "size", "shard_size", "order", "missing", "min_doc_count",
             "shard_min_doc_count", "include", "exclude", "show_term_doc_count_error", "script",
             "execution_hint", "collect_mode", "value_type")  # fmt: skip
        path = field_of(body)
        self._field = context.field(path)
        self._values = context.values("terms", path)
        self._size = int(body.get("size", 10))
        if self._size <= 0:
            reason = f"[size] must be greater than 0. Found [{self._size}] in [{name}]"
            raise NodeError(
                400,
                "x_content_parse_exception",
                "[terms] failed to parse field [size]",
                caused_by={"type": "illegal_argument_exception", "reason": reason},
            )
        self._minimum = int(body.get("min_doc_count", 1))
        self._missing = self._converted(body.get("missing"))
        self._orders = _orders(body.get("order"))
        self._wanted = _wanted(body.get("include"), body.get("exclude"))
        self._below, self._budget = below, budget
        self._buckets: dict[Any, Bucket] = {}
        _check_order_paths(self._orders, below())

    def _converted(self, value: Any) -> Any:
        if value is None or not isinstance(self._field, Field):
            return value
        terms = self._field.terms(value)
        return terms[0] if terms else value

    def collect(self, doc: Doc) -> None:
        """Put *doc* into the bucket of each of its values."""
        values = self._values(doc)
        if not values:
            if self._missing is None:
                return
            values = [self._missing]
        elif len(values) > 1:
            values = list(dict.fromkeys(values))
        for value in values:
            bucket = self._buckets.get(value)
            if bucket is None:
                if self._wanted is not None and not self._wanted(value_text(value)):
                    continue
                bucket = self._buckets[value] = Bucket(self._below())
            bucket.collect(doc)

    def result(self) -> dict[str, Any]:
        """Return the buckets wanted, and how many documents the others hold."""
        shown = [
            (value, bucket) for value, bucket in self._buckets.items()
            if bucket.count >= self._minimum
        ]  # fmt: skip
        shown.sort(key=lambda one: _sortable(one[0]))
        for path, descending in reversed(self._orders):
            if path in {"_key", "_term"}:
                shown.sort(key=lambda one: _sortable(one[0]), reverse=descending)
            elif path == "_count":
                shown.sort(key=lambda one: one[1].count, reverse=descending)
            else:
                shown.sort(
                    key=lambda one, path=path: _figure(one[1], path),  # type: ignore[misc]
                    reverse=descending,
                )
        kept = shown[: self._size]
        self._budget.take(len(kept))
        return {
            "doc_count_error_upper_bound": 0,
            "sum_other_doc_count": sum(bucket.count for _value, bucket in shown[self._size :]),
            "buckets": [bucket.shown(bucket_key(self._field, value)) for value, bucket in kept],
        }


def _sortable(value: Any) -> tuple[int, Any]:
    if isinstance(value, str):
        return (1, value)
    return (2, value) if isinstance(value, bytes) else (0, value)


def _orders(order: Any) -> list[tuple[str, bool]]:
    """Return (path, descending) pairs; ties always end by key."""
    if order is None:
        return [("_count", True)]
    orders: list[tuple[str, bool]] = []
    for one in order if isinstance(order, list) else [order]:
        if not isinstance(one, Mapping) or not one:
            raise parsing("Must specify at least one field for [order]")
        for path, direction in one.items():
            text = str(direction).lower()
            if text not in {"asc", "desc"}:
                raise parsing(f"Unknown order direction [{direction}]")
            orders.append((path, text == "desc"))
    return orders


def _check_order_paths(orders: list[tuple[str, bool]], below: dict[str, Collector]) -> None:
    for path, _descending in orders:
        name = re.split(r"[.>\[]", path)[0]
        if not path.startswith("_") and name not in below:
            why = (
                f"The provided aggregation [{name}] either does not exist, or is a pipeline "
                "aggregation and cannot be used to sort the buckets."
            )
            raise NodeError(
                400,
                "invalid_path",
                f"Invalid aggregation order path [{path}]. {why}",
                caused_by={"type": "illegal_argument_exception", "reason": why},
            )


def _figure(bucket: Bucket, path: str) -> float:
    first, *rest = [part for part in re.split(r"[.>\[\]]", path) if part]
    result: Any = bucket.collectors[first].result()
    for part in rest:
        result = result.get("values", result).get(part) if isinstance(result, dict) else None
    if isinstance(result, dict):
        result = result.get("value", result.get("doc_count"))
    return float("-inf") if result is None else float(result)


def _wanted(include: Any, exclude: Any) -> Any:
    if include is None and exclude is None:
        return None
    accepts, refuses = _listing(include), _listing(exclude)

    def wanted(text: str) -> bool:
        return (accepts is None or accepts(text)) and not (refuses is not None and refuses(text))

    return wanted


def _listing(value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, list):
        texts = frozenset(value_text(one) for one in value)
        return lambda text: text in texts
    if isinstance(value, Mapping):
        raise illegal_argument("this node does not support partitions in [include]")
    expression = patterns.regexp(str(value), ignore_case=False)
    return lambda text: bool(expression.fullmatch(text))


class Single:
    """One bucket: filter, missing and global."""

    def __init__(
        self, kind: str, body: Mapping[str, Any], context: Context, below: MakeCollectors
    ) -> None:
        self._bucket = Bucket(below())
        if kind == "filter":
            self._matches = context.predicate(body)
        elif kind == "missing":
            only("missing", body, "field", "missing")
            values = context.values("missing", field_of(body))
            self._matches = lambda doc: not values(doc)
        else:
            raise illegal_argument(f"this node does not support the aggregation [{kind}]")

    def collect(self, doc: Doc) -> None:
        """Count *doc* if it belongs here."""
        if self._matches(doc):
            self._bucket.collect(doc)

    def result(self) -> dict[str, Any]:
        """Return the one bucket."""
        return self._bucket.shown({})


class Filters:
    """One bucket per query."""

    def __init__(self, body: Mapping[str, Any], context: Context, below: MakeCollectors) -> None:
        only("filters", body, "filters", "other_bucket", "other_bucket_key", "keyed")
        filters = body.get("filters")
        if not isinstance(filters, Mapping | list):
            raise illegal_argument("[filters] cannot be empty.")
        self._is_keyed = isinstance(filters, Mapping)
        named = (
            filters.items()
            if isinstance(filters, Mapping)
            else ((str(number), query) for number, query in enumerate(filters))
        )
        self._buckets = {name: (context.predicate(query), Bucket(below())) for name, query in named}
        self._other_name = str(body.get("other_bucket_key", "_other_"))
        has_other = bool(body.get("other_bucket")) or "other_bucket_key" in body
        self._other = Bucket(below()) if has_other else None

    def collect(self, doc: Doc) -> None:
        """Put *doc* into every bucket whose query it matches."""
        is_placed = False
        for matches, bucket in self._buckets.values():
            if matches(doc):
                bucket.collect(doc)
                is_placed = True
        if self._other is not None and not is_placed:
            self._other.collect(doc)

    def result(self) -> dict[str, Any]:
        """Return all buckets in the order of the request."""
        shown = {name: bucket.shown({}) for name, (_matches, bucket) in self._buckets.items()}
        if self._other is not None:
            shown[self._other_name] = self._other.shown({})
        return {"buckets": shown if self._is_keyed else list(shown.values())}


class Ranges:
    """One bucket per range of numbers, or of dates."""

    def __init__(
        self, kind: str, body: Mapping[str, Any], context: Context, below: MakeCollectors
    ) -> None:
        only(kind, body, "field", "ranges", "keyed", "missing", "format", "time_zone", "script")
        path = field_of(body)
        self._is_keyed = bool(body.get("keyed"))
        self._is_date = kind == "date_range"
        ranges = body.get("ranges")
        if not isinstance(ranges, list) or not ranges:
            raise illegal_argument(f"No [ranges] specified for the [{kind}] aggregation")
        made: list[tuple[float | None, float | None, dict[str, Any]]]
        if self._is_date:
            self._values = context.nanos(kind, path)
            made = [self._date_range(one, body, path, context) for one in ranges]
        else:
            self._values = context.values(kind, path, numeric=True)
            made = [_number_range(one) for one in ranges]
        made.sort(key=lambda one: (_floor(one[0]), _ceiling(one[1])))
        self._buckets = [(low, high, head, Bucket(below())) for low, high, head in made]

    def _date_range(
        self, one: Mapping[str, Any], body: Mapping[str, Any], path: str, context: Context
    ) -> tuple[float | None, float | None, dict[str, Any]]:
        only("date_range", one, "from", "to", "key")
        field = context.field(path)
        default = field.format if isinstance(field, Field) else dates.date_format(dates.MILLIS)
        fmt = dates.date_format(body["format"]) if body.get("format") else default
        zone = dates.parse_zone(str(body.get("time_zone") or "UTC"))
        ends: list[int | None] = []
        for name in ("from", "to"):
            value = one.get(name)
            ends.append(
                None
                if value is None
                else dates.resolve_math(value, context.now, fmt, zone, round_up=False)
            )
        low, high = ends
        texts = ["*" if end is None else fmt.text_of(end, zone) for end in ends]
        head: dict[str, Any] = {"key": one.get("key", f"{texts[0]}-{texts[1]}")}
        if low is not None:
            head |= {"from": low / dates.MILLI, "from_as_string": texts[0]}
        if high is not None:
            head |= {"to": high / dates.MILLI, "to_as_string": texts[1]}
        return low, high, head

    def collect(self, doc: Doc) -> None:
        """Put *doc* into every range that one of its values lies in."""
        values = self._values(doc)
        for low, high, _head, bucket in self._buckets:
            if any(
                (low is None or value >= low) and (high is None or value < high) for value in values
            ):
                bucket.collect(doc)

    def result(self) -> dict[str, Any]:
        """Return all buckets, lowest first."""
        shown = [bucket.shown(head) for _low, _high, head, bucket in self._buckets]
        if self._is_keyed:
            return {"buckets": {one.pop("key"): one for one in shown}}
        return {"buckets": shown}


def _number_range(one: Mapping[str, Any]) -> tuple[float | None, float | None, dict[str, Any]]:
    only("range", one, "from", "to", "key")
    low = None if one.get("from") is None else float(one["from"])
    high = None if one.get("to") is None else float(one["to"])
    texts = ["*" if end is None else str(end) for end in (low, high)]
    head: dict[str, Any] = {"key": one.get("key", f"{texts[0]}-{texts[1]}")}
    if low is not None:
        head["from"] = low
    if high is not None:
        head["to"] = high
    return low, high, head


def _floor(value: float | None) -> float:
    return float("-inf") if value is None else value


def _ceiling(value: float | None) -> float:
    return float("inf") if value is None else value
