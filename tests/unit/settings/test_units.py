from __future__ import annotations

import pytest

from logship.settings.units import format_duration, format_size, parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("4096", 4096),
        ("12B", 12),
        ("64KiB", 65_536),
        ("5MiB", 5_242_880),
        ("5 MiB", 5_242_880),
        ("5mib", 5_242_880),
        ("10MB", 10_000_000),
        ("1kB", 1_000),
        ("1.5KiB", 1_536),
        ("2GiB", 2_147_483_648),
        ("1TB", 1_000_000_000_000),
    ],
)
def test_sizes_are_bytes(text: str, expected: int) -> None:
    """Powers of 1024 carry an i, powers of 1000 do not, in any case."""
    assert expected == parse_size(text)


@pytest.mark.parametrize("text", ["", "5M", "-5MiB", "MiB", "5MiB ", "5 MiBs", "٥MiB", "1e3"])
def test_what_is_no_size_is_refused(text: str) -> None:
    """Nothing is guessed: what has no known unit or no number is refused."""
    with pytest.raises(ValueError, match="is no size"):
        parse_size(text)


def test_a_size_is_whole() -> None:
    """A fraction of a byte is refused."""
    with pytest.raises(ValueError, match="not a whole number of bytes"):
        parse_size("0.1KiB")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        ("0s", 0.0),
        ("500ms", 0.5),
        ("5s", 5.0),
        ("0.25s", 0.25),
        ("1m30s", 90.0),
        ("1h", 3600.0),
        ("1d12h", 129_600.0),
        ("90d", 7_776_000.0),
        ("1s500ms", 1.5),
    ],
)
def test_durations_are_seconds(text: str, expected: float) -> None:
    """Units can follow one another, larger ones first."""
    assert expected == parse_duration(text)


@pytest.mark.parametrize("text", ["5", "0.5", "60"])
def test_a_duration_needs_a_unit(text: str) -> None:
    """A plain number could be seconds or milliseconds, so it is refused."""
    with pytest.raises(ValueError, match="add a unit, for example 5s"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["", "s", "-5s", "5 s", "30s1m", "5s5s", "5w", "1y", "5S"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """Unknown units, signs, spaces, and units out of order are refused."""
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(0, "0B"), (1000, "1KB"), (1024, "1KiB"), (5 << 20, "5MiB"), (10_000_000, "10MB")],
)
def test_sizes_are_shown_in_their_largest_whole_unit(size: int, expected: str) -> None:
    """A size is shown as a person would write it."""
    assert expected == format_size(size)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0, "0s"), (0.5, "500ms"), (90, "90s"), (60, "1m"), (86_400, "1d"), (0.0005, "0.0005s")],
)
def test_durations_are_shown_in_their_largest_whole_unit(seconds: float, expected: str) -> None:
    """A duration is shown as a person would write it."""
    assert expected == format_duration(seconds)
