"""What happens when the buffer is full: wait, drop and say so, or put aside, through the agent."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logship.checkpoints.admin import read_rows
from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
ROUNDS = int(os.environ.get("LOGSHIP_TEST_ROUNDS") or 5)
LINES = 6000


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as fake:
        yield fake


class Site:
    """A log file that is larger than the buffer, and settings of what to do then."""

    def __init__(self, folder: Path, fake: ElasticFake, policy: str, **sections: Any) -> None:
        self.folder, self.fake, self.log = folder, fake, folder / "app.log"
        self.spool, self.written = folder / "state" / "spool", 0
        settings = {
            "elasticsearch": {"hosts": [fake.url], "timeout": "5s", "compression": False},
            "index": {"template": False},
            "sources": [{"name": "app", "paths": [str(self.log)], "scan_interval": "100ms",
                         "max_line_bytes": "16KiB"}],
            "delivery": {
                "batch_bytes": "64KiB", "batch_age": "50ms", "buffer_bytes": "256KiB",
                "when_full": policy,
            },
            "state_dir": str(folder / "state"),
            "shutdown_timeout": "3s",
            **sections,
        }  # fmt: skip
        (folder / "logship.yaml").write_text(json.dumps(settings))

    def write(self, count: int) -> None:
        with self.log.open("a") as file:
            for n in range(self.written, self.written + count):
                file.write(f'{{"@timestamp":"2026-11-21T10:00:00Z","n":{n},"pad":"{"x" * 200}"}}\n')
        self.written += count

    def start(self, *flags: str) -> AgentProcess:
        return AgentProcess(
            "run", "-c", self.folder / "logship.yaml", *flags, log=self.folder / "stderr"
        )

    def numbers(self) -> list[int]:
        """The numbers of what is stored, in the order of the file."""
        return sorted(doc["n"] for doc in list(self.fake.documents.values()) if "n" in doc)

    def reports(self) -> list[dict[str, Any]]:
        """The documents that say what was dropped."""
        docs = list(self.fake.documents.values())
        return [doc for doc in docs if doc.get("logger") == "logship"]

    def offset(self) -> int:
        """Up to where the file is confirmed."""
        return sum(row.offset for row in read_rows(self.folder / "state"))


@pytest.mark.parametrize("policy", ["drop_oldest", "drop_newest"])
def test_what_is_dropped_is_counted_and_reported(
    tmp_path: Path, fake: ElasticFake, policy: str
) -> None:
    """Every record is stored or counted, in one report and in the last line."""
    site = Site(tmp_path, fake, policy)
    site.write(LINES)
    fake.fault = "503"
    with site.start() as process:
        wait_until(lambda: "records are dropped" in process.stderr, lambda: process.stderr)
        size = site.log.stat().st_size
        assert size > 4 * (256 << 10)
        fake.fault = ""
        wait_until(site.reports, lambda: process.stderr)
        wait_until(lambda: site.offset() == size, lambda: site.offset())
        process.signal()
        assert process.wait() == 0, process.stderr
        said = process.stderr
    found, reports = site.numbers(), site.reports()
    dropped = LINES - len(found)
    assert len(set(found)) == len(found)
    assert dropped > LINES // 2
    assert re.search(rf"dropped {dropped}\b", said), said
    assert sum(report["extra"]["dropped_records"] for report in reports) == dropped
    for report in reports:
        assert report["level"] == "WARNING"
        assert list(report["extra"]["dropped_by_reason"]) == ["buffer_full"]
        assert report["message"].startswith(f"{report['extra']['dropped_records']} records were ")
    assert (LINES - 1 in found) == (policy == "drop_oldest")


def test_waiting_is_what_happens_unless_told_otherwise(tmp_path: Path, fake: ElasticFake) -> None:
    """A full buffer stops reading, and nothing is dropped or put aside."""
    site = Site(tmp_path, fake, "wait")
    site.write(LINES)
    fake.fault = "503"
    with site.start() as process:
        wait_until(lambda: fake.bulks > 3, lambda: process.stderr)
        fake.fault = ""
        wait_until(lambda: len(site.numbers()) == LINES, lambda: process.stderr)
        process.signal()
        assert process.wait() == 0
        assert "dropped 0" in process.stderr
    assert not site.spool.exists()


def test_what_is_put_aside_survives_kills_and_is_stored_once(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """Read and settled while the server is away, killed, and sent by the next run."""
    site = Site(tmp_path, fake, "spool")
    site.write(LINES)
    fake.fault = "throttle"
    with site.start() as process:
        wait_until(lambda: list(site.spool.glob("*.ndjson")), lambda: process.stderr)
        fake.fault = "503"
        size = site.log.stat().st_size
        wait_until(
            lambda: sum(f.stat().st_size for f in site.spool.glob("*.ndjson")) > size // 2,
            lambda: process.stderr,
        )
        process.kill()
    fake.fault = "garbage"
    with site.start() as process:  # killed again while it sends what was put aside
        before = fake.bulks
        wait_until(lambda: fake.bulks > before + 3, lambda: process.stderr)
        process.kill()
    fake.fault = ""
    with site.start("--once") as process:
        assert process.wait(60) == 0, process.stderr
        assert "dropped 0" in process.stderr
    assert site.numbers() == list(range(LINES))
    assert max(fake.copies.values()) > 1, "nothing was sent again"
    assert list(site.spool.glob("*.ndjson")) == []


def test_spool_is_bounded_and_sources_wait_then(tmp_path: Path, fake: ElasticFake) -> None:
    """At spool.max_bytes the file waits, and everything is stored when the server is back."""
    site = Site(tmp_path, fake, "spool", spool={"max_bytes": "300KiB"})
    site.write(LINES)
    fake.fault = "503"
    with site.start() as process:
        wait_until(lambda: "Sources wait" in process.stderr, lambda: process.stderr)
        assert sum(f.stat().st_size for f in site.spool.glob("*.ndjson")) <= 300 << 10
        fake.fault = ""
        wait_until(
            lambda: len(site.numbers()) == LINES, lambda: f"{len(site.numbers())} of {LINES}"
        )
        wait_until(lambda: not list(site.spool.glob("*.ndjson")), "the spool is not emptied")
        process.signal(signal.SIGTERM)
        assert process.wait() == 0, process.stderr
    assert site.numbers() == list(range(LINES))


def test_spool_that_was_left_is_sent_also_by_agents_that_wait(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """Another policy in the next run leaves nothing behind."""
    site = Site(tmp_path, fake, "spool")
    site.write(LINES)
    fake.fault = "503"
    with site.start() as process:
        wait_until(lambda: "is put aside in" in process.stderr, lambda: process.stderr)
        process.kill()
    fake.fault = ""
    site = Site(tmp_path, fake, "wait")
    with site.start("--once") as process:
        assert process.wait(60) == 0, process.stderr
    assert site.numbers() == list(range(LINES))
    assert not list(site.spool.glob("*.ndjson"))


def test_what_is_left_aside_is_told_in_the_last_line(tmp_path: Path, fake: ElasticFake) -> None:
    """An agent that ends before the server is back says how much waits, and --once is not done."""
    site = Site(tmp_path, fake, "spool")
    site.write(LINES)
    fake.fault = "503"
    with site.start("--once", "--timeout", "2s") as process:
        assert process.wait(30) == 3, process.stderr
        found = re.search(r"put aside (\d+) bytes", process.stderr)
        assert found, process.stderr
        assert int(found[1]) == sum(f.stat().st_size for f in site.spool.glob("*.ndjson"))
    fake.fault = ""
    with site.start("--once") as process:
        assert process.wait(60) == 0, process.stderr
        assert "put aside" not in process.stderr.splitlines()[-1]
    assert site.numbers() == list(range(LINES))


def let_run(process: AgentProcess, seconds: float) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        process.process.wait(seconds)


@pytest.mark.slow
def test_agents_that_put_aside_are_killed_at_any_moment(tmp_path: Path, fake: ElasticFake) -> None:
    """Killed while reading, putting aside, sending and removing: everything is stored once."""
    rng = random.Random(SEED)
    site = Site(tmp_path, fake, "spool")
    faults = ["", "503", "throttle", "cut", "garbage"]
    for _ in range(ROUNDS):
        site.write(rng.randint(1000, 3000))
        fake.fault = rng.choice(faults)
        with site.start() as process:
            let_run(process, 2.0 * rng.random() ** 2)
            fake.fault = rng.choice(faults)
            if rng.random() < 0.5:
                site.write(500)
            let_run(process, 2.0 * rng.random() ** 2)
            process.kill()
    fake.fault = ""
    with site.start("--once") as process:
        assert process.wait(60) == 0, process.stderr
        assert "Traceback" not in (tmp_path / "stderr").read_text()
    assert site.numbers() == list(range(site.written)), f"seed {SEED}"
