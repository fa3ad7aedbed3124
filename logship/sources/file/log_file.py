"""An open log file: its content by offset, and what the disk says of it."""

from __future__ import annotations

import os
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Protocol

from aiofiles.os import wrap

from logship.sources.file.identity import Candidate, find_data, look_at

if TYPE_CHECKING:
    from io import FileIO

__all__ = ["LogFile", "PlainFile"]


class LogFile(Protocol):
    """An open file whose content is read by offset. Whoever has it closes it.

    Offsets and sizes are of the content: of what is in an archive, once decompressed. Every
    call but ``read`` is blocking, and raises ``OSError`` when the file cannot be read.

    Attributes:
        key: Device and inode.
        is_archive: Whether the content is compressed: it does not grow any more.
    """

    key: tuple[int, int]
    is_archive: bool

    async def read(self, offset: int, count: int, first: int) -> tuple[bytes, bytes]:
        """Return the content from *offset* on, and its first bytes, *first* of them.

        Of the one fewer than *count* only at the content's end; the other is read after it.
        """

    def read_at(self, offset: int, count: int) -> bytes:
        """Return the content from *offset* on; blocking."""

    def look(self) -> Candidate:
        """Return what recognition needs to know."""

    def size(self) -> int:
        """Return how long the content is now."""

    def status(self) -> os.stat_result:
        """Return what the disk says of the file itself."""

    def find_data(self, offset: int) -> int | None:
        """Return where the next byte lies that is not NUL, from *offset* on; None without one."""

    def close(self) -> None:
        """Close the descriptor; again, it does nothing."""


class PlainFile:
    """A log file whose bytes are its content."""

    is_archive = False

    def __init__(self, raw: FileIO, pool: Executor | None = None) -> None:
        self._raw, self._pool = raw, pool
        stat = os.fstat(raw.fileno())
        self.key = (stat.st_dev, stat.st_ino)

    async def read(self, offset: int, count: int, first: int) -> tuple[bytes, bytes]:
        """Return the content from *offset* on, and its beginning, read on a thread of the pool."""
        return await _read(self._raw.fileno(), offset, count, first, executor=self._pool)

    def read_at(self, offset: int, count: int) -> bytes:
        """Return the content from *offset* on, read here and now."""
        return os.pread(self._raw.fileno(), count, offset)

    def look(self) -> Candidate:
        """Return what recognition needs to know."""
        return look_at(self._raw.fileno())

    def size(self) -> int:
        """Return how long the file is now."""
        return self.status().st_size

    def status(self) -> os.stat_result:
        """Return what the disk says of the file."""
        return os.fstat(self._raw.fileno())

    def find_data(self, offset: int) -> int | None:
        """Return where the next byte lies that is not NUL; holes of sparse files cost nothing."""
        return find_data(self._raw.fileno(), offset)

    def close(self) -> None:
        """Close the descriptor."""
        self._raw.close()


@wrap
def _read(descriptor: int, offset: int, count: int, first: int) -> tuple[bytes, bytes]:
    data = os.pread(descriptor, count, offset)
    return data, os.pread(descriptor, first, 0) if first else b""
