"""Everything at once: faults, SIGKILL of the agent and of the server, and rotation."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

from tests.support.agent import AgentProcess
from tests.support.chaos import POISON, Killable, Schedule, verdict, write_records
from tests.support.proxy import Proxy
from tests.support.wait import wait_until

__all__ = ["play_turmoil"]

WHOLE_SECONDS = 240.0
PARTS = 8
RUNS_AT_LAST = 10


class Turmoil:
    """One schedule: the log is written in parts, and something happens after each."""

    def __init__(
        self, schedule: Schedule, server: Killable, proxy: Proxy, name: str, folder: Path
    ) -> None:
        self._schedule, self._server, self._proxy = schedule, server, proxy
        self._rng = random.Random(f"turmoil {schedule.seed}")
        self._log, self._folder = folder / "app.log", folder
        self.errors = folder / "agent.err"
        # Whether the globs name rotated files, or these are found by themselves.
        names = random.Random(f"names {schedule.seed}").choice(("app.log*", "app.log"))
        self._rotations = 0
        self.story: list[str] = []  # what was done, and after how many requests
        settings = {
            "elasticsearch": {**schedule.settings["elasticsearch"], "hosts": proxy.url},
            "delivery": schedule.settings["delivery"],
            "index": {"name": f"{name}-%Y.%m.%d", "replicas": 0},
            "sources": [{"name": "app", "paths": [str(folder / names)], "rotate_wait": "2s"}],
            "state_dir": str(folder / "state"),
        }
        self._config = folder / "logship.yaml"
        self._config.write_text(json.dumps(settings))  # JSON is YAML
        whole = folder / "whole"
        write_records(whole, schedule.records, odd=schedule.odd)
        lines = whole.read_bytes().splitlines(keepends=True)
        whole.unlink()
        size = -(-len(lines) // PARTS)
        self._parts = [b"".join(lines[i : i + size]) for i in range(0, len(lines), size)]
        self._agent: AgentProcess | None = None

    def play(self) -> str:
        """Play it; returns exit status and last line of a last run."""
        try:
            for part in self._parts:
                self._start()
                with self._log.open("ab") as file:
                    file.write(part)
                self._wait_until_known()
                self._wait_for_requests(self._rng.choice((0, 1, 3)))
                self._rng.choices(
                    (self._kill_agent, self._kill_server, self._rename, self._copytruncate),
                    (4, 2, 3, 2),
                )[0]()
            self._start()
            self._stop()
        finally:
            if self._agent is not None:
                self._agent.kill()
        for _ in range(RUNS_AT_LAST):
            with AgentProcess("run", "-c", self._config, "--once", log=self.errors) as agent:
                status = agent.wait(WHOLE_SECONDS)
                last = f"{status}: {agent.stderr.strip().splitlines()[-1]}"
            if " held 0," in last:  # a fault that meets a probe keeps what is held for another run
                break
        return last

    def _wait_until_known(self) -> None:
        """What is rotated away before any agent has seen the log is nobody's."""
        wait_until(
            lambda: " read as " in self.errors.read_text(), self.errors.read_text, seconds=60.0
        )

    def _start(self) -> None:
        if self._agent is None:
            self._agent = AgentProcess("run", "-c", self._config, log=self.errors)

    def _stop(self) -> None:
        assert self._agent is not None
        agent = self._agent
        seen = len(self._proxy.exchanges)
        self._wait_for_requests(1, seconds=5, or_late=True)
        if len(self._proxy.exchanges) > seen:
            agent.signal()
            agent.wait(60)
        else:
            agent.kill()
        self._agent = None

    def _tell(self, what: str) -> None:
        sizes = {path.name: path.stat().st_size for path in sorted(self._folder.glob("app.log*"))}
        self.story.append(f"after {len(self._proxy.exchanges)} requests {what}: {sizes}")

    def _kill_agent(self) -> None:
        assert self._agent is not None
        self._agent.kill()
        self._agent = None
        self._tell("the agent was killed")
        if self._rng.random() < 0.5:
            self._rng.choice((self._rename, self._copytruncate))()

    def _kill_server(self) -> None:
        self._server.kill()
        self._server.restart()
        self._tell("the server was killed")

    def _rename(self) -> None:
        """By rename; those before move on."""
        for number in range(self._rotations, 0, -1):
            self._path(number).rename(self._path(number + 1))
        self._log.rename(self._path(1))
        self._rotations += 1
        self._tell("the log was renamed")

    def _copytruncate(self) -> None:
        """The writer rests meanwhile; with a date in the name, others stay where they are."""
        copy = self._folder / f"app.log-202611{self._rng.randrange(10**6):06d}"
        if self._log.exists() and not copy.exists():
            shutil.copyfile(self._log, copy)
            with self._log.open("r+b") as file:
                file.truncate(0)
            self._tell("the log was copied and truncated")

    def _path(self, number: int) -> Path:
        return self._folder / f"app.log.{number}"

    def _wait_for_requests(
        self, more: int, *, seconds: float = WHOLE_SECONDS, or_late: bool = False
    ) -> None:
        count = len(self._proxy.exchanges) + more
        agent = self._agent
        assert agent is not None
        try:
            wait_until(
                lambda: len(self._proxy.exchanges) >= count or self._is_quiet(),
                lambda: f"{len(self._proxy.exchanges)} requests of {count}\n{agent.stderr[-3000:]}",
                seconds=seconds,
            )
        except AssertionError:
            if not or_late:
                raise

    def _is_quiet(self) -> bool:
        """Whether everything written so far may have been sent already."""
        seen = self._proxy.refused.union(self._proxy.created)
        return len(seen) >= self._written()

    def _written(self) -> int:
        return sum(path.read_bytes().count(b"\n") for path in self._folder.glob("app.log*"))


def play_turmoil(schedule: Schedule, server: Killable, name: str, folder: Path) -> str:
    """Ship the records of *schedule* through all of it; returns what went wrong, or nothing.

    Args:
        server: Killed now and then.
        name: What the indices are to be called, before the date.
        folder: Empty; for log files, settings and state.
    """
    with Proxy(server.url, schedule.faults, poison=POISON) as proxy:
        turmoil = Turmoil(schedule, server, proxy, name, folder)
        try:
            last = turmoil.play()
        except AssertionError as error:
            return f"seed {schedule.seed}:\n{error}\n{proxy.story()}"
    problem = verdict(schedule, proxy, server.url, name, turmoil.errors, last)
    return "\n".join((problem, *turmoil.story)) if problem else ""
