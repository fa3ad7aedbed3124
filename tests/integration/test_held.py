"""Indices that take nothing for a while, through the whole agent, killed and begun again.

``LOGSHIP_TEST_ES_URL`` names a server to use instead of the embedded node.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import AgentProcess
from tests.support.node import NodeProcess, post, request
from tests.support.wait import wait_until

BLOCKED, FREE = "held-a-2026.11.21", "held-b-2026.11.21"


@pytest.fixture
def url() -> Iterator[str]:
    """Where a server answers that has the one index blocked, and the other not at all."""
    with ExitStack() as stack:
        found = os.environ.get("LOGSHIP_TEST_ES_URL")
        url = found or stack.enter_context(NodeProcess()).url
        for index in (BLOCKED, FREE):
            request("DELETE", f"{url}/{index}")
        assert request("PUT", f"{url}/{BLOCKED}", {}).status == 200
        block(url, BLOCKED, True)
        yield url


def record(index: str, number: int) -> str:
    when = "2026-11-21T10:00:00Z"
    return json.dumps({"@timestamp": when, "service": index, "message": f"line {number}"})


class Site:
    """Settings, a log file and a state folder."""

    def __init__(self, folder: Path, url: str, **sections: Any) -> None:
        self.folder, self.log = folder, folder / "app.log"
        settings = {
            "elasticsearch": {"hosts": [url]},
            "index": {"name": "held-{service}-%Y.%m.%d", "template": False},
            "sources": [{"paths": str(self.log), "scan_interval": "100ms"}],
            "delivery": {"batch_age": "50ms"},
            "state_dir": str(folder / "state"),
            "shutdown_timeout": "5s",
            "held": {"after": "300ms"},
            **sections,
        }
        (folder / "logship.yaml").write_text(json.dumps(settings))

    def write(self, index: str, *numbers: int) -> None:
        with self.log.open("a") as file:
            file.writelines(f"{record(index, number)}\n" for number in numbers)

    def agent(self, *options: str, log: str = "agent.err") -> AgentProcess:
        settings = self.folder / "logship.yaml"
        return AgentProcess("run", "-c", settings, *options, log=self.folder / log)

    def held(self) -> list[dict[str, Any]]:
        files = sorted((self.folder / "state" / "held").glob("*.ndjson"))
        return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def block(url: str, index: str, value: bool) -> None:
    body = {"index.blocks.write": value}
    assert request("PUT", f"{url}/{index}/_settings", body).status == 200


def count(url: str, index: str) -> int:
    post(f"{url}/{index}/_refresh")
    answer = request("GET", f"{url}/{index}/_count")
    return int(answer.json()["count"]) if answer.status == 200 else 0


def arrives(url: str, index: str, expected: int) -> None:
    """Wait until an index has so many documents."""
    wait_until(lambda: count(url, index) == expected, lambda: count(url, index), seconds=30)


def test_blocked_index(url: str, tmp_path: Path) -> None:
    """One blocked index is parked and stops no other; released, all of it arrives, once."""
    site = Site(tmp_path, url)
    with site.agent() as agent:
        for first in range(0, 200, 20):
            site.write("a", *range(first, first + 20))
            site.write("b", *range(first, first + 20))
        arrives(url, FREE, 200)
        wait_until(lambda: len(site.held()) == 200, lambda: len(site.held()))
        assert {one["index"] for one in site.held()} == {BLOCKED}
        assert count(url, BLOCKED) == 0
        block(url, BLOCKED, False)
        arrives(url, BLOCKED, 200)
        wait_until(lambda: not site.held(), lambda: len(site.held()))
        agent.signal(signal.SIGTERM)
        assert agent.wait(20) == 0
        assert "delivered 400, rescued 0, held 0, dead letters 0" in agent.stderr


def test_killed_with_held_records(url: str, tmp_path: Path) -> None:
    """Killed again and again while records are held, each is stored once in the end."""
    site = Site(tmp_path, url)
    for life in range(3):
        with site.agent(log=f"{life}.err") as agent:
            site.write("a", *range(life * 50, life * 50 + 50))
            wait_until(lambda least=(life + 1) * 50: len(site.held()) >= least, agent.stderr)
            agent.kill()
    with site.agent(log="last.err") as agent:
        block(url, BLOCKED, False)
        arrives(url, BLOCKED, 150)
        wait_until(lambda: not site.held(), lambda: len(site.held()))
        agent.signal(signal.SIGTERM)
        assert agent.wait(20) == 0
        assert "held 0" in agent.stderr


def test_once_with_a_blocked_index(url: str, tmp_path: Path) -> None:
    """``--once`` ends with 3 when something stayed held; the next one takes it up."""
    site = Site(tmp_path, url)
    site.write("a", *range(10))
    site.write("b", *range(10))
    with site.agent("--once") as agent:
        assert agent.wait(30) == 3
        assert "delivered 10, rescued 0, held 10, dead letters 0" in agent.stderr
        assert "unconfirmed 0" in agent.stderr
    block(url, BLOCKED, False)
    with site.agent("--once", log="again.err") as agent:
        assert agent.wait(30) == 0
        assert "delivered 10, rescued 0, held 0" in agent.stderr
    assert count(url, BLOCKED) == 10
    assert not site.held()


def test_limit(url: str, tmp_path: Path) -> None:
    """With ``held.limit`` what stays too long becomes a dead letter with the reason."""
    site = Site(tmp_path, url, held={"after": "300ms", "limit": "2s"})
    site.write("a", *range(10))
    letters = tmp_path / "state" / "dead-letters"

    def found() -> list[dict[str, Any]]:
        files = letters.glob("*.ndjson")
        return [json.loads(line) for one in files for line in one.read_bytes().splitlines()]

    with site.agent() as agent:
        wait_until(lambda: len(found()) == 10, lambda: (found(), agent.stderr))
        agent.signal(signal.SIGTERM)
        assert agent.wait(20) == 0
        assert "held 0, dead letters 10" in agent.stderr
    assert {one["type"] for one in found()} == {"cluster_block_exception"}
    assert not site.held()
