"""What the settings under ``index`` mean together."""

from __future__ import annotations

import pytest

from tests.unit.settings.conftest import Load, Mistakes

SOURCES = "sources: [{paths: a}]\n"


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("data_stream: logs-app-default", ("logs-app-default", None)),
        ("data_stream: app, retention: 90d", ("app", 90 * 86_400.0)),
        ("name: 'app-%Y.%m', retention: 90d", (None, 90 * 86_400.0)),
        ("name: 'app-%G.%V', retention: 1d", (None, 86_400.0)),
        ("name: 'app-%y%j-%H', retention: 1d", (None, 86_400.0)),
        ("name: 'app-%{+yyyy.MM.dd}', retention: 1d, accept_past: 23h", (None, 86_400.0)),
        ("retention: 30d", (None, 30 * 86_400.0)),
    ],
)
def test_possible(index: str, expected: tuple[str | None, float | None], load: Load) -> None:
    """A data stream, and a retention by whatever date the names have."""
    settings = load(f"index: {{{index}}}\n{SOURCES}").settings.index
    assert (settings.data_stream, settings.retention_seconds) == expected


@pytest.mark.parametrize(
    ("index", "expected"),
    [
        ("data_stream: a, name: b", "index.name: goes with indices by name"),
        ("data_stream: a, timezone: Europe/Berlin", "index.timezone: goes with indices by name"),
        ("data_stream: 'app-%Y'", 'index.data_stream: "app-%Y" has a date or a field'),
        ("data_stream: 'a-{service}'", "has a date or a field"),
        ("data_stream: App", "has upper-case letters, which no data stream may have"),
        ("data_stream: 'a b'", 'contains " ", which no data stream may'),
        ("data_stream: 'a,b'", 'contains ",", which no data stream may'),
        ("data_stream: .ds-a", 'begins with ".", which it may not'),
        (f"data_stream: {'a' * 234}", "is longer than 233 bytes"),
        (
            "name: app, retention: 90d",
            'index.retention: goes by the date in index names, and "app"',
        ),
        ("name: 'app-%d', retention: 90d", "has none that tells their age"),
        ("name: 'app-%Y-%d', retention: 90d", "has none that tells their age"),
        ("name: 'app-{service}', retention: 90d", "has none that tells their age"),
        ("retention: 90d, accept_past: 90d", "index.accept_past: 90d is not below retention (90d)"),
        ("retention: 23h", "index.retention: 23h is out of range"),
    ],
)
def test_nonsense(index: str, expected: str, mistakes: Mistakes) -> None:
    """What contradicts itself is one mistake that says what to write."""
    (mistake,) = mistakes(f"index: {{{index}}}\n{SOURCES}")
    assert expected in mistake


def test_schema_is_a_choice(load: Load, mistakes: Mistakes) -> None:
    """Two ways of naming fields, and no third."""
    assert load(f"schema: ecs\n{SOURCES}").settings.schema == "ecs"
    assert load(SOURCES).settings.schema == "flat"
    (mistake,) = mistakes(f"schema: esc\n{SOURCES}")
    assert 'unknown schema "esc"; did you mean "ecs"?' in mistake
