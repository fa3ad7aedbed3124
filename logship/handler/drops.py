"""What was dropped, counted by reason and level, and reported as one document."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from logship.schema.levels import standard_level
from logship.schema.times import utc_text

__all__ = ["REPORTS_LOGGER", "Drops", "Tally", "by_level", "by_reason", "report_record"]

REPORTS_LOGGER = "logship"

# (reason, level's number) → records.
Tally = Counter[tuple[str, int]]


@dataclass(slots=True)
class Drops:
    """Counts what was dropped. One thread at a time adds, any thread may look.

    Attributes:
        tally: Records by (reason, level's number).
        first: Epoch seconds of the first drop; 0 without one.
        last: The same of the last.
    """

    tally: Tally = field(default_factory=Counter)
    first: float = 0.0
    last: float = 0.0

    def add(self, reason: str, level: int) -> None:
        """Count one record."""
        self.last = time.time()
        self.first = self.first or self.last
        self.tally[(reason, level)] += 1

    def copy(self) -> Tally:
        """Return the counts as they are now. From any thread."""
        return Counter(self.tally.copy())


def by_reason(tally: Tally) -> dict[str, int]:
    """Return how many records were dropped for each reason."""
    counts: Counter[str] = Counter()
    for (reason, _), count in tally.items():
        counts[reason] += count
    return dict(counts)


def by_level(tally: Tally) -> dict[str, int]:
    """Return how many records of each level were dropped, the highest level first."""
    counts: Counter[str] = Counter()
    for (_, level), count in sorted(tally.items(), key=lambda item: -item[0][1]):
        counts[standard_level(logging.getLevelName(level)) or str(level)] += count
    return dict(counts)


def report_record(tally: Tally, first: float, last: float) -> logging.LogRecord:
    """Return the record that says what was dropped between *first* and *last* (epoch seconds)."""
    total = sum(tally.values())
    reasons, levels = by_reason(tally), by_level(tally)
    text = "%d records were dropped between %s and %s: %s (%s)."
    arguments = (
        total,
        utc_text(first),
        utc_text(last),
        ", ".join(f"{count} {reason}" for reason, count in reasons.items()),
        ", ".join(f"{count} {level}" for level, count in levels.items()),
    )
    record = logging.LogRecord(REPORTS_LOGGER, logging.WARNING, __file__, 0, text, arguments, None)
    fields: dict[str, Any] = {
        "dropped_records": total,
        "dropped_by_reason": reasons,
        "dropped_by_level": levels,
        "dropped_first": utc_text(first),
        "dropped_last": utc_text(last),
    }
    record.__dict__.update(fields)
    return record
