"""Compressed log files: what was shipped before it was compressed is not shipped again."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.agent import AgentProcess, World
from tests.support.wait import wait_until


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, "*.log*") as world:
        yield world


def compress(world: World, name: str, *, to: str = "", keep: bool = False) -> None:
    """As the command does: the archive is there before its original is deleted."""
    archive = world.logs / (to or f"{name}.gz")
    archive.write_bytes(gzip.compress((world.logs / name).read_bytes()))
    status = os.stat(world.logs / name)
    os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns))
    if not keep:
        world.delete(name)


def rotate(world: World) -> None:
    world.rename("app.log", "app.log.1")


@pytest.mark.parametrize(
    ("ending", "compressor"),
    [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)],
)
def test_archive_that_nobody_knows_is_read(
    world: World, ending: str, compressor: Callable[[bytes], bytes]
) -> None:
    """The lines of an archive are stored with their offsets in what is in it, once."""
    world.append(f"app.log.2.{ending}", compressor(b"old\nolder\nwithout an end"))
    world.expect("old", "older", "without an end")
    world.once()
    assert world.fake.found() == world.expected
    offsets = {document["message"]: document["log.offset"] for document in world.fake.all()}
    assert offsets == {"old": 0, "older": 4, "without an end": 10}
    for _ in range(2):
        assert world.once().totals.delivered == 0
    world.up()


def test_compressed_after_it_was_shipped(world: World) -> None:
    """A rotated file that is compressed while the agent runs is not shipped again, ever."""
    world.up()
    world.write("app.log", "banner", "one", "two")
    world.arrive()
    rotate(world)
    world.write("app.log", "banner", "three")
    world.arrive()
    compress(world, "app.log.1")
    world.write("app.log", "four")
    world.arrive()
    for _ in range(2):
        world.down()
        world.up()
        world.write("app.log", "again")
        world.arrive()
    world.down()
    assert world.once().totals.delivered == 0


@pytest.mark.parametrize("globs", [("*.log",), ("*.log*",)], ids=["beside", "named"])
@pytest.mark.parametrize("is_rotated", [True, False], ids=["app.log.1.gz", "app.log.gz"])
def test_unread_lines_are_read_from_the_archive(
    tmp_path: Path, globs: tuple[str, ...], *, is_rotated: bool
) -> None:
    """Written, rotated and compressed while no agent runs: what was not read is, and no more."""
    with World(tmp_path, *globs) as world:
        world.up()
        world.write("app.log", "banner", "one", "two")
        world.arrive()
        world.down()
        world.write("app.log", "three", "four")
        name = "app.log"
        if is_rotated:
            rotate(world)
            name = "app.log.1"
        compress(world, name)
        world.write("app.log", "banner", "five")
        world.up()
        world.arrive()
        world.down()
        assert world.once().totals.delivered == 0


def test_where_rotated_files_go(tmp_path: Path) -> None:
    """Archives and renamed files elsewhere are recognised where ``rotated`` says, and only so."""
    with World(tmp_path, "*.log") as world:
        elsewhere = tmp_path / "old"
        elsewhere.mkdir()
        (elsewhere / "foreign.log").write_text("nobody asked for this\n")
        rotated = (str(elsewhere / "*"),)
        world.up(rotated=rotated)
        world.write("app.log", "banner", "one")
        world.write("web.log", "banner", "two")
        world.arrive()
        world.down()
        world.write("app.log", "three")
        world.write("web.log", "four")
        world.rename("app.log", "../old/app.log-20261121")
        data = (world.logs / "web.log").read_bytes()
        (elsewhere / "web.log-20261121.gz").write_bytes(gzip.compress(data))
        world.delete("web.log")
        world.up(rotated=rotated)
        world.arrive()


def test_archive_that_is_half_written(world: World) -> None:
    """While somebody writes an archive it is left alone, and its original read meanwhile."""
    world.up(rotate_wait_seconds=20.0)
    world.write("app.log.1", "banner", "one", "two")
    data = gzip.compress((world.logs / "app.log.1").read_bytes())
    world.append("app.log.1.gz", data[:15])
    world.arrive()
    world.write("app.log", "banner", "x")
    world.arrive()
    world.append("app.log.1.gz", data[15:])
    world.delete("app.log.1")
    world.write("app.log", "y")
    world.arrive()
    world.down()
    assert world.once().totals.delivered == 0


@pytest.mark.parametrize("is_cut", [True, False], ids=["cut", "checksum"])
def test_damaged_archive(world: World, tmp_path: Path, *, is_cut: bool) -> None:
    """What can be read of it is stored, and the rest is said once."""
    lines = [f"line {number} {os.urandom(20).hex()}" for number in range(2000)]
    data = gzip.compress("".join(f"{line}\n" for line in lines).encode())
    damaged = data[: len(data) // 2] if is_cut else data[:-8] + bytes(8)
    world.append("app.log.1.gz", damaged)
    arguments = ("ship", world.logs / "*.log*", "--to", world.fake.url, "--state-dir", world.state)
    with AgentProcess(*arguments, "--once", log=tmp_path / "stderr") as process:
        assert process.wait() == 0, process.stderr
        assert process.stderr.count("what can be read of it is shipped") == 1, process.stderr
    found = sorted(world.fake.found(), key=lambda text: int(text.split()[1]))
    assert len(found) == 2000 or (is_cut and 500 < len(found) < 1500)
    assert found[:-1] == lines[: len(found) - 1]
    assert lines[len(found) - 1].startswith(found[-1])
    world.expected = world.fake.found()
    assert world.once().totals.delivered == 0


def test_members_after_one_another(world: World) -> None:
    """An archive that others were appended to is one content."""
    for text in ("one", "two", "three"):
        world.append("app.log.1.gz", gzip.compress(f"{text}\n".encode()))
        world.expect(text)
    world.up()
    world.arrive()


@pytest.mark.parametrize("is_up", [True, False], ids=["running", "down"])
def test_copied_truncated_and_compressed(world: World, *, is_up: bool) -> None:
    """What was unread at the truncation is recovered from the compressed copy."""
    world.globs = ("*.log",)
    world.up()
    world.write("app.log", "banner", "one")
    world.arrive()
    if is_up:
        world.fake.script.extend(["503"] * 3)
    else:
        world.down()
    world.write("app.log", "two", "three")
    compress(world, "app.log", to="app.log.1.gz", keep=True)
    world.truncate("app.log")
    world.write("app.log", "banner", "four", "five")
    if not is_up:
        world.up()
    world.arrive()


def test_archive_whose_original_stays(world: World) -> None:
    """A compressed copy of a file that goes on is not shipped, nor when its original is gone."""
    world.up()
    world.write("app.log", "banner", "one", "two")
    world.arrive()
    compress(world, "app.log", to="app.log.backup.gz", keep=True)
    world.write("app.log", "three")
    world.arrive()
    wait_until(lambda: _is_known(world, "app.log.backup.gz"), "the archive is not known")
    world.down()
    world.delete("app.log")
    world.up()
    world.write("web.log", "other")
    world.arrive()


def test_cascade_of_archives(world: World) -> None:
    """Archives that are renamed among themselves, up or down, are what they were."""
    for turn in range(4):
        if turn % 2:
            world.up()
        for number in (3, 2, 1):
            if (world.logs / f"app.log.{number}.gz").exists():
                world.rename(f"app.log.{number}.gz", f"app.log.{number + 1}.gz")
        if turn:
            rotate(world)
            compress(world, "app.log.1")
        world.write("app.log", "banner", f"turn {turn}")
        if turn % 2 == 0:
            world.up()
        world.arrive()
        world.down()
    assert world.once().totals.delivered == 0


def test_killed_in_the_middle_of_an_archive(world: World, tmp_path: Path) -> None:
    """Read on from where it was confirmed, in bytes of what is in it."""
    lines = [f"line {number} of many" for number in range(60_000)]
    world.append("app.log.1.gz", gzip.compress("".join(f"{line}\n" for line in lines).encode()))
    world.expect(*lines)
    arguments = ("ship", world.logs / "*.log*", "--to", world.fake.url, "--state-dir", world.state)
    for bulks in (2, 3, 2):
        _run_until_bulk(world, bulks, tmp_path, *arguments)
    world.up()
    world.arrive(30)


def test_compressed_false_leaves_archives_out(world: World) -> None:
    """They are neither named nor looked at."""
    world.write("app.log", "one")
    world.append("app.log.1.gz", gzip.compress(b"old\n"))
    world.once(compressed=False)


def test_plain_file_with_the_name_of_an_archive(world: World) -> None:
    """Its bytes are its content."""
    world.write("app.log.gz", "not compressed at all", "really")
    world.up()
    world.arrive()


def _run_until_bulk(world: World, bulks: int, tmp_path: Path, *arguments: object) -> None:
    world.fake.bulks = 0
    with AgentProcess(*map(str, arguments), log=tmp_path / "stderr") as process:
        wait_until(lambda: world.fake.bulks >= bulks or world.is_complete, process.stderr)
        process.kill()


def _is_known(world: World, name: str) -> bool:
    database = sqlite3.connect(world.state / "checkpoints.db")
    try:
        rows = database.execute("SELECT path FROM files").fetchall()
    finally:
        database.close()
    return any(Path(row[0]).name == name for row in rows)
