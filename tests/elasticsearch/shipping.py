"""An agent that ships into a real server, and what a test wants to know of both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.elasticsearch.client import Client
from tests.support.agent import AgentProcess
from tests.support.wait import wait_until

__all__ = ["Shipping"]

SECONDS = 60.0


class Shipping:
    """A folder of log files, each its own source and index, and the settings that ship them.

    Attributes:
        folder: With everything that the agent reads and writes.
    """

    def __init__(
        self,
        folder: Path,
        client: Client,
        prefix: str,
        names: Sequence[str],
        connection: Mapping[str, object],
        **settings: Any,
    ) -> None:
        """Write the settings.

        Args:
            folder: Empty.
            client: May search the indices.
            prefix: What the indices are called, before a dash and the name of the source.
            names: Of the sources.
            connection: Settings of ``elasticsearch``.
            settings: More of them.
        """
        self.folder, self._client, self._prefix = folder, client, prefix
        self._written = dict.fromkeys(names, 0)
        self._log = folder / "agent.err"
        self.config = folder / "logship.yaml"
        sources = [
            {
                "name": name,
                "paths": [str(folder / f"{name}.log")],
                "scan_interval": "100ms",
                "fields": {"target": name},
            }
            for name in names
        ]
        written = {
            "elasticsearch": dict(connection),
            "index": {"name": f"{prefix}-{{target}}", "replicas": 0, **settings.pop("index", {})},
            "sources": sources,
            "delivery": {"batch_age": "50ms"},
            "state_dir": str(folder / "state"),
            "shutdown_timeout": "1s",
            **settings,
        }
        self.config.write_text(json.dumps(written))  # JSON is YAML

    def index(self, name: str) -> str:
        """Return the index that a source's records go to."""
        return f"{self._prefix}-{name}"

    def write(self, name: str, count: int = 20, **fields: object) -> None:
        """Append records to the file of a source; *fields* are part of each."""
        with (self.folder / f"{name}.log").open("a") as file:
            for _ in range(count):
                number = self._written[name]
                self._written[name] += 1
                record = {
                    "@timestamp": "2026-11-21T10:00:00Z",
                    "message": f"record {number}",
                    "number": number,
                    **fields,
                }
                file.write(json.dumps(record) + "\n")

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> AgentProcess:
        """Start ``logship run``; the caller ends it."""
        command = ("run", "-c", self.config, *arguments)
        return AgentProcess(*command, log=self._log, environment=environment)

    def once(self, timeout: str = "60s") -> tuple[int, str]:
        """Ship what is there; returns the exit status and what the agent said."""
        with self.start("--once", "--timeout", timeout) as agent:
            return agent.wait(90), agent.stderr

    def wait_for(self, agent: AgentProcess, said: str) -> None:
        """Wait until the agent has said something."""
        wait_until(
            lambda: said in agent.stderr or not agent.is_running,
            lambda: agent.stderr[-4000:],
            seconds=SECONDS,
        )
        assert said in agent.stderr, agent.stderr

    def arrived(self, agent: AgentProcess, *names: str) -> None:
        """Wait until every record of these sources is stored, and see that it is once."""
        for name in names:
            wait_until(
                lambda name=name: len(self.stored(name)) >= self._written[name],  # type: ignore[misc]
                lambda name=name: f"{self.stored(name)}\n{agent.stderr[-4000:]}",  # type: ignore[misc]
                seconds=SECONDS,
            )
            assert sorted(self.stored(name)) == list(range(self._written[name]))

    def stored(self, name: str) -> list[int]:
        """Return the number of every record of a source that is stored."""
        index = self.index(name)
        self._client.request("POST", f"/{index}/_refresh")
        body = {"size": 1000, "_source": ["number"]}
        answer = self._client.request("POST", f"/{index}/_search", body)
        if answer.status != 200:  # closed, or not there yet
            return []
        return [hit["_source"]["number"] for hit in answer.json["hits"]["hits"]]

    def dead_letters(self) -> list[dict[str, Any]]:
        """Return every dead letter."""
        files = sorted((self.folder / "state" / "dead-letters").glob("*.ndjson"))
        return [json.loads(line) for path in files for line in path.read_text().splitlines()]

    def everything_written(self) -> bytes:
        """Return all that the agent wrote: its log, its state, dead letters, held documents."""
        state = (path for path in (self.folder / "state").rglob("*") if path.is_file())
        return b"\n".join(path.read_bytes() for path in (self._log, *state) if path.exists())
