"""How the bytes of a file are divided into lines, and what text a line has.

Offsets are of the file's bytes, always. What lies at a line's beginning and is no part of it
is passed over: NUL bytes, which a writer left as a hole, and a byte order mark. A line's
offset and its checksum begin after them, and the checksum is over the line's own bytes, not
over its text: ids must not change with what a codec makes of them.

Characters of UTF-16 and UTF-32 lie at offsets that their size divides, and so do the delimiters
and holes among them: ``0A 00`` at an odd offset is no newline.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from zlib import crc32

__all__ = ["PLAIN", "LineForm", "line_form", "trail_bytes"]

# The order that a byte order mark tells; without one it is what Windows writes.
_MARKS = {
    "utf-16": ((codecs.BOM_UTF16_BE, "utf-16-be"), (b"", "utf-16-le")),
    "utf-32": ((codecs.BOM_UTF32_BE, "utf-32-be"), (b"", "utf-32-le")),
}
_UNICODE = ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_ASCII = bytes(range(128))
_BREAKS = b"\r\n"


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    """Leave one byte that is not UTF-8 for what cannot be decoded: parsers replace and tag it."""
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end


codecs.register_error("logship.invalid", _mark_invalid)


def _is_ascii_alike(encoding: str) -> bool:
    return _ASCII.decode(encoding, "replace") == _ASCII.decode("ascii")


def _whole_utf8(data: bytes) -> bytes:
    for back in range(1, min(4, len(data) + 1)):
        lead = data[-back]
        if lead & 0xC0 == 0x80:
            continue
        needed = 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2 if lead >= 0xC0 else 1
        return data[:-back] if needed > back else data
    return data


class LineForm:
    """One encoding and one delimiter.

    In every call *at* is the offset in the file of the first byte of *data*, which begins where
    a line begins: a delimiter such as ``|||`` may overlap itself, and the first one counts.

    Attributes:
        encoding: Name of a Python codec.
        delimiter: What ends a line, as bytes of the file.
        unit: Bytes of the smallest character.
        is_plain: Whether it is UTF-8 with ``\\n``.
    """

    def __init__(self, encoding: str, delimiter: str) -> None:
        self.encoding, self._text = encoding, delimiter
        coded = _MARKS[encoding][-1][1] if encoding in _MARKS else encoding
        self.delimiter = delimiter.encode(coded)
        self.unit = len("\n".encode(coded))
        self.is_plain = (encoding, delimiter) == ("utf-8", "\n")
        self._coded = coded
        self._mark = "\ufeff".encode(coded) if coded in _UNICODE else b""
        # UTF-16 and UTF-32 read NUL bytes as characters.
        self._has_ascii = self.unit == 1 and _is_ascii_alike(coded)
        self._nul_units = len(delimiter) if not delimiter.strip("\0") else 0
        size = len(self.delimiter)
        self._overlaps_itself = any(
            self.delimiter.endswith(self.delimiter[:length])
            for length in range(self.unit, size, self.unit)
        )

    def resolved(self, beginning: bytes) -> LineForm:
        """Return the form with the byte order that the *beginning* of a content tells."""
        if self.encoding not in _MARKS:
            return self
        found = next(name for mark, name in _MARKS[self.encoding] if beginning.startswith(mark))
        return line_form(found, self._text)

    def find(self, data: bytes, at: int, start: int = 0) -> int:
        """Return where in *data* the first delimiter from *start* on begins; -1 without one."""
        found = data.find(self.delimiter, start)
        while found >= 0 and (at + found) % self.unit:
            found = data.find(self.delimiter, found + 1)
        return found

    def last_end(self, data: bytes, at: int) -> int:
        """Return how much of *data* is complete lines: up to the end of the last delimiter."""
        size = len(self.delimiter)
        if self._overlaps_itself:
            end = 0
            while (found := self.find(data, at, end)) >= 0:
                end = found + size
            return end
        found = data.rfind(self.delimiter)
        while found >= 0 and (at + found) % self.unit:
            found = data.rfind(self.delimiter, 0, found + size - 1)
        return found + size if found >= 0 else 0

    def hole(self, data: bytes, at: int) -> int:
        """Return how many NUL bytes at the beginning of *data* are no part of a line."""
        if not data.startswith(b"\0"):
            return 0
        count = len(data) - len(data.lstrip(b"\0"))
        return max(0, count - (at + count) % self.unit)

    def written(self, data: bytes, at: int, *, goes_on: bool) -> int:
        """Return how much of *data*, the last bytes of a file, is there for certain.

        NUL bytes at the end may be written to later; all but those of a character or of a
        delimiter are taken as not there yet.

        Args:
            goes_on: *data* goes on with a line, whose beginning lies before it.
        """
        count = len(data.rstrip(b"\0"))
        if not count and not goes_on:
            return 0
        count += -(at + count) % self.unit + self._nul_units * self.unit
        return min(len(data), count)

    def before(self, data: bytes, at: int, offset: int) -> int:
        """Return how much of *data* begins before *offset* of the file, which lies in it.

        A line belongs where it begins, NUL bytes aside.
        """
        line = self.last_end(data[: offset - at], at)
        rest = data[line:]
        if at + line + self.hole(rest, at + line) >= offset:
            return line
        found = self.find(data, at, line)
        return len(data) if found < 0 else found + len(self.delimiter)

    def is_end(self, data: bytes, at: int) -> bool:
        """Whether *data*, the bytes before the offset *at*, ends with a delimiter."""
        return data.endswith(self.delimiter) and at % self.unit == 0

    def whole(self, data: bytes) -> bytes:
        """Return *data* without a character that was cut at its end."""
        if self.encoding == "utf-8":
            return _whole_utf8(data)
        decoder = codecs.getincrementaldecoder(self._coded)("replace")
        decoder.decode(data)
        return data[: len(data) - len(decoder.getstate()[0])]

    def is_blank(self, line: bytes, at: int) -> bool:
        """Whether a line, without the NUL bytes before it, holds nothing but line breaks."""
        if self.is_plain:
            return not line.strip(b"\0\r")
        return not self.text(line, at).strip(_BREAKS)

    def mark(self, line: bytes, at: int) -> int:
        """Return the length of the byte order mark that *line* begins with."""
        return len(self._mark) if at == 0 and self._mark and line.startswith(self._mark) else 0

    def lines(
        self, data: bytes, at: int, *, is_one: bool = False
    ) -> tuple[list[bytes], list[int], int]:
        """Return the lines of *data* as they stand in the file, their offsets, and the NUL bytes.

        The lines are without delimiter, without the NUL bytes or the byte order mark before them.

        Args:
            is_one: *data* is the beginning of one line, and ends with the delimiter.
        """
        lines = [data.removesuffix(self.delimiter)] if is_one else self._split(data, at)
        ends = accumulate([len(line) + len(self.delimiter) for line in lines], initial=at)
        offsets = list(ends)[: len(lines)]
        nul_bytes = 0
        if b"\0" in data or offsets[:1] == [0]:
            for number, line in enumerate(lines):
                before = self.hole(line, offsets[number])
                nul_bytes += before
                before = before or self.mark(line, offsets[number])
                if before:
                    offsets[number] += before
                    lines[number] = line[before:]
        if self._nul_units and b"" in lines:  # as if a tailer had taken it for a hole
            offsets = [at for at, line in zip(offsets, lines, strict=True) if line]
            lines = [line for line in lines if line]
        return lines, offsets, nul_bytes

    def texts(
        self, data: bytes, at: int, *, is_one: bool = False
    ) -> tuple[list[bytes], list[int], list[int], int]:
        """Return the lines of *data* in UTF-8, their offsets, their checksums, and the NUL bytes.

        As :meth:`lines`; the checksums are CRC-32 over what that returns. What cannot be decoded
        becomes a byte that is not UTF-8. Line breaks at either end of a line, with another
        delimiter, are not part of its text.
        """
        lines, offsets, nul_bytes = self.lines(data, at, is_one=is_one)
        checksums = list(map(crc32, lines))
        if not (self.encoding == "utf-8" or (self._has_ascii and data.isascii())):
            lines = list(map(self.text, lines, offsets))
        if self._text != "\n" and not is_one:
            lines = [line.strip(_BREAKS) for line in lines]
        return lines, offsets, checksums, nul_bytes

    def text(self, line: bytes, at: int) -> bytes:
        """Return *line* in UTF-8."""
        torn = -at % self.unit  # behind a split that went through a character
        try:
            if torn:
                return b"\xff" + line[torn:].decode(self._coded, "logship.invalid").encode(
                    "utf-8", "surrogateescape"
                )
            return line.decode(self._coded).encode()
        except UnicodeDecodeError:
            text = line.decode(self._coded, "logship.invalid")
            return text.encode("utf-8", "surrogateescape")

    def as_plain(self, data: bytes, at: int) -> bytes:
        """Return the beginning of a file as lines in UTF-8 that end with ``\\n``."""
        if self.is_plain:
            return data[self.mark(data, at) :]
        lines, *_ = self.texts(data, at)
        text = b"\n".join([line.replace(b"\n", b" ") for line in lines])
        return text + b"\n" if self.last_end(data, at) == len(data) else text

    def _split(self, data: bytes, at: int) -> list[bytes]:
        if self.unit == 1:
            lines = data.split(self.delimiter)
            if not lines[-1]:
                lines.pop()
            return lines
        lines, position = [], 0
        while (found := self.find(data, at, position)) >= 0:
            lines.append(data[position:found])
            position = found + len(self.delimiter)
        if position < len(data):
            lines.append(data[position:])
        return lines


@lru_cache(maxsize=256)
def line_form(encoding: str, delimiter: str) -> LineForm:
    """Return the form; equal arguments give the same object."""
    return LineForm(encoding, delimiter)


PLAIN = line_form("utf-8", "\n")


def trail_bytes(encoding: str) -> Sequence[int]:
    """Return the bytes that characters of *encoding* may hold behind their first one."""
    found: set[int] = set()
    for code in range(0x80, 0x10000):
        found.update(chr(code).encode(encoding, "ignore")[1:])
    return sorted(found)
