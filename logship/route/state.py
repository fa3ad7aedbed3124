"""What a route remembers of one content."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import date, timedelta

from logship.interfaces import Note
from logship.parsers.events import JoinMemory

__all__ = ["AcceptWindow", "RouteState"]

EARLIEST, LATEST = "2000-01-01", "9999-12-31"
DAY_SECONDS = 86_400
HEADS_KEPT = 2048


@dataclass(slots=True)
class RouteState:
    """Of one content.

    Attributes:
        seed: Its seed as bytes.
        path: Where it lies, for ``log.file.path``.
        last_time: The last usable time before the next chunk, as UTC text.
        format: What the content was taken for when it was new.
        day: The day mark that *heads* was made under.
        heads: What decides the index (the beginning of a record's time, and the fields that
            its name is made of) → head of the action line.
        contexts: What logship adds to records: beginnings of bodies, made when first needed.
        join: What a joiner has under way.
        tail: The last bytes that were routed.
        confirmed_note: What belongs to the last offset that was given as confirmed.
        confirmed_end: That offset: all before it is confirmed once what was given out is.
    """

    seed: bytes
    path: str
    last_time: str | None = None
    format: str = ""
    day: str = ""
    heads: dict[object, bytes] = field(default_factory=dict)
    contexts: dict[object, bytes] = field(default_factory=dict)
    join: JoinMemory = field(default_factory=JoinMemory)
    tail: bytes = b""
    confirmed_note: Note = (b"", None)
    confirmed_end: int = 0

    def begin_at(self, offset: int, tail: bytes) -> None:
        """Reading begins at *offset*, which is confirmed; *tail* are the bytes before it."""
        self.tail, self.confirmed_end = tail, offset
        self.confirmed_note = (tail, self.last_time)

    def moved(self, path: str) -> None:
        """The content lies at *path* now."""
        self.path = path
        self.contexts.clear()


class AcceptWindow:
    """Which times are believed, by whole UTC days.

    Both ends are measured from the day mark, never from the moment, so that a replay
    decides the same. What was written between two days may be as old as the first allows,
    and as far ahead as the last does.
    """

    def __init__(
        self,
        past_seconds: float | None,
        future_seconds: float,
        retention_seconds: float | None = None,
    ) -> None:
        self._past, self._future = past_seconds, future_seconds
        self._retention = retention_seconds
        self._mark, self._earliest, self._latest = "", EARLIEST, LATEST
        self._kept_from = EARLIEST

    def accepts(self, day: str, mark: str) -> bool:
        """Whether times of the UTC *day* are believed under the day mark *mark*."""
        if mark != self._mark:
            self._measure(mark)
        return self._earliest <= day <= self._latest

    def is_expired(self, day: str, mark: str) -> bool:
        """Whether records of the UTC *day* are older than the retention, at *mark*."""
        if mark != self._mark:
            self._measure(mark)
        return day < self._kept_from

    def _measure(self, mark: str) -> None:
        first, last = (date.fromisoformat(day) for day in (mark[:10], mark[-10:]))
        self._latest = LATEST
        # Rounded to where the day has any moment that is accepted; ages beyond the calendar
        # accept everything.
        self._earliest = _before(first, self._past)
        self._kept_from = _before(first, self._retention)
        if self._future // DAY_SECONDS < date.max.toordinal() - last.toordinal() - 1:
            day = last + timedelta(days=math.ceil(self._future / DAY_SECONDS))
            self._latest = day.isoformat()
        self._mark = mark


def _before(day: date, seconds: float | None) -> str:
    """Return the day that lies *seconds* before *day*; the earliest there is for None."""
    if seconds is None or seconds // DAY_SECONDS >= day.toordinal() - 1:
        return EARLIEST
    return max(EARLIEST, (day - timedelta(days=math.ceil(seconds / DAY_SECONDS))).isoformat())
