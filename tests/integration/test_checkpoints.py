"""``logship checkpoints`` as a user sees it, with agents before, after and beside it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from logship.checkpoints.admin import read_rows
from logship.cli.main import main
from tests.support.agent import World

Run = Callable[..., int]
LINES = ["one", "two", "three", "four"]


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in [name for name in os.environ if name.startswith("LOGSHIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LOGSHIP_AGENT_ID", "test-host")
    with World(tmp_path) as world:
        yield world


@pytest.fixture
def run(world: World) -> Run:
    """Runs a verb on the world's state folder."""

    def run_line(*line: object) -> int:
        return main(["checkpoints", *map(str, line), "--state-dir", str(world.state)])

    return run_line


def shipped(world: World) -> Path:
    """Ship four lines; returns the file."""
    world.write("app.log", *LINES)
    world.once()
    world.arrive()
    return world.logs / "app.log"


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_list_beside_a_running_agent(
    world: World, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """The list has what the running agent has confirmed, and how far behind it is."""
    world.write("app.log", *LINES)
    world.up()
    world.arrive()
    world.confirmed()
    assert run("list", "-o", "json") == 0
    (entry,) = listed(capsys)
    size = (world.logs / "app.log").stat().st_size
    assert re.fullmatch(r"[\w-]{10}", str(entry.pop("seed")))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT.*Z", str(entry.pop("confirmed_at")))
    assert entry == {
        "path": str(world.logs / "app.log"), "source": "test", "offset": size, "size": size,
        "behind": 0, "is_there": True, "gone_since": None,
    }  # fmt: skip


def test_list_as_a_table(world: World, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has a head, and sizes as they are now."""
    shipped(world)
    world.append("app.log", b"not yet shipped\n")
    assert run("list") == 0
    head, line = capsys.readouterr().out.splitlines()
    assert " ".join(head.split()) == "OFFSET SIZE BEHIND CONFIRMED SOURCE SEED GONE PATH"
    cells = line.split()
    assert cells[:3] == ["19", "35", "16"]
    assert cells[5] == "test"
    assert cells[7:] == ["-", str(world.logs / "app.log")]


def test_list_finds_renamed_and_missing_files(
    world: World, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file renamed while no agent runs is listed where it lies; a deleted one as gone."""
    shipped(world)
    world.rename("app.log", "app.log.1")
    run("list", "-o", "json")
    assert [(e["path"], e["is_there"]) for e in listed(capsys)] == [
        (str(world.logs / "app.log.1"), True)
    ]
    world.delete("app.log.1")
    run("list", "-o", "json")
    assert [(e["path"], e["is_there"], e["size"]) for e in listed(capsys)] == [
        (str(world.logs / "app.log"), False, 19)
    ]
    run("list")
    assert capsys.readouterr().out.splitlines()[1].split()[7] == "now"


def test_nothing_known(run: Run, capsys: pytest.CaptureFixture[str], world: World) -> None:
    """Without a store the exit status is 1, and a state folder is not made."""
    assert run("list") == 1
    assert run("reset", world.logs / "app.log") == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count(f"no checkpoints in {world.state}") == 2
    assert not world.state.exists()


def test_reset_heals_a_gap_under_the_same_ids(
    world: World, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a reset every line is sent once more with its old id: what is missing is added."""
    path = shipped(world)
    missing = next(k for k, d in world.fake.documents.items() if d["message"] == "two")
    before = dict(world.fake.documents)
    del world.fake.documents[missing]
    assert run("reset", path) == 0
    assert "from 19 to 0, 19 bytes are read again under the same ids" in capsys.readouterr().out
    world.once()
    world.arrive()
    assert world.fake.documents.keys() == before.keys()
    assert set(world.fake.copies.values()) == {2}


def test_reset_as_new_ships_anew(world: World, run: Run) -> None:
    """With --as-new every line is stored once more, and that does not happen again."""
    path = shipped(world)
    assert run("reset", "--as-new", path) == 0
    world.expect(*LINES)
    world.once()
    world.arrive()
    world.write("app.log", "five")
    world.once()
    world.arrive()
    (row,) = read_rows(world.state)
    assert len(row.salt) == 8


def test_seek_to_the_end_leaves_out_what_is_there(world: World, run: Run) -> None:
    """What lies before the end is left out; a line that is being written is not cut in two."""
    path = shipped(world)
    world.append("app.log", b"left out\nhalf of")
    assert run("seek", path, "end") == 0
    world.append("app.log", b" a line\n")
    world.expect("half of a line")
    world.write("app.log", "five")
    world.once()
    world.arrive()


def test_seek_back_reads_again_under_the_same_ids(
    world: World, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """Lines after the place are sent again with their ids; "start" is the beginning."""
    path = shipped(world)
    assert run("seek", path, 8) == 0
    assert "from 19 to 8, 11 bytes are read again" in capsys.readouterr().out
    world.once()
    world.arrive()
    assert sorted(world.fake.copies.values()) == [1, 1, 2, 2]
    assert run("seek", path, "start") == 0
    world.once()
    world.arrive()
    assert sorted(world.fake.copies.values()) == [2, 2, 3, 3]


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("10", "10 is in the middle of a line; lines begin at 8 and 14"),
        ("18", "lines begin at 14 and 19"),
        ("20", "ends at 19; 20 is beyond that"),
    ],
)
def test_seek_only_to_a_line(
    world: World, run: Run, capsys: pytest.CaptureFixture[str], place: str, message: str
) -> None:
    """A place inside a line or beyond the end is refused, and nothing has moved."""
    path = shipped(world)
    assert run("seek", path, place) == 2
    assert message in capsys.readouterr().err
    assert [row.offset for row in read_rows(world.state)] == [19]


@pytest.mark.parametrize("verb", [["reset"], ["reset", "--as-new"], ["seek", "{}", "end"]])
def test_refused_while_an_agent_runs(
    world: World, run: Run, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    """Moving a checkpoint under a running agent is refused, with the agent's process."""
    path = shipped(world)
    agent = world.up()
    world.write("app.log", "five")
    world.arrive()
    assert agent.is_running
    line = [part.format(path) for part in verb]
    assert run(*line, *([] if str(path) in line else [path])) == 2
    error = capsys.readouterr().err
    assert "can only be moved while no agent runs" in error
    assert f"process {os.getpid()}" in error


def test_paths_without_a_checkpoint(
    world: World, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is new, or not what was read under its name, has no checkpoint: status 1."""
    path = shipped(world)
    (world.logs / "new.log").write_text("new\n")
    assert run("reset", world.logs / "new.log") == 1
    path.write_text("something else entirely\n")
    assert run("seek", path, "end") == 1
    assert "begins as with a new file" in capsys.readouterr().err
    assert run("reset", world.logs / "nowhere.log") == 2
    assert "nowhere.log: cannot be read: No such file" in capsys.readouterr().err
    world.delete("new.log")


def test_reset_of_a_renamed_file(world: World, run: Run) -> None:
    """A file renamed while no agent ran is found by its content under the new name."""
    shipped(world)
    world.rename("app.log", "other.log")
    assert run("reset", world.logs / "other.log") == 0
    (row,) = read_rows(world.state)
    assert (row.path, row.offset) == (str(world.logs / "other.log"), 0)


def registry(folder: Path, *entries: tuple[Path, int], inode_off: int = 0) -> Path:
    """A registry of Filebeat with these files at these offsets."""
    (folder / "registry" / "filebeat").mkdir(parents=True)
    lines = []
    for number, (path, offset) in enumerate(entries, 1):
        stat = path.stat()
        lines.append({"op": "set", "id": number})
        lines.append({
            "k": f"filestream::id::native::{stat.st_ino + inode_off}-{stat.st_dev}",
            "v": {"ttl": -1, "cursor": {"offset": offset},
                  "meta": {"source": str(path), "identifier_name": "native"}},
        })  # fmt: skip
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "registry" / "filebeat" / "log.json").write_text(text)
    return folder


def settings_file(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "logship.yaml"
    path.write_text(
        f"agent: {{id: test-host}}\nsources:\n  - {{name: test, paths: ['{world.logs}/*.log']}}\n"
    )
    return path


def test_import_goes_on_where_filebeat_was(
    world: World, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What Filebeat has read is not shipped, what follows is, once; its other files are listed."""
    world.append("app.log", b"filebeat has this\n")
    world.append("ends.log", b"all of it\n")
    world.append("mid.log", b"no line begins at three\n")
    world.expect("no line begins at three")
    outside = tmp_path / "outside.txt"
    outside.write_text("not in the settings\n")
    data = registry(
        tmp_path / "filebeat",
        (world.logs / "app.log", 18),
        (world.logs / "ends.log", 10),
        (world.logs / "mid.log", 3),
        (outside, 5),
    )
    world.write("app.log", "logship ships this")
    status = run("import", "filebeat", data, "-c", settings_file(world, tmp_path))
    output = capsys.readouterr()
    assert status == 0
    assert output.out.splitlines() == [
        f"{world.logs}/app.log (source test): from 18 of 37 bytes",
        f"{world.logs}/ends.log (source test): from 10 of 10 bytes",
    ]
    assert f"skipped: {world.logs}/mid.log at 3: no line begins there (one does at 0)" in output.err
    assert f"skipped: {outside} at 5: no source of the settings names such a file" in output.err
    assert "2 imported, 2 skipped" in output.err
    world.once()
    world.arrive()
    world.write("ends.log", "more")
    world.once()
    world.arrive()


def test_import_twice_changes_nothing(
    world: World, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that logship knows keeps its checkpoint, with the reason; nothing taken is 1."""
    path = shipped(world)
    data = registry(tmp_path / "filebeat", (path, 4))
    assert run("import", "filebeat", data, "-c", settings_file(world, tmp_path)) == 1
    assert "logship knows it already, up to 19" in capsys.readouterr().err
    assert [row.offset for row in read_rows(world.state)] == [19]


def test_imported_files_have_the_ids_of_ordinary_ones(
    world: World, run: Run, tmp_path: Path
) -> None:
    """The seed is the one that the agent would give: reading all of it later adds the rest."""
    path = world.logs / "app.log"
    world.append("app.log", b"one\ntwo\n")
    data = registry(tmp_path / "filebeat", (path, 4))
    run("import", "filebeat", data, "-c", settings_file(world, tmp_path))
    world.expect("two")
    world.once()
    world.arrive()
    (world.state / "checkpoints.db").unlink()
    world.expect("one")
    world.once()
    world.arrive()
    assert sorted(world.fake.copies.values()) == [1, 2]


def test_import_needs_sources(world: World, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """Without settings that name sources the import says what it needs."""
    assert run("import", "filebeat", world.logs) == 2
    assert "name them with -c FILE, LOGSHIP_CONFIG or LOGSHIP_PATHS" in capsys.readouterr().err


@pytest.mark.parametrize(
    "line", [["seek", "x", "middle"], ["seek", "x", "-1"], ["import", "x", "y"], []]
)
def test_usage(run: Run, line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be meant is an error of usage."""
    with pytest.raises(SystemExit) as ended:
        run(*line)
    assert ended.value.code == 2
    assert "usage: logship checkpoints" in capsys.readouterr().err
