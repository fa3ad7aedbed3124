"""The order of levels."""

from __future__ import annotations

import pytest

from logship.query import parse, to_dsl
from logship.query.levels import LEVELS, level_rank, names_between
from logship.schema.levels import LEVELS as STORED
from logship.schema.levels import standard_level


def test_every_name_ranks_with_the_level_it_is_stored_as() -> None:
    """What a query calls a level and what records are stored with never disagree."""
    assert [names[0] for names in LEVELS] == list(STORED)
    for rank, names in enumerate(LEVELS):
        for name in names:
            assert standard_level(name) == STORED[rank]
            assert level_rank(name.lower()) == rank


@pytest.mark.parametrize(
    ("text", "lowest"), [("level >= err", "ERROR"), ("log.level > warn", "ERROR")]
)
def test_this_and_above(text: str, lowest: str) -> None:
    """A comparison of levels finds that level and the more severe ones, under every name."""
    (clause,) = to_dsl(parse(text)).values()
    (found,) = clause.values()
    expected = names_between(level_rank(lowest) or 0, len(LEVELS))
    assert found == expected + [name.lower() for name in expected]
    assert "CRITICAL" in found
    assert "warning" not in found
