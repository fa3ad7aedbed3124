"""The dead letters of one folder: found, listed once each, and removed, beside a running agent.

Entries lie in ``YYYY-MM-DD.ndjson``, to which an agent appends, and in ``YYYY-MM-DD.N.ndjson``,
which were such files and were set aside to be rewritten. Their lines are described in
`logship.sinks.dead_letters`. What was cleared and could not be removed from its file yet is in
``cleared.ndjson``, one line for each line that counts no more::

    {"line", "index", "id", "at", "how"}

``line`` is BLAKE2b (16 bytes, hexadecimal) over the cleared line without its newline: whatever
an agent appends later, also under the same key, is another line. ``lock`` is held by the one
command that clears at a time; agents do not know it.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import orjson

from logship.durable import append_whole, on_new_line, sync_directory
from logship.errors import StateError
from logship.sinks.dead_letter import DeadLetter, digest_of, key_of, parse

__all__ = ["DeadLetterBox", "Snapshot"]

JOURNAL, LOCK = "cleared.ndjson", "lock"
OFFSET_BITS = 44
QUIET_SECONDS = 60.0  # where the system does not tell of writers: untouched for this long
_FILE = re.compile(r"(\d{4}-\d\d-\d\d)(?:\.(\d+))?\.ndjson")


class DeadLetterBox:
    """The dead letters of *directory*, which need not exist."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def files(self) -> list[Path]:
        """Return the files with entries, oldest day first, set-aside ones before live ones."""
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        found = [match for name in names if (match := _FILE.fullmatch(name))]
        found.sort(key=lambda match: (match[1], int(match[2] or 1 << 40)))
        return [self.directory / match[0] for match in found]

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that clearing needs; the lock goes with the process.

        Raises:
            StateError: Another command holds it, or the folder cannot be written.
        """
        path = self.directory / LOCK
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(f"{path}: cannot be written: {error.strerror}") from error
        try:
            _like(descriptor, self.directory)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StateError(
                    f"{self.directory}: another command replays or purges there; wait for it"
                ) from None
            yield
        finally:
            os.close(descriptor)

    def cleared(self) -> set[bytes]:
        """Return the digests of the lines that count no more."""
        return {digest for digest, _ in self._journal()}

    def clear(self, letters: Iterable[DeadLetter], how: str) -> None:
        """Note durably that *letters* count no more; under the lock.

        Raises:
            OSError: It is not durable; they will be listed again.
        """
        entries = [
            {"line": digest.hex(), "index": letter.index, "id": letter.id, "at": letter.at,
             "how": how}
            for letter in letters for digest in letter.lines
        ]  # fmt: skip
        if entries:
            self._append(b"".join(orjson.dumps(entry) + b"\n" for entry in entries))

    def compact(self, also: set[bytes] | None = None, *, wait_seconds: float = 2.0) -> int:
        """Remove cleared lines from their files; under the lock.

        A file is taken away from an agent's reach by another name first, and rewritten when
        nobody has it open for writing any more: nothing that an agent appends is lost.
        Files that stay open are left for the next time.

        Args:
            also: Digests of lines to remove besides the cleared ones. What of them could not
                be removed counts as cleared from then on.
            wait_seconds: For writers of one file to be done with it.

        Returns:
            The bytes that were freed.

        Raises:
            OSError: The disk failed; every entry that is not to be removed is still there.
        """
        journal = list(self._journal())
        unwanted = {digest for digest, _ in journal} | (also or set())
        if not unwanted:
            return 0
        before = self._size()
        left: set[bytes] = set()
        for path in self.files():
            if any(digest in unwanted for digest in _digests(path)):
                path = self._set_aside(path)
                if _is_left_alone(path, wait_seconds):
                    _rewrite(path, unwanted)
                left |= unwanted.intersection(_digests(path))
        noted = [line for digest, line in journal if digest in left]
        known = {digest for digest, _ in journal}
        noted += [orjson.dumps({"line": digest.hex(), "how": "purged"}) for digest in left - known]
        self._replace_journal(noted)
        return max(0, before - self._size())

    def _size(self) -> int:
        return sum(path.stat().st_size for path in self.directory.glob("*.ndjson"))

    def _set_aside(self, path: Path) -> Path:
        """Give a live file a name to which no agent appends."""
        match = _FILE.fullmatch(path.name)
        assert match is not None
        if match[2]:
            return path
        taken = [
            int(found[2])
            for other in self.files()
            if (found := _FILE.fullmatch(other.name)) and found[1] == match[1] and found[2]
        ]
        aside = path.with_name(f"{match[1]}.{max(taken, default=0) + 1}.ndjson")
        path.rename(aside)
        sync_directory(self.directory)
        return aside

    def _journal(self) -> Iterator[tuple[bytes, bytes]]:
        """Yield the digests that are cleared, each with its line."""
        try:
            file = (self.directory / JOURNAL).open("rb")
        except FileNotFoundError:
            return
        with file:
            for line in file:
                try:
                    yield bytes.fromhex(orjson.loads(line)["line"]), line.rstrip(b"\n")
                except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
                    continue  # cut short by a crash: it will be cleared again

    def _append(self, data: bytes) -> None:
        path = self.directory / JOURNAL
        is_new = not path.exists()
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _like(descriptor, self.directory)
            append_whole(descriptor, on_new_line(descriptor, data), synced=True)
        finally:
            os.close(descriptor)
        if is_new:
            sync_directory(self.directory)

    def _replace_journal(self, lines: list[bytes]) -> None:
        path = self.directory / JOURNAL
        if lines:
            _write_anew(path, lambda file: file.writelines(line + b"\n" for line in lines))
        else:
            path.unlink(missing_ok=True)
        sync_directory(self.directory)


class Snapshot:
    """The dead letters at one moment; as a context it keeps their files open.

    Iterating yields each document's newest entry, oldest first.

    Attributes:
        unreadable: How many lines are no entries, by file name.
    """

    def __init__(self, box: DeadLetterBox) -> None:
        self.unreadable: dict[str, int] = {}
        self._newest: dict[bytes, int] = {}
        self._older: dict[bytes, list[int]] = {}
        self._bad: list[int] = []
        self._files: list[BinaryIO] = []
        with ExitStack() as stack:
            for path in box.files():
                try:
                    self._files.append(stack.enter_context(path.open("rb")))
                except FileNotFoundError:  # removed or set aside just now
                    continue
            # After the files are open: what is cleared meanwhile is seen, or still listed.
            cleared = box.cleared()
            for number, file in enumerate(self._files):
                self._scan(number, file, cleared)
            self._stack = stack.pop_all()

    def __enter__(self) -> Snapshot:
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def __len__(self) -> int:
        return len(self._newest)

    def __iter__(self) -> Iterator[DeadLetter]:
        where = sorted((location, key) for key, location in self._newest.items())
        for location, key in where:
            line = self._line(location)
            older = [digest_of(self._line(other)) for other in self._older.get(key, ())]
            letter = parse(line, lines=(digest_of(line), *older))
            assert letter is not None
            yield letter

    def unreadable_lines(self) -> set[bytes]:
        """Return the digests of the lines that are no entries."""
        return {digest_of(self._line(location)) for location in self._bad}

    def _scan(self, number: int, file: BinaryIO, cleared: set[bytes]) -> None:
        offset = 0
        for line in file:
            if not line.endswith(b"\n"):
                return  # being written, or cut short by a crash and written again
            location = number << OFFSET_BITS | offset
            offset += len(line)
            if not line.strip() or digest_of(line) in cleared:
                continue
            key = key_of(line)
            if key is None:
                name = os.path.basename(file.name)
                self.unreadable[name] = self.unreadable.get(name, 0) + 1
                self._bad.append(location)
                continue
            if key in self._newest:
                self._older.setdefault(key, []).append(self._newest[key])
            self._newest[key] = location

    def _line(self, location: int) -> bytes:
        file = self._files[location >> OFFSET_BITS]
        file.seek(location & ((1 << OFFSET_BITS) - 1))
        return file.readline()


def _digests(path: Path) -> Iterator[bytes]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        for line in file:
            yield digest_of(line)


def _rewrite(path: Path, unwanted: set[bytes]) -> None:
    """Leave out *unwanted* lines, and one that a crash cut short; an empty file is removed."""

    def kept(lines: Iterable[bytes]) -> Iterator[bytes]:
        return (line for line in lines if line.endswith(b"\n") and digest_of(line) not in unwanted)

    with path.open("rb") as old:
        is_empty = next(kept(old), None) is None
        old.seek(0)
        if is_empty:
            path.unlink()
        else:
            _write_anew(path, lambda file: file.writelines(kept(old)))
    sync_directory(path.parent)


def _write_anew(path: Path, write: Callable[[BinaryIO], None]) -> None:
    """Replace a file by what *write* writes, all of it or not at all."""
    new = path.with_name(f"{path.name}.new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        with open(descriptor, "wb") as file:
            _like(file.fileno(), path if path.exists() else path.parent)
            write(file)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _is_left_alone(path: Path, wait_seconds: float) -> bool:
    """Whether nobody has the file open for writing, now or within *wait_seconds*."""
    deadline = time.monotonic() + wait_seconds
    while _has_writer(path):
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.01)
    return True


def _has_writer(path: Path) -> bool:
    """A lease for reading is granted only while no one can write; it is given back at once."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except BlockingIOError:
        return True
    except (AttributeError, OSError):  # no such thing on this system, or not our file
        return time.time() - os.fstat(descriptor).st_mtime < QUIET_SECONDS
    finally:
        os.close(descriptor)
    return False


def _like(descriptor: int, model: Path) -> None:
    """Give what root makes to the owner of *model*: the agent may run as somebody else."""
    if os.geteuid() == 0:
        owner = model.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)
