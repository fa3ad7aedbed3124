"""SIGKILL, of the agent and of the node, at random moments: every line is stored exactly once.

``LOGSHIP_TEST_SEED`` fixes what is random (it is printed when a test fails), and
``LOGSHIP_TEST_ROUNDS`` says how often the agent is killed (6 by default).
"""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.node import NodeProcess, request
from tests.support.wait import wait_until
from tests.support.writer import NumberedWriter, index_of, json_line

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning"),
]

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
ROUNDS = int(os.environ.get("LOGSHIP_TEST_ROUNDS") or 6)
LINES = 3000  # in every round


class Run:
    """A writer, and agents of one state folder that are killed one after another."""

    def __init__(self, directory: Path, url: str) -> None:
        print(f"LOGSHIP_TEST_SEED={SEED}")
        self.rng = random.Random(SEED)
        self.logs = directory / "logs"
        self.logs.mkdir()
        self.writer = NumberedWriter(self.logs / "app.log", self.rng)
        self._log = directory / "stderr"
        self._settings = directory / "logship.yaml"
        self._settings.write_text(
            f"elasticsearch: {{hosts: [{url}], timeout: 5s}}\n"
            f"sources: [{{name: app, paths: ['{self.logs}/app.log*'], scan_interval: 200ms}}]\n"
            "delivery: {batch_age: 50ms, batch_records: 700}\n"
            f"state_dir: {directory / 'state'}\n"
        )

    def agent(self, *flags: str) -> AgentProcess:
        return AgentProcess("run", "-c", self._settings, *flags, log=self._log)

    def write(self, rounds: int) -> None:
        """Write one round's lines in some pieces, perhaps with a rotation between."""
        parts = self.rng.randint(1, 4)
        for part in range(parts):
            if self.rng.random() < 0.15:
                self.writer.rotate()
            self.writer.write(LINES // parts + part * rounds % 7)

    def let_run(self, process: AgentProcess, most_seconds: float) -> None:
        """Let *process* run for a random time, a short one rather than a long one."""
        try:
            process.process.wait(most_seconds * self.rng.random() ** 2)
        except subprocess.TimeoutExpired:
            return
        raise AssertionError(f"the agent ended by itself:\n{process.stderr}")

    def finish(self) -> None:
        """Ship what is left and see that the agent had nothing to complain of."""
        self.writer.close()
        with self.agent("--once") as process:
            assert process.wait(60) == 0, process.stderr
            assert "Traceback" not in self._log.read_text()


def check(found: list[dict[str, Any]], indices: list[str], written: int) -> None:
    """See that *found* are the lines that were written, each once, in their daily indices."""
    numbers = sorted(document["n"] for document in found)
    assert numbers == list(range(written)), f"{len(numbers)} of {written}; seed {SEED}"
    for document, index in zip(found, indices, strict=True):
        number = document["n"]
        assert index == index_of(number), f"seed {SEED}"
        assert document["message"] == f"line {number}"
        assert document["@timestamp"].encode() in json_line(number)


def test_agent_that_is_killed_at_any_moment_doubles_and_loses_nothing(tmp_path: Path) -> None:
    """Killed while starting, reading, sending and saving, in the middle of writes and rotations."""
    with ElasticFake() as fake:
        run = Run(tmp_path, fake.url)
        for number in range(ROUNDS):
            if run.rng.random() < 0.5:  # some lines come while no agent runs
                run.write(number)
            fake.script.extend(run.rng.choices(["", "cut", "503", "throttle", "garbage"], k=1))
            with run.agent() as process:
                _kill_in_bulk(run, fake, process, lambda number=number: run.write(number))
            fake.on_bulk = None
            fake.script.clear()
        run.finish()
        assert sum(fake.copies.values()) > len(fake.documents), "no kill was in time"
        keys, found = zip(*fake.documents.items(), strict=True)
        check(list(found), [index for index, _ in keys], run.writer.written)


def _kill_in_bulk(
    run: Run, fake: ElasticFake, process: AgentProcess, write: Callable[[], None]
) -> None:
    """Kill *process* when a bulk request arrives, or a random time after its first."""
    before, kill_at = fake.bulks, run.rng.randint(1, 5)
    is_exact = run.rng.random() < 0.6

    def on_bulk() -> None:
        if is_exact and fake.bulks - before == kill_at:
            process.process.kill()

    if run.rng.random() < 0.2:  # while it starts
        run.let_run(process, 0.5)
        process.kill()
        return
    fake.on_bulk = on_bulk
    write()
    wait_until(_more_bulks(fake, process), lambda: process.stderr)
    if is_exact:
        while process.is_running:
            write()
            wait_until(_more_bulks(fake, process), lambda: process.stderr)
        process.process.wait(10)
    else:
        run.let_run(process, 1.5)
        process.kill()


def _more_bulks(fake: ElasticFake, process: AgentProcess) -> Callable[[], bool]:
    before = fake.bulks
    return lambda: fake.bulks > before or not process.is_running


def test_agent_and_node_that_are_killed_double_and_lose_nothing(tmp_path: Path) -> None:
    """Both ends are killed again and again, and started with what they had made durable."""
    with NodeProcess(tmp_path / "data") as node:
        run = Run(tmp_path, node.url)
        for number in range(max(2, ROUNDS // 4)):
            with run.agent() as process:
                run.write(number)
                run.let_run(process, 1.2)
                if number % 2 == 0 or run.rng.random() < 0.7:
                    node.kill()
                    run.write(number)
                    run.let_run(process, 0.3)
                    node.start()
                    run.write(number)
                    run.let_run(process, 1.0)
                process.kill()
        run.finish()
        hits = _all_hits(node.url)
        check([h["_source"] for h in hits], [h["_index"] for h in hits], run.writer.written)


def _all_hits(url: str) -> list[dict[str, Any]]:
    """Return every document of the daily indices."""
    assert request("POST", f"{url}/logs-*/_refresh").status == 200
    hits: list[dict[str, Any]] = []
    after: dict[str, Any] = {}
    while True:
        body = {"size": 10_000, "sort": [{"n": "asc"}, {"log.offset": "asc"}], **after}
        answer = request("POST", f"{url}/logs-*/_search", body)
        assert answer.status == 200, answer.body[:500]
        page = answer.json()["hits"]["hits"]
        if not page:
            return hits
        hits += page
        after = {"search_after": page[-1]["sort"]}
