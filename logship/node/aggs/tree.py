"""The aggregations of a request, one inside the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from logship.node.aggs.buckets import Filters, Ranges, Single, Terms
from logship.node.aggs.collector import BucketBudget, Collector
from logship.node.aggs.histograms import DateHistogram, NumberHistogram
from logship.node.aggs.metrics import make_metric
from logship.node.aggs.values import Context
from logship.node.dsl.compiler import Compiler
from logship.node.errors import Json, illegal_argument, parsing
from logship.node.view import Doc, View

_METRICS = frozenset(
    {"avg", "sum", "min", "max", "stats", "extended_stats", "percentiles", "percentile_ranks",
     "value_count", "cardinality", "top_hits"}
)  # fmt: skip
_BUCKETS = frozenset(
    {"terms", "filter", "filters", "missing", "range", "date_range", "histogram", "date_histogram"}
)


class AggregationTree:
    """All aggregations of one search.

    Args:
        definition: The ``aggs`` object.

    Raises:
        NodeError: An aggregation is unknown or malformed.
    """

    def __init__(self, definition: Mapping[str, Any]) -> None:
        self._definition = definition
        _check_shape(definition)
        self._collectors: dict[str, Collector] = {}

    def check(self, compiler: Compiler) -> None:
        """Find mistakes that are there whatever the mapping.

        Raises:
            NodeError: Names the mistake.
        """
        _make_all(self._definition, Context([compiler.view], 0), BucketBudget())

    def prepare(self, views: Sequence[View], now: int) -> None:
        """Get ready to collect over these indices.

        Raises:
            NodeError: An aggregation does not fit the type of its field.
        """
        self._collectors = _make_all(self._definition, Context(views, now), BucketBudget())

    def collect(self, doc: Doc) -> None:
        """Count *doc* everywhere."""
        for collector in self._collectors.values():
            collector.collect(doc)

    def result(self) -> Json:
        """Return what is answered, by name."""
        return {name: collector.result() for name, collector in self._collectors.items()}


class _WithMeta:
    """Adds the ``meta`` of the request to a result."""

    def __init__(self, collector: Collector, meta: Any) -> None:
        self._collector, self._meta = collector, meta
        self.collect = collector.collect

    def result(self) -> dict[str, Any]:
        return {"meta": self._meta, **self._collector.result()}


def _check_shape(definition: Any) -> None:
    if not isinstance(definition, Mapping):
        raise parsing("Expected [START_OBJECT] under [aggs]")
    for name, body in definition.items():
        if not name or any(character in name for character in "[]>"):
            raise parsing(
                f"Invalid aggregation name [{name}]. Aggregation names can contain any character "
                "except '[', ']', and '>'"
            )
        if not isinstance(body, Mapping):
            raise parsing(f"Aggregation definition for [{name}] starts with a wrong token")
        kinds = [key for key in body if key not in {"aggs", "aggregations", "meta"}]
        if not kinds:
            raise parsing(f"Missing definition for aggregation [{name}]")
        if len(kinds) > 1:
            raise parsing(
                f"Found two aggregation type definitions in [{name}]: [{kinds[0]}] and [{kinds[1]}]"
            )
        kind = kinds[0]
        if kind not in _METRICS | _BUCKETS:
            cause = {
                "type": "named_object_not_found_exception",
                "reason": f"unknown field [{kind}]",
            }
            raise parsing(f"Unknown aggregation type [{kind}]", cause)
        if not isinstance(body[kind], Mapping):
            raise parsing(f"Expected [START_OBJECT] under [{kind}] in [{name}]")
        below = body.get("aggs") or body.get("aggregations") or {}
        if below and kind in _METRICS:
            raise illegal_argument(
                f"Aggregator [{name}] of type [{kind}] cannot accept sub-aggregations"
            )
        _check_shape(below)


def _make_all(
    definition: Mapping[str, Any], context: Context, budget: BucketBudget
) -> dict[str, Collector]:
    made: dict[str, Collector] = {}
    for name, body in definition.items():
        collector = _make(name, body, context, budget)
        if body.get("meta"):
            collector = _WithMeta(collector, body["meta"])
        made[name] = collector
    return made


def _make(name: str, body: Mapping[str, Any], context: Context, budget: BucketBudget) -> Collector:
    kind = next(key for key in body if key not in {"aggs", "aggregations", "meta"})
    options = body[kind]
    below_definition = body.get("aggs") or body.get("aggregations") or {}

    def below() -> dict[str, Collector]:
        return _make_all(below_definition, context, budget) if below_definition else {}

    # A mistake further down shows even when no document ever gets there.
    below()
    metric = make_metric(kind, options, context)
    if metric is not None:
        return metric
    if kind == "terms":
        return Terms(name, options, context, below, budget)
    if kind == "filters":
        return Filters(options, context, below)
    if kind in {"range", "date_range"}:
        return Ranges(kind, options, context, below)
    if kind == "date_histogram":
        return DateHistogram(options, context, below, budget)
    if kind == "histogram":
        return NumberHistogram(options, context, below, budget)
    return Single(kind, options, context, below)
