"""The spool: documents that must outlive their process, in files of envelopes.

A folder (0700) of NDJSON files (0600), one document a line::

    {"index": "logs-2026.11.21", "id": "…", "doc": {…}}

Index and id were fixed when the record was emitted: whoever ships an envelope sends both as
they are, so that sending it twice stores it once. ``doc`` is without the ingest stamp.

A writer holds an exclusive ``flock`` on its file until it is complete; a crash lets go of it.
Who gets the lock ships the file and removes it, and only then lets go. A file begins under a
name that nobody looks for, and is named ``*.ndjson`` once it is locked, so an empty one is
never taken for one that was shipped. A line that a crash cut short is no document; what holds
one is kept as ``*.unreadable`` when the rest of it has been shipped.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import orjson

from logship.handler.document import Encoded

__all__ = ["Claim", "Spool", "envelope"]

SEGMENT_BYTES = 8 << 20
_WRITE_BYTES = 1 << 20
_numbers = itertools.count()  # of this process's files: no name comes twice
_heads: dict[bytes, tuple[bytes, bytes]] = {}


def envelope(entry: Encoded) -> bytes:
    """Return *entry* as a line of a spool file."""
    parts = _heads.get(entry.head)
    if parts is None:
        action = orjson.loads(entry.head + b'"}}')["create"]
        if len(_heads) > 100:
            _heads.clear()
        parts = _heads[entry.head] = (orjson.dumps(action["_index"]), action["_id"].encode())
    index, prefix = parts
    return b'{"index":%b,"id":"%b%b","doc":{%b}\n' % (index, prefix, entry.id, entry.body)


class Claim:
    """A spool file that this process has locked, to be shipped.

    Attributes:
        path: Where it lies.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor

    def lines(self) -> Iterator[bytes]:
        """Yield its lines, the newline included where there is one.

        Raises:
            OSError: It cannot be read.
        """
        with open(self.descriptor, "rb", closefd=False) as file:
            file.seek(0)
            yield from file


class Spool:
    """One process's way into and out of a spool folder.

    One thread at a time may use it. Nothing is made or opened before it is needed.

    Args:
        max_bytes: Of all files in the folder together.
        name: What this process's files begin with; no other process may use it.
    """

    def __init__(self, directory: Path, *, max_bytes: int, name: str) -> None:
        self.directory, self._max_bytes, self._name = directory, max_bytes, name
        self._writing: tuple[Path, int] | None = None
        self._written_bytes = 0
        self._descriptors: set[int] = set()

    def append(self, entries: Sequence[Encoded], *, sync: bool) -> tuple[int, str]:
        """Append *entries* to the file that is being written, or to a new one.

        Args:
            sync: Whether they must survive a power cut, too.

        Returns:
            How many of them, from the first on, are in the file, and why not all.
        """
        written = 0
        try:
            descriptor = self._open()
            room = self._max_bytes - self.size_bytes()
            for lines in _portions(entries, room):
                _write_whole(descriptor, b"".join(lines))
                written += len(lines)
                self._written_bytes += sum(map(len, lines))
            if sync and written:
                os.fsync(descriptor)
                _sync_directory(self.directory)
        except OSError as error:
            return written, f"{self.directory}: {error.strerror or error}"
        if written < len(entries):
            return written, f"{self.directory} is full ({self._max_bytes} bytes)"
        if self._written_bytes >= SEGMENT_BYTES:
            self.finish()
        return written, ""

    def finish(self) -> None:
        """Let others have the file that is being written."""
        if self._writing is not None:
            path, descriptor = self._writing
            self._writing = None
            try:
                if os.fstat(descriptor).st_size == 0:
                    path.unlink(missing_ok=True)
            except OSError:  # it is one empty file too many
                pass
            self._close(descriptor)

    def wrote(self, path: Path) -> bool:
        """Whether this process wrote *path*."""
        return f"-{self._name}" in path.name

    def size_bytes(self) -> int:
        """Return how large all files together are."""
        return sum(_size(path) for path in self.directory.glob("*.ndjson"))

    def claim(self) -> Claim | None:
        """Lock a file that nobody holds, the oldest first; None when there is none."""
        for path in sorted(self.directory.glob("*.ndjson")):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except OSError:
                continue  # gone meanwhile, or another user's
            self._descriptors.add(descriptor)
            if _lock(descriptor) and _is_there(path, descriptor):
                return Claim(path, descriptor)
            self._close(descriptor)
        return None

    def give_up(self, claim: Claim) -> None:
        """Let others have *claim*, which is not shipped."""
        self._close(claim.descriptor)

    def remove(self, claim: Claim, *, is_readable: bool) -> None:
        """Remove *claim*, all of which is shipped, or keep it under a name of its own."""
        try:
            if is_readable:
                claim.path.unlink(missing_ok=True)
            else:
                claim.path.replace(claim.path.with_suffix(".unreadable"))
        except OSError:  # shipped once more by the next one, which changes nothing
            pass
        self._close(claim.descriptor)

    def let_go_in_child(self) -> None:
        """After a fork, in the child: keep no lock of the parent's alive."""
        for descriptor in self._descriptors:
            try:
                os.close(descriptor)
            except OSError:
                pass

    def _open(self) -> int:
        if self._writing is not None:
            return self._writing[1]
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime())
        path = self.directory / f"{moment}-{os.getpid()}-{self._name}-{next(_numbers)}.ndjson"
        new = path.with_suffix(".new")
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._descriptors.add(descriptor)
        if not _lock(descriptor):
            self._close(descriptor)
            raise OSError(f"cannot lock {new}")
        new.rename(path)
        self._writing, self._written_bytes = (path, descriptor), 0
        return descriptor

    def _close(self, descriptor: int) -> None:
        # In this order: a fork between the two leaves a lock too many in the child; the other
        # way round the child would close whatever has the number by then.
        self._descriptors.discard(descriptor)
        os.close(descriptor)


def _portions(entries: Iterable[Encoded], room: int) -> Iterator[list[bytes]]:
    """Cut *entries* into lists of lines that are written at once, as many as there is room for."""
    lines: list[bytes] = []
    size = 0
    for entry in entries:
        line = envelope(entry)
        room -= len(line)
        if room < 0:
            break
        lines.append(line)
        size += len(line)
        if size >= _WRITE_BYTES:
            yield lines
            lines, size = [], 0
    if lines:
        yield lines


def _write_whole(descriptor: int, data: bytes) -> None:
    """Append all of *data* or nothing."""
    before = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_there(path: Path, descriptor: int) -> bool:
    """Whether *path* still names the locked file: it may have been shipped and removed."""
    try:
        found, held = os.stat(path), os.fstat(descriptor)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
