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

    def kept(self) -> bytes:
        """Return the beginning, without a character that the cut went through."""
        for back in range(1, min(4, len(self._kept) + 1)):
            lead = self._kept[-back]
            if lead & 0xC0 == 0x80:
                continue
            needed = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
            return self._kept[:-back] if needed > back else self._kept
        return self._kept
