"""Cores, processes and their cost, as the operating system counts them.

Linux is measured in full; elsewhere nothing is pinned and the noise is not known.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["BenchError", "Cores", "Process", "Usage", "busy_seconds", "own_cpu_seconds", "start"]

STOP_SECONDS = 40.0
PROC = Path("/proc")
TAIL_CHARACTERS = 2000


class BenchError(Exception):
    """A run that gave no figures; its text says why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core is whose.

    Attributes:
        shipper: The core of the measured process; None when processes cannot be pinned.
        rest: The core of endpoint and writer.
    """

    shipper: int | None
    rest: int | None

    @classmethod
    def choose(cls) -> Cores:
        """Take two of the cores this process may use, and move this process to the second."""
        if not hasattr(os, "sched_getaffinity"):
            return cls(None, None)
        allowed = sorted(os.sched_getaffinity(0))
        if len(allowed) < 2:
            return cls(None, None)
        os.sched_setaffinity(0, {allowed[1]})
        return cls(allowed[0], allowed[1])

    def __str__(self) -> str:
        if self.shipper is None:
            return "nothing pinned: fewer than two cores, or not Linux"
        return f"shipper on core {self.shipper}, endpoint and writer on core {self.rest}"


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process had cost when it ended: user and system time, its children's included."""

    cpu_seconds: float
    peak_rss_bytes: int
    status: int


class Process:
    """A started process, its standard error kept in a file."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self.popen, self.log = popen, log
        self._usage: Usage | None = None

    def cpu_seconds(self) -> float:
        """User and system time up to now (10 ms steps); 0.0 where it cannot be known."""
        try:
            text = (PROC / str(self.popen.pid) / "stat").read_text()
        except OSError:
            return 0.0
        fields = text.rpartition(")")[2].split()  # the name before may hold spaces
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def has_ended(self) -> bool:
        """Whether the process is gone."""
        return self._reap(wait=False)

    def stop(self) -> Usage:
        """Terminate, wait for the end and return the cost; again: the same.

        Raises:
            BenchError: The process did not end; it was killed.
        """
        if self._usage is None:
            peak = self.peak_rss_bytes()  # must be read while the process is there
            if not self.has_ended():
                self.popen.send_signal(signal.SIGTERM)
            deadline = time.monotonic() + STOP_SECONDS
            while not self.has_ended():
                if time.monotonic() > deadline:
                    self.popen.kill()
                    self._reap(wait=True)
                    raise BenchError(f"did not end within {STOP_SECONDS:.0f} s of SIGTERM")
                time.sleep(0.02)
            assert self._usage is not None
            if peak:
                self._usage = Usage(self._usage.cpu_seconds, peak, self._usage.status)
        return self._usage

    def rss_bytes(self) -> int:
        """Resident memory now; 0 where it cannot be known."""
        return self._status_bytes("VmRSS")

    def peak_rss_bytes(self) -> int:
        """Highest resident memory up to now; 0 where it cannot be known.

        ``ru_maxrss`` counts the memory of the process that forked it too; this does not.
        """
        return self._status_bytes("VmHWM")

    def log_tail(self) -> str:
        """Return the end of what the process wrote on standard error."""
        return self.log.read_text(errors="replace")[-TAIL_CHARACTERS:].strip()

    def _reap(self, *, wait: bool) -> bool:
        if self._usage is not None:
            return True
        pid, status, used = os.wait4(self.popen.pid, 0 if wait else os.WNOHANG)
        if pid == 0:
            return False
        self.popen.returncode = os.waitstatus_to_exitcode(status)
        unit = 1 if sys.platform == "darwin" else 1024
        self._usage = Usage(
            used.ru_utime + used.ru_stime, used.ru_maxrss * unit, self.popen.returncode
        )
        return True

    def _status_bytes(self, name: str) -> int:
        try:
            lines = (PROC / str(self.popen.pid) / "status").read_text().splitlines()
        except OSError:
            return 0
        found = [int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:")]
        return found[0] if found else 0


@contextmanager
def start(
    command: Sequence[str],
    log: Path,
    *,
    env: Mapping[str, str] | None = None,
    core: int | None = None,
) -> Iterator[Process]:
    """Start *command* and see to it that it has ended when the block is left.

    Args:
        command: Program and arguments.
        log: Takes its standard error; standard output goes to a pipe (``popen.stdout``).
        env: Its environment instead of this process's.
        core: Where it runs from its first moment, instead of this process's cores.
    """
    own = os.sched_getaffinity(0) if core is not None else set()
    with log.open("wb") as errors:
        if core is not None:
            os.sched_setaffinity(0, {core})  # inherited by the child
        try:
            popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=env
            )
        finally:
            if core is not None:
                os.sched_setaffinity(0, own)
    process = Process(popen, log)
    assert popen.stdout is not None
    with popen.stdout:
        try:
            yield process
        finally:
            process.stop()


def busy_seconds() -> float | None:
    """Time all cores have been busy since boot, the hypervisor's share included."""
    try:
        first = (PROC / "stat").read_text().splitlines()[0].split()
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, first[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_cpu_seconds() -> float:
    """User and system time of this process alone."""
    times = os.times()
    return times.user + times.system
