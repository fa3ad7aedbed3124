"""What globs name, in whatever tree of folders and links."""

from __future__ import annotations

import glob
import os
from pathlib import Path

import pytest

from logship.sources.file.globs import expand


def named(pattern: str, follow_links: str = "always") -> list[str]:
    return expand(pattern, follow_links, {})


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x\n")


PATTERNS = (
    "*.log",
    "**/*.log",
    "**",
    "**/",
    "*",
    "*/*.log",
    "a/**/c/*.log",
    "**/b/**/*.log",
    "**/c/x.log",
    "[ab]/*/?.log",
    ".hidden/*.log",
    "*/.x.log",
    "a/x.log",
    "a/none.log",
    "none/*.log",
    "a/x.log/*.log",
    "[[]odd]/*.log",
    "**/*",
    "**/**/x.log",
)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_they_name_what_globs_name(tmp_path: Path, pattern: str) -> None:
    """In a tree without links, exactly what Python's own globs find."""
    touch(tmp_path, "x.log", "a/x.log", "a/b/c/x.log", "a/c/y.log", "b/c/d/x.log", "a/.x.log")
    touch(tmp_path, ".hidden/x.log", "[odd]/x.log", "a/new\nline.log")
    touch(tmp_path, os.fsdecode(b"b/\xff.log"))
    whole = f"{tmp_path}/{pattern}"
    found = [path for path in named(whole) if not os.path.isdir(path)]
    expected = {path for path in glob.glob(whole, recursive=True) if not os.path.isdir(path)}
    assert found == sorted(expected)


def test_circles_cost_nothing(tmp_path: Path) -> None:
    """Links that lead back, several in one folder, end no look and change no name."""
    touch(tmp_path, "a/x.log", "a/b/y.log")
    for name in ("one", "two", "three"):
        (tmp_path / name).symlink_to(".")
        (tmp_path / "a/b" / name).symlink_to("../..")
    assert named(f"{tmp_path}/**/*.log") == [f"{tmp_path}/a/b/y.log", f"{tmp_path}/a/x.log"]


def test_folders_that_cannot_be_listed_are_said(tmp_path: Path) -> None:
    """Whatever keeps a folder from being looked into is its reason."""
    deep = tmp_path / ("x" * 200)
    deep.mkdir()
    skipped: dict[str, str] = {}
    assert expand(f"{tmp_path}/none/*.log", "always", skipped) == []
    assert expand(f"{deep}/{'y' * 300}/*.log", "always", skipped) == []
    assert skipped == {f"{deep}/{'y' * 300}/": "File name too long"}


def test_links_are_followed_once(tmp_path: Path) -> None:
    """A folder outside is found through a link; one inside has its own name."""
    touch(tmp_path, "out/x.log", "top/real/y.log")
    (tmp_path / "top/also").symlink_to("real")
    (tmp_path / "top/link").symlink_to(tmp_path / "out")
    top = tmp_path / "top"
    assert named(f"{top}/**/*.log") == [f"{top}/link/x.log", f"{top}/real/y.log"]
    assert named(f"{top}/*/y.log") == [f"{top}/also/y.log", f"{top}/real/y.log"]
    assert named(f"{top}/**/also/*.log") == [f"{top}/also/y.log"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("pattern", ["*/*.log", "**/*.log", "*/logs/x.log", "u*/logs/*.log"])
def test_foreign_folders_are_no_way_to_files(tmp_path: Path, pattern: str) -> None:
    """A user's link to another user's folder is not followed, and that is said."""
    touch(tmp_path, "secret/x.log", "secret/logs/x.log", "top/own/logs/x.log", "top/own/x.log")
    top = tmp_path / "top"
    (top / "user").symlink_to(tmp_path / "secret")
    os.chown(top / "user", 1234, 1234, follow_symlinks=False)
    skipped: dict[str, str] = {}
    found = expand(f"{top}/{pattern}", "same_owner", skipped)
    assert not any("user" in path for path in found)
    assert "user 1234 to a folder of user 0" in skipped[f"{top}/user"]
    os.chown(top / "user", 0, 0, follow_symlinks=False)
    os.chown(tmp_path / "secret", 1234, 1234)
    assert any("user" in path for path in named(f"{top}/{pattern}", "same_owner"))
    assert not any("user" in path for path in named(f"{top}/{pattern}", "never"))
