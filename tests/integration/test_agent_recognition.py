"""Which file is it, after what happens to machines and folders, and which are not for us."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import AgentProcess, World
from tests.support.wait import wait_until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


def reboot(world: World) -> None:
    """What the store knows was seen in another boot of the machine."""
    database = sqlite3.connect(world.state / "checkpoints.db")
    with database:
        database.execute("UPDATE files SET boot = 'another'")
    database.close()


def boots(world: World) -> set[str]:
    database = sqlite3.connect(world.state / "checkpoints.db")
    found = {row[0] for row in database.execute("SELECT boot FROM files")}
    database.close()
    return found


@pytest.mark.parametrize("filler", [b"", bytes(30)], ids=["shorter", "NUL bytes"])
def test_power_cut_that_loses_the_end_of_a_file(world: World, filler: bytes) -> None:
    """What is left is read again under the same ids, and what is written after it is new."""
    for number in range(40):
        world.write("app.log", f"{number} {'x' * 50}")
    world.write("app.log", "the last, which the disk never got")
    world.once()
    data = (world.logs / "app.log").read_bytes()
    world.truncate("app.log")
    world.append("app.log", data[: -len("the last, which the disk never got\n")] + filler)
    reboot(world)
    world.write("app.log", "after the power cut")
    world.up()
    world.arrive()


def test_power_cut_before_the_first_kib(world: World) -> None:
    """The same for a file that was short."""
    world.write("app.log", "banner", "one", "two")
    world.once()
    os.truncate(world.logs / "app.log", len("banner\none\n"))
    reboot(world)
    world.once()
    world.write("app.log", "another two")
    world.once()
    assert world.fake.found() == world.expected
    assert world.once().totals.delivered == 0


def test_without_a_reboot_a_shorter_file_is_another(world: World) -> None:
    """Truncated and begun anew with the same banner: the banner is stored again."""
    world.write("app.log", "banner", "one", "two")
    world.once()
    world.truncate("app.log")
    world.write("app.log", "banner")
    world.once()


def test_files_that_were_found_belong_to_this_boot(world: World) -> None:
    """A file that did not change over a reboot and is truncated after it is no power cut's."""
    world.write("app.log", "banner", "one")
    world.once()
    (this,) = boots(world)
    reboot(world)
    assert world.once().totals.delivered == 0
    assert boots(world) == {this}
    world.truncate("app.log")
    world.write("app.log", "banner")
    world.once()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_links_are_followed_when_link_and_file_have_one_owner(world: World, tmp_path: Path) -> None:
    """A link of one user to a file of another is left alone, and said, unless asked for."""
    ours, foreign = tmp_path / "ours.txt", tmp_path / "foreign.txt"
    ours.write_text("ours\n")
    foreign.write_text("foreign\n")
    os.chown(foreign, 12345, 12345)
    (world.logs / "ours.log").symlink_to(ours)
    (world.logs / "foreign.log").symlink_to(foreign)
    world.expect("ours")
    arguments = ("ship", world.logs / "*.log", "--to", world.fake.url, "--state-dir", world.state)
    with AgentProcess(*arguments, "--once", log=tmp_path / "stderr") as process:
        assert process.wait() == 0, process.stderr
        assert "foreign.log is skipped: a symbolic link of user 0 to a file of" in process.stderr
        assert "follow_links: always" in process.stderr
    assert world.fake.found() == world.expected
    os.lchown(world.logs / "foreign.log", 12345, 12345)
    world.once()
    world.expect("foreign")
    assert world.fake.found() == world.expected
    world.once(follow_links="never")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to others")
def test_foreign_links_are_followed_on_request(world: World, tmp_path: Path) -> None:
    """``follow_links: always``."""
    (tmp_path / "foreign.txt").write_text("foreign\n")
    os.chown(tmp_path / "foreign.txt", 12345, 12345)
    (world.logs / "foreign.log").symlink_to(tmp_path / "foreign.txt")
    world.expect("foreign")
    world.once(follow_links="always")


def test_link_that_leads_elsewhere_now(world: World, tmp_path: Path) -> None:
    """When the target is switched, the old one is read to its end, and the new one."""
    world.up()
    link = world.logs / "current.log"
    for turn in range(3):
        target = tmp_path / f"run-{turn}.txt"
        target.write_text(f"banner\nturn {turn}\n")
        new = tmp_path / "link"
        new.symlink_to(target)
        if turn:
            with (tmp_path / f"run-{turn - 1}.txt").open("a") as file:
                file.write(f"last of {turn - 1}\n")
            world.expect(f"last of {turn - 1}")
        new.rename(link)
        world.expect("banner", f"turn {turn}")
        world.arrive()


def test_folder_that_vanishes_and_returns(world: World, tmp_path: Path) -> None:
    """As network mounts do: what was read is not read again, what came meanwhile is."""
    world.up()
    world.write("app.log", "banner", "one")
    world.arrive()
    world.logs.rename(tmp_path / "away")
    agent = world.agent
    assert agent is not None
    wait_until(lambda: agent.agent.sources[0].open_files == 0, "files are still open")
    with (tmp_path / "away" / "app.log").open("a") as file:
        file.write("two\n")
    (tmp_path / "away").rename(world.logs)
    world.expect("two")
    world.arrive()
    world.write("app.log", "three")
    world.arrive()


def test_last_line_is_shipped_after_a_while(world: World) -> None:
    """``incomplete_after``: a line without newline, and what follows is tagged ``continued``."""
    world.up(incomplete_after_seconds=0.3)
    world.write("app.log", "whole")
    world.write("app.log", "no end", end="")
    world.write("first.log", "nor here", end="")
    world.arrive()
    world.write("app.log", " after all", "next")
    world.arrive()
    tags = {document["message"]: document.get("tags", []) for document in world.fake.all()}
    assert "continued" in tags[" after all"]
    assert "continued" not in tags["next"]
    world.down()
    world.once(incomplete_after_seconds=0.3)


def test_last_line_waits_for_its_end_otherwise(world: World) -> None:
    """By default a line is one record, however slowly it is written."""
    world.up()
    world.write("other.log", "one")
    for part in ("slowly ", "written ", "line"):
        world.append("app.log", part.encode())
        world.write("other.log", f"after {part}")
        world.arrive()
    world.append("app.log", b"\n")
    world.expect("slowly written line")
    world.arrive()
