"""What is remembered of closed files, and which names copies of a log may have."""

from __future__ import annotations

import pytest

from logship.sources.file.discovery import Found
from logship.sources.file.parking import ParkedFile, Parking
from logship.sources.file.rotation_names import is_copy_name, originals

FOUND = Found("/logs/app.log", 1, 2, 30, 400)


@pytest.mark.parametrize(
    ("found", "is_unchanged"),
    [
        (FOUND, True),
        (FOUND._replace(size=31), False),
        (FOUND._replace(modified=401), False),
        (FOUND._replace(path="/logs/other.log"), False),
        (FOUND._replace(inode=3), False),
    ],
)
def test_parked_file_is_unchanged_only_in_every_respect(found: Found, is_unchanged: bool) -> None:
    """Another size, time, name or inode means that the file is to be looked at."""
    parking = Parking()
    parking.park((1, 2), ParkedFile("/logs/app.log", 30, 400, 5))
    assert parking.is_unchanged(found) is is_unchanged


def test_file_parked_under_the_name_of_another() -> None:
    """A name belongs to the file that was parked under it last."""
    parking = Parking()
    old, new = (ParkedFile("/logs/app.log", 1, 1, row) for row in (1, 2))
    parking.park((1, 1), old)
    parking.park((1, 2), new)
    parking.leave((1, 1))
    assert parking.at("/logs/app.log") == ((1, 2), new)
    parking.keep([])
    assert parking.at("/logs/app.log") is None
    assert len(parking) == 0


@pytest.mark.parametrize(
    ("name", "original"),
    [
        ("app.log.1", "app.log"),
        ("app.log-20261121", "app.log"),
        ("app-2026-11-21.log", "app.log"),
        ("app.1.log", "app.log"),
        ("app2.log", "app.log"),
        ("log.12", "log"),
    ],
)
def test_originals_are_all_names_that_a_copy_may_come_from(name: str, original: str) -> None:
    """The names found are those of which *name* is a copy's name."""
    found = originals(name)
    assert original in found
    assert [other for other in found if not is_copy_name(name, other)] == []


@pytest.mark.parametrize("name", ["app.log", "log", "", ".hidden", "app.log.gz"])
def test_name_without_a_mark_has_no_originals(name: str) -> None:
    """Without a number or a date it is not the name of a copy."""
    assert originals(name) == []
