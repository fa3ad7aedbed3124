from __future__ import annotations

import os
from pathlib import Path

import pytest

from logship.errors import StateError
from logship.state_dir import StateDir


def test_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    """The state folder is made with its parents, and nobody else may look inside."""
    with StateDir(tmp_path / "a" / "b") as state:
        assert state.path.stat().st_mode & 0o777 == 0o700
        assert (state.path / "lock").stat().st_mode & 0o777 == 0o600
        assert (state.path / "lock").read_text() == f"{os.getpid()}\n"


def test_one_agent_at_a_time(tmp_path: Path) -> None:
    """A second agent is told who holds the folder, and gets it once the first is gone."""
    with StateDir(tmp_path):
        expected = f"{tmp_path}: another agent (process {os.getpid()}) uses this state folder. "
        with pytest.raises(StateError) as caught:
            StateDir(tmp_path)
        assert str(caught.value).startswith(expected)
    with StateDir(tmp_path):
        pass


def test_what_a_longer_number_left_is_gone(tmp_path: Path) -> None:
    """The lock names its holder even where a longer process number stood."""
    (tmp_path / "lock").write_text("123456789012\n")
    with StateDir(tmp_path):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize("below", ["", "below"])
def test_file_in_the_folders_place(tmp_path: Path, below: str) -> None:
    """A folder that cannot be made is a mistake with its path and what to do."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / below
    with pytest.raises(StateError) as caught:
        StateDir(path)
    assert str(caught.value).startswith(f"{path}: the state folder cannot be used (")
    assert "--state-dir" in str(caught.value)


def test_a_refused_folder_leaves_nothing_open(tmp_path: Path) -> None:
    """Refusals close what they opened."""
    with StateDir(tmp_path):
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(3):
            with pytest.raises(StateError):
                StateDir(tmp_path)
        assert len(os.listdir("/proc/self/fd")) == before
