"""Which templates win against logship's own."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from logship.elastic import Elastic
from logship.indices.overriding import do_overlap, overriding
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template, template_name
from tests.unit.indices.test_keeper import Server


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("logs-*", "logs-2026.11.21", True),
        ("logs-*-*", "logs-2026.11.21", False),
        ("*", "a", True),
        ("a*b*c", "*x*", True),
        ("a*", "*b", True),
        ("a*", "b*", False),
        ("*-logs-2026.11.21", "app-*", True),
        ("*-logs-2026.11.21", "app-*-metrics", False),
        ("", "*", True),
        ("", "a", False),
        ("abc", "abc", True),
        ("a" * 200 + "*", "*" + "b" * 200, True),
    ],
)
def test_overlap(one: str, other: str, expected: bool) -> None:
    """Two patterns overlap when one name can match both, whichever comes first."""
    assert (do_overlap(one, other), do_overlap(other, one)) == (expected, expected)


def winners(index: IndexSettings, **templates: dict[str, Any]) -> list[str]:
    entries = [{"name": name, "index_template": body} for name, body in templates.items()]
    server = Server(templates=entries)
    return asyncio.run(overriding(cast(Elastic, server), index))


def test_only_what_matches_and_is_stronger() -> None:
    """Weaker templates, other patterns and one's own say nothing."""
    index = IndexSettings()
    own = index_template(index)
    assert winners(
        index,
        weak={"index_patterns": ["logs-*"], "priority": 100, "data_stream": {}},
        none={"index_patterns": ["*"]},
        other={"index_patterns": ["metrics-*", "logs-*-*"], "priority": 900},
        **{template_name(index): {**own, "priority": 900}},
    ) == []  # fmt: skip
    (said,) = winners(index, strong={"index_patterns": ["x", "logs-*"], "priority": 900})
    assert "strong (logs-*, priority 900) wins" in said
    assert "mappings and settings of new indices come from it" in said


def test_what_it_means_for_streams() -> None:
    """Where one is for a data stream and the other is not, that is what is said."""
    stream = {"index_patterns": ["logs-*"], "priority": 900, "data_stream": {}}
    plain = {"index_patterns": ["app*"], "priority": 900}
    assert "records would go to data streams" in winners(IndexSettings(), s=stream)[0]
    (said,) = winners(IndexSettings(data_stream="app"), s=plain)
    assert "an index is made of it instead of a data stream" in said
