"""What was dropped, counted by reason and level, and reported as one document."""

from __future__ import annotations

import logging
import time
from collections import Counter
from dataclasses import dataclass, field

from logship.schema.drop_report import REPORTS_LOGGER, drop_report
from logship.schema.levels import standard_level

__all__ = ["REPORTS_LOGGER", "Drops", "Tally", "by_level", "by_reason", "report_record"]

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
    text, fields = drop_report(by_reason(tally), first, last, by_level(tally))
    record = logging.LogRecord(REPORTS_LOGGER, logging.WARNING, __file__, 0, text, None, None)
    record.__dict__.update(fields)
    return record
