"""Agents for tests: in a thread of this process, and as a process that can be killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from logship.agent import Agent, Summary
from logship.settings.model import (
    AgentSettings,
    DeliverySettings,
    ElasticsearchSettings,
    IndexSettings,
    Settings,
    SourceSettings,
)
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until

__all__ = ["AgentProcess", "AgentThread", "World", "quick_settings"]

MAIN = (sys.executable, "-m", "logship.cli.main")


def quick_settings(
    url: str,
    paths: Sequence[Path | str],
    state_dir: Path,
    *,
    index: IndexSettings | None = None,
    delivery: Mapping[str, Any] | None = None,
    shutdown_timeout_seconds: float = 0.3,
    sources: Sequence[SourceSettings] | None = None,
    **source: Any,
) -> Settings:
    """Return settings with short waits; keyword arguments are the source's."""
    given = {"scan_interval_seconds": 0.1, "rotate_wait_seconds": 0.3, **source}
    one = SourceSettings("test", tuple(map(str, paths)), **given)
    return Settings(
        agent=AgentSettings(id="test-host"),
        elasticsearch=ElasticsearchSettings(hosts=(url,), timeout_seconds=5.0),
        index=index or IndexSettings(),
        sources=tuple(sources) if sources is not None else (one,),
        delivery=DeliverySettings(**{"batch_age_seconds": 0.03, **(delivery or {})}),
        state_dir=state_dir,
        shutdown_timeout_seconds=shutdown_timeout_seconds,
    )


class AgentThread:
    """An agent on a thread of its own; as a context it is stopped at the end.

    Attributes:
        agent: The agent.
        summary: How it ended, once it has.
    """

    def __init__(self, settings: Settings, *, once: bool = False) -> None:
        self.agent = Agent(settings, once=once, environment={})
        self.summary: Summary | None = None
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._main, name="agent")
        self._thread.start()

    def _main(self) -> None:
        async def run() -> Summary:
            self._loop = asyncio.get_running_loop()
            return await self.agent.run()

        try:
            self.summary = asyncio.run(run())
        except BaseException as error:
            self._error = error

    @property
    def is_running(self) -> bool:
        """Whether it has not ended; what ended it otherwise is raised."""
        if self._error is not None:
            raise self._error
        return self._thread.is_alive()

    def stop(self) -> Summary:
        """Stop it, as SIGTERM does, and return how it ended."""
        wait_until(lambda: self._loop or not self._thread.is_alive(), "the agent did not start")
        if self._loop is not None and self._thread.is_alive():
            try:
                self._loop.call_soon_threadsafe(self.agent.stop)
            except RuntimeError:  # it has ended by itself
                pass
        return self.join()

    def join(self, seconds: float = 30.0) -> Summary:
        """Wait until it has ended by itself and return how."""
        self._thread.join(seconds)
        if self._thread.is_alive():
            raise AssertionError(f"the agent did not end within {seconds:g} s")
        if self._error is not None:
            raise self._error
        assert self.summary is not None
        return self.summary

    def __enter__(self) -> AgentThread:
        return self

    def __exit__(self, type_: object, *_: object) -> None:
        try:
            self.stop()
        except BaseException:
            if type_ is None:  # else the test's own failure tells more
                raise


class AgentProcess:
    """``logship ARGUMENTS`` as a process; as a context it is killed at the end.

    Attributes:
        process: The process.
    """

    def __init__(
        self,
        *arguments: str | Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
        **options: Any,
    ) -> None:
        """Start it.

        Args:
            log: File for its standard error, appended to.
            environment: Besides PATH and HOME; nothing else is passed on.
            wrapper: A command that runs another, put before it.
        """
        command = [*wrapper, *MAIN, *map(str, arguments)]
        self._log, self._log_start = log, log.stat().st_size if log.exists() else 0
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "PYTHONPATH")}
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                command,
                env={**kept, "LOGSHIP_AGENT_ID": "test-host", **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                **options,
            )

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return self._log.read_bytes()[self._log_start :].decode()

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self.process.kill()
        self.process.wait(10)

    def wait(self, seconds: float = 30.0) -> int:
        """Wait until it ends; returns its exit status."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {seconds:g} s:\n{self.stderr}") from None

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def peak_bytes(self) -> int:
        """Return the largest resident size so far, while it runs."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) << 10

    def cpu_seconds(self) -> float:
        """Return the CPU time so far, while it runs."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def __enter__(self) -> AgentProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


class World:
    """A folder with log files, an Elasticsearch in memory, and agents that come and go.

    Its verbs do at once what they say; ``arrive`` and ``settled`` wait.

    Attributes:
        logs: The folder.
        fake: The server.
        agent: The one that is up, None when it is down.
        expected: Every message that is to be stored, as often as it is.
    """

    def __init__(self, directory: Path, *globs: str) -> None:
        self.logs, self.state = directory / "logs", directory / "state"
        self.logs.mkdir()
        self.globs = globs or ("*.log",)
        self.fake = ElasticFake().start()
        self.agent: AgentThread | None = None
        self.expected: Counter[str] = Counter()

    def up(self, *, once: bool = False, **options: Any) -> AgentThread:
        """Start an agent; *options* are those of `quick_settings`."""
        paths = [self.logs / pattern for pattern in self.globs]
        settings = quick_settings(self.fake.url, paths, self.state, **options)
        self.agent = AgentThread(settings, once=once)
        return self.agent

    def down(self) -> Summary:
        """Stop the agent."""
        assert self.agent is not None
        agent, self.agent = self.agent, None
        return agent.stop()

    def once(self, **options: Any) -> Summary:
        """Run an agent with ``--once``."""
        self.up(once=True, **options)
        assert self.agent is not None
        agent, self.agent = self.agent, None
        return agent.join()

    def write(self, name: str, *messages: str, end: str = "\n") -> None:
        """Append lines that are to be stored."""
        self.append(name, "".join(f"{message}{end}" for message in messages).encode())
        self.expect(*messages)

    def append(self, name: str, data: bytes) -> None:
        """Append bytes."""
        with (self.logs / name).open("ab", buffering=0) as file:
            file.write(data)

    def expect(self, *messages: str) -> None:
        """Expect these messages, each once more."""
        self.expected.update(messages)

    def rename(self, name: str, other: str) -> None:
        """Rename a file."""
        (self.logs / name).rename(self.logs / other)

    def delete(self, name: str) -> None:
        """Delete a file."""
        (self.logs / name).unlink()

    def truncate(self, name: str) -> None:
        """Truncate a file to nothing; its writers go on where they are."""
        os.truncate(self.logs / name, 0)

    def arrive(self, seconds: float = 10.0) -> None:
        """Wait until what is expected is stored, and see that nothing else is."""
        wait_until(
            lambda: (self.agent is None or self.agent.is_running) and self.is_complete,
            self.difference,
            seconds=seconds,
        )
        assert self.fake.found() == self.expected, self.difference()

    @property
    def is_complete(self) -> bool:
        """Whether everything that is expected is stored."""
        return not self.expected - self.fake.found()

    def difference(self) -> str:
        """Say what is missing and what is too much."""
        found = self.fake.found()
        missing, extra = self.expected - found, found - self.expected
        state = "" if self.agent is None or self.agent.is_running else "; the agent has ended"
        return f"missing {_short(missing)}, too much {_short(extra)}{state}"

    def confirmed(self, seconds: float = 5.0) -> None:
        """Wait until the store has confirmed every byte of every file that is there."""
        wait_until(lambda: not self._unconfirmed(), self._unconfirmed, seconds=seconds)

    def _unconfirmed(self) -> dict[str, int]:
        database = sqlite3.connect(self.state / "checkpoints.db")
        try:
            offsets = dict(database.execute("SELECT inode, max(offset) FROM files GROUP BY inode"))
        finally:
            database.close()
        files = {path: path.stat() for path in self.logs.iterdir() if path.is_file()}
        return {
            path.name: stat.st_size
            for path, stat in files.items()
            if stat.st_size > offsets.get(stat.st_ino, 0)
        }

    def close(self) -> None:
        """Stop everything and see that exactly what is expected is stored."""
        try:
            if self.agent is not None:
                self.down()
        finally:
            self.fake.close()

    def __enter__(self) -> World:
        return self

    def __exit__(self, type_: object, *_: object) -> None:
        try:
            self.close()
        except BaseException:
            if type_ is None:
                raise
        if type_ is None:
            assert self.fake.found() == self.expected, self.difference()


def _short(messages: Counter[str]) -> list[tuple[str, int]]:
    return [(str(message)[:60], count) for message, count in sorted(messages.items())[:8]]
