"""How log files are compressed, and what is in them, in order.

A compressed file is a row of members (bzip2 and xz say streams, zstd says frames), each with a
beginning of its own; the content is what is in all of them. What may be behind them: NUL bytes
(padding), more members, or anything else, which is ignored.
"""

from __future__ import annotations

import errno
import os
import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["ENDINGS", "DamagedError", "Stream", "kind_of", "missing_for"]

ENDINGS = (".gz", ".gzip", ".bz2", ".zst", ".zstd", ".xz")
PIECE_BYTES = 256 << 10  # one read of the file
# One call of a decompressor: when a member ends, it copies what it left over of this.
SLICE_BYTES = 16 << 10
XZ_MEMORY_BYTES = 128 << 20  # twice what xz -9 asks for
GZIP_RESERVED = 0xE0  # flags without a meaning yet, RFC 1952
GZIP_WINDOW = 31  # zlib's number for the largest window in a gzip frame

_igzip: Any = None
try:  # a third of zlib's time; not there on every platform
    from isal import igzip_lib as _igzip
except ImportError:
    pass


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Zlib:
    """zlib with the manners of the other decompressors."""

    def __init__(self) -> None:
        self._inner = zlib.decompressobj(GZIP_WINDOW)

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._inner.decompress(self._inner.unconsumed_tail + data, max_length)


def _gzip() -> _Decompressor:
    if _igzip is None:
        return _Zlib()
    decompressor: _Decompressor = _igzip.IgzipDecompressor(flag=_igzip.DECOMP_GZIP)
    return decompressor


def _bzip2() -> _Decompressor:
    from bz2 import BZ2Decompressor

    return BZ2Decompressor()


def _xz() -> _Decompressor:
    from lzma import FORMAT_XZ, LZMADecompressor

    return LZMADecompressor(FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)


def _zstd() -> _Decompressor:
    if sys.version_info >= (3, 14):
        from compression.zstd import ZstdDecompressor
    else:
        from backports.zstd import ZstdDecompressor
    decompressor: _Decompressor = ZstdDecompressor()
    return decompressor


_DECOMPRESSORS: dict[str, Callable[[], _Decompressor]] = {
    "gzip": _gzip, "bzip2": _bzip2, "xz": _xz, "zstd": _zstd,
}  # fmt: skip
_MAGICS: dict[str, tuple[bytes, ...]] = {
    "gzip": (b"\x1f\x8b",),
    "bzip2": (b"BZh",),
    "xz": (b"\xfd7zXZ\0",),
    # zstd's second kind of frame holds notes of the program that wrote it, and no content.
    "zstd": (b"\x28\xb5\x2f\xfd", *(bytes([n]) + b"\x2a\x4d\x18" for n in range(0x50, 0x60))),
}
_KIND_BY_ENDING = dict(zip(ENDINGS, ("gzip", "gzip", "bzip2", "zstd", "zstd", "xz"), strict=True))


def kind_of(beginning: bytes, path: str) -> str | None:
    """Return how the file is compressed; None for one whose bytes are its content.

    The beginning decides, and the name must say that the file is compressed at all: the bytes
    of any other file are its content, whatever they look like, or the offsets in a file that is
    being written would change their meaning with what its first bytes happen to be. A file with
    such a name that is shorter than what tells (empty, for the most part) is what its name says:
    whoever compresses has just begun.

    Args:
        beginning: The first bytes of the file, at least 6 when it has them.
        path: Its name, with or without folders; upper and lower case are the same.

    Returns:
        ``gzip``, ``bzip2``, ``xz`` or ``zstd``.
    """
    ending = os.path.splitext(path)[1].lower()
    if ending not in _KIND_BY_ENDING:
        return None
    for kind, magics in _MAGICS.items():
        if beginning.startswith(magics):
            return kind
    named = _KIND_BY_ENDING[ending]
    return named if any(magic.startswith(beginning) for magic in _MAGICS[named]) else None


def missing_for(kind: str) -> str | None:
    """Return why archives of *kind* cannot be read here, and what to do; None when they can."""
    try:
        _DECOMPRESSORS[kind]()
    except ImportError:
        if kind == "zstd":
            return 'zstd needs the package backports.zstd: pip install "logship[zstd]"'
        return f"this Python was built without {kind}"
    return None


class DamagedError(Exception):
    """The decompressor refused what it was given; says why."""


class Stream:
    """What is in an archive from one member's beginning on, in order.

    It ends where the file does for now, and goes on when there is more. Decompressors find an
    error sooner or later depending on how much they are given at once: so what one is given
    depends on the bytes of its member alone, and those who read call with one *max_bytes*.

    Attributes:
        at: Offset in the file of the first byte that was not decompressed.
        produced: How long the content before is.
        member: *at* and *produced* at the beginning of the member that is being read.
        given: The same before the last bytes that were given to the decompressor.
        garbage_at: Where something else than a member lies behind a member, or at the start.
        is_at_member_end: Whether no member has begun that has not ended.
    """

    def __init__(
        self, pread: Callable[[int, int], bytes], kind: str, *, is_exact: bool,
        member: tuple[int, int] = (0, 0), careful_at: int | None = None, limit: int | None = None,
    ) -> None:  # fmt: skip
        """Begin at *member*, which lies at this offset in the file and in the content.

        Args:
            pread: ``(offset, count)`` → bytes of the file.
            is_exact: Whether to use the plain library where a fast one is used otherwise.
            careful_at: Offset in the file from which on bytes are decompressed one by one.
            limit: Offset in the file from which on nothing is decompressed.
        """
        self.at, self.produced = self.member = self.given = member
        self._careful_at, self._limit = careful_at, limit
        self.garbage_at: int | None = None
        self.is_at_member_end = False
        self._pread = pread
        self._new = _Zlib if is_exact and kind == "gzip" else _DECOMPRESSORS[kind]
        self._magics = _MAGICS[kind]
        self._decompressor: _Decompressor | None = None
        self._is_drained = True  # whether the decompressor has nothing left to give
        self._piece = b""
        self._piece_at = 0

    def next(self, max_bytes: int) -> bytes:
        """Return what comes next, at most *max_bytes*; nothing at the end.

        Raises:
            OSError: The file cannot be read.
            DamagedError: Nothing more can be decompressed. After either, the stream is of no use.
        """
        while self._decompressor is not None or self._begins_member():
            decompressor = self._decompressor
            assert decompressor is not None
            is_hungry = self._is_drained
            data = self._slice() if is_hungry else b""
            if data:
                self.given = self.at, self.produced
                self.at += len(data)
            try:
                block = decompressor.decompress(data, max_bytes)
            except MemoryError as error:
                raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) from error
            except Exception as error:  # each has its own, and bzip2's is an OSError
                raise DamagedError(str(error)) from error
            self.produced += len(block)
            self._is_drained = not block  # bzip2 asks for more before it has given all it has
            if decompressor.eof:
                self.at -= len(decompressor.unused_data)
                self._decompressor = None
                self.is_at_member_end = True
            elif not block and is_hungry and not data:
                break
            if block:
                return block
        return b""

    def rest(self) -> None:
        """Let go of what was read ahead."""
        self._piece = b""

    def _begins_member(self) -> bool:
        while head := self._raw():
            padding = len(head) - len(head.lstrip(b"\0")) if self.at else 0
            if padding:
                self.at += padding
            elif head.startswith(self._magics):
                if self._new is _gzip and len(head) > 3 and head[3] & GZIP_RESERVED:
                    raise DamagedError("unknown header flags")  # the fast library ignores them
                self._decompressor = self._new()
                self._is_drained = True
                self.member = self.at, self.produced
                self.is_at_member_end = False
                return True
            else:
                is_begun = any(magic.startswith(head) for magic in self._magics)
                self.is_at_member_end &= not is_begun
                self.garbage_at = None if is_begun else self.at
                return False
        return False

    def _slice(self) -> bytes:
        count = SLICE_BYTES
        if self._careful_at is not None:
            count = min(count, max(1, self._careful_at - self.at))
        if self._limit is not None:
            count = min(count, max(0, self._limit - self.at))
        return self._raw()[:count]

    def _raw(self) -> bytes:
        """Return the next bytes of the file, a slice where it has them, without going on."""
        skip = self.at - self._piece_at
        if not 0 <= skip <= len(self._piece) - SLICE_BYTES:
            self._piece, self._piece_at, skip = self._pread(self.at, PIECE_BYTES), self.at, 0
        return self._piece[skip : skip + SLICE_BYTES]
