"""The indices that the settings name, as the server lists them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from logship.elastic import Elastic
from logship.errors import BadReply, ErrorReply
from logship.settings.model import IndexSettings
from logship.sinks.index_names import IndexNames, Period, wildcard

__all__ = ["IndexRow", "expired", "list_indices", "path_of", "settled"]

COLUMNS = "index,health,status,docs.count,store.size,pri,pri.segments.count"


@dataclass(frozen=True, slots=True)
class IndexRow:
    """One index.

    Attributes:
        name: Its name.
        period: The time that it stands for by the date in its name, or for an index of a data
            stream the day on which it was begun; None when the name has no date.
        docs: How many documents; None when the server does not say, as for a closed index.
        size_bytes: On disk, copies included; None when the server does not say.
        health: ``green``, ``yellow`` or ``red``; empty when the server does not say.
        is_open: False when it was closed.
        shards: Its primary shards.
        segments: Of its primary shards; None when the server does not say.
    """

    name: str
    period: Period | None
    docs: int | None
    size_bytes: int | None
    health: str
    is_open: bool
    shards: int
    segments: int | None


async def list_indices(elastic: Elastic, index: IndexSettings) -> list[IndexRow]:
    """Return the indices whose names the settings can produce, oldest first.

    Of a data stream: the indices that it is made of. Empty when there is none.

    Raises:
        ElasticError: The server does not list them.
    """
    target = index.data_stream or wildcard(index.name)
    params: dict[str, str | int | bool] = {
        "format": "json",
        "bytes": "b",
        "h": COLUMNS,
        "expand_wildcards": "all" if index.data_stream else "open,closed",
    }
    try:
        reply = await elastic.request("GET", f"/_cat/indices/{quote(target, safe='*')}",
                                      params=params)  # fmt: skip
    except ErrorReply as error:
        if error.type == "index_not_found_exception":
            return []
        raise
    found = reply.json()
    if not isinstance(found, list):
        raise BadReply("the list of indices is not the JSON that was asked for")
    names = IndexNames.of(index)
    rows = []
    for entry in found:
        name = str(entry.get("index"))
        if index.data_stream is not None:
            rows.append(_row(name, _period_of_backing(name, index.data_stream), entry))
            continue
        period = names.period(name)
        if period or not (names.has_period or names.parts(name) is None):
            rows.append(_row(name, period, entry))
    return sorted(rows, key=lambda row: (row.period.text if row.period else "", row.name))


def expired(rows: Sequence[IndexRow], age_seconds: float, now: datetime) -> list[IndexRow]:
    """Return the rows in which everything is older than *age_seconds*, by the dates of names.

    Never those of the newest date, however old: a clock that is wrong leaves them.

    Args:
        rows: All there are.
        now: Aware.
    """
    newest = max((row.period.end for row in rows if row.period), default=now)
    try:
        limit = now - timedelta(seconds=age_seconds)
    except OverflowError:  # before there were calendars
        return []
    return [row for row in rows if row.period and row.period.end <= limit
            and row.period.end < newest]  # fmt: skip


def settled(rows: Sequence[IndexRow], now: datetime, *, is_stream: bool) -> list[IndexRow]:
    """Return the rows that nothing is written to any more: of past days, or of a past rollover."""
    if is_stream:
        return sorted(rows, key=lambda row: row.name[-6:])[:-1]
    return [row for row in rows if row.period is not None and row.period.end <= now]


def path_of(name: str) -> str:
    """Return the path of one index, and of nothing else: no wildcard, list or date math."""
    return f"/{quote(name, safe='')}"


def _row(name: str, period: Period | None, entry: dict[str, Any]) -> IndexRow:
    return IndexRow(
        name,
        period,
        _number(entry.get("docs.count")),
        _number(entry.get("store.size")),
        str(entry.get("health") or ""),
        entry.get("status") != "close",
        _number(entry.get("pri")) or 1,
        _number(entry.get("pri.segments.count")),
    )


def _period_of_backing(name: str, stream: str) -> Period | None:
    found = re.fullmatch(r"(\.ds-.*-\d{4}\.\d\d\.\d\d)-\d{6,}", name, re.ASCII)
    return IndexNames(f".ds-{stream}-%Y.%m.%d").period(found[1]) if found else None


def _number(value: object) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None
