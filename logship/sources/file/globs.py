"""Globs to paths, in bounded time and without foreign folders, wherever symbolic links lead.

As :mod:`glob` with ``recursive``: ``**`` is any number of folders, and what begins with a dot has
to be named with it. Beyond that, ``**`` visits each folder once, under the shortest of its names
that needs the fewest links: links that lead around in circles cost nothing.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re
import stat
from collections import deque
from collections.abc import Callable, Iterator, Sequence

__all__ = ["expand", "refusal"]


def expand(pattern: str, follow_links: str, skipped: dict[str, str]) -> list[str]:
    """Return the paths that *pattern* names, sorted. Blocking.

    Folders before the first wildcard are taken as they are named, links or not.

    Args:
        follow_links: As :func:`refusal` takes it; for links to folders.
        skipped: Gets why folders were left out: path → reason.
    """
    parts = pattern.split("/")
    first = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    walk = _Walk(follow_links, skipped)
    if first == len(parts):
        return [pattern] if walk.is_there(pattern) else []
    if not parts[-1]:  # a slash at the end: folders only
        return []
    folder = "/".join([*parts[:first], ""])
    return sorted(set(walk.below(folder, [part for part in parts[first:] if part])))


def refusal(link: os.stat_result, found: os.stat_result, follow_links: str) -> str:
    """Return why a symbolic link is not followed; empty when it is.

    Args:
        link: Of the link itself.
        found: Of what it leads to. A folder is also reached by a link of root's.
        follow_links: ``always``, ``never``, or ``same_owner``.
    """
    if follow_links == "never":
        return 'a symbolic link, and "follow_links" is never'
    is_folder = stat.S_ISDIR(found.st_mode)
    owners = (found.st_uid, 0) if is_folder else (found.st_uid,)
    if follow_links == "same_owner" and link.st_uid not in owners:
        what = "folder" if is_folder else "file"
        return (
            f"a symbolic link of user {link.st_uid} to a {what} of user {found.st_uid}; "
            '"follow_links: always" follows it nevertheless'
        )
    return ""


class _Walk:
    """One pattern's way through the folders."""

    def __init__(self, follow_links: str, skipped: dict[str, str]) -> None:
        self._follow_links, self._skipped = follow_links, skipped

    def below(self, folder: str, parts: Sequence[str]) -> Iterator[str]:
        """Yield what *parts* name in *folder*, whose path ends in a slash or is empty."""
        part, rest = parts[0], parts[1:]
        if part == "**":
            for inner in self._folders(folder):
                if rest:
                    yield from self.below(inner, rest)
                else:
                    yield from (inner + entry.name for entry in self._entries(inner, _any))
        elif glob.has_magic(part):
            for entry in self._entries(folder, _matcher(part)):
                path = folder + entry.name
                if not rest:
                    yield path
                elif self._is_folder(path, entry):
                    yield from self.below(f"{path}/", rest)
        elif not rest:
            if self.is_there(folder + part):
                yield folder + part
        elif self._is_folder(folder + part):
            yield from self.below(f"{folder}{part}/", rest)

    def is_there(self, path: str) -> bool:
        """Whether there is anything at *path*, also a link that leads nowhere."""
        try:
            os.lstat(path)
        except PermissionError as error:
            self._skipped[path] = error.strerror or str(error)
            return False
        except (OSError, ValueError):
            return False
        return True

    def _folders(self, top: str) -> Iterator[str]:
        """Yield *top* and each folder below it once; what needs a link comes last."""
        waiting, links = deque([top]), deque[str]()
        seen: set[tuple[int, int]] = set()
        while waiting or links:
            folder = waiting.popleft() if waiting else links.popleft()
            try:
                status = os.stat(folder or ".")
            except OSError:  # gone meanwhile
                continue
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            yield folder
            for entry in self._entries(folder, _any):
                path = folder + entry.name
                if entry.is_symlink():
                    if self._is_folder(path):
                        links.append(f"{path}/")
                elif self._is_folder(path, entry):
                    waiting.append(f"{path}/")

    def _entries(self, folder: str, matches: Callable[[str], object]) -> list[os.DirEntry[str]]:
        try:
            with os.scandir(folder or ".") as entries:
                return [entry for entry in entries if matches(entry.name)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            self._skipped[folder] = error.strerror or str(error)
            return []

    def _is_folder(self, path: str, entry: os.DirEntry[str] | None = None) -> bool:
        """Whether *path* is a folder that may be entered."""
        try:
            if entry is not None and not entry.is_symlink():
                return entry.is_dir(follow_symlinks=False)
            link = found = os.lstat(path)
            if stat.S_ISLNK(link.st_mode):
                found = os.stat(path)
        except OSError:
            return False
        if not stat.S_ISDIR(found.st_mode):
            return False
        if link is not found and (reason := refusal(link, found, self._follow_links)):
            self._skipped[path] = reason
            return False
        return True


def _any(name: str) -> bool:
    return not name.startswith(".")


def _matcher(part: str) -> Callable[[str], object]:
    match = re.compile(fnmatch.translate(part)).match
    if part.startswith("."):
        return match
    return lambda name: not name.startswith(".") and match(name)
