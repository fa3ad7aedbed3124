"""Which files can be gone on with where Filebeat left off, and from where."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from logship.checkpoints.filebeat_registry import Position

__all__ = ["FileOnDisk", "Skipped", "Take", "plan"]

FINGERPRINT_BYTES = 1024
_MISSING = "no source of the settings names such a file"


@dataclass(frozen=True, slots=True)
class FileOnDisk:
    """A file that could be one of Filebeat's.

    Attributes:
        path: Where it lies.
        device, inode: Of the file there.
        size: In bytes.
        read_beginning: Returns its first 1,024 bytes, or as many as there are.
    """

    path: str
    device: int
    inode: int
    size: int
    read_beginning: Callable[[], bytes]


@dataclass(frozen=True, slots=True)
class Take:
    """A file whose offset can be taken over.

    Attributes:
        offset: In bytes, at most the file's size.
        note: What is to be known of it; empty for nothing.
    """

    file: FileOnDisk
    offset: int
    note: str = ""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A position that cannot be taken over.

    Attributes:
        path: Where Filebeat saw the file last.
        offset: Up to where it has read it, in bytes.
        why: The reason, half a sentence.
    """

    path: str
    offset: int
    why: str


def plan(
    positions: Iterable[Position], files: Iterable[FileOnDisk]
) -> tuple[list[Take], list[Skipped]]:
    """Say which files can be gone on with, and from where.

    A file is taken when it is what Filebeat's way of telling files apart says it is, under
    its old name or, where that is told by the content or the inode, under another. Of
    several positions in one file the smallest is taken: rather a record twice than none.

    Returns:
        The files to take, each once, by path; and the positions that cannot be.
    """
    index = _Index(files)
    found: dict[tuple[int, int], list[tuple[Position, FileOnDisk]]] = {}
    skipped = []
    for position in positions:
        file, why = index.find(position)
        if file is None:
            skipped.append(Skipped(position.path, position.offset, why))
        else:
            found.setdefault((file.device, file.inode), []).append((position, file))
    takes = []
    for pairs in found.values():
        managed = [pair for pair in pairs if pair[0].is_managed] or pairs
        offsets = sorted({position.offset for position, _ in managed})
        note = f"the smallest of {len(offsets)} offsets" if len(offsets) > 1 else ""
        takes.append(Take(managed[0][1], offsets[0], note))
    return sorted(takes, key=lambda take: take.file.path), skipped


class _Index:
    """Finds files by what identifies them; reads beginnings only when they are asked for."""

    def __init__(self, files: Iterable[FileOnDisk]) -> None:
        self._files = list(files)
        self._by_path = {file.path: file for file in self._files}
        self._by_inode = {(file.device, file.inode): file for file in self._files}
        self._by_digest: dict[str, FileOnDisk] | None = None

    def find(self, position: Position) -> tuple[FileOnDisk | None, str]:
        """Return the file, or None and why there is none."""
        file, why = self._identify(position)
        if file is not None and file.size < position.offset:
            return None, f"it is shorter now ({file.size} bytes): truncated or another file"
        return file, why

    def _identify(self, position: Position) -> tuple[FileOnDisk | None, str]:
        here = self._by_path.get(position.path)
        if position.kind == "native":
            file = self._by_inode.get((position.device, position.inode))
            if file is None and here is not None:
                return None, "another file lies there now (inode and device differ)"
            return file, _MISSING
        if position.kind == "inode_marker":
            if here is not None and here.inode != position.inode:
                return None, "another file lies there now (the inode differs)"
            return here, _MISSING
        if position.kind == "fingerprint":
            if here is not None and _has_fingerprint(position, here.read_beginning()):
                return here, ""
            file = self._with_digest(position.digest)
            if file is None and here is not None:
                return None, (
                    "another file lies there now, or Filebeat's fingerprint was configured to "
                    f"be over other bytes than the first {FINGERPRINT_BYTES}"
                )
            return file, _MISSING
        return here, _MISSING

    def _with_digest(self, digest: str) -> FileOnDisk | None:
        if not digest:
            return None
        if self._by_digest is None:
            self._by_digest = {}
            for file in self._files:
                beginning = file.read_beginning()
                if len(beginning) == FINGERPRINT_BYTES:
                    self._by_digest.setdefault(hashlib.sha256(beginning).hexdigest(), file)
        return self._by_digest.get(digest)


def _has_fingerprint(position: Position, beginning: bytes) -> bool:
    if position.beginning:
        return beginning.startswith(position.beginning)
    return (
        len(beginning) == FINGERPRINT_BYTES
        and hashlib.sha256(beginning).hexdigest() == position.digest
    )
