"""What should not be where logs are: it is said once, stops nothing, and may become a log."""

from __future__ import annotations

import os
import shutil
import socket
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.agent import World
from tests.support.elastic_fake import ElasticFake
from tests.support.killing import Scene
from tests.support.wait import wait_until

AS_OTHERS = (
    ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
)
SMALL = {"buffer_bytes": 1 << 20, "batch_bytes": 1 << 17}


def test_sockets_and_devices_are_skipped(tmp_path: Path) -> None:
    """Each is said once with what it is; when a log comes in its place, that is read."""
    with ElasticFake() as fake, closing(socket.socket(socket.AF_UNIX)) as listener:
        scene = Scene(tmp_path, fake)
        os.chdir(scene.logs)  # a socket's name is short
        listener.bind("socket.log")
        os.chdir(Path(__file__).parents[2])
        os.mkfifo(scene.logs / "pipe.log")
        (scene.logs / "folder.log").mkdir()
        (scene.logs / "device.log").symlink_to("/dev/zero")
        scene.write()
        with scene.agent() as process:
            scene.arrive()
            wait_until(lambda: process.stderr.count("is skipped") >= 3, lambda: process.stderr)
            for name in ("socket.log", "pipe.log", "device.log"):
                (scene.logs / name).unlink()
            (scene.logs / "folder.log").rmdir()
            for name in ("socket.log", "pipe.log", "device.log", "folder.log"):
                scene.write(10, name)
            scene.arrive()
            said = [line for line in process.stderr.splitlines() if "is skipped" in line]
        assert len(said) == 3, said  # a folder is no surprise where a glob names many files
        for name, what in {
            "socket.log": "a socket",
            "pipe.log": "a named pipe",
            "device.log": "a character device",
        }.items():
            assert any(f"{name} is skipped" in line and what in line for line in said), said
        scene.exactly_once()


@pytest.mark.skipif(
    bool(AS_OTHERS) and shutil.which("setpriv") is None, reason="root without setpriv"
)
def test_file_that_may_be_read_later(tmp_path: Path) -> None:
    """One that may not be read is said once, and read when it may be; so is one that was read."""
    with ElasticFake() as fake:
        scene = Scene(tmp_path, fake)
        scene.write(3, "open.log")
        scene.write(3, "closed.log")
        (scene.logs / "closed.log").chmod(0)
        with scene.agent(wrapper=AS_OTHERS) as process:
            wait_until(lambda: len(fake.documents) == 3, lambda: process.stderr, seconds=60)
            wait_until(lambda: "closed.log" in process.stderr, lambda: process.stderr)
            (scene.logs / "closed.log").chmod(0o600)
            scene.arrive()
            scene.confirmed("open.log")
            process.kill()
            assert process.stderr.count("ermission denied") == 1, process.stderr
        scene.write(3, "open.log")
        (scene.logs / "open.log").chmod(0)
        with scene.agent(wrapper=AS_OTHERS) as process:
            wait_until(lambda: "open.log" in process.stderr, lambda: process.stderr, seconds=60)
            scene.write(3, "closed.log")
            wait_until(lambda: len(fake.documents) == 9, lambda: process.stderr)
            (scene.logs / "open.log").chmod(0o600)
            scene.arrive()
            process.kill()
        scene.exactly_once()


def _wide(number: int) -> str:
    return f"{number:06d} {'x' * 100}"


def test_file_that_shrinks_ahead_of_the_reader(tmp_path: Path) -> None:
    """The lines that are left are stored once, the one that was cut with what came after it."""
    with World(tmp_path) as world:
        log = world.logs / "app.log"
        world.append("app.log", "".join(f"{_wide(n)}\n" for n in range(80_000)).encode())
        world.fake.fault = "hang"
        world.up(delivery=SMALL)
        wait_until(lambda: world.fake.bulks, "nothing is sent")
        os.truncate(log, 40_000 * 108 + 6)
        world.fake.fault = ""
        world.fake.stop()  # ends what hangs
        world.fake.start()
        world.append("app.log", b" and more\n")
        world.expect(*map(_wide, range(40_000)), "040000 and more")
        world.arrive(60)


def test_file_that_shrinks_behind_the_reader(tmp_path: Path) -> None:
    """What was read is stored, what vanished unread is counted, what comes is new."""
    with World(tmp_path) as world:
        log = world.logs / "app.log"
        world.append("app.log", "".join(f"{_wide(n)}\n" for n in range(80_000)).encode())
        world.fake.fault = "hang"
        agent = world.up(delivery=SMALL)
        wait_until(lambda: world.fake.bulks, "nothing is sent")
        (source,) = agent.agent.sources
        wait_until(lambda: source.read_bytes > 1 << 18, lambda: source.read_bytes)
        os.truncate(log, 0)
        world.append("app.log", b"new\n")
        world.fake.fault = ""
        world.fake.stop()
        world.fake.start()
        wait_until(lambda: world.fake.found()["new"], lambda: source.read_bytes, seconds=30)
        found = world.fake.found()
        read = len(found) - 1
        world.expect("new", *map(_wide, range(read)))
        assert 0 < read < 80_000
        lost = (80_000 - read) * 108  # once no copy turned up for a while
        wait_until(lambda: source.abandoned_bytes == lost, lambda: source.abandoned_bytes)
