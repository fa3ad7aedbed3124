from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logship.route.state import AcceptWindow

DAY = 86_400.0
MARK = "2026-11-21"


@pytest.mark.parametrize(
    ("past", "future", "mark", "earliest", "latest"),
    [
        (None, DAY, MARK, "2000-01-01", "2026-11-22"),
        (None, 0.0, MARK, "2000-01-01", "2026-11-21"),
        (None, DAY / 2, MARK, "2000-01-01", "2026-11-22"),
        (7 * DAY, DAY, MARK, "2026-11-14", "2026-11-22"),
        (0.0, DAY, MARK, "2026-11-21", "2026-11-22"),
        (DAY / 2, DAY, MARK, "2026-11-20", "2026-11-22"),
        (30 * DAY, 2 * DAY, "2026-01-01", "2025-12-02", "2026-01-03"),
        # lines that were written while no agent ran: as old as the first day allows
        (7 * DAY, DAY, "2026-11-01/2026-11-21", "2026-10-25", "2026-11-22"),
        (0.0, 0.0, "2026-11-01/2026-11-21", "2026-11-01", "2026-11-21"),
        # ages beyond 2000, or beyond the calendar
        (40_000 * DAY, DAY, MARK, "2000-01-01", "2026-11-22"),
        (550_000 * DAY, DAY, MARK, "2000-01-01", "2026-11-22"),
        (1e15, 1e15, MARK, "2000-01-01", "9999-12-31"),
        (None, 1e6, "9999-12-31", "2000-01-01", "9999-12-31"),
    ],
)
def test_what_is_believed(
    past: float | None, future: float, mark: str, earliest: str, latest: str
) -> None:
    """Whole days count, from the day mark alone: the last one inside is in, the next is out."""
    window = AcceptWindow(past, future)
    assert window.accepts(earliest, mark)
    assert window.accepts(latest, mark)
    assert not window.accepts((date.fromisoformat(earliest) - timedelta(1)).isoformat(), mark)
    if latest < "9999-12-31":
        assert not window.accepts((date.fromisoformat(latest) + timedelta(1)).isoformat(), mark)
    assert not window.accepts("0001-01-01", mark)


days = st.dates(date(2010, 1, 1), date(2030, 1, 1))


@given(days, days, st.floats(0, 1e8), st.floats(0, 1e8))
def test_a_record_of_the_day_itself_is_believed(
    one: date, other: date, past: float, future: float
) -> None:
    """However narrow the window is, what was written on the mark's days is inside of it."""
    first, last = sorted((one, other))
    window = AcceptWindow(past, future)
    mark = f"{first}/{last}"
    for day in (first, last, first + (last - first) / 2):
        assert window.accepts(day.isoformat(), mark)
        assert window.accepts(day.isoformat(), day.isoformat())


def test_marks_take_turns() -> None:
    """One window serves the contents of a source, whatever marks they have."""
    window = AcceptWindow(0.0, 0.0)
    for _ in range(2):
        assert window.accepts("2026-11-21", "2026-11-21")
        assert not window.accepts("2026-11-21", "2026-11-22")
        assert window.accepts("2026-11-21", "2026-11-21/2026-11-22")


@pytest.mark.parametrize(
    ("day", "mark", "expected"),
    [
        ("2026-10-22", "2026-11-21", False),
        ("2026-10-21", "2026-11-21", True),
        ("2026-10-12", "2026-11-11/2026-11-21", False),
        ("2026-10-11", "2026-11-11/2026-11-21", True),
        ("2026-11-22", "2026-11-21", False),
        ("1999-01-01", "2026-11-21", True),
    ],
)
def test_what_is_older_than_the_retention(day: str, mark: str, expected: bool) -> None:
    """Days are measured from the mark, the first one where there are two, never from now."""
    assert AcceptWindow(None, 0.0, 30 * 86_400.0).is_expired(day, mark) is expected


def test_without_retention_nothing_is_too_old() -> None:
    """Everything is kept, also where the retention reaches beyond the calendar."""
    for retention in (None, 36_500 * 86_400.0 * 100):
        assert not AcceptWindow(None, 0.0, retention).is_expired("2000-01-01", "2026-11-21")
