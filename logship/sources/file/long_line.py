"""Lines that are longer than allowed: their beginning is kept, all of them is counted."""

from __future__ import annotations

import zlib

from logship.ids import TAIL_BYTES

__all__ = ["LongLine"]


class LongLine:
    """The beginning of a line that is longer than allowed, and the checksum of all of it.

    Attributes:
        crc: CRC-32 of everything added.
        length: Bytes added.
        tail: The last bytes added, up to 256.
    """

    def __init__(self, data: bytes, keep: int) -> None:
        self._kept, self._keep = b"", keep
        self.crc = self.length = 0
        self.tail = b""
        self.add(data)

    def add(self, data: bytes) -> None:
        """Go on with *data*."""
        if len(self._kept) < self._keep:
            self._kept += data[: self._keep - len(self._kept)]
        self.crc = zlib.crc32(data, self.crc)
        self.length += len(data)
        self.tail = (self.tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]

    def add_all_but(self, data: bytes, count: int) -> bytes:
        """Go on with *data* without its last *count* bytes, which are returned."""
        end = max(0, len(data) - count)
        self.add(data[:end])
        return data[end:]

    def kept(self) -> bytes:
        """Return the beginning; its last character may be cut."""
        return self._kept
