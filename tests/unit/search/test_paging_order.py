"""Records within one millisecond come in the order of their own times."""

from __future__ import annotations

from logship.search.paging import _in_order
from logship.search.result import FoundRecord, SearchResult


def found(*times: tuple[str, int]) -> SearchResult:
    records = [
        FoundRecord({"@timestamp": time, "log.offset": offset}, "logs", str(number))
        for number, (time, offset) in enumerate(times)
    ]
    return SearchResult(records=records, total=len(records))


def test_microseconds_and_offsets_decide() -> None:
    """Newest first, by the whole fraction and then by the place in the file."""
    result = _in_order(
        found(
            ("2026-11-21T10:00:00.001Z", 5),
            ("2026-11-21T10:00:00.001250Z", 1),
            ("2026-11-21T10:00:00.001Z", 9),
            ("2026-11-21T10:00:00.001100+00:00", 1),
        )
    )
    assert [record.id for record in result.records] == ["1", "3", "2", "0"]


def test_other_zones_are_left_to_the_server() -> None:
    """Where a time carries another zone, the server's order stays."""
    given = found(("2026-11-21T10:00:00+02:00", 1), ("2026-11-21T09:00:00Z", 1))
    assert _in_order(given).records == given.records
