"""SIGKILL at random moments, under a writer whose log is rotated five times a second.

Each style of rotation with globs that name the rotated files and with such that do not. Few
rounds are ordinary; the long run is::

    LOGSHIP_TEST_ROUNDS=200 python -m pytest -s tests/crash/test_rotation_kill.py

``LOGSHIP_TEST_ROUNDS`` says how often an agent is killed in each case, ``LOGSHIP_TEST_SEED`` fixes
what is random; with ``-s`` the figures of each case are printed.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until
from tests.support.writer import NumberedWriter, RotatedService

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning"),
]

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
ROUNDS = int(os.environ.get("LOGSHIP_TEST_ROUNDS") or 2)
ROTATE_SECONDS = 0.2
DEADLINE = 30.0  # seconds, on a machine that has much else to do
KEEP = 8  # rotated files; the oldest is removed for good
FAULTS = ("", "", "cut", "503", "throttle", "garbage")
STEPS = {
    "create": ("renamed", "created"),
    "compress": ("renamed", "created", "half compressed", "compressed", "unlinked"),
    "copytruncate": ("half copied", "copied", "truncated"),
}
CASES = [
    ("create", "app.log*"),
    ("create", "app.log"),
    ("compress", "app.log*"),
    ("compress", "app.log"),
    ("copytruncate", "app.log*"),
    ("copytruncate", "app.log"),
]


class Run:
    """A service under rotation, and agents of one state folder that are killed again and again."""

    def __init__(self, directory: Path, fake: ElasticFake, style: str, pattern: str) -> None:
        self.rng = random.Random(f"{SEED} {style} {pattern}")
        self.fake, self.style = fake, style
        (directory / "logs").mkdir()
        self._stored: set[int] = set()
        self._seen = 0
        self.writer = NumberedWriter(directory / "logs" / "app.log", self.rng, keep=KEEP)
        self.service = RotatedService(
            self.writer, style, every_seconds=ROTATE_SECONDS, may_rotate=self._may_rotate
        )
        self._log, self._settings = directory / "stderr", directory / "logship.yaml"
        self._settings.write_text(
            f"elasticsearch: {{hosts: ['{fake.url}'], timeout: 5s}}\n"
            f"sources: [{{name: app, paths: ['{directory}/logs/{pattern}'], scan_interval: 200ms, "
            "rotate_wait: 3s}]\n"
            "delivery: {batch_age: 30ms, batch_records: 200}\n"
            f"state_dir: {directory / 'state'}\n"
        )

    def agent(self, *flags: str) -> AgentProcess:
        return AgentProcess("run", "-c", self._settings, *flags, log=self._log)

    def kill_one(self) -> None:
        """Start an agent and kill it: while it starts, sends, is answered, or in a rotation."""
        self.fake.script.extend(self.rng.choices(FAULTS, k=2))
        with self.agent() as process:
            self.rng.choice((self._by_time, self._by_time, self._by_bulk, self._by_step))(process)
            process.process.wait(DEADLINE)
        assert process.process.returncode == -signal.SIGKILL, process.stderr
        self.fake.on_bulk = self.fake.on_answered = self.service.on_step = None
        self.fake.script.clear()

    def _by_time(self, process: AgentProcess) -> None:
        before = self.fake.bulks
        if self.rng.random() < 0.6:  # else while it starts
            wait_until(lambda: self.fake.bulks > before, lambda: process.stderr, seconds=DEADLINE)
        until = time.monotonic() + self.rng.random()
        wait_until(lambda: time.monotonic() >= until or not process.is_running, "-")
        process.process.kill()

    def _by_bulk(self, process: AgentProcess) -> None:
        kill_at = self.fake.bulks + self.rng.randint(1, 6)

        def kill() -> None:
            if self.fake.bulks >= kill_at:
                process.process.kill()

        if self.rng.random() < 0.5:
            self.fake.on_bulk = kill
        else:
            self.fake.on_answered = kill
        wait_until(lambda: not process.is_running, lambda: process.stderr, seconds=DEADLINE)

    def _by_step(self, process: AgentProcess) -> None:
        fatal, before = self.rng.choice(STEPS[self.style]), self.fake.bulks

        def kill(step: str) -> None:
            if step == fatal and self.fake.bulks > before:
                process.process.kill()

        self.service.on_step = kill
        wait_until(lambda: not process.is_running, lambda: process.stderr, seconds=DEADLINE)

    def _may_rotate(self) -> bool:
        """Nobody is to remove lines unseen, nor the first file before an agent was there."""
        ends = [0, *self.writer.ends]
        if len(ends) == 1:
            return self._are_stored(0, 1)
        return len(ends) <= KEEP or self._are_stored(*ends[-KEEP - 1 :][:2])

    def _are_stored(self, begin: int, end: int) -> bool:
        documents = list(self.fake.documents.values())
        self._stored.update(document["n"] for document in documents[self._seen :])
        self._seen = len(documents)
        return self._stored.issuperset(range(begin, end))

    def finish(self) -> None:
        """Ship what is left, see that it stays at that, and that nobody complained."""
        self.service.end()
        for flags in ((), ("--once",)):
            with self.agent(*flags) as process:
                if not flags:
                    wait_until(
                        lambda: self._are_stored(0, self.writer.written),
                        self.difference,
                        seconds=DEADLINE,
                    )
                    process.signal()
                assert process.wait(DEADLINE) == 0, process.stderr
        assert "Traceback" not in self._log.read_text()

    def difference(self) -> str:
        found = self.fake.found("n")
        lost = sorted(set(range(self.writer.written)) - found.keys())
        doubled = sorted(number for number, count in found.items() if count > 1)
        return (
            f"{self.writer.written} lines, lost {len(lost)} {lost[:9]}, doubled {len(doubled)} "
            f"{doubled[:9]}, rotated at {self.writer.ends[-12:]}; LOGSHIP_TEST_SEED={SEED}"
        )


@pytest.mark.parametrize(("style", "pattern"), CASES)
def test_killed_under_rotation(tmp_path: Path, style: str, pattern: str) -> None:
    """However often an agent is killed while files are rotated: exactly the written lines."""
    began = time.monotonic()
    with ElasticFake() as fake:
        run = Run(tmp_path, fake, style, pattern)
        run.service.start()
        try:
            for _ in range(ROUNDS):
                run.kill_one()
        except BaseException:
            run.service.end()
            raise
        run.finish()
        expected = Counter(range(run.writer.written))
        print(
            f"\n{style}, {pattern}: {ROUNDS} kills, {len(run.writer.ends)} rotations, "
            f"{time.monotonic() - began:.0f} s, sent {sum(fake.copies.values())}, "
            f"{run.difference()}"
        )
        assert fake.found("n") == expected, run.difference()
