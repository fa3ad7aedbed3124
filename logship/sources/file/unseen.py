"""Files that were begun and rotated away between two looks: nobody saw them where the globs lead.

A file beside the named ones is taken for such a one when rotation may have made its name of one
that the globs name, and it was written to since the source was looked after: since the last look
of the run before, or in this run. What it holds decides then: most of them are known.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable

from logship.settings.model import SourceSettings
from logship.sources.file.compression import ENDINGS
from logship.sources.file.discovery import Found, explicit, is_excluded_by, names
from logship.sources.file.rotation_names import originals

__all__ = ["Unseen"]

Key = tuple[int, int]

RECENT_NS = 1_000_000_000  # a folder that changed so lately may change again in the same tick


class Unseen:
    """Looks for them. Blocking, but for ``handled`` and ``wait``.

    Args:
        since: Epoch seconds; files that were not written to since then are no concern.
        known: Paths of files that are known, wherever they lie.
        now: The time, in epoch seconds.
    """

    def __init__(
        self,
        settings: SourceSettings,
        since: float,
        known: Iterable[str] = (),
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._since, self._now = settings, since, now
        self._are_named = names(settings.paths)
        self._is_excluded = is_excluded_by(settings.exclude)
        self._folders: dict[str, int] = {}  # the time of change when it was listed last
        # Rotation may have left nothing there that the globs name.
        once_named = (*explicit(settings.paths), *filter(self._are_named, known))
        self._lasting = {_folder_of(path) for path in once_named}
        self._handled: dict[Key, tuple[int, int]] = {}
        self._is_waited_for = False

    def find(self, named: Iterable[Found]) -> list[Found]:
        """Return the files that were not handled as they are.

        Args:
            named: What the globs name now.
        """
        folders = self._lasting.union(_folder_of(file.path) for file in named)
        self._folders |= dict.fromkeys(folders - self._folders.keys(), -1)
        again, self._is_waited_for = self._is_waited_for, False
        found: list[Found] = []
        for folder, listed in list(self._folders.items()):
            try:
                changed = os.stat(folder).st_mtime_ns
            except OSError:
                del self._folders[folder]
                continue
            if changed != listed or again:
                is_recent = self._now() * 1e9 - changed < RECENT_NS
                self._folders[folder] = -1 if is_recent else changed
                found += self._in(folder)
        return found

    def handled(self, file: Found) -> None:
        """Leave *file* alone until it changes."""
        self._handled[file.key] = (file.size, file.modified)

    def wait(self) -> None:
        """Look at the same files again the next time."""
        self._is_waited_for = True

    def _in(self, folder: str) -> list[Found]:
        # What was forgotten since it is gone must not be taken for new.
        forgotten = self._now() - self._settings.forget_after_seconds / 2
        since_ns = max(self._since, forgotten) * 1e9
        found = []
        try:
            with os.scandir(folder) as entries:
                paths = [
                    entry.path for entry in entries if self._may_be_rotated(folder, entry.name)
                ]
        except OSError:
            return []
        for path in paths:
            try:
                status = os.lstat(path)
            except OSError:
                continue
            key = (status.st_dev, status.st_ino)
            is_handled = self._handled.get(key) == (status.st_size, status.st_mtime_ns)
            if stat.S_ISREG(status.st_mode) and status.st_mtime_ns > since_ns and not is_handled:
                found.append(Found(path, *key, status.st_size, status.st_mtime_ns, is_named=False))
        return found

    def _may_be_rotated(self, folder: str, name: str) -> bool:
        """Whether the globs do not name *name*, but one that rotation may have made it of."""
        path = os.path.join(folder, name)
        if name.lower().endswith(ENDINGS) and self._settings.compressed is False:
            return False
        return (
            not self._are_named(path)
            and any(self._are_named(os.path.join(folder, original)) for original in originals(name))
            and not self._is_excluded(path)
        )


def _folder_of(path: str) -> str:
    return path.rpartition("/")[0]
