"""SIGHUP: the settings are read again while lines keep coming, and nothing is lost or doubled."""

from __future__ import annotations

import json
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as server:
        yield server


class Site:
    """A log file, a settings file, and what was written so far."""

    def __init__(self, folder: Path, fake: ElasticFake) -> None:
        self.folder, self.fake, self.log = folder, fake, folder / "app.log"
        self.config, self.errors = folder / "logship.yaml", folder / "agent.err"
        self.written = 0
        self.log.touch()

    def settle(self, index: str, **settings: Any) -> None:
        """Write the settings file."""
        written = {
            "elasticsearch": {"hosts": self.fake.url},
            "index": {"name": index},
            "sources": [{"paths": [str(self.log)], "scan_interval": "100ms"}],
            "delivery": {"batch_age": "50ms"},
            "state_dir": str(self.folder / "state"),
            "shutdown_timeout": "5s",
            **settings,
        }
        self.config.write_text(json.dumps(written, indent=1))  # JSON is YAML

    def start(self) -> AgentProcess:
        return AgentProcess("run", "-c", self.config, log=self.errors)

    def write(self, count: int = 10) -> None:
        """Append lines, each with its number."""
        with self.log.open("a") as file:
            for number in range(self.written, self.written + count):
                file.write(f'{{"message": "line {number}"}}\n')
        self.written += count

    def arrived(self, agent: AgentProcess) -> None:
        """Wait until every line is there, and see that it is once."""
        wait_until(lambda: len(self.numbers()) >= self.written, lambda: agent.stderr, seconds=30)
        assert self.numbers() == Counter(range(self.written))

    def numbers(self) -> Counter[int]:
        return Counter(int(str(d["message"]).split()[1]) for d in self.fake.all())

    def said(self, agent: AgentProcess, text: str) -> None:
        wait_until(lambda: text in agent.stderr, lambda: agent.stderr, seconds=30)


@pytest.fixture
def site(tmp_path: Path, fake: ElasticFake) -> Site:
    return Site(tmp_path, fake)


def test_changed_index(site: Site) -> None:
    """What came before goes to the old index and what comes later to the new one, once each."""
    site.settle("old")
    with site.start() as agent:
        over = threading.Event()

        def write() -> None:
            while not over.wait(0.005):
                site.write()

        writer = threading.Thread(target=write)
        writer.start()
        try:
            for turn in range(3):
                site.said(agent, "logship ships")
                wait_until(lambda: site.fake.all(), "nothing came")
                site.settle(f"new-{turn}")
                agent.signal(signal.SIGHUP)
                index = f"new-{turn}"  # waited for within its turn, so the lambda sees this one
                wait_until(lambda: indices(site)[index], lambda: agent.stderr, seconds=30)  # noqa: B023
        finally:
            over.set()
            writer.join()
        site.arrived(agent)
        agent.signal()
        assert agent.wait() == 0
    last = agent.stderr.strip().splitlines()[-1]
    assert f"delivered {site.written}, " in last, "the runs together"
    assert set(indices(site)) == {"old", "new-0", "new-1", "new-2"}


def indices(site: Site) -> Counter[str]:
    return Counter(index for index, _ in list(site.fake.documents))


def test_mistakes_keep_the_old_settings(site: Site) -> None:
    """Every mistake is said with its line, and the agent goes on as it was."""
    site.settle("one")
    with site.start() as agent:
        site.write()
        site.arrived(agent)
        site.settle("two", delivery={"batch_age": "soon"}, shutdown_timeouts="1s")
        agent.signal(signal.SIGHUP)
        site.said(agent, "the settings stay as they were")
        assert re.search(rf"{site.config}:\d+:\d+: .*batch_age", agent.stderr)
        assert re.search(rf"{site.config}:\d+:\d+: .*shutdown_timeouts", agent.stderr)
        site.write()
        site.arrived(agent)
        assert set(indices(site)) == {"one"}
        site.config.unlink()
        agent.signal(signal.SIGHUP)
        wait_until(lambda: agent.stderr.count("stay as they were") == 2, lambda: agent.stderr)
        site.settle("one")
        agent.signal(signal.SIGHUP)
        site.said(agent, "nothing in them has changed")
        site.write()
        site.arrived(agent)
        assert agent.stderr.count("logship ships") == 1


def test_state_folder_that_cannot_be_used(site: Site) -> None:
    """What only shows when the agent begins again is said, too, and the old settings go on."""
    site.settle("one")
    (site.folder / "file").touch()
    with site.start() as agent:
        site.write()
        site.arrived(agent)
        site.settle("two", state_dir=str(site.folder / "file"))
        agent.signal(signal.SIGHUP)
        site.said(agent, "the settings stay as they were")
        site.write()
        site.arrived(agent)
        assert set(indices(site)) == {"one"}


def test_while_the_server_is_away(site: Site) -> None:
    """What could not be delivered in time is finished under the old settings first."""
    site.settle("old", shutdown_timeout="1s")
    with site.start() as agent:
        site.write()
        site.arrived(agent)
        site.fake.fault = "503"
        site.write()
        site.said(agent, "cannot take records now")
        site.settle("new", shutdown_timeout="1s")
        agent.signal(signal.SIGHUP)
        site.said(agent, "changed: index.name.")
        wait_until(lambda: agent.stderr.count("logship ships") == 2, lambda: agent.stderr)
        site.fake.fault = ""
        site.write()
        site.arrived(agent)
        site.write()
        site.arrived(agent)
        assert indices(site)["old"] >= 20
        assert indices(site)["new"] >= 10
        agent.signal()
        assert agent.wait() == 0


def test_without_a_settings_file(site: Site) -> None:
    """A terminal that is closed ends ``ship`` in order."""
    command = ("ship", site.log, "--to", site.fake.url, "--state-dir", site.folder / "own")
    with AgentProcess(*command, log=site.errors) as agent:
        site.write()
        site.arrived(agent)
        agent.signal(signal.SIGHUP)
        assert agent.wait() == 0
    assert "delivered 10, " in agent.stderr
