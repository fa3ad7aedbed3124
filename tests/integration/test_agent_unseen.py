"""Files that come and go under their names between two looks, or while no agent runs."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "app.log") as world:
        yield world


def cascade(world: World, *, compressed: bool = False) -> None:
    ending = ".gz" if compressed else ""
    for number in range(9, 0, -1):
        if (world.logs / f"app.log.{number}{ending}").exists():
            world.rename(f"app.log.{number}{ending}", f"app.log.{number + 1}{ending}")
    world.rename("app.log", "app.log.1")
    if compressed:
        data, status = (world.logs / "app.log.1").read_bytes(), os.stat(world.logs / "app.log.1")
        (world.logs / "app.log.1.gz").write_bytes(gzip.compress(data))
        os.utime(world.logs / "app.log.1.gz", ns=(status.st_atime_ns, status.st_mtime_ns))
        world.delete("app.log.1")


def write(world: World, number: int) -> None:
    world.write("app.log", "banner", f"line {number}", f"line {number} too")


@pytest.mark.parametrize("compressed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("is_up", [True, False], ids=["running", "down"])
def test_generations_that_nobody_saw(world: World, *, is_up: bool, compressed: bool) -> None:
    """Begun, rotated and rotated again at once, out of the globs: every line is stored, once."""
    world.up(scan_interval_seconds=0.5)
    write(world, 0)
    world.arrive()
    for turn in range(2):
        if not is_up:
            world.down()
        for number in range(1, 4):
            write(world, 10 * turn + number)
            cascade(world, compressed=compressed)
        write(world, 10 * turn + 9)
        if not is_up:
            world.up()
        world.arrive()
    world.down()
    assert world.once().totals.delivered == 0


def test_generations_between_two_runs_of_once(world: World) -> None:
    """Also without an agent that stays."""
    for number in range(4):
        write(world, number)
        world.once()
        cascade(world)
        write(world, 100 + number)
        cascade(world)
    write(world, 200)
    world.once()
    assert world.fake.found() == world.expected
    assert world.once().totals.delivered == 0


@pytest.mark.parametrize("glob", ["app.log", "a*.log"])
@pytest.mark.parametrize("is_up", [True, False], ids=["running", "down"])
def test_nothing_is_left_that_the_globs_name(tmp_path: Path, *, is_up: bool, glob: str) -> None:
    """What nobody saw is stored also when no new file has the name when it is looked for."""
    with World(tmp_path, glob) as world:
        world.up(scan_interval_seconds=0.5)
        write(world, 0)
        world.arrive()
        if not is_up:
            world.down()
        for number in range(1, 4):
            cascade(world)
            write(world, number)
        cascade(world)
        if not is_up:
            world.up()
        world.arrive()
        world.down()
        assert world.once().totals.delivered == 0


def test_copies_that_nobody_saw_the_original_of(world: World) -> None:
    """Copied and truncated twice between two looks."""
    world.up(scan_interval_seconds=0.5)
    write(world, 0)
    world.arrive()
    for number in (3, 2, 1):
        write(world, number)
        (world.logs / f"app.log.{number}").write_bytes((world.logs / "app.log").read_bytes())
        world.truncate("app.log")
    write(world, 9)
    world.arrive()


def test_what_lay_beside_the_files_before_is_not_asked_for(world: World) -> None:
    """Rotated files from before the first start are left alone, then and later."""
    world.append("app.log.1", b"old\n")
    world.append("app.log.2.gz", gzip.compress(b"older\n"))
    write(world, 0)
    for _ in range(3):
        world.up()
        world.write("app.log", "more")
        world.arrive()
        world.down()
    cascade_names = sorted(path.name for path in world.logs.iterdir())
    assert cascade_names == ["app.log", "app.log.1", "app.log.2.gz"]
    world.once()


def test_backups_beside_the_files_are_not_shipped(world: World) -> None:
    """A copy of a file that goes on is known for what it is, whatever its name."""
    world.up(scan_interval_seconds=0.2)
    write(world, 0)
    world.arrive()
    data = (world.logs / "app.log").read_bytes()
    for name in ("app.log.1", "app.log.bak", "app.log-20261121", "app-copy.log"):
        (world.logs / name).write_bytes(data)
    for number in range(1, 4):
        write(world, number)
        world.arrive()
    world.down()
    world.once()


def test_excluded_files_are_left_alone(world: World) -> None:
    """``exclude`` holds for rotated names, too."""
    world.up(exclude=("*.1",))
    write(world, 0)
    world.arrive()
    world.append("app.log.1", b"not for us\n")
    write(world, 1)
    world.arrive()
