"""A service's log under Debian's logrotate: exactly the written lines are stored.

``LOGSHIP_TEST_SECONDS`` says how long is written, ``LOGSHIP_TEST_LINES`` how many lines a
second. The long run::

    LOGSHIP_TEST_SECONDS=60 LOGSHIP_TEST_LINES=5000 \\
        python -m pytest tests/integration/test_logrotate.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.support.agent import World
from tests.support.wait import wait_until

SECONDS = float(os.environ.get("LOGSHIP_TEST_SECONDS") or 3)
LINES = int(os.environ.get("LOGSHIP_TEST_LINES") or 2000)  # a second
PIECES = 50  # a second
ROTATE_SECONDS = 0.7
LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed"),
]


class Service(threading.Thread):
    """Writes numbered lines at a steady rate, until it is told to end.

    Attributes:
        resting: Held by whoever wants no line to be written meanwhile.
        written: How many lines so far.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(name="service")
        self.resting, self.written = threading.Lock(), 0
        self._path, self._ended = path, threading.Event()
        self._file = path.open("ab", buffering=0)

    def run(self) -> None:
        begin = time.monotonic()
        while not self._ended.wait(1 / PIECES):
            due = int((time.monotonic() - begin) * LINES)
            with self.resting:
                numbers = range(self.written, max(due, self.written))
                self._file.write(b"".join(b"line %d\n" % number for number in numbers))
                self.written = numbers.stop

    def reopen(self) -> None:
        """Go on in the file that is at the path now, as services do after SIGHUP."""
        with self.resting:
            self._file.close()
            self._file = self._path.open("ab", buffering=0)

    def end(self) -> None:
        """Write no more."""
        self._ended.set()
        self.join()
        self._file.close()


class Rotation:
    """logrotate with a configuration and a state file of its own."""

    def __init__(self, directory: Path, log: Path, options: str) -> None:
        self._state, self._config = directory / "status", directory / "logrotate.conf"
        self._config.write_text(f"{log} {{\n  rotate 1000\n  missingok\n  {options}\n}}\n")
        self._config.chmod(0o600)  # logrotate refuses one that others can write

    def force(self) -> None:
        """Rotate now."""
        command = [str(LOGROTATE), "-f", "-s", str(self._state), str(self._config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("pattern", ["app.log", "app.log*"])
@pytest.mark.parametrize(
    "options", ["create", "copytruncate", "create\n  compress\n  delaycompress"]
)
def test_exactly_the_written_lines_are_stored(tmp_path: Path, options: str, pattern: str) -> None:
    """Rotated again and again under writing, no line is lost and none is there twice."""
    with World(tmp_path, pattern) as world:
        world.logs.chmod(0o755)
        log = world.logs / "app.log"
        rotation = Rotation(tmp_path, log, options)
        service = Service(log)
        service.start()
        try:
            world.up()
            rotations, until = 0, time.monotonic() + SECONDS
            while time.monotonic() < until:
                _written(service, int(ROTATE_SECONDS * LINES))
                if "compress" in options:  # compressed files are not read: be up to date
                    _stored(world, service.written)
                if options == "copytruncate":
                    with service.resting:  # logrotate loses what comes between its two steps
                        rotation.force()
                else:
                    rotation.force()
                    service.reopen()
                rotations += 1
        finally:
            service.end()
        assert rotations > 2
        _stored(world, service.written)
        world.expected = Counter(f"line {number}" for number in range(service.written))
        world.arrive()
        world.down()
        world.once()


def _written(service: Service, lines: int) -> None:
    until = service.written + lines
    wait_until(lambda: service.written >= until, "the service does not write")


def _stored(world: World, lines: int) -> None:
    wait_until(
        lambda: len(world.fake.documents) >= lines,
        lambda: f"{len(world.fake.documents)} of {lines} lines",
        seconds=30,
    )
