"""Small applications that log through ``LogshipHandler``, as processes of their own.

A script sees ``handler``, ``log`` (a logger named "app" that has it) and ``say(key, value)``,
which hands a value to the test. Its last line should be ``finish()``: what the process takes
from there on is ``exit_seconds``.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web

from tests.support.elastic_fake import REJECTED, ElasticFake

__all__ = ["Application", "Ended", "FussyFake", "at_most", "by_id", "envelopes", "run", "start"]

ROOT = Path(__file__).parents[2]
# How many times the promised time things may take; 1 is for a quiet machine. Without it, so
# much that only waiting for the server can be meant.
PATIENCE = float(os.environ.get("LOGSHIP_TEST_PATIENCE", "0"))

# Descriptors left open are said; that a process with threads forks is what is tested.
PYTHON = (sys.executable, "-W", "always::ResourceWarning", "-W", "ignore:This process")

PREAMBLE = """
import gc, json, logging, os, signal, sys, threading, time
import logship
LogshipHandler = logship.LogshipHandler
_began = time.perf_counter()
handler = LogshipHandler(**json.loads(sys.argv[1]))
constructor_seconds = time.perf_counter() - _began
log = logging.getLogger("app")
log.setLevel(logging.DEBUG)
log.addHandler(handler)

def say(key, value):
    sys.stdout.write(json.dumps([key, value]) + "\\n")
    sys.stdout.flush()

def finish():
    say("finished", time.time())

def wait_until(holds, seconds=30.0):
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise SystemExit("waited in vain")
        time.sleep(0.005)
"""


@dataclass
class Ended:
    """How an application ended.

    Attributes:
        said: What it said, the last value of each key.
        exit_seconds: From its ``finish()`` to the end of the process.
    """

    status: int
    said: dict[str, Any]
    out: str
    err: str
    exit_seconds: float


class Application:
    """A running application; leaving the block kills what is left of it."""

    def __init__(self, script: str, options: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [*PYTHON, "-c", script, json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={k: v for k, v in os.environ.items() if not k.startswith("LOGSHIP_")},
        )

    def __enter__(self) -> Application:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()

    def wait_for(self, key: str) -> Any:
        """Return the value once the application has said *key*."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("[") and json.loads(line)[0] == key:
                return json.loads(line)[1]
        raise AssertionError(f"it ended without {key}: {self.process.communicate()[1]}")

    def go_on(self) -> None:
        """Give the application, which reads a line, one."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def end(self, seconds: float = 60.0) -> Ended:
        """Wait for the end of the process."""
        out, err = self.process.communicate(timeout=seconds)
        now = time.time()
        lines = [json.loads(line) for line in out.splitlines() if line.startswith("[")]
        said = dict(lines)
        return Ended(self.process.returncode, said, out, err, now - said.get("finished", now))


def at_most(promised_seconds: float) -> float:
    """Return how long something may take that is promised to take *promised_seconds*."""
    return promised_seconds * PATIENCE if PATIENCE else max(1.0, 6 * promised_seconds)


def start(script: str, url: str, *, before: str = "", **options: Any) -> Application:
    """Start an application whose handler has *options* and sends to *url*.

    Args:
        before: What it does before logship is imported.
    """
    return Application(before + PREAMBLE + script, {"hosts": url, **options})


def run(script: str, url: str, *, before: str = "", **options: Any) -> Ended:
    """Run an application to its end."""
    with start(script, url, before=before, **options) as application:
        return application.end()


class FussyFake(ElasticFake):
    """An :class:`ElasticFake` that takes its time, and refuses what it does not like.

    Attributes:
        delay_seconds: How long each bulk request takes.
        arrived: Bulk requests so far, answered or not.
        poison: Documents whose JSON holds this are refused for good; empty refuses none.
        retry_after: What it adds to an answer of 503, if anything.
        swallows: Everything is stored, and nothing answered, until it stops.
    """

    def __init__(self) -> None:
        super().__init__()
        self.delay_seconds = 0.0
        self.arrived = 0
        self.poison, self.retry_after = b"", ""
        self.swallows = False

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/_bulk"):
            self.arrived += 1
            await asyncio.sleep(self.delay_seconds)
        answer = await super()._answer(request)
        if self.retry_after and answer.status == 503:
            answer.headers["Retry-After"] = self.retry_after
        if self.swallows and request.path.endswith("/_bulk"):
            await self._hanging.wait()
        return answer

    def _store(self, lines: list[bytes], fault: str) -> list[bytes]:
        if not self.poison:
            return super()._store(lines, fault)
        items = []
        for action, source in zip(lines[0:-1:2], lines[1::2], strict=True):
            if self.poison in source:
                items.append(REJECTED)
            else:
                items += super()._store([action, source, b""], fault)
        return items


def by_id(server: ElasticFake) -> list[dict[str, Any]]:
    """Return all documents in the order of their ids: of each process, as they were emitted."""
    found = sorted(server.documents.items(), key=lambda item: item[0][1])
    return [document for _, document in found]


def envelopes(directory: Path) -> list[dict[str, Any]]:
    """Return what waits in a spool."""
    files = [path.read_bytes() for path in sorted(directory.glob("*.ndjson"))]
    return [orjson.loads(line) for file in files for line in file.splitlines()]
