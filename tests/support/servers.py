"""Application servers as processes of their own, on sockets that the test has bound."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.wait import wait_until

__all__ = ["Server", "pasted", "run_script"]

ROOT = Path(__file__).parents[2]
HOSTS = "http://localhost:9200"  # what the README's examples ship to


def pasted(heading: str, url: str, number: int = 0) -> str:
    """Return an example of the README's, which ships to *url*.

    Args:
        heading: The bold word that its paragraph begins with.
        number: Of the Python block after that.
    """
    text = (ROOT / "README.md").read_text()
    after = text[text.index(f"**{heading}**") :]
    return re.findall(r"```python\n(.*?)```", after, re.DOTALL)[number].replace(HOSTS, url)


class Server:
    """``python -m ARGUMENTS`` in a folder; as a context it is killed at the end.

    ``{fd}`` in the arguments is the number of a socket that listens, for :meth:`get`.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        descriptor = self._socket.fileno()
        self._log = folder / "server.log"
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *(one.format(fd=descriptor) for one in arguments)],
                cwd=folder,
                env=_environment(folder),
                pass_fds=(descriptor,),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
        """Return status and body, on a connection of its own, once the server answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def wait_for(self, text: str) -> None:
        """Wait until it has written *text*."""
        wait_until(lambda: text in self.output, lambda: self.output, seconds=60)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit status."""
        self.process.send_signal(number)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after 60 s:\n{self.output}") from None

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()


def run_script(folder: Path, script: str) -> str:
    """Run a script in a folder to its end, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=_environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _environment(folder: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LOGSHIP_")}
    # Some servers keep sockets in the user's home.
    return {**kept, "HOME": str(folder), "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}
