"""A spool folder: files of envelopes, each with one writer, and later one reader.

The folder has mode 0700, its files 0600. A writer holds an exclusive ``flock`` on its file
until it is complete; a crash lets go of it. Who gets the lock sends the file and removes it,
and only then lets go. A file begins under a name that nobody looks for, and is named
``YYYYMMDDThhmmss-….ndjson`` once it is locked, so an empty one is never taken for one that was
sent. Files of other names are none of ours. What is no envelope, like a last line that a crash
cut short, is kept in ``*.unreadable``.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import stat
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from logship.durable import append_whole, sync_directory
from logship.spool.claim import Claim

__all__ = ["Spool"]

SEGMENT_BYTES = 8 << 20
_WRITE_BYTES = 1 << 20
_FILES = f"{'[0-9]' * 8}T{'[0-9]' * 6}-*.ndjson"
_numbers = itertools.count()  # of this process's files: no name comes twice


class Spool:
    """One process's way into and out of a spool folder.

    One thread at a time may use it. Nothing is made or opened before it is needed.

    Args:
        max_bytes: Of all files in the folder together.
        name: What this process's files are known by; no other process may use it.

    Attributes:
        refused: Files that could not be opened when they were last looked at, and why.
    """

    def __init__(self, directory: Path, *, max_bytes: int, name: str) -> None:
        self.directory, self._max_bytes, self._name = directory, max_bytes, name
        self._writing: tuple[Path, int] | None = None
        self._written_bytes = 0
        self._descriptors: set[int] = set()
        self._found: list[Path] = []  # the oldest last
        self._unremoved: set[Path] = set()
        self.refused: dict[Path, str] = {}

    def append(self, envelopes: Iterable[bytes], *, sync: bool) -> tuple[int, str]:
        """Append *envelopes* to the file that is being written, or to a new one.

        Args:
            envelopes: Lines, each with its newline.
            sync: Whether they must survive a power cut, too.

        Returns:
            How many of them, from the first on, are in the file, and why not all; empty: all
            are.
        """
        written, room = 0, _Room(0)
        try:
            descriptor = self._open()
            room = _Room(self._max_bytes - self.size_bytes())
            for lines in room.portions(envelopes):
                data = b"".join(lines)
                append_whole(descriptor, data)
                self._written_bytes += len(data)
                written += len(lines)
            if sync and written:
                os.fsync(descriptor)
                sync_directory(self.directory)
        except OSError as error:
            return written, f"{self.directory}: {error.strerror or error}"
        if room.is_over:
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
        return sum(map(_size, self.files()))

    def files(self) -> list[Path]:
        """Return the files that are there, those being written included, the oldest first."""
        return sorted(self.directory.glob(_FILES))

    def claim(self) -> Claim | None:
        """Lock a file that nobody holds, the oldest first; None when there is none."""
        claim = self._claim_found()
        if claim is None:
            self._found = self.files()[::-1]
            self.refused.clear()
            claim = self._claim_found()
        return claim

    def give_up(self, claim: Claim) -> None:
        """Let others have *claim*, not all of which was sent."""
        self._close(claim.descriptor)

    def remove(self, claim: Claim) -> Path | None:
        """Remove *claim*, all of which is read and settled.

        Returns:
            Where its bad lines are kept; None without any.

        Raises:
            OSError: It cannot be removed; this process does not claim it again.
        """
        kept = claim.path.with_suffix(".unreadable") if claim.bad_lines else None
        try:
            if kept is not None:
                _keep_bad_lines(claim, kept)
            claim.path.unlink(missing_ok=True)
        except OSError:
            self._unremoved.add(claim.path)
            raise
        finally:
            self._close(claim.descriptor)
        return kept

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

    def _claim_found(self) -> Claim | None:
        while self._found:
            path = self._found.pop()
            if path in self._unremoved:
                continue
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                continue
            except OSError as error:  # another user's, or on a disk that is read-only
                self.refused[path] = error.strerror or str(error)
                continue
            self._descriptors.add(descriptor)
            if _lock(descriptor) and _is_there(path, descriptor):
                return Claim(path, descriptor)
            self._close(descriptor)
        return None

    def _close(self, descriptor: int) -> None:
        # In this order: a fork between the two leaves a lock too many in the child; the other
        # way round the child would close whatever has the number by then.
        self._descriptors.discard(descriptor)
        os.close(descriptor)


class _Room:
    """What may still be written.

    Attributes:
        is_over: Whether something did not fit.
    """

    def __init__(self, room_bytes: int) -> None:
        self._bytes = room_bytes
        self.is_over = False

    def portions(self, lines: Iterable[bytes]) -> Iterator[list[bytes]]:
        """Yield lists of lines that are written at once, as many as there is room for."""
        portion: list[bytes] = []
        size = 0
        for line in lines:
            if len(line) > self._bytes:
                self.is_over = True
                break
            self._bytes -= len(line)
            portion.append(line)
            size += len(line)
            if size >= _WRITE_BYTES:
                yield portion
                portion, size = [], 0
        if portion:
            yield portion


def _keep_bad_lines(claim: Claim, path: Path) -> None:
    try:
        claim.keep_bad_lines(path)
    except OSError:  # the disk is full: then all of it is kept
        claim.path.replace(path)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _is_there(path: Path, descriptor: int) -> bool:
    """Whether *path* still names the locked file: it may have been sent and removed."""
    try:
        found, held = os.stat(path), os.fstat(descriptor)
    except OSError:
        return False
    if not stat.S_ISREG(held.st_mode):  # reading a pipe would wait for ever
        return False
    return (found.st_dev, found.st_ino) == (held.st_dev, held.st_ino)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
