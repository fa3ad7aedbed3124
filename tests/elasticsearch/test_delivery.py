"""The whole agent against a real server: through faults, and through SIGKILL of the server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.support.chaos import Schedule, play, play_with_crashes
from tests.support.real_elasticsearch import RealElasticsearch
from tests.support.turmoil import play_turmoil

pytestmark = [pytest.mark.real_es, pytest.mark.slow]

RECORDS = 5000


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_schedule(real_url: str, name: str, tmp_path: Path, seed: int) -> None:
    """Whatever a seed brings, every record is stored once and the agent knows it."""
    problem = play(Schedule.of(seed, RECORDS), real_url, name, tmp_path)
    assert not problem, problem


def test_server_killed(tmp_path: Path) -> None:
    """A server killed twice in the middle of it all ends with every record once."""
    need_real_elasticsearch(real_version())
    schedule = replace(Schedule.of(1, RECORDS), faults=(), kills=(3, 4))
    with RealElasticsearch(real_version()) as server:
        problem = play_with_crashes(schedule, server, "killed", tmp_path)
    assert not problem, problem


@pytest.mark.parametrize("seed", [21])
def test_turmoil(tmp_path: Path, seed: int) -> None:
    """Faults, kills of agent and server, and rotation together end with every record once."""
    need_real_elasticsearch(real_version())
    with RealElasticsearch(real_version()) as server:
        problem = play_turmoil(Schedule.of(seed, RECORDS), server, "turmoil", tmp_path)
    assert not problem, problem
