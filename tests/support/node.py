"""A real node in a real process, and a few lines of HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any

from logship.node.server import Node

_START_SECONDS = 30.0
# The command by itself, so that a mistake in another command does not stop these tests.
RUNNER = """\
import argparse, sys
from logship.cli import node
parser = argparse.ArgumentParser(prog="logship")
node.add_parser(parser.add_subparsers(required=True))
arguments = parser.parse_args()
sys.exit(arguments.run(arguments))
"""


class NodeProcess:
    """``logship node`` in a process of its own, ready when the block is entered.

    Args:
        data_dir: Kept as it is; a temporary one when None.
        port: A free one when None; `restart` uses the same again.

    Attributes:
        url: Where it answers.
        errors: What it wrote to stderr, once it has ended.
    """

    def __init__(self, data_dir: Path | None = None, port: int | None = None) -> None:
        self._temporary = tempfile.TemporaryDirectory() if data_dir is None else None
        self.data_dir = Path(self._temporary.name) if self._temporary else Path(data_dir or "")
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.errors = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> NodeProcess:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        if self._temporary is not None:
            self._temporary.cleanup()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [sys.executable, "-c", RUNNER, "node"]
        command += ["--data", str(self.data_dir), "--listen", f"127.0.0.1:{self.port}"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=_environment()
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                get(self.url + "/", timeout=1.0)
            except OSError as problem:
                if self._process.poll() is not None:
                    self._read_errors()
                    raise AssertionError(f"the node ended at once: {self.errors}") from None
                if time.monotonic() > deadline:
                    self.kill()
                    raise AssertionError(f"no answer in time: {problem}; {self.errors}") from None
                time.sleep(0.02)
            else:
                return

    def kill(self) -> None:
        """End it with SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._end()

    def stop(self) -> int:
        """End it with SIGTERM and return its exit status; 0 when it was not running."""
        if self._process is None:
            return 0
        self._process.terminate()
        return self._end()

    def restart(self) -> None:
        """Start it again on the same port and data; ends it first if it still runs."""
        self.stop()
        self.start()

    def _end(self) -> int:
        assert self._process is not None
        process = self._process
        self._read_errors()
        status = process.wait(timeout=30)
        self._process = None
        return status

    def _read_errors(self) -> None:
        assert self._process is not None
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            self.errors += stream.read()


def _environment() -> dict[str, str]:
    root = Path(__file__).resolve().parents[2]
    return {**os.environ, "PYTHONPATH": str(root)}


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Answer:
    """A reply to a request.

    Attributes:
        status: HTTP status.
        headers: Names in lower case.
        body: As bytes, unpacked by nobody.
    """

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    def json(self) -> Any:
        """Return the parsed body."""
        return json.loads(self.body)


def request(
    method: str,
    url: str,
    body: Any = None,
    *,
    headers: dict[str, str] | None = None,
    timeout: float = 30.0,
) -> Answer:
    """Send one request and return the answer, whatever its status.

    Args:
        method: ``GET``, ``POST``, …
        url: Complete.
        body: Bytes or text as they are; anything else as JSON.
        headers: Beside the content type, which is JSON unless given.
        timeout: In seconds.

    Raises:
        OSError: No answer.
    """
    data = body
    if isinstance(body, str):
        data = body.encode("utf-8", "surrogatepass")
    elif body is not None and not isinstance(body, bytes):
        data = json.dumps(body).encode()
    sent = dict(headers or {})
    if data is not None:
        sent = {"Content-Type": "application/json", **sent}
    prepared = urllib.request.Request(url, data=data, headers=sent, method=method)
    try:
        with _OPENER.open(prepared, timeout=timeout) as reply:
            return Answer(reply.status, _lowered(reply.headers), reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lowered(error.headers), error.read())


# Without the proxies of the environment: these requests never leave the machine.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _lowered(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def get(url: str, *, timeout: float = 30.0) -> Answer:
    """Send a GET."""
    return request("GET", url, timeout=timeout)


def post(url: str, body: Any = None, *, timeout: float = 30.0) -> Answer:
    """Send a POST."""
    return request("POST", url, body, timeout=timeout)


class NodeThread:
    """A node inside this process, on a loop of its own: for options that no flag sets.

    Args:
        data_dir: Kept as it is.
        options: For ``Node``.
    """

    def __init__(self, data_dir: Path, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._node = Node(data_dir, "127.0.0.1", 0, **options)
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.url = ""
        self.port = 0

    def __enter__(self) -> NodeThread:
        self._thread.start()
        self._run(self._node.start())
        self.url, self.port = self._node.url, self._node.port
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._run(self._node.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)
