"""What a route remembers of one content."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

__all__ = ["AcceptWindow", "RouteState"]

EARLIEST = "2000-01-01"
HEADS_KEPT = 2048


@dataclass(slots=True)
class RouteState:
    """Of one content.

    Attributes:
        seed: Its seed as bytes.
        path: Where it lies, for ``log.file.path``.
        last_time: The last usable time before the next chunk, as UTC text.
        day: The day mark that *heads* was made under.
        heads: Beginning of a record's time → head of its action line.
        contexts: What logship adds to records: beginnings of bodies, made when first needed.
    """

    seed: bytes
    path: str
    last_time: str | None = None
    day: str = ""
    heads: dict[str, bytes] = field(default_factory=dict)
    contexts: dict[object, bytes] = field(default_factory=dict)

    def moved(self, path: str) -> None:
        """The content lies at *path* now."""
        self.path = path
        self.contexts.clear()


class AcceptWindow:
    """Which times are believed, as text that compares like the times.

    Both ends are measured from the day mark, never from the moment, so that a replay
    decides the same.
    """

    def __init__(self, past_seconds: float | None, future_seconds: float) -> None:
        self._past, self._future = past_seconds, future_seconds
        self._day, self._earliest, self._latest = "", EARLIEST, ""

    def accepts(self, time: str, day: str) -> bool:
        """Whether the UTC text *time* is believed under the mark *day*."""
        if day != self._day:
            self._measure(day)
        return self._earliest <= time < self._latest

    def _measure(self, day: str) -> None:
        start = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
        latest = start + timedelta(days=1, seconds=self._future)
        earliest = EARLIEST
        if self._past is not None:
            text = f"{start - timedelta(seconds=self._past):%Y-%m-%dT%H:%M:%S}"
            earliest = max(earliest, text)
        self._day, self._earliest = day, earliest
        self._latest = f"{latest:%Y-%m-%dT%H:%M:%S}"
