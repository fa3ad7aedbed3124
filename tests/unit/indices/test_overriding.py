"""Which templates win against logship's own."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from logship.elastic import Elastic
from logship.indices.overriding import does_match, overriding
from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template, template_name
from tests.unit.indices.test_keeper import Server


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("logs-*", True),
        ("*", True),
        ("logs-2026.11.21", True),
        ("*2026*", True),
        ("logs-*-*", False),
        ("logs-2026.11", False),
        ("logs-2026x11*", False),
        ("logs-2026?11*", False),
        ("", False),
    ],
)
def test_patterns(pattern: str, expected: bool) -> None:
    """Only ``*`` is special in the patterns of templates."""
    assert does_match(pattern, "logs-2026.11.21") is expected


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


def test_names_by_fields() -> None:
    """What could match only some value of a field is no alarm; what matches all of them is."""
    index = IndexSettings(name="{service}-logs-%Y.%m.%d")
    assert winners(
        index,
        history={"index_patterns": ["ilm-history-7*"], "priority": 2**31 - 1},
        hidden={"index_patterns": [".watch-history-16*"], "priority": 2**31 - 1},
        one={"index_patterns": ["app-*"], "priority": 900},
    ) == []  # fmt: skip
    assert len(winners(index, strong={"index_patterns": ["*-logs-*"], "priority": 900})) == 1
