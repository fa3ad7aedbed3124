"""The whole agent through outages of every kind: each record is stored exactly once.

``LOGSHIP_TEST_SEED`` is the first seed, ``LOGSHIP_TEST_SCHEDULES`` how many there are and
``LOGSHIP_TEST_RECORDS`` how many records each ships. A long run::

    LOGSHIP_TEST_SEED=1000 LOGSHIP_TEST_SCHEDULES=300 LOGSHIP_TEST_RECORDS=20000 \\
        python -m pytest -q tests/integration/test_delivery_chaos.py
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.elasticsearch.client import Client
from tests.support.agent import AgentProcess
from tests.support.chaos import Schedule, fetch, play, play_with_crashes, write_records
from tests.support.faults import MIX, Fault
from tests.support.node import NodeProcess
from tests.support.proxy import Proxy

ORDINARY_SEEDS = range(270, 273)  # few and quick, with every kind of fault among them
SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or ORDINARY_SEEDS.start)
SCHEDULES = int(os.environ.get("LOGSHIP_TEST_SCHEDULES") or len(ORDINARY_SEEDS))
RECORDS = int(os.environ.get("LOGSHIP_TEST_RECORDS") or 5000)
AT_ONCE = 3  # an agent waits most of the time here


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    """Where the embedded node answers."""
    with NodeProcess() as one:
        yield one.url


def test_ordinary_seeds() -> None:
    """The schedules of the ordinary run have every kind of fault among them, and a kill."""
    schedules = [Schedule.of(seed, RECORDS) for seed in ORDINARY_SEEDS]
    assert {fault.kind for one in schedules for fault in one.faults} == set(MIX)
    assert any(one.kills for one in schedules)


@pytest.mark.slow
def test_schedules(node: str, tmp_path: Path) -> None:
    """Whatever a seed brings, every record is stored once and the agent knows it."""

    def run(seed: int) -> str:
        folder = tmp_path / str(seed)
        folder.mkdir()
        return play(Schedule.of(seed, RECORDS), node, f"chaos-{seed}", folder)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        problems = [text for text in pool.map(run, range(SEED, SEED + SCHEDULES)) if text]
    assert not problems, "\n\n".join(problems)


def test_server_killed(tmp_path: Path) -> None:
    """A node that is killed with SIGKILL has lost nothing of what it confirmed."""
    schedule = replace(Schedule.of(SEED, RECORDS), faults=(), kills=(4,))
    with NodeProcess() as node:
        problem = play_with_crashes(schedule, node, "killed", tmp_path)
    assert not problem, problem


ONE_AFTER_THE_OTHER = [
    Fault("cut after"),
    Fault("items", 429, share=0.5),
    Fault("half reply"),
    Fault("status", 503, retry_after="0"),
]


def test_ship_once(node: str, tmp_path: Path) -> None:
    """``logship ship --once`` delivers through faults, and a second run has nothing to do."""
    write_records(tmp_path / "app.log", RECORDS)
    with Proxy(node, ONE_AFTER_THE_OTHER) as proxy:
        command = ("ship", tmp_path / "app.log", "--to", proxy.url, "--once")
        options = ("--state-dir", tmp_path / "state", "--index", "ship-%Y.%m.%d")
        with AgentProcess(*command, *options, log=tmp_path / "first.err") as agent:
            assert agent.wait(60) == 0, agent.stderr
            assert re.search(rf"delivered {RECORDS}, .*unconfirmed 0", agent.stderr)
        bulks = len(proxy.bulks)
        with AgentProcess(*command, *options, log=tmp_path / "second.err") as agent:
            assert agent.wait(60) == 0, agent.stderr
            assert "delivered 0, " in agent.stderr
        assert len(proxy.bulks) == bulks
    with Client(node) as client:
        stored = fetch(client, "ship-*")
    assert sorted(stored.values()) == list(range(RECORDS))
    assert stored.keys() <= proxy.confirmed
