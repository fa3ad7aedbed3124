from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from logship.schema.levels import LEVELS, standard_level


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("info", "INFO"),
        ("INFO", "INFO"),
        (" Warn ", "WARNING"),
        ("warning", "WARNING"),
        ("fatal", "CRITICAL"),
        ("dpanic", "CRITICAL"),
        ("Err", "ERROR"),
        ("severe", "ERROR"),
        ("Verbose", "DEBUG"),
        ("notice", "NOTICE"),
        ("trace", "TRACE"),
        ("custom level", "CUSTOM LEVEL"),
        (10, "TRACE"),
        (30, "INFO"),
        (60, "CRITICAL"),
        (30.0, "INFO"),
        ("30", "INFO"),
        (35, "35"),
        (30.5, "30.5"),
        ("²", "²"),
        ("", None),
        ("  ", None),
        (None, None),
        (True, None),
        ({}, None),
        (["info"], None),
    ],
)
def test_levels(value: object, expected: str | None) -> None:
    """Every common spelling has one of the standard names; other texts are kept."""
    assert standard_level(value) == expected


def test_standard_names_stay() -> None:
    """What is standard already needs no other name."""
    assert [standard_level(level) for level in LEVELS] == list(LEVELS)


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
@example("1" * 5000)
@example(10**5000)
@example(float("inf"))
@example(float("nan"))
def test_nothing_raises(value: object) -> None:
    """Whatever an application calls a level, the answer is text or nothing."""
    found = standard_level(value)
    assert found is None or (isinstance(found, str) and found)
