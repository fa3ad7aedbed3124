"""Mistakes of users get one clear line and status 2; the commands start quickly."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from logship.cli.main import COMMANDS
from tests.support.agent import MAIN, AgentProcess, World
from tests.support.wait import wait_until

# Root may read everything: these make a root that may not, and change nothing for others.
AS_OTHERS = (
    ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.getuid() == 0 else []
)
needs_permissions = pytest.mark.skipif(
    bool(AS_OTHERS) and shutil.which("setpriv") is None, reason="root without setpriv"
)
NOWHERE = "http://127.0.0.1:9"


def run(
    arguments: Sequence[str | Path], cwd: Path, wrapper: Sequence[str] = (), **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*wrapper, *MAIN, *map(str, arguments)],
        cwd=cwd,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "PYTHONPATH": os.getcwd(),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


def lines_of_mistake(result: subprocess.CompletedProcess[str]) -> list[str]:
    """What was said on stderr by a command that was used wrongly."""
    assert result.returncode == 2, result
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr.splitlines()


@pytest.mark.parametrize("command", COMMANDS)
def test_every_help_is_shown(command: str, tmp_path: Path) -> None:
    """``logship COMMAND --help`` works for each command, on stdout, with status 0."""
    result = run([command, "--help"], tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"usage: logship {command}" in result.stdout


def test_help_and_import_bring_nothing_heavy() -> None:
    """Neither ``import logship`` nor the help load what only running commands need."""
    heavy = (
        "aiohttp", "elastic_transport", "elasticsearch", "sqlite3", "asyncio", "orjson", "msgspec",
        "yaml", "watchfiles", "concurrent.futures", "ssl",
    )  # fmt: skip
    for statement, also in (
        ("import logship", ("argparse", "logging", "json", "logship.cli")),
        (
            "from logship.cli.main import build_parser; build_parser().format_help()",
            ("logship.agent", "logship.settings.load", "logship.node.store"),
        ),
    ):
        code = f"{statement}\nimport sys; print(' '.join(sys.modules))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        loaded = set(done.stdout.split())
        assert [name for name in (*heavy, *also) if name in loaded] == [], statement


def test_unknown_flags_and_commands_are_usage_errors(tmp_path: Path) -> None:
    """argparse's own words, and no traceback."""
    assert (
        "unrecognized arguments: --nonsense"
        in lines_of_mistake(run(["run", "--nonsense"], tmp_path))[-1]
    )
    assert "invalid choice: 'rum'" in lines_of_mistake(run(["rum"], tmp_path))[-1]
    assert "required: PATH" in lines_of_mistake(run(["ship"], tmp_path))[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ship", "a.log", "--to", "ftp://x"], "--to"),
        (["ship", "a.log", "--format", "jsn"], 'did you mean "json"'),
        (["ship", "a.log", "--field", "novalue"], '--field: "novalue" is not KEY=VALUE'),
        (["ship", "a.log", "--start-at", "middle"], "start-at"),
        (["ship", "a.log", "--timeout", "soon"], '"soon"'),
        (["ship", "-"], "standard input"),
        (["run", "-c", "missing.yaml"], "missing.yaml"),
        (["run"], "no settings were given"),
    ],
)
def test_wrong_values_are_said_with_their_flag(
    arguments: list[str], said: str, tmp_path: Path
) -> None:
    """Each mistake in a flag is one line that names it."""
    lines = lines_of_mistake(run([*arguments], tmp_path))
    assert said in lines[-1]
    assert len([line for line in lines if not line.startswith(("usage:", " "))]) == 1


def test_unknown_setting_is_said_with_its_place(tmp_path: Path) -> None:
    """A misspelt setting is an error with file, line, column and a suggestion."""
    (tmp_path / "l.yaml").write_text("sources:\n  - pathz: [a.log]\n    paths: [a.log]\n")
    (line,) = lines_of_mistake(run(["run", "-c", "l.yaml"], tmp_path))
    assert line.endswith('l.yaml:2:5: sources[0].pathz: unknown setting; did you mean "paths"?')


def test_state_folder_that_cannot_be_used_is_one_line(tmp_path: Path) -> None:
    """A file in its place, below a file, or where its database should be, is said."""
    (tmp_path / "a.log").write_text("x\n")
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "checkpoints.db").mkdir()
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / "lock").mkdir()
    for state in ("file", "file/state", "below", "locked"):
        arguments = ["ship", "a.log", "--once", "--to", NOWHERE, "--state-dir", state]
        lines = [line for line in lines_of_mistake(run(arguments, tmp_path)) if line[:1] != "{"]
        assert len(lines) == 1, lines
        assert str(tmp_path / state) in lines[0]


@needs_permissions
@pytest.mark.parametrize("what", [".", "lock", "checkpoints.db"])
def test_state_folder_without_permission_is_one_line(what: str, tmp_path: Path) -> None:
    """A folder, lock or database that must not be written is said, without traceback."""
    (tmp_path / "a.log").write_text("x\n")
    state = tmp_path / "state"
    state.mkdir()
    if what != ".":
        (state / what).touch()
    os.chmod(state / what, 0o500 if what == "." else 0o400)
    arguments = ["ship", "a.log", "--once", "--to", NOWHERE, "--state-dir", state]
    result = run([*arguments, "--timeout", "100ms"], tmp_path, AS_OTHERS)
    lines = [line for line in lines_of_mistake(result) if line[:1] != "{"]
    assert len(lines) == 1, lines
    assert str(state) in lines[0]


def test_full_disk_at_the_start_is_one_line(tmp_path: Path) -> None:
    """A store that cannot be made because the disk is full is said, without traceback."""
    (tmp_path / "a.log").write_text("x\n")
    log = tmp_path / "stderr"
    log.touch()

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))

    arguments = ("ship", tmp_path / "a.log", "--once", "--to", NOWHERE, "--log-level", "ERROR")
    with AgentProcess(
        *arguments, "--state-dir", tmp_path / "state", log=log, preexec_fn=fill
    ) as process:
        assert process.wait() == 2
        (line,) = process.stderr.splitlines()
    assert line.startswith(f"logship: {tmp_path}/state")


def test_second_agent_on_a_state_folder_is_refused(tmp_path: Path) -> None:
    """It names the folder and the process that holds it, and leaves that one alone."""
    with World(tmp_path) as world:
        world.write("app.log", "one")
        world.up()
        world.arrive()
        arguments = ["ship", world.logs / "app.log", "--to", world.fake.url]
        (line,) = [
            line
            for line in lines_of_mistake(run([*arguments, "--state-dir", world.state], tmp_path))
            if line[:1] != "{"
        ]
        assert f"{world.state}: another agent (process {os.getpid()}) uses" in line
        world.write("app.log", "two")
        world.arrive()


def test_missing_file_is_said(tmp_path: Path) -> None:
    """With ``--once`` a file that is not there is a mistake: nobody waits for it."""
    result = run(["ship", "none.log", "--once", "--to", NOWHERE, "--state-dir", "s"], tmp_path)
    assert result.returncode == 2
    assert "none.log: does not exist" in result.stderr
    assert "Traceback" not in result.stderr


def test_paths_that_cannot_be_shipped_are_said(tmp_path: Path) -> None:
    """Each with its own reason: one is out of reach, the other's name can only be a glob's."""
    paths = ["x" * 300, os.fsdecode(b"bad\xff.log")]
    result = run(["ship", *paths, "--once", "--to", NOWHERE, "--state-dir", "s"], tmp_path)
    assert result.returncode == 2
    assert f"{paths[0]}: cannot be reached: File name too long" in result.stderr
    assert r"bad\udcff.log: is not valid UTF-8; give a glob that matches it" in result.stderr


@needs_permissions
def test_unreadable_file_is_said_and_ends_once_incomplete(tmp_path: Path) -> None:
    """A file without permission is skipped with its reason; the others are shipped."""
    with World(tmp_path) as world:
        world.write("open.log", "stored")
        world.append("secret.log", b"not to be read\n")
        os.chmod(world.logs / "secret.log", 0)
        state, log = tmp_path / "own", tmp_path / "stderr"
        arguments = ("ship", world.logs / "*.log", "--to", world.fake.url, "--state-dir", state)
        with AgentProcess(*arguments, "--once", log=log, wrapper=AS_OTHERS) as process:
            assert process.wait() == 3, process.stderr
            assert f"cannot read {world.logs}/secret.log: Permission denied" in process.stderr
        assert world.fake.found() == world.expected
        world.expect("not to be read")
        with AgentProcess(*arguments, log=log, wrapper=AS_OTHERS) as process:
            wait_until(lambda: "Permission denied" in process.stderr, lambda: process.stderr)
            os.chmod(world.logs / "secret.log", 0o644)
            wait_until(lambda: world.is_complete, world.difference, seconds=20)
