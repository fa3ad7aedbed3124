"""Compressed log files, read by offset into what is in them."""

from __future__ import annotations

import asyncio
import errno
import os
import threading
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Literal

from logship.sources.file.compression import DamagedError, Stream, missing_for
from logship.sources.file.identity import FINGERPRINT_BYTES, Candidate, fingerprint_of

if TYPE_CHECKING:
    from io import FileIO

    from logship.sources.file.log_file import LogFile

__all__ = ["Archive", "State", "is_half_written"]

BLOCK_BYTES = 128 << 10  # decompressed at once
WINDOW_BYTES = 64 << 10  # kept behind the reader's place
END_BYTES = 4 << 10  # kept of the content's end, where files that were read already are compared

State = Literal["unread", "complete", "truncated", "corrupt"]


class Archive:
    """A compressed log file, read in bounded memory whatever is in it.

    Its content is what the longest beginning of the file gives that decompresses without an
    error. The first look decompresses the whole file once, to know how long the content is;
    when the file has changed since, it is looked at again, from there on when it has only grown.
    Reading in order costs what decompressing costs; reading further back than 64 KiB starts over.
    What a decompressor itself needs was settled by who compressed: less than 10 MB, as a rule;
    what asks for more than 128 MiB is not decompressed. Every call raises ``OSError`` only.

    Attributes:
        key: Device and inode.
        kind: How it is compressed, as :func:`kind_of` gives it.
        state: What the last look found: ``complete``; ``truncated`` when the file ends within a
            member; ``corrupt`` when it does not go on after some byte, or a checksum is wrong.
        reason: What there is to say of it; also of a complete one, when what is behind the last
            member was ignored. Empty otherwise.
    """

    is_archive = True

    def __init__(self, raw: FileIO, kind: str, pool: Executor | None = None) -> None:
        """Take over *raw* when nothing is raised.

        Raises:
            OSError: Archives of this kind cannot be read here; says what to do.
        """
        if missing := missing_for(kind):
            raise OSError(errno.ENOTSUP, missing)
        self._raw, self.kind, self._pool = raw, kind, pool
        stat = os.fstat(raw.fileno())
        self.key = (stat.st_dev, stat.st_ino)
        self.state: State = "unread"
        self.reason = ""
        self._lock = threading.Lock()
        self._seen: tuple[int, int] | None = None  # size and time of change when it was measured
        self._compressed_end = b""  # of what was measured
        self._content_bytes = 0
        self._careful_at: int | None = None  # what the decompressor fails with begins here
        self._limit: int | None = None  # and here is what it does not take
        self._forget()

    async def read(self, offset: int, count: int, first: int) -> tuple[bytes, bytes]:
        """Return the content from *offset* on, and its beginning.

        Decompressed on a thread of the pool; cancelled, it leaves that thread to finish.
        """
        loop = asyncio.get_running_loop()
        data = await loop.run_in_executor(self._pool, self.read_at, offset, count)
        return data, self._beginning[:first]

    def read_at(self, offset: int, count: int) -> bytes:
        """Return the content from *offset* on, read here and now."""
        with self._lock:
            self._measure()
            end = min(offset + count, self._content_bytes)
            if offset >= end:
                return b""
            for start, data in self._windows():
                if start <= offset and end <= start + len(data):
                    return data[offset - start : end - start]
            try:
                return self._read_on(offset, end)
            except DamagedError as error:
                self._seen = None
                reason = f"{self.kind} file was changed while it was read: {error}"
                raise OSError(errno.EIO, reason) from error

    def look(self) -> Candidate:
        """Return what recognition needs to know, of the content."""
        with self._lock:
            self._measure()
            fingerprint = fingerprint_of(self._beginning)
            return Candidate(*self.key, self._content_bytes, fingerprint, self.read_at)

    def size(self) -> int:
        """Return how long the content is now, as far as it can be read."""
        with self._lock:
            self._measure()
            return self._content_bytes

    def status(self) -> os.stat_result:
        """Return what the disk says of the compressed file."""
        return os.fstat(self._descriptor())

    def find_data(self, offset: int) -> int | None:
        """Return where the next byte lies that is not NUL, from *offset* on; None without one."""
        while block := self.read_at(offset, WINDOW_BYTES):
            if found := block.lstrip(b"\0"):
                return offset + len(block) - len(found)
            offset += len(block)
        return None

    def close(self) -> None:
        """Close the descriptor."""
        self._raw.close()

    def _descriptor(self) -> int:
        try:
            return self._raw.fileno()
        except ValueError as error:  # closed, maybe while a thread was reading
            raise OSError(errno.EBADF, os.strerror(errno.EBADF)) from error

    def _pread(self, offset: int, count: int) -> bytes:
        return os.pread(self._descriptor(), count, offset)

    def _stream(self, member: tuple[int, int] = (0, 0)) -> Stream:
        return Stream(
            self._pread, self.kind, is_exact=self._is_exact, member=member,
            careful_at=self._careful_at, limit=self._limit,
        )  # fmt: skip

    def _forget(self, *, is_exact: bool = False) -> None:
        self._is_exact = is_exact
        self._content_bytes = 0
        self._beginning = self._ending = b""
        self._careful_at = self._limit = None
        self._measured = self._stream()
        self._start_over()

    def _start_over(self) -> None:
        self._reader = self._stream()
        self._window = b""

    def _windows(self) -> tuple[tuple[int, bytes], ...]:
        return (
            (self._reader.produced - len(self._window), self._window),
            (self._content_bytes - len(self._ending), self._ending),
            (0, self._beginning),
        )

    def _read_on(self, offset: int, end: int) -> bytes:
        if offset < self._reader.produced - len(self._window):
            self._start_over()
        reader, blocks = self._reader, [self._window]
        try:
            while reader.produced < end:
                if reader.produced <= offset - BLOCK_BYTES:
                    blocks.clear()
                blocks.append(self._next(reader))
                if not blocks[-1]:
                    raise DamagedError("it has become shorter")
        except BaseException:
            self._start_over()
            raise
        if reader.produced == self._content_bytes:
            reader.rest()
        data = b"".join(blocks)
        start = reader.produced - len(data)
        self._window = data[max(0, end - start - WINDOW_BYTES) :]
        return data[offset - start : end - start]

    def _next(self, stream: Stream) -> bytes:
        self._descriptor()  # closing ends what a thread is at, however much there is to come
        return stream.next(BLOCK_BYTES)

    def _measure(self) -> None:
        """Find out how long the content is, unless that is known of the file as it is now."""
        status = self.status()
        seen = (status.st_size, status.st_mtime_ns)
        if seen == self._seen:
            return
        end = self._compressed_end
        before = self._pread(self._measured.at - len(end), len(end))
        if not end or before != end or self.state == "corrupt":
            self._forget()  # nothing is known of it, or it is another file now
        self._seen, self._compressed_end = None, b""  # should anything be raised
        self._find_end()
        self._measured.rest()
        count = min(END_BYTES, self._measured.at)
        self._compressed_end = self._pread(self._measured.at - count, count)
        self._seen = seen

    def _find_end(self) -> None:
        """Measure to the end of the file, or to where it is damaged.

        The fast decompressor notices some errors later than the plain one, or not before the
        file ends: how long the content is would depend on which one there is. So it is believed
        only when everything is well.
        """
        error: DamagedError | None = None
        try:
            self._go_on()
        except DamagedError as damage:
            error = damage
        if self.kind == "gzip" and not self._is_exact and (error or self.state == "truncated"):
            self._forget(is_exact=True)
            self._find_end()
        elif error is not None:
            self._find_damage(error)

    def _go_on(self) -> None:
        stream = self._measured
        while block := self._next(stream):
            self._note(block)
        self.state, self.reason = "complete", ""
        if stream.garbage_at == 0:
            self.state, self.reason = "corrupt", f"does not begin like a {self.kind} file"
        elif stream.garbage_at is not None:
            self.reason = f"what follows byte {stream.garbage_at} is not {self.kind}; ignored"
        elif not stream.is_at_member_end:
            self.state, self.reason = "truncated", "the file is incomplete"

    def _note(self, block: bytes) -> None:
        self._content_bytes += len(block)
        if len(self._beginning) < FINGERPRINT_BYTES:
            self._beginning = (self._beginning + block)[:FINGERPRINT_BYTES]
        self._ending = (self._ending + block[-END_BYTES:])[-END_BYTES:]

    def _find_damage(self, error: DamagedError) -> None:
        """Find the content of a file that cannot be decompressed to its end.

        A decompressor that fails keeps to itself what it made of the good bytes before. So
        these are decompressed again, and then what it failed with, byte by byte.
        """
        failed = self._measured
        self._careful_at = failed.given[0]
        stream = self._stream(failed.member)
        try:
            while self._next(stream):
                pass
        except DamagedError:
            pass
        self._limit, self._content_bytes = stream.given
        self._start_over()
        self._ending = b""
        self._beginning = self._read_on(0, min(FINGERPRINT_BYTES, self._content_bytes))
        self.state = "corrupt"
        self.reason = f"cannot be decompressed beyond byte {self._limit}: {error}"


def is_half_written(file: LogFile) -> bool:
    """Whether *file* is an archive that ends within a member: somebody may be writing it."""
    return isinstance(file, Archive) and file.state == "truncated"
