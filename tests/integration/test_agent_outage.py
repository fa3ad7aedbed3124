"""Files that are rotated while Elasticsearch is away, and agents that end before it is back."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import AgentThread, World
from tests.support.wait import wait_until

LONG_AGO = (1e9, 1e9)


@pytest.fixture(params=["*.log", "*.log*"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """A world whose globs name rotated files, or do not."""
    with World(tmp_path, request.param) as world:
        yield world


def read_during_an_outage(world: World, **options: Any) -> AgentThread:
    """Return an agent that has read ``app.log`` to its end, and has one line of it confirmed."""
    agent = world.up(**options)
    world.write("app.log", "old 0")
    world.arrive()
    world.confirmed()
    world.fake.fault = "503"
    world.write("app.log", *(f"old {number}" for number in range(1, 50)))
    size = (world.logs / "app.log").stat().st_size
    wait_until(lambda: agent.agent.sources[0].read_bytes == size, "not read")
    return agent


def end_and_begin_again(world: World) -> None:
    world.down()
    world.fake.fault = ""
    world.up()
    world.arrive()


def wait_until_closed(agent: AgentThread, path: Path) -> None:
    """Wait until the file that now lies at *path* is done with, if its globs do not name it."""
    (source,) = agent.agent.sources
    inode = path.stat().st_ino

    def is_done() -> bool:
        contents = [c for c in source.contents.values() if c.row.inode == inode]
        return any(c.gone_at is not None or c.row.path == str(path) for c in contents)

    wait_until(is_done, "still open")


def test_renamed_and_not_made_again(world: World) -> None:
    """What was read until rotation was over, and not confirmed, is read again."""
    agent = read_during_an_outage(world)
    world.rename("app.log", "app.log.1")
    wait_until_closed(agent, world.logs / "app.log.1")
    end_and_begin_again(world)


def test_renamed_long_after_its_last_line(world: World) -> None:
    """So it is when a new file has its name, however old the rotated one is."""
    agent = read_during_an_outage(world)
    os.utime(world.logs / "app.log", LONG_AGO)
    world.rename("app.log", "app.log.1")
    world.write("app.log", "new 0")
    wait_until_closed(agent, world.logs / "app.log.1")
    end_and_begin_again(world)


def test_rotated_twice(world: World) -> None:
    """So it is when it was renamed once more before the agent ended, or after that."""
    agent = read_during_an_outage(world)
    os.utime(world.logs / "app.log", LONG_AGO)
    world.rename("app.log", "app.log.1")
    world.write("app.log", "new 0")
    wait_until_closed(agent, world.logs / "app.log.1")
    world.rename("app.log.1", "app.log.2")
    world.rename("app.log", "app.log.1")
    world.down()
    world.rename("app.log.2", "app.log.3")
    world.fake.fault = ""
    world.up()
    world.arrive()


@pytest.mark.parametrize("is_closed", [False, True])
def test_truncated_after_a_copy(world: World, is_closed: bool) -> None:
    """What was read before a file was copied and truncated is read again from the copy."""
    agent = read_during_an_outage(world)
    copy = world.logs / "app.log.1"
    copy.write_bytes((world.logs / "app.log").read_bytes())
    os.utime(copy, LONG_AGO)
    world.truncate("app.log")
    world.write("app.log", "new 0")
    if is_closed:
        wait_until_closed(agent, copy)
    end_and_begin_again(world)


def test_truncated_after_a_copy_to_another_folder(world: World) -> None:
    """So it is when rotated files go elsewhere, as the settings tell."""
    old = world.logs.parent / "old"
    old.mkdir()
    agent = read_during_an_outage(world, rotated=[f"{old}/*"])
    copy = old / "app.log.1"
    copy.write_bytes((world.logs / "app.log").read_bytes())
    os.utime(copy, LONG_AGO)
    world.truncate("app.log")
    world.write("app.log", "new 0")
    wait_until_closed(agent, copy)
    world.down()
    world.fake.fault = ""
    world.up(rotated=[f"{old}/*"])
    world.arrive()


def test_deleted_for_good(world: World) -> None:
    """What was read, not confirmed and deleted is counted as lost by the next run."""
    agent = read_during_an_outage(world)
    size = (world.logs / "app.log").stat().st_size
    world.delete("app.log")
    wait_until(lambda: agent.agent.sources[0].open_files == 0, "still open")
    world.down()
    world.fake.fault = ""
    world.expected = Counter(["old 0"])
    agent = world.up()
    unread = size - len("old 0\n")
    wait_until(
        lambda: [source.abandoned_bytes for source in agent.agent.sources] == [unread],
        "not counted",
    )
