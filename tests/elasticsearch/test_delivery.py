"""The whole agent against a real server: through faults, and through SIGKILL of the server.

``LOGSHIP_TEST_SEED``, ``LOGSHIP_TEST_SCHEDULES`` and ``LOGSHIP_TEST_RECORDS`` make a long run of
`test_turmoil`::

    LOGSHIP_TEST_REAL_ES=1 LOGSHIP_TEST_SCHEDULES=100 LOGSHIP_TEST_RECORDS=20000 \\
        python -m pytest -q tests/elasticsearch/test_delivery.py -k turmoil
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.support.chaos import Schedule, Shared, play, play_with_crashes
from tests.support.real_elasticsearch import RealElasticsearch
from tests.support.turmoil import play_turmoil

pytestmark = [pytest.mark.real_es, pytest.mark.slow]

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 21)
SCHEDULES = int(os.environ.get("LOGSHIP_TEST_SCHEDULES") or 2)
RECORDS = int(os.environ.get("LOGSHIP_TEST_RECORDS") or 5000)
AT_ONCE = 3


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


def test_turmoil(tmp_path: Path) -> None:
    """Faults, kills of agents and server, and rotation together end with every record once.

    The schedules share the server, so that each meets the others' kills, too.
    """
    need_real_elasticsearch(real_version())
    with RealElasticsearch(real_version()) as server:
        shared = Shared(server)

        def run(seed: int) -> str:
            folder = tmp_path / str(seed)
            folder.mkdir()
            return play_turmoil(Schedule.of(seed, RECORDS), shared, f"turmoil-{seed}", folder)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            problems = [text for text in pool.map(run, range(SEED, SEED + SCHEDULES)) if text]
    assert not problems, "\n\n".join(problems)
