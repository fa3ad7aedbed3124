"""copytruncate: the copy has what was not read before the truncation, and nothing twice."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import AgentThread, World, quick_settings
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until


@pytest.fixture
def fake() -> Any:
    with ElasticFake() as server:
        yield server


def lines(start: int, stop: int) -> str:
    """A header that every file has, so that beginnings are equal, and numbered lines."""
    return "same banner\n" + "".join(f"line {n} {'x' * 40}\n" for n in range(start, stop))


def append(path: Path, start: int, stop: int) -> None:
    with path.open("a") as file:
        file.write("".join(f"line {n} {'x' * 40}\n" for n in range(start, stop)))


def copytruncate(log: Path, copy: Path) -> None:
    shutil.copyfile(log, copy)
    with log.open("r+") as file:
        file.truncate(0)


def numbers(fake: ElasticFake) -> Counter[int]:
    found: Counter[int] = Counter()
    for document in fake.all():
        if str(document["message"]).startswith("line "):
            found[int(str(document["message"]).split()[1])] += 1
    return found


def expect(fake: ElasticFake, stop: int) -> None:
    def seen() -> str:
        missing = sorted(set(range(stop)) - set(numbers(fake)))
        return f"{len(numbers(fake))} of {stop}; missing {missing[:5]} …"

    wait_until(lambda: len(numbers(fake)) >= stop, seen)
    assert numbers(fake) == Counter(range(stop))


@pytest.mark.parametrize("glob", ["app.log", "*"])
@pytest.mark.parametrize("copy", ["app.log.1", "app.log-20261121", "app-2026-11-21.log"])
def test_lines_unread_at_the_truncation_come_from_the_copy(
    fake: ElasticFake, tmp_path: Path, glob: str, copy: str
) -> None:
    """A reader that was behind, even down, gets every line once, whatever the copy's name."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "app.log"
    log.write_text(lines(0, 50))
    settings = quick_settings(fake.url, [folder / glob], tmp_path / "state", format="text")
    with AgentThread(settings):
        expect(fake, 50)
    append(log, 50, 100)
    copytruncate(log, folder / copy)
    append(log, 100, 120)
    with AgentThread(settings):
        expect(fake, 120)


@pytest.mark.parametrize("glob", ["app.log", "*"])
def test_rotation_while_running_loses_and_doubles_nothing(
    fake: ElasticFake, tmp_path: Path, glob: str
) -> None:
    """Truncated again and again, with copies moving on, every line is there once."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "app.log"
    settings = quick_settings(fake.url, [folder / glob], tmp_path / "state", format="text")
    with AgentThread(settings):
        for turn in range(4):
            begin = turn * 100
            with log.open("a") as file:
                file.write(lines(begin, begin + 50))
            expect(fake, begin + 50)
            append(log, begin + 50, begin + 100)
            for number in range(turn, 0, -1):
                (folder / f"app.log.{number}").rename(folder / f"app.log.{number + 1}")
            copytruncate(log, folder / "app.log.1")
        append(log, 400, 410)
        expect(fake, 410)


@pytest.mark.parametrize("at_first", [0, 700])
def test_a_copy_half_written_is_left_alone(
    fake: ElasticFake, tmp_path: Path, at_first: int
) -> None:
    """The copy that grows beside its original is not taken for a file of its own."""
    folder = tmp_path / "logs"
    folder.mkdir()
    log = folder / "app.log"
    log.write_text(lines(0, 100))
    settings = quick_settings(
        fake.url, [folder / "*"], tmp_path / "state", format="text", rotate_wait_seconds=5.0
    )
    with AgentThread(settings):
        expect(fake, 100)
        data = log.read_bytes()
        with (folder / "app.log.1").open("wb") as copy:
            copy.write(data[:at_first])
            copy.flush()
            (folder / "other.log").write_text("seen\n")  # and so is the copy then
            wait_until(lambda: fake.found()["seen"] == 1, "no other file")
            append(log, 100, 110)
            expect(fake, 110)
            copy.write(log.read_bytes()[at_first:])
        with log.open("r+") as file:
            file.truncate(0)
        append(log, 110, 120)
        expect(fake, 120)


def test_a_copy_that_stays_is_a_file_of_its_own(fake: ElasticFake, tmp_path: Path) -> None:
    """What looks like a copy and stays beside its original is read after rotate_wait."""
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "app.log").write_text("same banner\none\n")
    settings = quick_settings(fake.url, [folder / "*"], tmp_path / "state", format="text")
    with AgentThread(settings):
        wait_until(lambda: fake.found()["one"] == 1, "no first file")
        (folder / "app.log.1").write_text("same banner\n")
        wait_until(lambda: fake.found()["same banner"] == 2, lambda: str(fake.found()))


def test_truncated_and_renamed_while_no_agent_ran(tmp_path: Path) -> None:
    """The unread lines are in the copy, although the file's inode lies elsewhere now."""
    with World(tmp_path, "*.log") as world:
        world.up()
        world.write("app.log", "banner", "one")
        world.arrive()
        world.confirmed()
        world.down()
        world.write("app.log", "two", "three")
        (world.logs / "app.log.1").write_bytes((world.logs / "app.log").read_bytes())
        world.truncate("app.log")
        world.write("app.log", "never seen under its name")
        world.rename("app.log", "app.log.0")
        world.write("app.log", "banner", "four")
        world.up()
        world.arrive()
