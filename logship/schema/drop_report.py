"""The one document that says what was dropped, whoever dropped it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logship.schema.times import utc_text

__all__ = ["REPORTS_LOGGER", "drop_report"]

REPORTS_LOGGER = "logship"


def drop_report(
    by_reason: Mapping[str, int],
    first: float,
    last: float,
    by_level: Mapping[str, int] | None = None,
) -> tuple[str, dict[str, Any]]:
    """Return message and extra fields of the report.

    Args:
        by_reason: How many records were dropped for each reason.
        first: Epoch seconds of the first drop.
        last: The same of the last.
        by_level: How many of each level, where levels are known.
    """
    begin, end, total = utc_text(first), utc_text(last), sum(by_reason.values())
    text = f"{total} records were dropped between {begin} and {end}: {_counts(by_reason)}"
    fields: dict[str, Any] = {"dropped_records": total, "dropped_by_reason": dict(by_reason)}
    if by_level is not None:
        text += f" ({_counts(by_level)})"
        fields["dropped_by_level"] = dict(by_level)
    return f"{text}.", {**fields, "dropped_first": begin, "dropped_last": end}


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items())
