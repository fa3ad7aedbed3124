"""The README shows only what works: its examples are run, read or parsed here."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from logship.cli.main import COMMANDS, build_parser
from logship.settings.load import load_settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    lines = [line for block in blocks("console") for line in block.splitlines()]
    return [line[2:].split("  #")[0].strip() for line in lines if line.startswith("$ logship")]


@pytest.mark.parametrize("command", commands())
def test_commands_are_understood(command: str) -> None:
    """Every logship command in the README has arguments that its parser takes."""
    parsed = build_parser().parse_args(shlex.split(command)[1:])
    assert callable(parsed.run)


@pytest.mark.parametrize("text", blocks("yaml"))
def test_settings_load(text: str, tmp_path: Path) -> None:
    """Every settings file in the README loads."""
    path = tmp_path / "logship.yaml"
    path.write_text(text)
    loaded = load_settings(path, environment={"HOME": str(tmp_path)}, working_dir=tmp_path)
    assert loaded.settings.sources


@pytest.mark.parametrize("text", blocks("python"))
def test_python_compiles(text: str) -> None:
    """Every Python example in the README is Python, and the names it takes from logship exist."""
    import logship

    compile(text, "README.md", "exec")
    for name in set(re.findall(r"logship\.([A-Za-z_]+)", text)):
        assert getattr(logship, name) is not None


def test_every_make_target_named_is_there() -> None:
    """Every make target that the README names is in the Makefile."""
    named = set(re.findall(r"`?make ([a-z-]+)", README))
    makefile = (ROOT / "Makefile").read_text()
    assert named
    assert [name for name in named if not re.search(rf"^{name}:", makefile, re.MULTILINE)] == []


def test_every_command_is_listed() -> None:
    """The README's table of commands has the commands there are, and no other."""
    table = README[README.index("## Commands") : README.index("## Development")]
    listed = {name for row in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE)
              for name in re.findall(r"`([a-z-]+)`", row)}  # fmt: skip
    assert listed == set(COMMANDS)


def test_links_lead_somewhere() -> None:
    """Every relative link in the README names a file of the repository."""
    links = [link for link in re.findall(r"\]\(([^)#]+)\)", README) if "://" not in link]
    assert links
    assert [link for link in links if not os.path.exists(ROOT / link)] == []
