"""Rotated files that are renamed on and on while an agent looks for them."""

from __future__ import annotations

import gzip
import os
import threading
from pathlib import Path

from tests.support.agent import World
from tests.support.wait import wait_until

COUNT = 20


def test_archives_that_get_other_names_meanwhile(tmp_path: Path) -> None:
    """What was not read before it was compressed is read from the archive, whatever its number."""
    with World(tmp_path) as world:
        names = [f"{number}.log" for number in range(COUNT)]
        for name in names:
            world.write(name, f"{name} first")
        world.up()
        world.arrive()
        world.confirmed()
        world.down()
        for name in names:
            world.write(name, f"{name} unread")
            log = world.logs / name
            (world.logs / f"{name}.1.gz").write_bytes(gzip.compress(log.read_bytes()))
            log.unlink()
        ended = threading.Event()

        def rename() -> None:
            turn = 0
            while not ended.is_set():
                for name in names:
                    old = world.logs / f"{name}.{1 + turn % 2}.gz"
                    old.rename(world.logs / f"{name}.{2 - turn % 2}.gz")
                turn += 1

        thread = threading.Thread(target=rename)
        thread.start()
        try:
            world.up(rotate_wait_seconds=10.0)
            ended.wait(1.0)  # for some looks
        finally:
            ended.set()
            thread.join()
        world.arrive(5.0)


def test_copy_that_was_not_read_to_its_end(tmp_path: Path) -> None:
    """What a stopped agent did not deliver of a copy is read by the next, in its glob or not."""
    with World(tmp_path, "app.log") as world:
        world.write("app.log", "first")
        world.up()
        world.arrive()
        world.confirmed()
        world.down()
        world.write("app.log", "unread")
        log = world.logs / "app.log"
        (world.logs / "app.log.1").write_bytes(log.read_bytes())
        os.truncate(log, 0)
        world.fake.fault = "503"
        world.up()
        wait_until(lambda: world.fake.bulks > 1, "nothing was sent")
        world.down()
        world.fake.fault = ""
        world.up()
        world.arrive(5.0)
