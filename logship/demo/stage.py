"""The demo's processes: started, waited for, and ended by pid."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

__all__ = ["DemoError", "Stage"]


class DemoError(Exception):
    """The demo cannot go on; says which part failed and what it printed."""


class Stage:
    """A node, the agent and the two services, in one temporary folder.

    Attributes:
        url: Of the node.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.url = f"http://127.0.0.1:{_free_port()}"
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def start_node(self) -> None:
        """Start the embedded node and wait until it answers."""
        self._start("node", "logship", "node", "--listen", self.url.removeprefix("http://"),
                    "--data", str(self.directory / "node"))  # fmt: skip
        self.wait_until(lambda: self.get("/") is not None, 15, "the node", "answers")

    def start_agent(self) -> None:
        """Start the agent on the order service's log."""
        logs = self.directory / "logs"
        logs.mkdir(exist_ok=True)
        settings = self.directory / "logship.yaml"
        settings.write_text(
            f"elasticsearch: {{hosts: ['{self.url}']}}\n"
            "index: {replicas: 0}\n"
            f"state_dir: {self.directory / 'state'}\n"
            "sources:\n"
            f"  - paths: [{logs}/orders.log]\n"
        )
        self._start("agent", "logship", "run", "-c", str(settings))

    def start_services(self, orders: int, per_second: float) -> None:
        """Start the order service, whose payments go to the payment service."""
        logs = str(self.directory / "logs")
        payments = self._start(
            "payment service", "logship.demo.payments", self.url, logs, stdin=subprocess.PIPE
        )
        self._start(
            "order service", "logship.demo.orders", logs, str(orders), str(per_second),
            stdout=payments.stdin,
        )  # fmt: skip
        assert payments.stdin is not None
        payments.stdin.close()

    def wait_for_services(self, within_seconds: float) -> dict[str, int]:
        """Wait until both services ended; returns how many records each says it wrote."""
        for name in ("order service", "payment service"):
            try:
                status = self._processes[name].wait(within_seconds)
            except subprocess.TimeoutExpired:
                raise DemoError(f"the {name} did not end in {within_seconds:.0f} s") from None
            if status:
                raise DemoError(f"the {name} failed:\n{self._output(name)}")
        logs = self.directory / "logs"
        return {
            name: int((logs / f"{name}.written").read_text()) for name in ("orders", "payments")
        }

    def check_alive(self) -> None:
        """Raise DemoError when the node or the agent has ended."""
        for name in ("node", "agent"):
            process = self._processes.get(name)
            if process is not None and process.poll() is not None:
                raise DemoError(f"the {name} ended by itself:\n{self._output(name)}")

    def wait_until(
        self, is_so: Callable[[], bool], within_seconds: float, who: str, what: str
    ) -> None:
        """Wait for a condition, looking ten times a second."""
        deadline = time.monotonic() + within_seconds
        while not is_so():
            self.check_alive()
            if time.monotonic() > deadline:
                raise DemoError(f"waited {within_seconds:.0f} s until {who} {what}, in vain")
            time.sleep(0.1)  # processes and a node tell nobody when something is so

    def get(self, path: str, body: object = None) -> Any:
        """Return the node's JSON answer, or None while there is none."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json"} if data else {}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                return json.load(reply)
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            return None

    def logship(self, *arguments: str) -> str:
        """Return what a logship command prints when a person types it here."""
        environment = {**os.environ, "LOGSHIP_ES_URL": self.url, "COLUMNS": "100"}
        result = subprocess.run(
            [sys.executable, "-m", "logship", *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, check=False,
        )  # fmt: skip
        if result.returncode not in (0, 1):
            raise DemoError(f"logship {' '.join(arguments)}:\n{result.stderr.decode()}")
        return result.stdout.decode().rstrip("\n")

    def stop(self) -> None:
        """End what runs, in the order in which the data flows."""
        for name in ("order service", "payment service", "agent", "node"):
            process = self._processes.pop(name, None)
            if process is None or process.poll() is not None:
                continue
            process.send_signal(signal.SIGTERM if name in ("agent", "node") else signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(
        self, name: str, module: str, *arguments: str, **pipes: Any
    ) -> subprocess.Popen[bytes]:
        log = self._log(name).open("wb")
        pipes.setdefault("stdin", subprocess.DEVNULL)
        pipes.setdefault("stdout", log)
        # A session of its own: Ctrl-C reaches the demo, which ends them in order.
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], stderr=log, start_new_session=True, **pipes
        )
        log.close()
        self._processes[name] = process
        return process

    def _log(self, name: str) -> Path:
        return self.directory / f"{name.replace(' ', '-')}.out"

    def _output(self, name: str) -> str:
        return self._log(name).read_text(errors="replace").strip()[-2000:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
