"""Random schedules of what happens to files and agents, played against a model.

``LOGSHIP_TEST_SEED`` is the first seed and ``LOGSHIP_TEST_SCHEDULES`` says how many there are;
a failure names its seed. A thousand of them::

    LOGSHIP_TEST_SEED=1 LOGSHIP_TEST_SCHEDULES=1000 \\
        python -m pytest tests/property/test_files_model.py -k schedules
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.files_model import FilesModel, play

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
SCHEDULES = int(os.environ.get("LOGSHIP_TEST_SCHEDULES") or 16)
AT_ONCE = 4  # they wait more than they work


@pytest.mark.slow
def test_random_schedules_lose_and_double_nothing(tmp_path: Path) -> None:
    """Every complete line that could be read is stored exactly once, whatever happened."""

    def run(seed: int) -> str:
        try:
            play(seed, tmp_path / str(seed))
        except AssertionError as error:
            return f"LOGSHIP_TEST_SEED={seed}: {error}"
        return ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        failures = [text for text in pool.map(run, range(SEED, SEED + SCHEDULES)) if text]
    assert not failures, f"{len(failures)} of {SCHEDULES}:\n" + "\n".join(failures)


@pytest.fixture
def model(tmp_path: Path) -> Iterator[FilesModel]:
    model = FilesModel(tmp_path, globs=("*.log*",))
    yield model
    model.close()


def test_file_saved_by_an_editor_is_the_same_file(model: FilesModel) -> None:
    """A file with one more line, renamed over the one that is tailed, goes on where that was."""
    model.create("app.log")
    model.settle()
    model.save_as_editors_do("app.log")
    model.append("app.log", model.new_message())
    model.finish()


def test_saved_file_is_the_same_when_its_old_inode_is_reused(model: FilesModel) -> None:
    """Saved while no agent runs: that another file got its old inode does not hide it."""
    model.create("app.log")
    model.settle()
    model.down()
    inode = (model.logs / "app.log").stat().st_ino
    model.save_as_editors_do("app.log")
    for number in range(20):
        model.create(f"other{number}.log")
    if inode not in {path.stat().st_ino for path in model.logs.iterdir()}:
        pytest.skip("this file system does not reuse inodes at once")
    model.finish()


def test_copy_is_known_after_a_kill(model: FilesModel) -> None:
    """Killed before it was saved which file is the copy, the copy is not shipped again."""
    model.create("app.log")
    model.settle()
    for turn in range(3):
        model.copytruncate("app.log", f"app.log-2026110{turn}")
        model.settle()
        model.kill()
    model.finish()


def test_known_lines_come_from_the_copy_and_not_twice(model: FilesModel) -> None:
    """A copy of which some lines were stored, others not, is read from where its original was."""
    model.create("app.log")
    model.settle()
    model.down()
    model.append("app.log", *(model.new_message() for _ in range(9)))
    model.copytruncate("app.log", "app.log.1")
    model.finish()
