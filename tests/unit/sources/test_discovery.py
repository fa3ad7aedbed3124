"""Which files globs name, what is said of the others, and which folders are watched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from logship.sources.file.discovery import names, scan, watch_roots


def roots(*patterns: str) -> list[tuple[str, bool]]:
    return [(root.path, root.recursive) for root in watch_roots(patterns)]


def test_folder_before_the_first_wildcard_is_watched(tmp_path: Path) -> None:
    """Below a wildcard in a folder's name everything is; else the folder alone."""
    (tmp_path / "api").mkdir()
    assert roots(f"{tmp_path}/api/*.log") == [(f"{tmp_path}/api", False)]
    assert roots(f"{tmp_path}/*/app.log") == [(str(tmp_path), True)]
    assert roots(f"{tmp_path}/**/*.log", f"{tmp_path}/x.log") == [(str(tmp_path), True)]


def test_missing_folder_is_waited_for_in_the_nearest_one_without_what_is_below(
    tmp_path: Path,
) -> None:
    """A pattern whose folders are missing never makes everything above them be watched."""
    assert roots(f"{tmp_path}/none/*/deep/*.log") == [(str(tmp_path), False)]
    assert roots("/nowhere-at-all/*/x.log") == [("/", False)]
    assert roots("/*/x.log") == [("/", False)]


def test_folder_that_was_made_anew_is_another_root(tmp_path: Path) -> None:
    """The same path with another inode has to be watched anew."""
    folder = tmp_path / "logs"
    folder.mkdir()
    before = watch_roots([f"{folder}/*.log"])
    folder.rename(tmp_path / "old")
    folder.mkdir()
    after = watch_roots([f"{folder}/*.log"])
    assert before != after
    assert [root.path for root in before] == [root.path for root in after]


def test_patterns_name_what_globs_find(tmp_path: Path) -> None:
    """What a notification names is recognised, also directly below ``**``."""
    are_named = names([f"{tmp_path}/**/*.log", f"{tmp_path}/a?/[x]"])
    for path in ("b.log", "deep/er/b.log", "a1/x"):
        assert are_named(f"{tmp_path}/{path}")
    for path in ("b.txt", "a1/y", "b.log.1"):
        assert not are_named(f"{tmp_path}/{path}")


def test_no_pattern_names_nothing() -> None:
    """Where there are no patterns, no path is named."""
    assert not names([])("/var/log/app.log")
    assert not names([])("")


def test_each_file_counts_once_and_others_have_reasons(tmp_path: Path) -> None:
    """Links and overlapping globs are one file; what is no file has its reason when it matters."""
    (tmp_path / "a.log").write_text("x\n")
    os.link(tmp_path / "a.log", tmp_path / "b.log")
    (tmp_path / "c.log").symlink_to("a.log")
    (tmp_path / "broken.log").symlink_to("nowhere")
    (tmp_path / "folder.log").mkdir()
    (tmp_path / ".hidden.log").write_text("x\n")
    (tmp_path / "left-out.log").write_text("x\n")
    found = scan(
        [f"{tmp_path}/*.log", f"{tmp_path}/a*", f"{tmp_path}/none*"],
        ["left-*", f"{tmp_path}/other*"],
    )
    assert [Path(file.path).name for file in found.files.values()] == ["a.log"]
    assert found.skipped == {f"{tmp_path}/broken.log": "No such file or directory"}
    assert found.unmatched == [f"{tmp_path}/none*"]
    explicit = scan([f"{tmp_path}/folder.log"], [])
    folder = f"{tmp_path}/folder.log"
    what_to_do = f"give a glob for the files in it, such as {folder}/*"
    assert explicit.skipped == {folder: f"not a regular file but a directory; {what_to_do}"}


@pytest.mark.skipif(not os.path.isfile("/proc/self/status"), reason="there is no /proc")
def test_files_of_the_kernel_are_none() -> None:
    """What changes with every look would be read for ever, as a new file each time."""
    found = scan(["/proc/self/status", "/proc/self/stat*"])
    assert found.files == {}
    assert "made by the kernel" in found.skipped["/proc/self/status"]
