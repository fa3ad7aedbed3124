"""A service's log under Debian's logrotate: exactly the written lines are stored.

``LOGSHIP_TEST_SECONDS`` says how long is written, ``LOGSHIP_TEST_LINES`` how many lines a
second. The long run, which prints its figures::

    LOGSHIP_TEST_SECONDS=60 LOGSHIP_TEST_LINES=5000 \\
        python -m pytest -s tests/integration/test_logrotate.py
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
# What is written to a file while it is compressed is nowhere: the service is told before.
REOPEN = "create\n  postrotate\n    touch HUP; while [ -e HUP ]; do sleep 0.02; done\n  endscript"
STYLES = {
    "create": REOPEN,
    "copytruncate": "copytruncate",
    "compress": f"compress\n  {REOPEN}",
    "delaycompress": f"compress\n  delaycompress\n  {REOPEN}",
    "dateext": f"dateext\n  dateformat -%Y%m%d-%s\n  {REOPEN}",
}
LOGROTATE = shutil.which("logrotate", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(LOGROTATE is None, reason="logrotate is not installed"),
]


class Service(threading.Thread):
    """Writes numbered lines at a steady rate, until it is told to end.

    It goes on in the file that is at its path when there is a file *hup*, which it removes then.

    Attributes:
        resting: Held by whoever wants no line to be written meanwhile.
        written: How many lines so far.
    """

    def __init__(self, path: Path, hup: Path) -> None:
        super().__init__(name="service")
        self.resting, self.written = threading.Lock(), 0
        self._hup = hup
        self._path, self._ended = path, threading.Event()
        self._file = path.open("ab", buffering=0)

    def run(self) -> None:
        begin = time.monotonic()
        while not self._ended.wait(1 / PIECES):
            due = int((time.monotonic() - begin) * LINES)
            with self.resting:
                if self._hup.exists():
                    self._file.close()
                    self._file = self._path.open("ab", buffering=0)
                    self._hup.unlink()
                numbers = range(self.written, max(due, self.written))
                self._file.write(b"".join(b"line %d\n" % number for number in numbers))
                self.written = numbers.stop

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
@pytest.mark.parametrize("style", STYLES)
def test_exactly_the_written_lines_are_stored(tmp_path: Path, style: str, pattern: str) -> None:
    """Rotated again and again under writing, no line is lost and none is there twice."""
    # Two rotations in one second would give their files one name.
    seconds = 1.5 * ROTATE_SECONDS if style == "dateext" else ROTATE_SECONDS
    with World(tmp_path, pattern) as world:
        world.logs.chmod(0o755)
        log = world.logs / "app.log"
        hup = tmp_path / "hup"
        rotation = Rotation(tmp_path, log, STYLES[style].replace("HUP", str(hup)))
        service = Service(log, hup)
        service.start()
        try:
            world.up(rotate_wait_seconds=10.0)
            rotations, until = 0, time.monotonic() + SECONDS
            while time.monotonic() < until or rotations < 3:
                begin = service.written
                _written(service, max(1, int(seconds * LINES)))
                if pattern == "app.log":  # rotated unseen, nothing would name the file
                    _stored(world, begin + 1)
                if style == "copytruncate":
                    with service.resting:  # logrotate loses what comes between its two steps
                        rotation.force()
                else:
                    rotation.force()
                rotations += 1
        finally:
            service.end()
        _stored(world, service.written)
        world.expected = Counter(f"line {number}" for number in range(service.written))
        world.arrive()
        world.down()
        world.once(rotate_wait_seconds=10.0)
        found = world.fake.found()
        lost, doubled = world.expected - found, found - world.expected
        print(
            f"\n{style}, {pattern}: {rotations} rotations, {service.written} lines written, "
            f"{len(world.fake.documents)} stored, {lost.total()} lost, {doubled.total()} doubled"
        )


def _written(service: Service, lines: int) -> None:
    until = service.written + lines
    wait_until(lambda: service.written >= until, "the service does not write")


def _stored(world: World, lines: int) -> None:
    wait_until(
        lambda: len(world.fake.documents) >= lines,
        lambda: f"{len(world.fake.documents)} of {lines} lines",
        seconds=120,
    )
