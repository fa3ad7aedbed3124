"""SIGKILL among handlers and agents that share a spool: every record is stored exactly once.

``LOGSHIP_TEST_SEED`` fixes what is random (it is printed when a test fails), and
``LOGSHIP_TEST_ROUNDS`` says how many rounds there are (2 by default).
"""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.agent import AgentProcess
from tests.support.application import FussyFake, envelopes, start
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
ROUNDS = int(os.environ.get("LOGSHIP_TEST_ROUNDS") or 2)
RECORDS = 1500

OUTAGES = ("503", "hang", "cut")  # cut: all is stored, and nothing answered

# More than the queue holds, so that some of it is spooled while it runs.
LOG_MANY = """
say("started", 1)
sys.stdin.readline()
for number in range({count}):
    log.info("{name} %d", number)
    if number % 50 == 0:  # no faster than the spool takes it: nothing is to be dropped
        wait_until(lambda: handler.stats().waiting < 600)
say("logged", handler.stats().dropped)
sys.stdin.readline()
finish()
"""


def test_spools_through_kills_and_outages(tmp_path: Path) -> None:
    """Handlers end or are killed, two agents take turns in dying, the server comes and goes."""
    print(f"LOGSHIP_TEST_SEED={SEED}")
    rng = random.Random(SEED)
    spool = tmp_path / "spool"
    wanted: Counter[str] = Counter()
    with FussyFake() as server:
        server.delay_seconds = 0.005
        for round_ in range(ROUNDS):
            play_round(round_, rng, tmp_path, spool, server, wanted)
        server.fault = ""
        with agent(tmp_path, "last", spool, server.url, "--once") as last:
            assert last.wait(60) == 0, last.stderr
        found = server.found()
    print(f"{len(wanted)} records had to arrive, {len(found)} did")
    assert {message for message, count in found.items() if count > 1} == set()
    assert wanted.keys() - found.keys() == set()
    assert envelopes(spool) == []


def play_round(
    round_: int,
    rng: random.Random,
    directory: Path,
    spool: Path,
    server: FussyFake,
    wanted: Counter[str],
) -> None:
    server.fault = rng.choice(OUTAGES)
    options = {
        "overflow": "spool",
        "spool_dir": str(spool),
        "max_records": 800,
        "batch_age": "50ms",
        "exit_deadline": f"{rng.choice((100, 300, 600))}ms",
        "spool_max_bytes": "64MiB",
    }
    with ExitStack() as stack:
        applications = {}
        for which in ("a", "b"):
            name = f"{round_}{which}"
            script = LOG_MANY.format(count=RECORDS, name=name)
            applications[name] = stack.enter_context(start(script, server.url, **options))
        agents = [
            stack.enter_context(agent(directory, name, spool, server.url)) for name in ("x", "y")
        ]
        for application in applications.values():
            application.wait_for("started")
            application.go_on()
        for application in applications.values():
            assert application.wait_for("logged") == {}
        if rng.random() < 0.7:
            server.fault = ""
            server.script.extend(rng.choices(["", "503", "cut", "throttle"], k=5))
            bulks = server.bulks + rng.randint(1, 3)
            wait_until(
                lambda: server.bulks >= bulks,
                lambda: f"{server.bulks} requests of {bulks}",
                seconds=60,
            )
        rng.choice(agents).kill()
        if rng.random() < 0.5:
            server.fault = rng.choice(OUTAGES)
        victim = rng.choice([None, *applications])
        for name, application in applications.items():
            if name == victim:
                application.process.send_signal(signal.SIGKILL)
                application.end()
                continue
            application.go_on()
            ended = application.end()
            assert ended.status == 0, ended.err
            assert "0 lost" in ended.err or not ended.err, ended.err
            wanted.update(f"{name} {number}" for number in range(RECORDS))
        rng.choice(agents).kill()


def agent(directory: Path, name: str, spool: Path, url: str, *flags: str) -> AgentProcess:
    settings = directory / f"{name}.yaml"
    settings.write_text(
        f"elasticsearch: {{hosts: [{url}], timeout: 5s}}\n"
        f"sources: [{{type: spool, paths: ['{spool}'], scan_interval: 100ms}}]\n"
        "delivery: {batch_age: 50ms, batch_records: 200}\n"
        f"state_dir: {directory / name}\n"
    )
    return AgentProcess("run", "-c", settings, *flags, log=directory / "stderr")
