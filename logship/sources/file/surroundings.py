"""What lies beside known files, and where rotated ones go: listed once for many questions."""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Sequence

from logship.checkpoints.rows import FileRow
from logship.sources.file.discovery import Found, scan
from logship.sources.file.rotation_names import is_copy_name, originals, uncompressed

__all__ = ["Surroundings"]

Key = tuple[int, int]


class Surroundings:
    """The folders of known files as they were when first asked for. Blocking; for one look.

    Args:
        rotated: Globs of where rotated files go when not beside the original.
        with_archives: Whether compressed files count.
        taken: Devices and inodes of files that are other contents already: no copies.
    """

    def __init__(
        self,
        rotated: Sequence[str] = (),
        *,
        with_archives: bool = True,
        taken: Collection[Key] = (),
    ) -> None:
        self._rotated, self._with_archives, self._taken = rotated, with_archives, taken
        self._inodes: dict[str, dict[int, list[str]]] = {}
        self._names: dict[str, dict[str, list[str]]] = {}
        self._elsewhere: dict[Key, Found] | None = None

    def find(self, row: FileRow) -> str | None:
        """Return where the content's inode lies now; None if nowhere."""
        folder = os.path.dirname(row.path)
        for path in self._inodes_in(folder).get(row.inode, ()):
            try:
                if os.stat(path).st_dev == row.device:
                    return path
            except OSError:
                continue
        found = self._found_elsewhere().get((row.device, row.inode))
        return None if found is None else found.path

    def copies(self, row: FileRow) -> list[Found]:
        """Return the files whose names say that they may be a copy of the content."""
        folder, name = os.path.split(row.path)
        index, base = self._names_in(folder), uncompressed(name)
        names = {name for marked in (base, *originals(base)) for name in index.get(marked, ())}
        near = [
            glob.escape(os.path.join(folder, other)) for other in names if is_copy_name(other, name)
        ]
        beside = scan(near, with_archives=self._with_archives).files if near else {}
        others = {
            key: found
            for key, found in self._found_elsewhere().items()
            if is_copy_name(os.path.basename(found.path), name)
            or os.path.basename(found.path) == name
        }
        return list({**others, **beside}.values())

    def _inodes_in(self, folder: str) -> dict[int, list[str]]:
        found = self._inodes.get(folder)
        if found is None:
            found = self._inodes[folder] = {}
            for entry in _entries(folder):
                found.setdefault(entry.inode(), []).append(entry.path)
        return found

    def _names_in(self, folder: str) -> dict[str, list[str]]:
        """Every name that rotation may have made of another → the names that it may have."""
        found = self._names.get(folder)
        if found is None:
            found = self._names[folder] = {}
            device = _device_of(folder)
            for entry in _entries(folder):
                if (device, entry.inode()) in self._taken:
                    continue
                for original in (uncompressed(entry.name), *originals(entry.name)):
                    found.setdefault(original, []).append(entry.name)
        return found

    def _found_elsewhere(self) -> dict[Key, Found]:
        if self._elsewhere is None:
            rotated = self._rotated
            self._elsewhere = (
                scan(rotated, with_archives=self._with_archives).files if rotated else {}
            )
        return self._elsewhere


def _device_of(folder: str) -> int:
    try:
        return os.stat(folder).st_dev
    except OSError:
        return -1


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
