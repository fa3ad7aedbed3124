"""An agent killed at random moments while one index opens and closes: each record is stored once.

``LOGSHIP_TEST_SEED`` is the first seed and ``LOGSHIP_TEST_KILLS`` how often each agent is killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import AgentProcess
from tests.support.node import NodeProcess, post, request
from tests.support.wait import wait_until

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
KILLS = int(os.environ.get("LOGSHIP_TEST_KILLS") or 4)
RECORDS = 400  # in each life and index
CLOSED, OPEN = "killed-a-2026.11.21", "killed-b-2026.11.21"


def stored(url: str) -> Counter[str]:
    post(f"{url}/killed-*/_refresh")
    hits: list[dict[str, Any]] = []
    for index in (CLOSED, OPEN):
        answer = post(f"{url}/{index}/_search?size=10000")
        hits += answer.json()["hits"]["hits"] if answer.status == 200 else []
    return Counter(hit["_source"]["message"] for hit in hits)


def write(log: Path, life: int) -> None:
    with log.open("a") as file:
        for number in range(RECORDS):
            for index in "ab":
                record = {
                    "@timestamp": "2026-11-21T10:00:00Z",
                    "service": index,
                    "message": f"{index} {life} {number}",
                }
                file.write(json.dumps(record) + "\n")


@pytest.mark.parametrize("seed", range(SEED, SEED + 2))
def test_killed_while_records_are_held(tmp_path: Path, seed: int) -> None:
    """Parked, settled, taken up, delivered, removed: wherever a kill falls, nothing is lost."""
    chance = random.Random(seed)
    log, held = tmp_path / "app.log", tmp_path / "state" / "held"
    with NodeProcess() as node:
        settings = {
            "elasticsearch": {"hosts": [node.url]},
            "index": {"name": "killed-{service}-%Y.%m.%d", "template": False},
            "sources": [{"paths": str(log), "scan_interval": "100ms"}],
            "delivery": {"batch_age": "20ms", "batch_records": 50},
            "held": {"after": "50ms"},
            "state_dir": str(tmp_path / "state"),
        }
        (tmp_path / "logship.yaml").write_text(json.dumps(settings))

        def block(value: bool) -> None:
            body = {"index.blocks.write": value}
            assert request("PUT", f"{node.url}/{CLOSED}/_settings", body).status == 200

        def agent(name: str) -> AgentProcess:
            settings = tmp_path / "logship.yaml"
            return AgentProcess("run", "-c", settings, log=tmp_path / f"{name}.err")

        assert request("PUT", f"{node.url}/{CLOSED}", {}).status == 200
        for life in range(KILLS):
            block(True)
            write(log, life)
            before = sum(stored(node.url).values())
            with agent(str(life)) as running:
                wait_until(lambda: any(held.glob("*.ndjson")), running.stderr)
                block(False)
                # Somewhere on the way of what was held, which is all that is left to deliver.
                share = chance.random() * RECORDS
                wait_until(
                    lambda: sum(stored(node.url).values()) >= before + share,  # noqa: B023
                    running.stderr,
                )
                running.kill()
        write(log, KILLS)
        with agent("last") as running:
            expected = Counter(
                f"{index} {life} {number}"
                for index in "ab"
                for life in range(KILLS + 1)
                for number in range(RECORDS)
            )
            wait_until(
                lambda: stored(node.url) == expected,
                lambda: (expected - stored(node.url)).total(),
                seconds=60,
            )
            wait_until(lambda: not any(held.glob("*")), lambda: sorted(held.glob("*")))
            running.signal(signal.SIGTERM)
            assert running.wait(30) == 0
            assert "held 0, dead letters 0" in running.stderr
