"""Files of held documents: what the cluster, and not its content, keeps out for now.

A folder (0700) of files of envelopes (0600, see `logship.spool.envelope`), each with documents of
one index that were held for one reason::

    held/20261121T192248-000001-index_closed_exception.ndjson

By name they sort by age; the last part is Elasticsearch's error type. A line that a crash cut
short was not settled, so it is cut off. A file goes when all of its documents are settled; sent
again after a crash they keep their ids. What cannot be read stays as ``*.unreadable``.
"""

from __future__ import annotations

import itertools
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import orjson

from logship.durable import append_whole, sync_directory
from logship.interfaces import Clock
from logship.model import Documents, Receipt
from logship.spool import envelopes
from logship.spool.parse import NotAnEnvelope, parse_envelope

__all__ = ["GROWING_SECONDS", "HeldFile", "HeldFiles", "Line"]

FILE_BYTES = 8 << 20
GROWING_SECONDS = 3600.0
_READ_BYTES = 1 << 20
_NAME = re.compile(r"\d{8}T\d{6}-(\d+)-(\w*)\.ndjson")
_NO_WORD = re.compile(r"\W+", re.ASCII)


class HeldFile:
    """One file. One thread at a time may take from it; settling may go on beside that.

    Attributes:
        path: Where it lies.
        index: Of all its documents.
        type: Elasticsearch's error type, as far as it fits into a name.
        left: Documents that are not settled.
        under_way: Of those, the ones that were taken and neither settled nor given back.
        size_bytes: Of the file.
        begun_at: Monotonic seconds; minus infinity for one of an earlier run.
        grown_at: Epoch seconds when its newest document was written.
        bad_lines: Lines so far that are no envelopes.
        on_change: Called when nothing is under way any more.
    """

    def __init__(self, path: Path, index: str, type_: str, begun_at: float) -> None:
        self.path, self.index, self.type, self.begun_at = path, index, type_, begun_at
        self.left = self.under_way = self.size_bytes = self.bad_lines = 0
        self.grown_at = 0.0
        self.on_change: Callable[[], None] = lambda: None
        self._read_to = 0
        self._given_back: deque[int] = deque()
        self._lock = Lock()

    def grew(self, size_bytes: int, documents: int, grown_at: float) -> None:
        """So much more is in it, synced."""
        with self._lock:
            self.grown_at = grown_at
            self.size_bytes += size_bytes
            self.left += documents

    def take(self, records: int, size_bytes: int, read_at: float) -> Documents:
        """Return what comes next, within the bounds but at least one; none when all are taken.

        Each document has a :class:`Line` as its receipt.

        Raises:
            OSError: The file cannot be read. Nothing was taken.
        """
        columns: tuple[list[bytes], ...] = ([], [], [], [], [])
        runs: list[tuple[Receipt, int]] = []
        size = bad = 0
        before = self._read_to, self._given_back.copy()
        try:
            with self.path.open("rb") as file:
                for offset, line in self._lines(file):
                    size += len(line)
                    try:
                        head, rest_of_id, body = parse_envelope(line)
                    except NotAnEnvelope:
                        bad += 1
                        continue
                    row = (head, rest_of_id, b"", b"", body)
                    for column, part in zip(columns, row, strict=True):
                        column.append(part)
                    runs.append((Line(self, offset), 1))
                    if len(runs) >= records or size >= size_bytes:
                        break
        except OSError:
            self._read_to, self._given_back = before
            raise
        with self._lock:
            self.bad_lines += bad
            self.left -= bad
            self.under_way += len(runs)
        heads, ids, contexts, offsets, bodies = columns
        return Documents.of((heads, ids, contexts, offsets, bodies), read_at, runs)

    def _lines(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        """Yield what was not read yet, then what was given back: no one stands in others' way."""
        file.seek(self._read_to)
        while self._read_to < self.size_bytes:
            line = file.readline()
            offset, self._read_to = self._read_to, self._read_to + len(line)
            if not line:
                raise OSError(f"{self.path} has become shorter")
            yield offset, line
        while self._given_back:
            offset = self._given_back.popleft()
            file.seek(offset)
            yield offset, file.readline()

    def settled(self) -> None:
        """One of those under way needs to be kept no more."""
        self._returned(1)

    def give_back(self, offset: int) -> None:
        """The one at *offset* is not under way any more; it will be taken again."""
        self._given_back.append(offset)
        self._returned(0)

    def _returned(self, settled: int) -> None:
        with self._lock:
            self.left -= settled
            self.under_way -= 1
        if not self.under_way:
            self.on_change()


class Line:
    """The receipt of one document of a file."""

    __slots__ = ("file", "offset")

    def __init__(self, file: HeldFile, offset: int) -> None:
        self.file, self.offset = file, offset

    def settle(self, count: int) -> None:
        """Pay for the document; once."""
        self.file.settled()

    def give_back(self) -> None:
        """It is held once more, and stays where it is."""
        self.file.give_back(self.offset)


class HeldFiles:
    """The files of one folder. One thread at a time may use it; it blocks.

    Args:
        max_bytes: Of all files together.
        growing_seconds: A file is as old as its newest document, so for longer none grows.
    """

    def __init__(
        self,
        directory: Path,
        *,
        clock: Clock,
        max_bytes: int,
        growing_seconds: float = GROWING_SECONDS,
    ) -> None:
        self.directory, self._clock, self._max_bytes = directory, clock, max_bytes
        self._growing_seconds = growing_seconds
        self._numbers = itertools.count(1)
        self._files: list[HeldFile] = []

    def open(self) -> list[HeldFile]:
        """Return the files that earlier runs left, the oldest first.

        Raises:
            OSError: They cannot be read.
        """
        for path in sorted(self.directory.glob("*.ndjson")):
            match = _NAME.fullmatch(path.name)
            if match is None:
                continue
            self._numbers = itertools.count(int(match[1]) + 1)
            found = _open(path, match[2])
            if found is not None:
                self._files.append(found)
        return list(self._files)

    def append(self, index: str, type_: str, documents: Documents) -> HeldFile:
        """Write *documents*, all of one index, and return their file when they are synced.

        Raises:
            OSError: They are not (disk full, bound reached); nothing may be settled.
        """
        lines = list(envelopes(documents))
        data = b"".join(lines)
        used = sum(file.size_bytes for file in self._files)
        if used + len(data) > self._max_bytes:
            raise OSError(
                f"{self.directory} is full: {used} bytes of {self._max_bytes} (held.max_bytes)"
            )
        type_ = _NO_WORD.sub("_", type_)[:80]
        file = self._file_for(index, type_)
        if file is not None:
            try:
                _append(file.path, data, os.O_APPEND)
            except FileNotFoundError:
                self.forget(file)
                file = None
        if file is None:
            file = self._new(index, type_, data)
        file.grew(len(data), len(lines), self._clock.time())
        return file

    def remove(self, file: HeldFile) -> None:
        """Remove a file of which nothing is left, but for what could not be read of it.

        Raises:
            OSError: It is still there; its documents would be sent once more.
        """
        if file.bad_lines:
            file.path.replace(file.path.with_suffix(".unreadable"))
        else:
            file.path.unlink(missing_ok=True)
        self.forget(file)

    def forget(self, file: HeldFile) -> None:
        """Take note that a file is not there any more: somebody removed it."""
        if file in self._files:
            self._files.remove(file)

    def _file_for(self, index: str, type_: str) -> HeldFile | None:
        since = self._clock.monotonic() - self._growing_seconds
        for file in reversed(self._files):
            if (file.index, file.type) == (index, type_) and file.left:
                is_open = file.size_bytes < FILE_BYTES and file.begun_at >= since
                return file if is_open else None
        return None

    def _new(self, index: str, type_: str, data: bytes) -> HeldFile:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        moment = time.strftime("%Y%m%dT%H%M%S", time.gmtime(self._clock.time()))
        path = self.directory / f"{moment}-{next(self._numbers):06d}-{type_}.ndjson"
        try:
            _append(path, data, os.O_CREAT | os.O_EXCL)
        except FileExistsError:  # of an earlier run, and not ours to touch
            raise
        except OSError:
            path.unlink(missing_ok=True)
            raise
        # A name that is not synced can be gone after a power cut, with all that it names.
        sync_directory(self.directory)
        sync_directory(self.directory.parent)
        file = HeldFile(path, index, type_, self._clock.monotonic())
        self._files.append(file)
        return file


def _open(path: Path, type_: str) -> HeldFile | None:
    """Return a file of an earlier run, without what a crash cut short; None when it is empty."""
    file = HeldFile(path, "", type_, float("-inf"))
    file.grown_at = path.stat().st_mtime
    with path.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                os.truncate(path, file.size_bytes)
                break
            file.size_bytes += len(line)
            file.left += 1
            file.index = file.index or _index_of(line)
    if not file.left:
        path.unlink()
        return None
    if not file.index:
        path.replace(path.with_suffix(".unreadable"))
        return None
    return file


def _index_of(line: bytes) -> str:
    try:
        head, _, _ = parse_envelope(line)
    except NotAnEnvelope:
        return ""
    index: str = orjson.loads(head + b'"}}')["create"]["_index"]
    return index


def _append(path: Path, data: bytes, flags: int) -> None:
    """Append all of *data*, synced, or nothing."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    try:
        append_whole(descriptor, data, synced=True)
    finally:
        os.close(descriptor)
