"""Aggregations that give numbers: avg, sum, min, max, stats, percentiles, cardinality."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from logship.node import dates
from logship.node.aggs.collector import Collector
from logship.node.aggs.values import Context, Values, field_of, only
from logship.node.errors import illegal_argument
from logship.node.fetch import SourceFilter
from logship.node.fields import Field
from logship.node.sorting import compile_sort, parse_sort, place_of
from logship.node.view import Doc

_DEFAULT_PERCENTS = [1.0, 5.0, 25.0, 50.0, 75.0, 95.0, 99.0]


class Numbers:
    """Sums up numbers; the base of avg, sum, min, max, stats and extended_stats."""

    def __init__(self, kind: str, body: Mapping[str, Any], context: Context) -> None:
        only(kind, body, "field", "missing", "format", "script", "sigma")
        path = field_of(body)
        self._kind = kind
        self._missing = body.get("missing")
        self._sigma = float(body.get("sigma", 2.0))
        field = context.field(path)
        is_shown = isinstance(field, Field) and field.family in {"date", "boolean"}
        self._field = field if is_shown and isinstance(field, Field) else None
        self._format = body.get("format")
        self._values = _numbers(kind, path, context)
        self.count, self.sum, self.squares = 0, 0.0, 0.0
        self.low, self.high = math.inf, -math.inf
        self._lost = 0.0

    def collect(self, doc: Doc) -> None:
        """Add the values of *doc*."""
        values = self._values(doc)
        if not values and self._missing is not None:
            values = [float(self._missing)]
        for value in values:
            self.count += 1
            # Kahan's summation: what is lost by rounding comes back with the next value.
            corrected = value - self._lost
            total = self.sum + corrected
            self._lost = (total - self.sum) - corrected
            self.sum = total
            self.squares += value * value
            self.low = min(self.low, value)
            self.high = max(self.high, value)

    def result(self) -> dict[str, Any]:
        """Return the figures of this kind."""
        if self._kind in {"stats", "extended_stats"}:
            return self._stats()
        if self._kind == "sum":
            return self._one(self.sum)
        if not self.count:
            return {"value": None}
        values = {"avg": self.sum / self.count, "min": self.low, "max": self.high}
        return self._one(values[self._kind])

    def _one(self, value: float) -> dict[str, Any]:
        result: dict[str, Any] = {"value": value}
        if self._field is not None and self._kind != "sum":
            result["value_as_string"] = self._text(value)
        return result

    def _text(self, millis: float) -> str:
        assert self._field is not None
        if self._field.family == "boolean":
            return "true" if millis else "false"
        fmt = dates.date_format(self._format) if self._format else self._field.format
        return fmt.text_of(int(millis) * dates.MILLI)

    def _stats(self) -> dict[str, Any]:
        result: dict[str, Any] = {
            "count": self.count,
            "min": self.low if self.count else None,
            "max": self.high if self.count else None,
            "avg": self.sum / self.count if self.count else None,
            "sum": self.sum,
        }
        if self._kind == "extended_stats":
            result.update(self._spread())
        if self._field is not None and self.count:
            for name in ("min", "max", "avg"):
                result[f"{name}_as_string"] = self._text(result[name])
        return result

    def _spread(self) -> dict[str, Any]:
        kinds = ("", "_population", "_sampling")
        if not self.count:
            names = ["sum_of_squares", *(f"variance{kind}" for kind in kinds)]
            names += [f"std_deviation{kind}" for kind in kinds]
            return dict.fromkeys(names)
        mean = self.sum / self.count
        scattered = max(0.0, self.squares - self.sum * mean)
        population = scattered / self.count
        sampling = scattered / (self.count - 1) if self.count > 1 else None
        variances = {"": population, "_population": population, "_sampling": sampling}
        result: dict[str, Any] = {"sum_of_squares": self.squares}
        bounds: dict[str, Any] = {}
        for kind, variance in variances.items():
            deviation = None if variance is None else math.sqrt(variance)
            result[f"variance{kind}"] = variance
            result[f"std_deviation{kind}"] = deviation
            reach = None if deviation is None else self._sigma * deviation
            bounds[f"upper{kind}"] = None if reach is None else mean + reach
            bounds[f"lower{kind}"] = None if reach is None else mean - reach
        return {**result, "std_deviation_bounds": bounds}


def _numbers(kind: str, path: str, context: Context) -> Values:
    """Return numbers as floats; dates of any precision as milliseconds."""
    values = context.values(kind, path, numeric=True)
    units: dict[int, int] = {}
    for view in context.views:
        field = view.field(path)
        is_nanos = isinstance(field, Field) and field.type == "date_nanos"
        units[view.position] = dates.MILLI if is_nanos else 1

    def get(doc: Doc) -> list[Any]:
        unit = units[doc.view.position]
        if unit == 1:
            return [float(value) for value in values(doc)]
        return [float(value // unit) for value in values(doc)]

    return get


class ValueCount:
    """How many values there are."""

    def __init__(self, kind: str, body: Mapping[str, Any], context: Context) -> None:
        only(kind, body, "field", "missing", "format", "script")
        self._values = context.values(kind, field_of(body))
        self._missing = body.get("missing") is not None
        self._count = 0

    def collect(self, doc: Doc) -> None:
        """Count the values of *doc*."""
        self._count += len(self._values(doc)) or self._missing

    def result(self) -> dict[str, Any]:
        """Return the count."""
        return {"value": self._count}


class Cardinality:
    """How many different values there are, exactly."""

    def __init__(self, kind: str, body: Mapping[str, Any], context: Context) -> None:
        only(kind, body, "field", "missing", "precision_threshold", "script", "rehash",
             "execution_hint")  # fmt: skip
        self._values = context.values(kind, field_of(body))
        self._missing = body.get("missing")
        self._seen: set[Any] = set()

    def collect(self, doc: Doc) -> None:
        """Note the values of *doc*."""
        values = self._values(doc)
        if values:
            self._seen.update(values)
        elif self._missing is not None:
            self._seen.add(self._missing)

    def result(self) -> dict[str, Any]:
        """Return the count."""
        return {"value": len(self._seen)}


class Percentiles:
    """Percentiles with linear interpolation between neighbours, exactly."""

    def __init__(self, kind: str, body: Mapping[str, Any], context: Context) -> None:
        only(kind, body, "field", "percents", "keyed", "tdigest", "hdr", "missing", "format",
             "values", "script")  # fmt: skip
        self._values_of = _numbers(kind, field_of(body), context)
        self._is_ranks = kind == "percentile_ranks"
        wanted = body.get("values" if self._is_ranks else "percents", _DEFAULT_PERCENTS)
        if not isinstance(wanted, list) or not wanted:
            raise illegal_argument(f"[percents] must not be empty: [{kind}]")
        self._wanted = [float(one) for one in wanted]
        if not self._is_ranks and not all(0 <= one <= 100 for one in self._wanted):
            raise illegal_argument("percent must be in [0,100]")
        self._is_keyed = body.get("keyed", True) is not False
        self._missing = body.get("missing")
        self._values: list[float] = []

    def collect(self, doc: Doc) -> None:
        """Keep the values of *doc*."""
        values = self._values_of(doc)
        if not values and self._missing is not None:
            values = [float(self._missing)]
        self._values.extend(values)

    def result(self) -> dict[str, Any]:
        """Return a figure per wanted percent or value."""
        self._values.sort()
        figure = self._rank if self._is_ranks else self._percentile
        pairs = [(one, figure(one)) for one in self._wanted]
        if self._is_keyed:
            return {"values": {str(one): value for one, value in pairs}}
        return {"values": [{"key": one, "value": value} for one, value in pairs]}

    def _percentile(self, percent: float) -> float | None:
        values = self._values
        if not values:
            return None
        place = percent / 100 * (len(values) - 1)
        below = math.floor(place)
        above = min(below + 1, len(values) - 1)
        return values[below] + (values[above] - values[below]) * (place - below)

    def _rank(self, value: float) -> float | None:
        if not self._values:
            return None
        below = sum(one <= value for one in self._values)
        return 100.0 * below / len(self._values)


class TopHits:
    """The best documents of a bucket."""

    def __init__(self, kind: str, body: Mapping[str, Any], context: Context) -> None:
        only(kind, body, "size", "from", "sort", "_source")
        self._size, self._from = int(body.get("size", 3)), int(body.get("from", 0))
        self._sorts = parse_sort(body.get("sort"))
        self._source = SourceFilter(body.get("_source"))
        self._criteria = {
            view.position: [compile_sort(by, view) for by in self._sorts] for view in context.views
        }
        self._hits: list[tuple[Any, int, Doc]] = []
        self._total = 0

    def collect(self, doc: Doc) -> None:
        """Keep *doc* for now."""
        self._total += 1
        criteria = self._criteria[doc.view.position]
        key = tuple(one.key(doc, 1.0) for one in criteria)
        self._hits.append((key, place_of(doc), doc))
        wanted = self._from + self._size
        if len(self._hits) > 2 * wanted + 100:
            self._hits.sort(key=lambda hit: hit[:2])
            del self._hits[wanted:]

    def result(self) -> dict[str, Any]:
        """Return the hits like those of a search."""
        self._hits.sort(key=lambda hit: hit[:2])
        shown = []
        for _key, _place, doc in self._hits[self._from : self._from + self._size]:
            hit: dict[str, Any] = {"_index": doc.view.index.name, "_id": doc.id}
            hit["_score"] = None if self._sorts else 1.0
            if doc.ignored:
                hit["_ignored"] = doc.view.terms("_ignored")(doc)
            if self._source.is_shown:
                hit["_source"] = self._source.shown(doc)
            if self._sorts:
                criteria = self._criteria[doc.view.position]
                hit["sort"] = [one.shown(doc, 1.0) for one in criteria]
            shown.append(hit)
        score = 1.0 if shown and not self._sorts else None
        total = {"value": self._total, "relation": "eq"}
        return {"hits": {"total": total, "max_score": score, "hits": shown}}


def make_metric(kind: str, body: Mapping[str, Any], context: Context) -> Collector | None:
    """Return the metric of this *kind*, None when it is none.

    Raises:
        NodeError: Its options are malformed, or do not fit the field.
    """
    if kind in {"avg", "sum", "min", "max", "stats", "extended_stats"}:
        return Numbers(kind, body, context)
    if kind in {"percentiles", "percentile_ranks"}:
        return Percentiles(kind, body, context)
    if kind == "value_count":
        return ValueCount(kind, body, context)
    if kind == "cardinality":
        return Cardinality(kind, body, context)
    return TopHits(kind, body, context) if kind == "top_hits" else None
