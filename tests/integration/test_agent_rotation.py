"""Files that are rotated, truncated, deleted and made anew, while the agent runs and while not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import World
from tests.support.wait import wait_until

BANNER = "service started"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


@pytest.fixture
def wide(tmp_path: Path) -> Iterator[World]:
    """As *world*, with a glob that names rotated files too."""
    with World(tmp_path, "*.log*") as world:
        yield world


@pytest.fixture(params=["*.log", "*.log*"])
def either(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, request.param) as world:
        yield world


def test_renamed_and_recreated_file_loses_and_doubles_nothing(either: World) -> None:
    """Lines before, during and after a rename rotation are stored once each."""
    either.up()
    either.write("app.log", "first 1", "first 2")
    either.arrive()
    writer = (either.logs / "app.log").open("ab", buffering=0)
    either.rename("app.log", "app.log.1")
    writer.write(b"first 3, written after the rename\n")
    either.expect("first 3, written after the rename")
    either.write("app.log", "second 1")
    either.arrive()
    writer.write(b"first 4, written late\n")
    writer.close()
    either.expect("first 4, written late")
    either.arrive()


def test_cascade_within_one_look_is_followed(either: World) -> None:
    """Two rotations between two looks at the folder leave no line behind that was seen."""
    either.up()
    either.write("app.log", "one 1")
    either.arrive()
    either.rename("app.log", "app.log.1")
    either.write("app.log", "two 1")
    either.arrive()
    either.append("app.log", b"two 2\n")
    either.rename("app.log.1", "app.log.2")
    either.rename("app.log", "app.log.1")
    either.expect("two 2")
    either.write("app.log", "three 1")
    either.append("app.log.1", b"two 3\n")
    either.append("app.log.2", b"one 2\n")
    either.expect("two 3", "one 2")
    either.arrive()


def test_cascade_while_down_is_followed(either: World) -> None:
    """Two rotations while no agent runs: every content is recognised under its new name."""
    either.up()
    either.write("app.log", "one 1", "one 2")
    either.arrive()
    either.down()
    either.write("app.log", "one 3")
    either.rename("app.log", "app.log.2")
    either.write("app.log", "three 1")
    either.up()
    either.arrive()


@pytest.mark.parametrize("recreated", [True, False])
def test_rename_while_down_is_read_to_its_end(either: World, recreated: bool) -> None:
    """Lines written before a rotation that no agent saw are stored, new file or not."""
    either.up()
    either.write("app.log", "old 1")
    either.arrive()
    either.down()
    either.write("app.log", "old 2")
    either.rename("app.log", "app.log.1")
    if recreated:
        either.write("app.log", "new 1")
    either.up()
    either.arrive()


def test_rename_while_down_survives_a_second_stop(world: World) -> None:
    """A renamed file that is read only in part before the next stop is read on after it."""
    world.up()
    world.write("app.log", "old 0")
    world.arrive()
    world.down()
    world.write("app.log", *(f"old {number}" for number in range(1, 3000)))
    world.rename("app.log", "app.log.1")
    world.fake.fault = "503"
    world.up()
    wait_until(lambda: world.fake.bulks > 1, "no bulk request")
    world.down()
    world.fake.fault = ""
    world.up()
    world.arrive()


@pytest.mark.parametrize("size", ["smaller", "equal", "larger"])
@pytest.mark.parametrize("is_up", [True, False])
def test_truncated_file_is_read_from_its_beginning(world: World, size: str, is_up: bool) -> None:
    """What a file holds after a truncation is stored, whatever size it grows to before a look."""
    world.up()
    world.write("app.log", "before 1", "before 2", "before 3")
    world.arrive()
    if not is_up:
        world.down()
    lines = {"smaller": ["after1"], "equal": ["afterr 1", "afterr 2", "afterr 3"]}
    data = lines.get(size, [f"after {number:05}" for number in range(50)])
    with (world.logs / "app.log").open("r+b", buffering=0) as file:
        file.truncate(0)
        file.write("".join(f"{line}\n" for line in data).encode())
    world.expect(*data)
    if not is_up:
        world.up()
    world.arrive()


@pytest.mark.parametrize("is_up", [True, False])
@pytest.mark.parametrize("size", ["smaller", "equal", "larger"])
def test_truncated_file_with_the_same_first_line_is_new(
    world: World, size: str, is_up: bool
) -> None:
    """A truncated file that begins as before is stored again: other lines follow."""
    world.up()
    world.write("app.log", BANNER, "before 1", "before 2")
    world.arrive()
    if not is_up:
        world.down()
    data = {"smaller": [BANNER], "equal": [BANNER, "afterr 1", "afterr 2"]}.get(
        size, [BANNER, *(f"after {number}" for number in range(90))]
    )
    with (world.logs / "app.log").open("r+b", buffering=0) as file:
        file.truncate(0)
        file.write("".join(f"{line}\n" for line in data).encode())
    world.expect(*data)
    if not is_up:
        world.up()
    world.arrive()


def test_truncation_again_and_again(world: World) -> None:
    """Every one of many truncations with the same first line begins a content of its own."""
    world.up()
    for turn in range(6):
        world.write("app.log", BANNER, f"turn {turn}")
        world.arrive()
        world.truncate("app.log")
    world.down()
    world.write("app.log", BANNER, "at last")
    world.up()
    world.arrive()


def test_truncation_seen_and_restart_go_on_in_the_newest_content(world: World) -> None:
    """After a truncation and a restart, the file is taken for what it is now."""
    world.up()
    world.write("app.log", "same", "same", "same")
    world.arrive()
    world.truncate("app.log")
    world.write("app.log", "same")
    world.arrive()
    world.down()
    world.write("app.log", "same", "same", "same", "other")
    world.up()
    world.arrive()


def test_file_that_is_deleted_is_read_to_its_end(world: World) -> None:
    """What was written before a deletion is read through the descriptor, a last line included."""
    world.up()
    world.write("app.log", "one")
    world.arrive()
    with (world.logs / "app.log").open("ab", buffering=0) as writer:
        world.delete("app.log")
        writer.write(b"two\nthree without an end")
    world.expect("two", "three without an end")
    world.arrive()


def test_last_line_of_a_deleted_file_is_stored_when_the_agent_stops(world: World) -> None:
    """A line without its end in a file that is deleted already is shipped before the stop."""
    world.up(rotate_wait_seconds=60.0, shutdown_timeout_seconds=6.0)
    world.write("app.log", "one")
    world.arrive()
    world.append("app.log", b"torn")
    agent = world.agent
    assert agent is not None
    wait_until(lambda: agent.agent.sources[0].read_bytes == 8, "not read")
    world.delete("app.log")
    world.down()
    world.expect("torn")
    world.arrive()


@pytest.mark.parametrize("is_up", [True, False])
def test_file_that_is_deleted_and_made_anew_is_new(world: World, is_up: bool) -> None:
    """A new file under an old name is read from its beginning, also with the same inode."""
    world.up()
    for turn in range(4):
        world.write("app.log", BANNER, f"turn {turn}")
        if world.agent is None:
            world.up()
        world.arrive()
        if not is_up:
            world.down()
        world.delete("app.log")
        world.write("app.log", BANNER, f"turn {turn} again", "and more")
        if not is_up:
            world.up()
        world.arrive()
        world.delete("app.log")


def test_same_banner_after_every_rotation_is_stored_every_time(either: World) -> None:
    """Files that begin with the same line are told apart: each banner is stored."""
    either.up()
    for turn in range(1, 5):
        either.write("app.log", BANNER, f"work {turn}")
        either.arrive()
        either.rename("app.log", f"app.log.{turn}")
    either.down()
    either.write("app.log", BANNER, "work 5")
    either.rename("app.log", "app.log.5")
    either.write("app.log", BANNER, "work 6")
    either.up()
    either.arrive()


def test_restart_does_not_take_a_banner_for_the_renamed_file(world: World) -> None:
    """A new file that begins as the renamed one is not taken for it while that one is there."""
    world.fake.fault = "503"
    world.up()
    world.append("app.log", f"{BANNER}\n".encode())
    wait_until(lambda: world.fake.bulks > 0, "no bulk request")
    world.down()
    world.rename("app.log", "app.log.1")
    world.append("app.log", f"{BANNER}\nnew\n".encode())
    world.expect(BANNER, BANNER, "new")
    world.fake.fault = ""
    world.up()
    world.arrive()


def test_rename_into_the_glob_and_back_is_the_same_file(world: World) -> None:
    """A file that leaves the glob and comes back, before or after it was closed, is not read
    again.
    """
    world.up(rotate_wait_seconds=0.05)
    world.write("app.log", BANNER, "one")
    world.arrive()
    agent = world.agent
    assert agent is not None
    world.rename("app.log", "app.away")
    wait_until(lambda: agent.agent.sources[0].open_files == 0, "not closed")
    world.rename("app.away", "app.log")
    world.write("app.log", "two")
    world.arrive()
    world.rename("app.log", "app.away")
    world.rename("app.away", "other.log")
    world.write("other.log", "three")
    world.arrive()


def test_hole_that_a_writer_leaves_after_truncation_is_skipped(world: World) -> None:
    """A writer that goes on at its old position leaves NUL bytes: the lines after are stored."""
    world.up()
    path = world.logs / "app.log"
    with path.open("wb", buffering=0) as writer:
        writer.write(b"".join(b"before %d\n" % number for number in range(5)))
        world.expect(*(f"before {number}" for number in range(5)))
        world.arrive()
        os.truncate(path, 0)
        writer.write(b"after 1\nafter 2\n")
        world.expect("after 1", "after 2")
        world.arrive()


@pytest.mark.parametrize("hole", [1000, 200_000, 3 << 20, 40 << 20])
def test_hole_of_any_size_is_skipped(world: World, hole: int) -> None:
    """Lines behind a hole are stored whole, however large it is, and once over a restart."""
    with (world.logs / "app.log").open("wb") as file:
        file.truncate(hole)
        file.seek(hole)
        file.write(b"after the hole\n")
    world.expect("after the hole")
    world.up()
    world.arrive()
    (found,) = world.fake.all()
    assert (found["log.offset"], found.get("tags")) == (hole, ["time_of_reading"])
    world.down()
    world.write("app.log", "more")
    world.up()
    world.arrive()


def test_space_that_is_written_to_later_is_waited_for(world: World) -> None:
    """NUL bytes at the end of a file made long in advance are not there yet."""
    path = world.logs / "app.log"
    path.write_bytes(b"one\ntw" + b"\0" * 5000)
    world.expect("one")
    world.up()
    world.arrive()
    position = 4
    with path.open("r+b", buffering=0) as file:
        for message in ("two", "three", "four"):
            file.seek(position)
            file.write(f"{message}\n".encode())
            position += len(message) + 1
            world.expect(message)
            world.arrive()
        world.down()
        file.seek(position)
        file.write(b"five\n")
        world.expect("five")
        world.up()
        world.arrive()


def test_rewritten_with_the_same_end_and_size_is_noticed(world: World) -> None:
    """A file that differs only near its beginning from what was read there is a new content."""
    world.up()
    world.write("app.log", BANNER, "line 519 " + "x" * 300)
    world.arrive()
    path = world.logs / "app.log"
    lines = [BANNER, "line 526 " + "x" * 300]
    with path.open("r+b", buffering=0) as file:
        file.truncate(0)
        file.write("".join(f"{line}\n" for line in lines).encode())
    world.expect(*lines)
    world.arrive()


@pytest.mark.parametrize("is_up", [True, False], ids=["running", "down"])
@pytest.mark.parametrize("glob", ["*.log", "*.log*"])
def test_last_line_of_a_rotated_file(tmp_path: Path, glob: str, *, is_up: bool) -> None:
    """Without newline it is shipped once the file has been rotated, whatever its name now."""
    with World(tmp_path, glob) as world:
        world.up()
        world.write("app.log", "one")
        world.write("app.log", "no end", end="")
        world.write("web.log", "other")
        world.expected["no end"] -= 1
        world.arrive()
        if not is_up:
            world.down()
        world.rename("app.log", "app.log.1")
        world.write("app.log", "two")
        if not is_up:
            world.up()
        world.expect("no end")
        world.arrive()
        if glob == "*.log*":
            world.write("app.log.1", " after all")
            world.arrive()
