"""What ``LogCollector`` asks Elasticsearch for: pure functions."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from logship.schema.levels import standard_level
from logship.sinks.index_names import IndexNames, wildcard

__all__ = ["Time", "indices_of", "level_of", "search_body"]

MOST_INDICES = 31  # of a range, by name; a longer one goes by wildcard
MOST_HITS = 10_000  # Elasticsearch's default for index.max_result_window
Time = datetime | str


def indices_of(
    names: IndexNames, pattern: str, start: Time | None, end: Time | None, now: datetime
) -> list[str]:
    """Return the indices that hold a range: each day's by name, or all that *pattern* gives.

    Without an end a day more than *now*: clocks of other machines may be ahead.
    """
    first, last = _moment(start), now + timedelta(days=1) if end is None else _moment(end)
    by_day = names.key_length == 10 and not names.has_fields
    if not by_day or first is None or last is None:
        return [wildcard(pattern)]
    days = (last.date() - first.date()).days + 1
    if not 1 <= days <= MOST_INDICES:
        return [wildcard(pattern)]
    dates = (first.date() + timedelta(days=day) for day in range(days))
    return sorted({names.name(date.isoformat()) for date in dates})


def search_body(
    query: str,
    start: Time | None,
    end: Time | None,
    level: object,
    service: str | None,
    limit: int,
) -> dict[str, Any]:
    """Return the body of ``_search``; see ``LogCollector.search_logs``."""
    filters: list[dict[str, Any]] = []
    limits = {
        name: _time_text(moment)
        for name, moment in (("gte", start), ("lte", end))
        if moment is not None
    }
    if limits:
        filters.append({"range": {"@timestamp": limits}})
    if level is not None:
        name = level_of(level)[1]
        # Lower case stands beside upper case for indices without a normalizer on the field.
        filters.append({"terms": {"level": [name, name.lower()]}})
    if service is not None:
        filters.append({"term": {"service": service}})
    clauses: dict[str, Any] = {"filter": filters}
    if query.strip() not in ("", "*"):
        clauses["must"] = [{"query_string": {"query": query}}]
    return {
        "query": {"bool": clauses},
        "sort": [{"@timestamp": {"order": "desc", "unmapped_type": "date"}}],
        "size": max(0, min(limit, MOST_HITS)),
    }


def level_of(level: object) -> tuple[int, str]:
    """Return Python's number and the standard name of a level, however it was written."""
    value = getattr(level, "value", level)  # an enumeration's member
    if isinstance(value, int):
        name = logging.getLevelName(value)
        return value, standard_level(name) or "INFO"
    name = standard_level(value) or "INFO"
    return logging.getLevelNamesMapping().get(name, logging.INFO), name


def _moment(time_: Time | None) -> datetime | None:
    """*time_* in UTC; None for what only Elasticsearch understands, like ``now-1d``."""
    if isinstance(time_, str):
        try:
            time_ = datetime.fromisoformat(time_)
        except ValueError:
            return None
    if time_ is None:
        return None
    return time_.replace(tzinfo=UTC) if time_.tzinfo is None else time_.astimezone(UTC)


def _time_text(time_: Time) -> str:
    """Text goes on as it is: in a range Elasticsearch takes ``2026-11-21`` for all of that day."""
    moment = None if isinstance(time_, str) else _moment(time_)
    return str(time_) if moment is None else moment.isoformat()
