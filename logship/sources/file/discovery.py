"""Which files there are: globs to paths, and what one look tells of each."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import NamedTuple

from logship.settings.model import SourceSettings
from logship.sources.file.compression import ENDINGS
from logship.sources.file.globs import expand, refusal

__all__ = [
    "Found",
    "Root",
    "Scan",
    "explicit",
    "is_excluded_by",
    "names",
    "scan",
    "scan_for",
    "watch_roots",
]

UNREADABLE = (".zip", ".7z", ".rar", ".tar", ".tgz")
_MAGIC = re.compile(r"[*?\[]")


class Found(NamedTuple):
    """A regular file; ``modified`` is its time of change in nanoseconds.

    ``is_named`` tells whether the globs name it, or it lies beside such files.
    """

    path: str
    device: int
    inode: int
    size: int
    modified: int = 0
    is_named: bool = True

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    @property
    def is_archive(self) -> bool:
        """Whether its name says that it is compressed."""
        return self.path.lower().endswith(ENDINGS)


@dataclass(slots=True)
class Scan:
    """One look at the globs.

    Attributes:
        files: By device and inode: hard links and overlapping globs count once.
        skipped: path → why it cannot be tailed (a directory, a pipe, …).
        unmatched: Globs that named no file.
    """

    files: dict[tuple[int, int], Found] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    unmatched: list[str] = field(default_factory=list)


def scan(
    patterns: Sequence[str],
    exclude: Sequence[str] = (),
    *,
    follow_links: str = "always",
    with_archives: bool = True,
) -> Scan:
    """Look at the globs once. Blocking.

    Args:
        follow_links: ``always``, ``never``, or ``same_owner``: only links that belong to whom the
            file belongs that they lead to, so that nobody has a foreign file read; to folders
            those of root's, too.
        with_archives: Whether files with the name of an archive are found, too.
    """
    result = Scan()
    look = partial(_look, result, follow_links=follow_links, with_archives=with_archives)
    is_excluded = is_excluded_by(exclude)
    for pattern in patterns:
        paths = expand(pattern, follow_links, result.skipped)
        if exclude:
            paths = [path for path in paths if not is_excluded(path)]
        if not paths:
            result.unmatched.append(pattern)
        is_explicit = not _MAGIC.search(pattern)
        for path in paths:
            look(path, explicit=is_explicit)
    return result


def scan_for(settings: SourceSettings) -> Scan:
    """Look once at the globs of a source, as it does itself. Blocking."""
    return scan(
        settings.paths,
        settings.exclude,
        follow_links=settings.follow_links,
        with_archives=settings.compressed is not False,
    )


class Root(NamedTuple):
    """A directory to be watched. Another inode under the same path is another directory."""

    path: str
    recursive: bool
    inode: int


def watch_roots(patterns: Iterable[str]) -> list[Root]:
    """Return the directories to be watched for *patterns*; those that are there. Blocking.

    Where one is missing, the nearest above it tells when it appears.
    """
    wanted: dict[str, bool] = {}
    for pattern in patterns:
        directory, recursive = os.path.dirname(pattern), False
        while _MAGIC.search(directory):
            directory, recursive = os.path.dirname(directory), True
        while not os.path.isdir(directory) and directory != os.path.dirname(directory):
            directory, recursive = os.path.dirname(directory), False
        if directory == "/":  # too much to watch, and to find it all is what scans are for
            recursive = False
        wanted[directory] = wanted.get(directory, False) or recursive
    roots = []
    for directory, recursive in sorted(wanted.items()):
        try:
            roots.append(Root(directory, recursive, os.stat(directory).st_ino))
        except OSError:
            continue
    return roots


def explicit(patterns: Iterable[str]) -> list[str]:
    """Return those of *patterns* that are paths, not globs."""
    return [pattern for pattern in patterns if not _MAGIC.search(pattern)]


def names(patterns: Iterable[str]) -> Callable[[str], object]:
    """Return what tells whether one of *patterns* names a path; only a hint for ``**``."""
    texts = {text for p in patterns for text in (p, p.replace("/**/", "/"))}
    nothing = "(?!)"
    return re.compile("|".join(map(fnmatch.translate, sorted(texts))) or nothing).match


def _look(
    result: Scan, path: str, *, explicit: bool, follow_links: str, with_archives: bool
) -> None:
    try:
        link = found = os.lstat(path)
        if stat.S_ISLNK(link.st_mode):
            found = os.stat(path)
    except OSError as error:
        if not os.path.lexists(path):  # gone since the glob was read: a rotation's doing
            return
        result.skipped[path] = error.strerror or str(error)
        return
    if link is not found and (reason := refusal(link, found, follow_links)):
        result.skipped[path] = reason
    elif path.endswith(UNREADABLE):
        result.skipped[path] = (
            "an archive of several files; of archives .gz, .bz2, .xz and .zst are read"
        )
    elif not with_archives and path.lower().endswith(ENDINGS):
        result.skipped[path] = 'it is compressed, and "compressed" is false'
    elif found.st_dev in _kernel_devices():
        result.skipped[path] = "no log file, but made by the kernel while it is read"
    elif stat.S_ISREG(found.st_mode):
        key = device, inode = found.st_dev, found.st_ino
        if key not in result.files:
            result.files[key] = Found(path, device, inode, found.st_size, found.st_mtime_ns)
    elif explicit or not stat.S_ISDIR(found.st_mode):
        reason = f"not a regular file but a {_kind(found.st_mode)}"
        if stat.S_ISDIR(found.st_mode):
            reason += f"; give a glob for the files in it, such as {path.rstrip('/')}/*"
        result.skipped[path] = reason


@cache
def _kernel_devices() -> frozenset[int]:
    """Where files have no size, no end or another content each time: /proc and /sys."""
    devices = set()
    for path in ("/proc", "/sys"):
        with contextlib.suppress(OSError):
            devices.add(os.stat(path).st_dev)
    with contextlib.suppress(OSError):  # where they are ordinary folders
        devices.discard(os.stat("/").st_dev)
    return frozenset(devices)


def _kind(mode: int) -> str:
    for test, name in (
        (stat.S_ISDIR, "directory"),
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "character device"),
        (stat.S_ISBLK, "block device"),
    ):
        if test(mode):
            return name
    return "special file"


def is_excluded_by(patterns: Sequence[str]) -> Callable[[str], bool]:
    """Return what tells whether a path is left out.

    Patterns with a slash match whole paths, others the file's name.
    """
    whole = [re.compile(fnmatch.translate(p)).match for p in patterns if "/" in p]
    names = [re.compile(fnmatch.translate(p)).match for p in patterns if "/" not in p]

    def matches(path: str) -> bool:
        name = os.path.basename(path)
        return any(match(path) for match in whole) or any(match(name) for match in names)

    return matches
