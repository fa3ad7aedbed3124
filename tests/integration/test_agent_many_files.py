"""More files than may be open, and files that were closed because they were quiet."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import AgentProcess, World
from tests.support.wait import wait_until

FILES = 260
DESCRIPTORS = 190


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


def few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))


def write_to_all(world: World, text: str, *, end: str = "\n") -> None:
    for number in range(FILES):
        world.write(f"{number}.log", f"{text} {number}", end=end)


def test_more_files_than_may_be_open_are_read_in_turns(world: World, tmp_path: Path) -> None:
    """With fewer descriptors than files every line of every file is stored, at first and later."""
    write_to_all(world, "first")
    arguments = ("ship", world.logs / "*.log", "--to", world.fake.url, "--state-dir", world.state)
    with AgentProcess(*arguments, log=tmp_path / "stderr", preexec_fn=few_descriptors) as process:
        wait_until(lambda: world.is_complete, world.difference, seconds=40)
        write_to_all(world, "second")
        wait_until(lambda: world.is_complete, world.difference, seconds=40)
        process.signal()
        assert process.wait() == 0
        assert "Too many open files" not in process.stderr


def test_once_reads_more_files_than_may_be_open(world: World, tmp_path: Path) -> None:
    """``--once`` reads them all, last lines without newline included, and again nothing."""
    write_to_all(world, "without an end", end="")
    arguments = ("ship", world.logs / "*.log", "--to", world.fake.url, "--state-dir", world.state)
    for again in (False, True):
        log = tmp_path / "stderr"
        with AgentProcess(*arguments, "--once", log=log, preexec_fn=few_descriptors) as process:
            assert process.wait(40) == 0, process.stderr
            delivered = 0 if again else FILES
            assert f"delivered {delivered}," in process.stderr.splitlines()[-1]


def test_file_that_was_closed_is_opened_when_it_changes(world: World) -> None:
    """Grown, truncated, rotated or made anew while closed: nothing is lost or read again."""
    agent = world.up(close_idle_seconds=0.05)

    def closed() -> None:
        world.arrive()
        wait_until(
            lambda: agent.is_running and agent.agent.sources[0].open_files == 0, "still open"
        )

    world.write("app.log", "banner", "one")
    closed()
    world.write("app.log", "two")
    closed()
    world.truncate("app.log")
    world.write("app.log", "banner", "three")
    closed()
    world.append("app.log", b"four\n")
    world.rename("app.log", "app.log.1")
    world.expect("four")
    world.write("app.log", "banner", "five")
    closed()
    world.delete("app.log")
    world.write("app.log", "banner", "six", "seven")
    closed()
    world.append("app.log", b"half")
    world.append("app.log", b" and half\n")
    world.expect("half and half")
    closed()
    world.down()
    world.write("app.log", "eight")
    world.up()
    world.arrive()


def test_many_files_vanish_while_others_grow(world: World) -> None:
    """Looking for what became of hundreds of deleted files keeps no other waiting."""
    world.up(scan_interval_seconds=1.0)
    for number in range(900):
        world.write(f"job-{number}.log", f"first {number}")
    world.arrive(40)
    for number in range(0, 900, 3):
        world.delete(f"job-{number}.log")
    for number in range(1, 900, 3):
        world.write(f"job-{number}.log", f"second {number}")
    world.arrive(20)
