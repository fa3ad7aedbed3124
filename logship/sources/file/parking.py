"""Files that are read to their end and idle: they cost a stat in every scan, no descriptor."""

from __future__ import annotations

import resource
import threading
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from logship.sources.file.discovery import Found

__all__ = ["DESCRIPTORS", "Descriptors", "ParkedFile", "Parking"]

MOST_OPEN = 512

Key = tuple[int, int]


class Descriptors:
    """Counts the log files that all sources of this process hold open. Thread-safe.

    At most half of what the process may have (``ulimit -n``), and not more than 512: the rest is
    for connections, the state folder and the moment's needs. The process's limit is left alone.

    Attributes:
        count: How many are open.
    """

    def __init__(self) -> None:
        self.count = 0
        self._lock = threading.Lock()

    @property
    def limit(self) -> int:
        """How many may be open."""
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        return MOST_OPEN if soft == resource.RLIM_INFINITY else max(1, min(MOST_OPEN, soft // 2))

    def add(self, count: int) -> None:
        """Count *count* more; negative for those that were closed."""
        with self._lock:
            self.count += count


DESCRIPTORS = Descriptors()  # the limit is the process's, so the count is, too


@dataclass(frozen=True, slots=True)
class ParkedFile:
    """A file as it was when it had been read to its end and was closed.

    Attributes:
        path: Where it lies.
        size: In bytes.
        modified: Time of its last change, in nanoseconds since 1970.
        row: Id of its content; None for an empty file.
    """

    path: str
    size: int
    modified: int
    row: int | None


class Parking:
    """The parked files of one source, by device and inode, and by path."""

    def __init__(self) -> None:
        self._files: dict[Key, ParkedFile] = {}
        self._keys: dict[str, Key] = {}

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[ParkedFile]:
        return iter(list(self._files.values()))

    def park(self, key: Key, file: ParkedFile) -> None:
        """Remember *file* until it changes."""
        self.leave(key)
        self._files[key] = file
        self._keys[file.path] = key

    @property
    def keys(self) -> Collection[Key]:
        """Devices and inodes of the parked files."""
        return self._files.keys()

    def leave(self, key: Key) -> None:
        """Forget the file *key*: it is to be looked at as any other."""
        file = self._files.pop(key, None)
        if file is not None and self._keys.get(file.path) == key:
            del self._keys[file.path]

    def get(self, key: Key) -> ParkedFile | None:
        """Return the parked file *key*."""
        return self._files.get(key)

    def at(self, path: str) -> tuple[Key, ParkedFile] | None:
        """Return the file that was parked at *path*."""
        key = self._keys.get(path)
        return None if key is None else (key, self._files[key])

    def is_unchanged(self, found: Found) -> bool:
        """Whether *found* is parked and is as it was, under the same name."""
        file = self._files.get(found.key)
        return (
            file is not None
            and file.size == found.size
            and file.modified == found.modified
            and file.path == found.path
        )

    def keep(self, there: Collection[Key]) -> None:
        """Forget those that are not *there* any more."""
        for key in [key for key in self._files if key not in there]:
            self.leave(key)
