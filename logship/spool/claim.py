"""A file of envelopes that this process has locked, and reads piece by piece."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from logship.model import Documents, Receipt

__all__ = ["BadLine", "Claim"]

LINES_AT_ONCE, BYTES_AT_ONCE = 500, 1 << 20
MAX_LINE_BYTES = 100 << 20  # Elasticsearch's own bound of a request
BAD_LINES_NAMED = 5


class BadLine(NamedTuple):
    """A line that is no envelope.

    Attributes:
        number: From 1 on.
        why: One line for people.
    """

    number: int
    why: str


class Claim:
    """A locked file of a spool folder. The lock ends when the descriptor is closed.

    Attributes:
        path: Where it lies.
        descriptor: Holds the lock.
        bad_lines: How many lines, of those read so far, are no envelopes.
        first_bad: The first few of them.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor
        self._forget()

    def read(self, receipt: Receipt) -> Iterator[Documents]:
        """Yield all of its documents in order, about a MiB at a time, each owed to *receipt*.

        What is no envelope is left out and counted: also a last line that a crash cut short.

        Raises:
            OSError: It cannot be read (any further).
        """
        # Its parser takes 9 ms to import, and what only writes never needs it.
        from logship.spool.parse import NotAnEnvelope, parse_envelope

        self._forget()
        with open(self.descriptor, "rb", closefd=False) as file:
            file.seek(0)
            columns = _Columns()
            for number, start, line in _lines(file):
                try:
                    if not line:
                        raise NotAnEnvelope(f"it is longer than {MAX_LINE_BYTES} bytes")
                    columns.add(*parse_envelope(line))
                except NotAnEnvelope as error:
                    self._note(number, start, file.tell(), str(error))
                if columns.are_full:
                    yield columns.documents(receipt)
                    columns = _Columns()
        if columns.bodies:
            yield columns.documents(receipt)

    def keep_bad_lines(self, path: Path) -> None:
        """Write the bad lines that were read to *path*, instead of what is there.

        Raises:
            OSError: They could not be written.
        """
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        with open(os.open(path, flags, 0o600), "wb") as kept:
            for start, end in self._bad_ranges:
                while start < end:
                    data = os.pread(self.descriptor, min(BYTES_AT_ONCE, end - start), start)
                    if not data:
                        break
                    kept.write(data)
                    start += len(data)

    def _forget(self) -> None:
        self.bad_lines = 0
        self.first_bad: list[BadLine] = []
        self._bad_ranges: list[tuple[int, int]] = []

    def _note(self, number: int, start: int, end: int, why: str) -> None:
        self.bad_lines += 1
        if len(self.first_bad) < BAD_LINES_NAMED:
            self.first_bad.append(BadLine(number, why))
        if self._bad_ranges and self._bad_ranges[-1][1] == start:
            start = self._bad_ranges.pop()[0]
        self._bad_ranges.append((start, end))


class _Columns:
    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.ids: list[bytes] = []
        self.bodies: list[bytes] = []
        self.size_bytes = 0

    def add(self, head: bytes, rest_of_id: bytes, body: bytes) -> None:
        self.heads.append(head)
        self.ids.append(rest_of_id)
        self.bodies.append(body)
        self.size_bytes += len(body)

    @property
    def are_full(self) -> bool:
        return len(self.bodies) >= LINES_AT_ONCE or self.size_bytes >= BYTES_AT_ONCE

    def documents(self, receipt: Receipt) -> Documents:
        nothing = [b""] * len(self.bodies)
        columns = (self.heads, self.ids, nothing, nothing, self.bodies)
        return Documents.of(columns, time.monotonic(), [(receipt, len(self.bodies))])


def _lines(file: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Yield (number, offset, line) of all but blank lines; one that is too long as empty."""
    number = 0
    while True:
        start = file.tell()
        line = file.readline(MAX_LINE_BYTES)
        if not line:
            return
        number += 1
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = file.readline(BYTES_AT_ONCE)
            yield number, start, b""
        elif line.strip():
            yield number, start, line
