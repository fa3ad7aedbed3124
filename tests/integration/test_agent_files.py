"""What stands in files, and which files there are: everything is stored once, or said."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from logship.settings.model import SourceSettings
from tests.support.agent import World, quick_settings
from tests.support.wait import wait_until

# The HTTP client would rather be given a file; bulk bodies are made in memory anyway.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as world:
        yield world


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """Messages of logship's own log from WARNING on."""
    messages: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            messages.append(record.getMessage())

    handler = Collect(logging.WARNING)
    logging.getLogger("logship").addHandler(handler)
    yield messages
    logging.getLogger("logship").removeHandler(handler)


def test_line_that_comes_byte_by_byte_is_one_record(world: World) -> None:
    """Half lines wait until they are whole, wherever a multi-byte character was cut."""
    world.up()
    for text in ("grüße €😀 1", "grüße €😀 2"):
        for byte in f"{text}\n".encode():
            world.append("app.log", bytes([byte]))
        world.expect(text)
        world.arrive()
    data = "grüße €😀 three\nfour".encode()
    for cut in range(len(data)):
        if cut % 5 == 0:
            world.append("app.log", data[cut : cut + 5])
    world.expect("grüße €😀 three")
    world.arrive()
    world.write("app.log", "", end="teen\n")
    world.expected = +(world.expected - type(world.expected)([""]))
    world.expect("fourteen")
    world.arrive()


def test_lines_longer_than_a_read_keep_their_characters(world: World) -> None:
    """Multi-byte characters over the edges of reads stay whole."""
    lines = ["é" * 70_001, "x" + "€" * 50_000, "xx" + "😀" * 40_000]
    world.write("app.log", *lines, *lines)
    world.up()
    world.arrive()


def test_small_and_odd_files_are_stored(world: World) -> None:
    """Empty files make no record; ten bytes, blank lines first and CRLF do."""
    (world.logs / "empty.log").touch()
    world.write("ten.log", "123456789")
    world.append("blank.log", b"\n\r\n\n\nafter blank lines\n\n\nand more\n")
    world.expect("after blank lines", "and more")
    world.append("crlf.log", b'{"message":"json"}\r\ntext\r\n\r\n')
    world.expect("json", "text")
    world.append("half.log", b"no end yet")
    world.up()
    world.arrive()
    world.write("empty.log", "no longer empty")
    world.arrive()
    world.append("half.log", b", but now\n")
    world.expect("no end yet, but now")
    world.arrive()


def test_bytes_that_are_no_text_are_replaced_and_said(world: World) -> None:
    """Invalid UTF-8 is stored with a tag, in text and in JSON."""
    world.append("app.log", b'caf\xe9\n{"message":"caf\xe9"}\n')
    world.expect("caf�", "caf�")
    world.up()
    world.arrive()
    assert all("invalid_utf8" in found["tags"] for found in world.fake.all())


def test_equal_files_are_stored_each(world: World) -> None:
    """Files that are equal from their first line on are different contents."""
    for name in ("a.log", "b.log", "c.log"):
        world.write(name, "header", "same 1", "same 2")
    world.up()
    world.arrive()
    world.down()
    for name in ("a.log", "b.log", "c.log"):
        world.write(name, "same 3")
    world.up()
    world.arrive()


def test_equal_files_of_two_sources_are_stored_each(world: World) -> None:
    """Sources that begin at the same time do not give two files the same ids."""
    names = [f"{letter}.log" for letter in "abcdefgh"]
    for name in names:
        world.write(name, "header", "same 1")
    quick = {"scan_interval_seconds": 0.1}
    world.up(sources=[SourceSettings(name, (str(world.logs / name),), **quick) for name in names])
    world.arrive()


def test_one_file_under_many_names_is_read_once(tmp_path: Path) -> None:
    """Hard links, symbolic links and overlapping globs are one file."""
    with World(tmp_path, "*.log", "app*", "app.log") as world:
        world.write("app.log", "once")
        os.link(world.logs / "app.log", world.logs / "hard.log")
        (world.logs / "soft.log").symlink_to(world.logs / "app.log")
        world.up()
        world.arrive()
        world.write("hard.log", "through the link")
        world.arrive()


def test_symbolic_link_that_is_turned_is_followed(tmp_path: Path) -> None:
    """A link to another file: the old one is read to its end, the new one from its beginning."""
    with World(tmp_path, "current") as world:
        world.write("1.log", "one")
        (world.logs / "current").symlink_to("1.log")
        world.up()
        world.arrive()
        world.write("2.log", "two")
        (world.logs / "next").symlink_to("2.log")
        world.append("1.log", b"last of one\n")
        world.expect("last of one")
        world.rename("next", "current")
        world.arrive()


def test_files_and_folders_that_appear_are_noticed_at_once(tmp_path: Path) -> None:
    """Notifications tell of new files, folders and rotations; the scan is not waited for."""
    with World(tmp_path, "*.log", "later/deep/*.log") as world:
        world.up(scan_interval_seconds=600.0)
        wait_until(lambda: world.agent and world.agent.agent.sources, "not started")
        world.write("one.log", "in a new file")
        world.arrive()
        world.rename("one.log", "one.log.1")
        world.write("one.log", "after a rotation")
        world.arrive()
        (world.logs / "later").mkdir()
        (world.logs / "later" / "deep").mkdir()
        world.write("later/deep/two.log", "in a new folder")
        world.arrive()
        world.write("later/deep/two.log", "and more")
        world.arrive()


def test_folder_that_is_replaced_is_watched_again(tmp_path: Path) -> None:
    """A folder of the same name that is made anew is read like the old one."""
    with World(tmp_path, "sub/*.log") as world:
        (world.logs / "sub").mkdir()
        world.write("sub/a.log", "before")
        world.up(rotate_wait_seconds=0.05)
        world.arrive()
        world.delete("sub/a.log")
        (world.logs / "sub").rmdir()
        (world.logs / "sub").mkdir()
        world.write("sub/a.log", "after")
        world.arrive()
        world.write("sub/b.log", "other")
        world.arrive()


def test_what_cannot_be_tailed_is_skipped_with_its_reason(tmp_path: Path, said: list[str]) -> None:
    """Folders, pipes and missing files are said once each, and stop nothing."""
    with World(tmp_path, "*.log", "none/*.txt", "pipe.log", "folder.log") as world:
        os.mkfifo(world.logs / "pipe.log")
        (world.logs / "folder.log").mkdir()
        (world.logs / "broken.log").symlink_to("nowhere")
        world.write("app.log", "stored")
        agent = world.up(scan_interval_seconds=0.02)
        world.arrive()
        wait_until(lambda: len(said) >= 4, lambda: said)
        scans = agent.agent.sources[0]
        assert scans.open_files == 1
    texts = "\n".join(said)
    assert "none/*.txt matches no file yet" in texts
    assert "pipe.log is skipped: not a regular file but a named pipe" in texts
    assert "folder.log is skipped: not a regular file but a directory" in texts
    assert "broken.log is skipped: No such file or directory" in texts
    assert len(said) == 4


def test_names_that_are_not_utf8_do_not_stop_the_agent(tmp_path: Path) -> None:
    """A file whose name is Latin-1 is read, and its name is stored readably."""
    with World(tmp_path, "*.log") as world:
        name = os.fsdecode(b"caf\xe9.log")
        world.write(name, "stored")
        world.up()
        world.arrive()
        assert [found["log.file.path"] for found in world.fake.all()] == [f"{world.logs}/caf�.log"]
        world.down()
        world.write(name, "and later")
        world.up()
        world.arrive()


def test_names_that_look_like_formats_are_only_names(tmp_path: Path, said: list[str]) -> None:
    """Per cent signs and braces in names go through messages unharmed."""
    with World(tmp_path, "%s{x}[0].log") as world:
        world.up()
        wait_until(lambda: said, "nothing was said")
    assert "%s{x}[0].log matches no file yet" in said[0]


def test_start_at_end_is_for_what_is_there_at_the_start(world: World) -> None:
    """With ``start_at: end`` old lines are left out; new files and rotations are read whole."""
    world.append("app.log", b"old line\n")
    agent = world.up(start_at="end")
    wait_until(lambda: agent.agent.sources and agent.agent.sources[0].contents, "not opened")
    world.write("app.log", "new line")
    world.arrive()
    world.rename("app.log", "app.log.1")
    world.write("app.log", "after the rotation", "and more")
    world.write("other.log", "in a new file")
    world.arrive()
    world.truncate("app.log")
    world.write("app.log", "cut")
    world.arrive()


@pytest.mark.parametrize("pieces", [1, 40])
def test_line_of_twenty_mebibytes_is_cut_and_said(world: World, pieces: int) -> None:
    """A line over ``max_line_bytes`` is cut and tagged; what follows it is whole."""
    world.write("app.log", "before")
    line = b"y" * (20 << 20)
    if pieces > 1:
        world.up(max_line_bytes=100_000)
    for number in range(pieces):
        size = len(line) // pieces
        world.append("app.log", line[number * size : (number + 1) * size])
    world.append("app.log", b"\n")
    world.expect("y" * 100_000)
    world.write("app.log", "after", "z" * 100_000)
    if pieces == 1:
        world.up(max_line_bytes=100_000)
    world.arrive()
    tags = {len(found["message"]): found["tags"] for found in world.fake.all()}
    assert "cut" in tags[100_000] or "cut" in world.fake.all()[1]["tags"]
    assert [("cut" in found["tags"]) for found in world.fake.all()] == [False, True, False, False]


def test_last_line_without_newline_is_shipped_by_once_and_continued(world: World) -> None:
    """With ``--once`` an unfinished line is a record; what follows later is tagged."""
    world.write("app.log", "one")
    world.append("app.log", b"tw")
    world.expect("tw")
    world.once()
    assert world.fake.found() == world.expected
    world.once()
    world.append("app.log", b"o\nthree\n")
    world.expect("o", "three")
    world.once()
    assert world.fake.found() == world.expected
    tags = {found["message"]: found["tags"] for found in world.fake.all()}
    assert ["continued" in tags[message] for message in ("tw", "o", "three")] == [
        False, True, False,
    ]  # fmt: skip


@pytest.mark.parametrize("size", [10, 200_000, 900_000, 2_500_000])
def test_only_line_without_newline_is_shipped_whole_by_once(world: World, size: int) -> None:
    """A file of one line without newline, however long, is one record, cut at the bound."""
    world.append("app.log", b"x" * size)
    world.expect("x" * min(size, 1 << 20))
    world.once()


def test_once_reads_what_was_appended_while_it_ran(world: World) -> None:
    """Lines that come while ``--once`` runs are not torn at the edge of a read."""
    lines = [f"line {number:06}" for number in range(60_000)]
    world.append("app.log", "".join(f"{line}\n" for line in lines[:100]).encode())
    rest = "".join(f"{line}\n" for line in lines[100:]).encode()
    world.fake.on_bulk = lambda: world.append("app.log", rest) if world.fake.bulks == 1 else None
    world.up(once=True)
    agent = world.agent
    assert agent is not None
    agent.join()
    world.agent = None
    world.fake.on_bulk = None
    world.once()
    world.expect(*lines)


def test_file_that_cannot_be_read_for_a_while_is_not_doubled(world: World) -> None:
    """A file that is closed and opened again by the same agent keeps its ids."""
    agent = world.up()
    world.write("app.log", "header", "one")
    world.arrive()
    (source,) = agent.agent.sources
    for tailer in source._open_files:  # as after an error of the disk
        os.close(tailer.file._raw.fileno())
        os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    world.write("app.log", "two")
    world.arrive()


def test_settings_paths_decide_what_is_read(tmp_path: Path) -> None:
    """A file that the globs no longer name is left alone, although it was tailed before."""
    with World(tmp_path, "*.log") as world:
        world.write("a.log", "a1")
        world.write("b.log", "b1")
        world.once()
        world.append("a.log", b"not asked for\n")
        world.write("b.log", "b2")
        world.globs = ("b.log",)
        world.once()
        assert world.fake.found() == world.expected
        world.expect("not asked for")
        world.globs = ("*.log",)
        world.once()


def test_two_agents_share_no_state_folder(world: World) -> None:
    """A second agent on the same folder ends with an error that names the first."""
    world.up()
    wait_until(lambda: (world.state / "lock").exists() and (world.state / "lock").read_text(), "-")
    from logship.agent import Agent
    from logship.errors import StateError

    settings = quick_settings(world.fake.url, [world.logs / "*.log"], world.state)
    import asyncio

    with pytest.raises(StateError, match=f"process {os.getpid()}"):
        asyncio.run(Agent(settings).run())
