"""What tests need that kill an agent at a named point: to see that it is there, and after it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until
from tests.support.writer import numbered

__all__ = ["Scene", "read_bytes", "waits_for_the_store"]


class Scene:
    """A folder of logs, a server in memory, and agents of one state folder.

    Attributes:
        logs: The folder.
        fake: The server.
        written: Complete lines so far; they have the numbers below this one.
    """

    def __init__(
        self,
        directory: Path,
        fake: ElasticFake,
        *,
        pattern: str = "*.log",
        delivery: dict[str, Any] | None = None,
        **source: Any,
    ) -> None:
        self.logs, self.fake, self.written = directory / "logs", fake, 0
        self.logs.mkdir()
        self._state, self._log = directory / "state", directory / "stderr"
        self._settings = directory / "logship.yaml"
        settings = {
            "elasticsearch": {"hosts": [fake.url], "timeout": "5s"},
            "sources": [{"paths": [f"{self.logs}/{pattern}"], "scan_interval": "100ms", **source}],
            "delivery": {"batch_age": "20ms", **(delivery or {})},
            "state_dir": str(self._state),
            "log": {"format": "text"},
        }
        self._settings.write_text(json.dumps(settings))

    def agent(self, *flags: str, wrapper: Sequence[str] = ()) -> AgentProcess:
        """Start an agent."""
        command = ("run", "-c", self._settings, *flags)
        return AgentProcess(*command, log=self._log, wrapper=wrapper)

    @contextmanager
    def agent_at_rest(self, name: str = "app.log") -> Iterator[AgentProcess]:
        """Run an agent that has delivered every line so far, and confirmed those of a file."""
        with self.agent() as process:
            self.arrive()
            self.confirmed(name)
            yield process

    def write(self, count: int = 1, name: str = "app.log") -> None:
        """Append *count* lines at once."""
        with (self.logs / name).open("ab", buffering=0) as file:
            file.write(numbered(range(self.written, self.written + count)))
        self.written += count

    def arrive(self, seconds: float = 60.0) -> None:
        """Wait until every line is stored."""
        wait_until(lambda: self._found().keys() >= set(range(self.written)), self.difference,
                   seconds=seconds)  # fmt: skip

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return what the checkpoint store answers; nothing when there is none yet."""
        try:
            with closing(sqlite3.connect(self._database(), timeout=10)) as database:
                return database.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []

    def offset(self, name: str = "app.log") -> int:
        """Return up to where a file is confirmed, as the store has it; 0 when it is not known."""
        found = self.rows(f"SELECT offset FROM files WHERE path = '{self.logs / name}'")
        return max((offset for (offset,) in found), default=0)

    def confirmed(self, name: str = "app.log") -> None:
        """Wait until all of a file is confirmed in the store."""
        size = (self.logs / name).stat().st_size
        wait_until(lambda: self.offset(name) == size, lambda: (self.offset(name), size),
                   seconds=30)  # fmt: skip

    @contextmanager
    def store_locked(self) -> Iterator[None]:
        """Keep agents from writing to the checkpoint store meanwhile."""
        with closing(sqlite3.connect(self._database(), isolation_level=None)) as database:
            database.execute("PRAGMA busy_timeout = 10000")
            database.execute("BEGIN IMMEDIATE")
            yield
            database.execute("ROLLBACK")

    def change(self, query: str) -> None:
        """Change the store while no agent runs."""
        with closing(sqlite3.connect(self._database())) as database, database:
            database.execute(query)

    def exactly_once(self, others: Iterable[str] = ()) -> None:
        """Run what is left with ``--once`` and see that each line is stored once.

        Args:
            others: Messages of records that are no numbered lines.
        """
        with self.agent("--once") as process:
            assert process.wait(120) == 0, process.stderr
        assert "Traceback" not in self._log.read_text(), self._log.read_text()
        messages = Counter([*(f"line {number}" for number in range(self.written)), *others])
        assert self.fake.found() == messages, self.difference()

    def difference(self) -> str:
        """Say what is missing and what is there twice."""
        found = self._found()
        lost = sorted(set(range(self.written)) - found.keys())
        doubled = sorted(number for number, count in found.items() if count > 1)
        log = self._log.read_text()[-3000:] if self._log.exists() else ""
        return f"of {self.written} lines lost {lost[:9]}, doubled {doubled[:9]}\n{log}"

    def _found(self) -> Counter[int]:
        return Counter(d["n"] for d in list(self.fake.documents.values()) if "n" in d)

    def _database(self) -> Path:
        return self._state / "checkpoints.db"


def read_bytes(process: AgentProcess) -> int:
    """Return how many bytes a process has read so far, of all its files."""
    lines = Path(f"/proc/{process.process.pid}/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar:")).split()[1])


def waits_for_the_store(process: AgentProcess) -> bool:
    """Whether a thread of an agent waits for the lock of its store.

    SQLite sleeps between its attempts. Nobody else does in an agent, but who watches folders: one
    thread for each inotify descriptor.
    """
    folder = Path(f"/proc/{process.process.pid}")
    sleeping = watching = 0
    for task in (folder / "task").iterdir():
        try:
            sleeping += "nanosleep" in (task / "wchan").read_text()
        except OSError:  # it has ended
            pass
    for descriptor in (folder / "fd").iterdir():
        try:
            watching += "inotify" in os.readlink(descriptor)
        except OSError:
            pass
    return sleeping > watching
