"""Histograms over numbers and over time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, tzinfo
from typing import Any

from logship.node import dates
from logship.node.aggs.collector import MAX_BUCKETS, Bucket, BucketBudget, MakeCollectors
from logship.node.aggs.values import Context, field_of, only
from logship.node.errors import NodeError, illegal_argument
from logship.node.fields import Field
from logship.node.http.request import seconds
from logship.node.view import Doc

_CALENDAR = {
    "minute": "m", "1m": "m", "hour": "h", "1h": "h", "day": "d", "1d": "d", "week": "w",
    "1w": "w", "month": "M", "1M": "M", "quarter": "q", "1q": "q", "year": "y", "1y": "y",
    "second": "s", "1s": "s",
}  # fmt: skip
_STEP = {"q": (3, "M")}
# All offsets from UTC since 1970 change, and differ, by multiples of a quarter of an hour.
_QUARTER = 900 * dates.SECOND


class Rounding:
    """Cuts times to the beginning of their interval, in nanoseconds."""

    def __init__(self, body: Mapping[str, Any], zone: tzinfo) -> None:
        self._zone = zone
        self._offset = _offset(str(body.get("offset", "0")))
        self._cache: dict[int, int] = {}
        calendar, fixed = body.get("calendar_interval"), body.get("fixed_interval")
        self._unit: str | None = None
        self._width = 0
        if calendar is not None:
            if calendar not in _CALENDAR:
                raise _bad_interval(
                    "calendar_interval",
                    f"The supplied interval [{calendar}] could not be parsed as a calendar "
                    "interval.",
                )
            self._unit = _CALENDAR[calendar]
        elif fixed is not None:
            try:
                width = seconds(str(fixed), "date_histogram.fixedInterval")
            except NodeError as error:
                raise _bad_interval("fixed_interval", str(error.reason)) from None
            self._width = round(width * dates.SECOND)
            if self._width <= 0:
                raise illegal_argument("Zero or negative time interval not supported")
        else:
            raise illegal_argument("Invalid interval specified, must be non-null and non-empty")

    def floor(self, nanos: int) -> int:
        """Return the beginning of the interval that *nanos* lies in."""
        nanos -= self._offset
        if self._unit is None:
            return self._fixed(nanos) + self._offset
        if self._unit in "sm":
            width = dates.SECOND * (60 if self._unit == "m" else 1)
            return nanos // width * width + self._offset
        quarter = nanos // _QUARTER
        known = self._cache.get(quarter)
        if known is None:
            moment = dates.nanos_datetime(nanos, self._zone)
            floor = dates.floor_unit(moment, self._unit)
            known = self._cache[quarter] = dates.datetime_nanos(floor)
        return known + self._offset

    def _fixed(self, nanos: int) -> int:
        if self._zone is UTC:
            return nanos // self._width * self._width
        offset = dates.nanos_datetime(nanos, self._zone).utcoffset()
        shift = int(offset.total_seconds()) * dates.SECOND if offset else 0
        local = (nanos + shift) // self._width * self._width
        # Back by the offset that holds there: it differs when clocks change in between.
        wall = dates.nanos_datetime(local).replace(tzinfo=self._zone)
        return dates.datetime_nanos(wall.astimezone(UTC)) + local % 1000

    def after(self, key: int) -> int:
        """Return the beginning of the interval after the one that begins at *key*."""
        if self._unit is None:
            following = self.floor(key + self._width)
            return following if following > key else key + self._width
        count, unit = _STEP.get(self._unit, (1, self._unit))
        moment = dates.nanos_datetime(key - self._offset, self._zone)
        following = dates.datetime_nanos(dates.add_units(moment, count, unit)) + self._offset
        return max(self.floor(following), key + 1)


def _offset(text: str) -> int:
    sign = -1 if text.startswith("-") else 1
    bare = text.lstrip("+-")
    return 0 if bare == "0" else sign * round(seconds(bare, "offset") * dates.SECOND)


def _bad_interval(name: str, reason: str) -> NodeError:
    return NodeError(
        400,
        "x_content_parse_exception",
        f"[date_histogram] failed to parse field [{name}]",
        caused_by={"type": "illegal_argument_exception", "reason": reason},
    )


def _zone(text: str) -> tzinfo:
    try:
        return dates.parse_zone(text)
    except NodeError as error:
        raise NodeError(
            400,
            "x_content_parse_exception",
            "[date_histogram] failed to parse field [time_zone]",
            caused_by=error.caused_by,
        ) from None


class _Histogram:
    """What both histograms share: buckets by key, gaps filled, order."""

    def __init__(
        self, body: Mapping[str, Any], below: MakeCollectors, budget: BucketBudget
    ) -> None:
        self._below, self._budget = below, budget
        self._minimum = int(body.get("min_doc_count", 0))
        self._is_keyed = bool(body.get("keyed"))
        order = body.get("order")
        if isinstance(order, list):
            order = order[0] if order else None
        self._order = next(iter(order.items())) if isinstance(order, Mapping) else ("_key", "asc")
        self._buckets: dict[Any, Bucket] = {}

    def _add(self, key: Any, doc: Doc) -> None:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= MAX_BUCKETS:
                self._budget.take(len(self._buckets) + 1)
            bucket = self._buckets[key] = Bucket(self._below())
        bucket.collect(doc)

    def _filled(self, low: Any, high: Any, after: Callable[[Any], Any]) -> Iterator[Any]:
        count = 0
        while low <= high:
            yield low
            low = after(low)
            count += 1
            if count > MAX_BUCKETS:
                self._budget.take(count)

    def _shown(
        self, bounds: tuple[Any, Any], after: Callable[[Any], Any], head: Callable[[Any], Any]
    ) -> dict[str, Any]:
        keys = [key for key, bucket in self._buckets.items() if bucket.count >= self._minimum]
        if self._minimum == 0:
            ends = [one for one in (*keys, *bounds) if one is not None]
            if ends:
                for key in self._filled(min(ends), max(ends), after):
                    if key not in self._buckets:
                        self._buckets[key] = Bucket(self._below())
                keys = list(self._buckets)
        path, direction = self._order
        keys.sort()
        if path == "_count":
            keys.sort(key=lambda key: self._buckets[key].count, reverse=direction == "desc")
        elif direction == "desc":
            keys.reverse()
        self._budget.take(len(keys))
        shown = [self._buckets[key].shown(head(key)) for key in keys]
        if self._is_keyed:
            return {"buckets": {str(one.get("key_as_string", one["key"])): one for one in shown}}
        return {"buckets": shown}


class DateHistogram(_Histogram):
    """One bucket per interval of time."""

    def __init__(
        self,
        body: Mapping[str, Any],
        context: Context,
        below: MakeCollectors,
        budget: BucketBudget,
    ) -> None:
        if "interval" in body:
            raise NodeError(
                400,
                "x_content_parse_exception",
                "[date_histogram] unknown field [interval] did you mean [fixed_interval]?",
            )
        only("date_histogram", body, "field", "calendar_interval", "fixed_interval", "time_zone",
             "offset", "format", "min_doc_count", "extended_bounds", "hard_bounds", "keyed",
             "missing", "order", "script")  # fmt: skip
        super().__init__(body, below, budget)
        path = field_of(body)
        self._zone = _zone(str(body.get("time_zone") or "UTC"))
        self._rounding = Rounding(body, self._zone)
        self._values = context.nanos("date_histogram", path)
        field = context.field(path)
        default = (
            field.format
            if isinstance(field, Field) and field.family == "date"
            else dates.date_format(dates.MILLIS)
        )
        self._format = dates.date_format(body["format"]) if body.get("format") else default
        self._now = context.now
        self._extended = self._bounds(body.get("extended_bounds"))
        self._hard = self._bounds(body.get("hard_bounds"))
        missing = body.get("missing")
        self._missing = None if missing is None else self._format.nanos(missing)

    def _bounds(self, bounds: Any) -> tuple[int | None, int | None]:
        if bounds is None:
            return (None, None)
        only("extended_bounds", bounds, "min", "max")
        found: list[int | None] = []
        for name in ("min", "max"):
            value = bounds.get(name)
            if value is None:
                found.append(None)
                continue
            nanos = dates.resolve_math(value, self._now, self._format, self._zone, round_up=False)
            found.append(self._rounding.floor(nanos))
        low, high = found
        if low is not None and high is not None and low > high:
            raise illegal_argument(
                f"[extended_bounds.min][{bounds['min']}] cannot be greater than "
                f"[extended_bounds.max][{bounds['max']}] for histogram aggregation"
            )
        return low, high

    def collect(self, doc: Doc) -> None:
        """Put *doc* into the interval of each of its times."""
        values = self._values(doc)
        if not values and self._missing is not None:
            values = [self._missing]
        low, high = self._hard
        floor = self._rounding.floor
        for key in dict.fromkeys([floor(value) for value in values]):
            if (low is None or key >= low) and (high is None or key <= high):
                self._add(key, doc)

    def result(self) -> dict[str, Any]:
        """Return the intervals, those without documents included unless told otherwise."""
        return self._shown(self._extended, self._rounding.after, self._head)

    def _head(self, key: int) -> dict[str, Any]:
        return {
            "key_as_string": self._format.text_of(key, self._zone),
            "key": key // dates.MILLI,
        }


class NumberHistogram(_Histogram):
    """One bucket per interval of numbers."""

    def __init__(
        self,
        body: Mapping[str, Any],
        context: Context,
        below: MakeCollectors,
        budget: BucketBudget,
    ) -> None:
        only("histogram", body, "field", "interval", "offset", "min_doc_count", "extended_bounds",
             "hard_bounds", "keyed", "missing", "order", "format", "script")  # fmt: skip
        super().__init__(body, below, budget)
        self._values = context.values("histogram", field_of(body), numeric=True)
        self._interval = float(body.get("interval", 0))
        if self._interval <= 0:
            raise NodeError(
                400,
                "x_content_parse_exception",
                "[histogram] failed to parse field [interval]",
                caused_by={
                    "type": "illegal_argument_exception",
                    "reason": "[interval] must be >0 for histogram aggregation",
                },
            )
        self._shift = float(body.get("offset", 0))
        self._missing = body.get("missing")
        self._extended = self._bounds(body.get("extended_bounds"))
        self._hard = body.get("hard_bounds") or {}

    def _bounds(self, bounds: Any) -> tuple[float | None, float | None]:
        low, high = (bounds or {}).get("min"), (bounds or {}).get("max")
        return (
            None if low is None else self._number(float(low)),
            None if high is None else self._number(float(high)),
        )

    def _number(self, value: float) -> int:
        return math.floor((value - self._shift) / self._interval)

    def collect(self, doc: Doc) -> None:
        """Put *doc* into the interval of each of its numbers."""
        values = self._values(doc)
        if not values and self._missing is not None:
            values = [float(self._missing)]
        for number in dict.fromkeys(
            self._number(value)
            for value in values
            if self._hard.get("min", -math.inf) <= value <= self._hard.get("max", math.inf)
        ):
            self._add(number, doc)

    def result(self) -> dict[str, Any]:
        """Return the intervals, those without documents included unless told otherwise."""
        return self._shown(self._extended, lambda number: number + 1, self._head)

    def _head(self, number: int) -> dict[str, Any]:
        return {"key": number * self._interval + self._shift}
