"""``python -m tests.bench.outages``: minutes without Elasticsearch, while lines keep coming.

One after the other, or with ``--together`` beside each other: every request refused with 403, the
server killed, the index read-only, and a server that answers nothing; each with an agent, a server
and a writer of its own. Prints what was written and stored, the agent's memory before, in and after
the outage, and how long it took until nothing was left behind.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tests.elasticsearch.client import Client
from tests.support.agent import AgentProcess
from tests.support.faults import NO_FAULT, Fault
from tests.support.node import NodeProcess
from tests.support.proxy import Proxy
from tests.support.real_elasticsearch import RealElasticsearch
from tests.support.wait import wait_until

Kind = Literal["403", "killed", "read-only", "hanging"]
MINUTES: dict[Kind, float] = {"403": 10, "killed": 5, "read-only": 3, "hanging": 5}
BEFORE_SECONDS, AFTER_SECONDS = 20.0, 20.0
BURSTS_PER_SECOND = 20
INDEX = "outages-logs"


class Writer:
    """Appends lines at a rate, on a thread of its own; as a context it ends with it."""

    def __init__(self, path: Path, rate: int) -> None:
        self.count = 0
        self._path, self._rate = path, rate
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, name="writer")

    def _write(self) -> None:
        begin, burst = time.monotonic(), max(1, self._rate // BURSTS_PER_SECOND)
        with self._path.open("a", buffering=1 << 16) as file:
            while not self._over.wait(max(0.0, begin + self.count / self._rate - time.monotonic())):
                for number in range(self.count, self.count + burst):
                    file.write(_line(number))
                file.flush()
                self.count += burst

    def end(self) -> None:
        """Write no more."""
        self._over.set()
        self._thread.join()

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class Memory:
    """Looks at the resident size of a process every second, on a thread of its own."""

    def __init__(self, pid: int) -> None:
        self._pid, self._seen = pid, [_rss(pid)]
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
        self._thread.start()

    def _look(self) -> None:
        while not self._over.wait(1.0):
            self._seen.append(_rss(self._pid))

    def part(self) -> str:
        """Return what was seen since this was asked for last, and begin anew."""
        seen, self._seen = self._seen, self._seen[-1:]
        return f"{min(seen)}-{max(seen)} MB"

    def end(self) -> None:
        """Look no more."""
        self._over.set()
        self._thread.join()


class Trouble:
    """Ends and begins again what the server does, in one way."""

    def __init__(self, kind: Kind, server: NodeProcess | RealElasticsearch) -> None:
        self.kind, self._server = kind, server
        self._is_on = False

    def faults(self) -> Iterator[Fault]:
        """Yield what becomes of each request."""
        fault = {"403": Fault("status", 403), "hanging": Fault("hang")}.get(self.kind, NO_FAULT)
        while True:
            yield fault if self._is_on else NO_FAULT

    def begin(self) -> None:
        """Let it begin."""
        self._is_on = True
        if self.kind == "killed":
            self._server.kill()
        elif self.kind == "read-only":
            self._block(True)

    def end(self) -> None:
        """Let it be over."""
        self._is_on = False
        if self.kind == "killed":
            self._server.restart()
        elif self.kind == "read-only":
            self._block(False)

    def _block(self, is_blocked: bool) -> None:
        with Client(self._server.url) as client:
            answer = client.request(
                "PUT", f"/{INDEX}/_settings", {"index.blocks.write": is_blocked}
            )
            assert answer.status == 200, answer.body


@dataclass
class Figures:
    """What one outage did."""

    kind: Kind
    minutes: float
    written: int
    stored: int
    memory: tuple[str, str, str]
    behind_seconds: float
    last: str

    def __str__(self) -> str:
        before, during, after = self.memory
        return (
            f"{self.kind}, {self.minutes:g} min: written {self.written:,}, stored {self.stored:,}; "
            f"RSS before {before}, meanwhile {during}, after {after}; nothing left behind after "
            f"{self.behind_seconds:.0f} s\n    {self.last}"
        )


def measure(kind: Kind, minutes: float, rate: int, *, is_real: bool) -> Figures:
    """Play one outage."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = RealElasticsearch() if is_real else NodeProcess()
        stack.enter_context(server)
        trouble = Trouble(kind, server)
        url = server.url
        if kind in ("403", "hanging"):
            faults = trouble.faults()
            proxy = Proxy(url, faults, others=trouble.faults(), remembers=False)
            url = stack.enter_context(proxy).url
        config = folder / "logship.yaml"
        settings = {
            "elasticsearch": {"hosts": url},
            "index": {"name": INDEX, "replicas": 0},
            "sources": [{"paths": [str(folder / "app.log")]}],
            "state_dir": str(folder / "state"),
        }
        config.write_text(json.dumps(settings))  # JSON is YAML
        writer = stack.enter_context(Writer(folder / "app.log", rate))
        agent = stack.enter_context(AgentProcess("run", "-c", config, log=folder / "agent.err"))
        _wait_until_stored(server.url, lambda: rate, agent)
        memory = Memory(agent.process.pid)
        time.sleep(BEFORE_SECONDS)  # so long it is to be measured, here and below
        before = memory.part()
        trouble.begin()
        time.sleep(60 * minutes)
        during = memory.part()
        trouble.end()
        over = time.monotonic()
        _wait_until_stored(server.url, lambda: writer.count - 2 * rate, agent)
        behind_seconds = time.monotonic() - over
        time.sleep(AFTER_SECONDS)
        after = memory.part()
        writer.end()
        _wait_until_stored(server.url, lambda: writer.count, agent)
        memory.end()
        agent.signal()
        agent.wait(60)
        last = agent.stderr.strip().splitlines()[-1]
        stored = _count(server.url)
        return Figures(
            kind, minutes, writer.count, stored, (before, during, after), behind_seconds, last
        )


def _wait_until_stored(url: str, count: Callable[[], int], agent: AgentProcess) -> None:
    """Wait for so many documents; lines keep coming meanwhile."""

    def holds() -> bool:
        time.sleep(1.0)  # asking more often would be a load of its own
        return _count(url) >= count()

    wait_until(holds, lambda: f"{_count(url)}\n{agent.stderr[-3000:]}", seconds=1200.0)


def _count(url: str) -> int:
    try:
        with Client(url) as client:
            client.request("POST", f"/{INDEX}/_refresh")
            answer = client.request("GET", f"/{INDEX}/_count")
            return int(answer.json["count"]) if answer.status == 200 else 0
    except OSError:
        return 0


def _line(number: int) -> str:
    record = {
        "@timestamp": f"2026-11-21T10:{number // 60_000 % 60:02}:{number // 1000 % 60:02}.000Z",
        "level": "INFO", "service": "shop", "logger": "shop.cart", "number": number,
        "message": f"order {number} was put into the cart of a customer who came back for it",
        "trace_id": f"{number:032x}", "user_id": f"u{number % 1000}", "duration_ms": number % 977,
    }  # fmt: skip
    return json.dumps(record, separators=(",", ":")) + "\n"


def _rss(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") // 1_000_000


def main() -> int:
    """Measure what was asked for; 1 when anything is missing or there twice."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.outages", description=__doc__)
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(MINUTES)}")
    parser.add_argument("--rate", type=int, default=2000, help="lines per second (default: 2000)")
    parser.add_argument("--minutes", type=float, help="how long each takes")
    parser.add_argument("--together", action="store_true", help="all of them at once")
    parser.add_argument("--real", action="store_true", help="with a real Elasticsearch")
    chosen = parser.parse_args()
    if unknown := set(chosen.kinds) - MINUTES.keys():
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(MINUTES)}")

    def run(kind: Kind) -> bool:
        minutes = chosen.minutes or MINUTES[kind]
        figures = measure(kind, minutes, chosen.rate, is_real=chosen.real)
        print(figures, flush=True)
        return figures.written == figures.stored

    kinds: list[Kind] = chosen.kinds or list(MINUTES)
    with ThreadPoolExecutor(len(kinds) if chosen.together else 1) as pool:
        return 0 if all(list(pool.map(run, kinds))) else 1


if __name__ == "__main__":
    sys.exit(main())
