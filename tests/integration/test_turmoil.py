"""Faults, SIGKILL of agent and server, and rotation, all in one schedule.

``LOGSHIP_TEST_SEED`` is the first seed, ``LOGSHIP_TEST_SCHEDULES`` how many there are and
``LOGSHIP_TEST_RECORDS`` how many records each ships. A long run::

    LOGSHIP_TEST_SEED=1 LOGSHIP_TEST_SCHEDULES=300 LOGSHIP_TEST_RECORDS=20000 \\
        python -m pytest -q tests/integration/test_turmoil.py
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.chaos import Schedule
from tests.support.node import NodeProcess
from tests.support.turmoil import play_turmoil

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
SCHEDULES = int(os.environ.get("LOGSHIP_TEST_SCHEDULES") or 3)
RECORDS = int(os.environ.get("LOGSHIP_TEST_RECORDS") or 4000)
AT_ONCE = 3


@pytest.mark.slow
def test_schedules_with_kills_and_rotation(tmp_path: Path) -> None:
    """Whatever a seed brings, every record is stored once and the last agent knows it."""

    def run(seed: int) -> str:
        folder = tmp_path / str(seed)
        folder.mkdir()
        with NodeProcess() as node:
            return play_turmoil(Schedule.of(seed, RECORDS), node, f"turmoil-{seed}", folder)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = [text for text in pool.map(run, range(SEED, SEED + SCHEDULES)) if text]
    assert not problems, "\n\n".join(problems)
