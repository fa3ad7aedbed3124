"""Cuts what was read of a content into chunks of complete lines."""

from __future__ import annotations

import logging

from logship.ids import TAIL_BYTES
from logship.lines import PLAIN, LineForm
from logship.model import Chunk
from logship.sources.file.content import FileContent
from logship.sources.file.long_line import LongLine

__all__ = ["Chunker"]

log = logging.getLogger(__name__)


class Chunker:
    """Cuts the bytes of one content, in the order of the file, into chunks of complete lines.

    What is no complete line yet is kept until more comes. Chunks end where a split or another
    day is marked; a line that is too long, and NUL bytes before a line, have chunks of their own.
    Whatever way the bytes come in, the lines are the same.

    Attributes:
        start: Offset up to which chunks were given out.
        form: How the content's lines are written.
        cut_lines: Lines so far that were longer than allowed.
        skipped_lines: Those of them that were left out.
        skipped_nul_bytes: NUL bytes so far that were passed over without making a line of them.
    """

    def __init__(
        self, start: int, *, max_line_bytes: int, form: LineForm = PLAIN,
        skips_long_lines: bool = False,
    ) -> None:  # fmt: skip
        self.start, self.form = start, form
        self.cut_lines = self.skipped_lines = self.skipped_nul_bytes = 0
        self._max_line_bytes, self._skips_long_lines = max_line_bytes, skips_long_lines
        self._content: FileContent | None = None
        self._carry = b""
        self._read_at = 0.0
        self._tail = b""  # the last bytes before the start
        self._continues = False
        self._long: LongLine | None = None

    @property
    def has_line(self) -> bool:
        """Whether there is the beginning of a line that a record could be made of."""
        if self._long is not None:
            return True
        return bool(self._carry) and not self.form.is_blank(self._carry, self.start)

    def begin(self, content: FileContent, tail: bytes) -> None:
        """Cut for *content* from the start on; *tail* are the bytes before it."""
        self._content = content
        self.form = self.form.resolved(content.fingerprint)
        self._tail = tail[-TAIL_BYTES:]
        content.state.begin_at(self.start, self._tail)
        ended_here = any(end == self.start for _, end in content.splits)
        self._continues = ended_here and not self.form.is_end(tail, self.start)

    def cut(self, data: bytes, now: float) -> list[Chunk]:
        """Return the chunks that *data*, which goes on where the last data ended, completes.

        Args:
            now: When *data* was read, in monotonic seconds. A line is as old as its beginning.
        """
        if self._long is None and not self._carry:
            self._read_at = now
        chunks = self._cut(data)
        self._read_at = now
        return chunks

    def skip_hole(self, count: int, now: float) -> Chunk:
        """Return a chunk without lines that stands for *count* NUL bytes; nothing may be kept."""
        self._read_at = now
        return self._skip(count)

    def finish(self) -> list[Chunk]:
        """Return what is kept as a line, which ends here by a split that is durable."""
        line, self._carry = self._carry, b""
        if self._long is not None:
            return [self._end_long_line(line, b"")]
        chunks = self._chunks(line)
        self._continues = True
        return chunks

    def _cut(self, data: bytes) -> list[Chunk]:
        assert self._content is not None
        chunks: list[Chunk] = []
        splits = sorted(end for _, end in self._content.splits if end > self.start)
        if self._long is not None:
            data = self._go_on_with_long_line(self._long, self._carry + data, splits, chunks)
            if self._long is not None:
                return []
        form = self.form
        buffer = self._carry + data if self._carry else self._without_hole(data, chunks)
        self._carry = b""
        for end in splits:
            if self.start < end <= self.start + len(buffer):
                part, buffer = buffer[: end - self.start], buffer[end - self.start :]
                chunks += self._complete(part)
                if chunks:
                    chunks[-1].is_split = True
                self._continues = not form.is_end(part, end)
        complete = form.last_end(buffer, self.start)
        if complete:
            chunks += self._complete(buffer[:complete])
        self._carry = self._without_hole(buffer[complete:], chunks)
        if len(self._carry) - len(form.delimiter) >= self._max_line_bytes:
            self._long = LongLine(b"", 0 if self._skips_long_lines else self._max_line_bytes)
            self._carry = self._long.add_all_but(self._carry, len(form.delimiter) - 1)
        return chunks

    def _go_on_with_long_line(
        self, long: LongLine, data: bytes, splits: list[int], chunks: list[Chunk]
    ) -> bytes:
        """Return what of *data* lies behind the line, whose chunk is appended when it ends."""
        self._carry = b""
        found = _line_end(self.form, data, self.start + long.length, splits)
        if found is None:
            self._carry = long.add_all_but(data, len(self.form.delimiter) - 1)
            return b""
        end, after = found
        chunks.append(self._end_long_line(data[:end], data[end:after]))
        return data[after:]

    def _complete(self, part: bytes) -> list[Chunk]:
        """Chunks of *part*, all of whose lines are complete; too long ones on their own."""
        if len(part) <= self._max_line_bytes:
            return self._chunks(part)
        chunks: list[Chunk] = []
        at, size = self.start, len(self.form.delimiter)
        begin = position = 0
        while position < len(part):
            found = self.form.find(part, at, position)
            end, after = (found, found + size) if found >= 0 else (len(part), len(part))
            if end - position > self._max_line_bytes:
                chunks += self._chunks(part[begin:position])
                line = self._without_hole(part[position:after], chunks)
                length = len(line) - (after - end)
                if length > self._max_line_bytes:
                    keep = 0 if self._skips_long_lines else self._max_line_bytes
                    self._long = LongLine(b"", keep)
                    chunks.append(self._end_long_line(line[:length], line[length:]))
                else:
                    chunks += self._chunks(line)
                begin = after
            position = after
        return chunks + self._chunks(part[begin:])

    def _chunks(self, data: bytes) -> list[Chunk]:
        """Chunks of the next lines: cut where another day's mark begins."""
        assert self._content is not None
        chunks: list[Chunk] = []
        while data:
            day, following = self._content.day_at(self.start)
            length = len(data)
            if following is not None and following < self.start + length:
                length = self.form.before(data, self.start, following)
                if not length:  # the mark lies among the NUL bytes before the line
                    data = self._without_hole(data, chunks)
                    continue
            chunks.append(self._chunk(data[:length], length, day))
            data = data[length:]
        return chunks

    def _chunk(self, data: bytes, length: int, day: str) -> Chunk:
        self._tail = (self._tail + data[-TAIL_BYTES:])[-TAIL_BYTES:]
        end = self.start + length
        chunk = Chunk(
            data, self.start, end, day, self._read_at, self._tail,
            is_continued=self._continues, form=self.form,
        )  # fmt: skip
        self.start, self._continues = end, False
        return chunk

    def _without_hole(self, data: bytes, chunks: list[Chunk]) -> bytes:
        """Return *data*, at whose beginning a line begins, without NUL bytes before it."""
        count = self.form.hole(data, self.start)
        if not count:
            return data
        chunks.append(self._skip(count))
        return data[count:]

    def _skip(self, count: int) -> Chunk:
        """A chunk without lines that stands for *count* NUL bytes."""
        assert self._content is not None
        self.skipped_nul_bytes += count
        self._tail = (self._tail + bytes(min(count, TAIL_BYTES)))[-TAIL_BYTES:]
        day, _ = self._content.day_at(self.start)
        start, self.start = self.start, self.start + count
        return Chunk(b"", start, self.start, day, self._read_at, self._tail)

    def _end_long_line(self, data: bytes, delimiter: bytes) -> Chunk:
        """The chunk of the long line that ends with *data*; *delimiter* is empty at a split."""
        long, self._long = self._long, None
        assert long is not None
        assert self._content is not None
        long.add(data)
        end = self.start + long.length + len(delimiter)
        day, _ = self._content.day_at(self.start)
        self._tail = (self._tail + long.tail + delimiter)[-TAIL_BYTES:]
        kept = b""
        self.cut_lines += 1
        if self._skips_long_lines:
            self._say_skipped(long.length)
        else:
            kept = self.form.whole(long.kept()) + self.form.delimiter
        chunk = Chunk(
            kept, self.start, end, day, self._read_at, self._tail, is_cut=bool(kept),
            is_continued=self._continues, crc=long.crc, form=self.form,
        )  # fmt: skip
        self.start, self._continues = end, not delimiter
        return chunk

    def _say_skipped(self, length: int) -> None:
        self.skipped_lines += 1
        if self.skipped_lines == 1 and self._content is not None:
            log.warning(
                "%s: the line at offset %d has %d bytes, more than max_line_bytes (%d): such "
                "lines of this file are skipped, and only counted.",
                self._content.row.path, self.start, length, self._max_line_bytes,
            )  # fmt: skip


def _line_end(form: LineForm, data: bytes, at: int, splits: list[int]) -> tuple[int, int] | None:
    """Where the line under way ends in *data*, and where its delimiter does; None: it goes on."""
    found = form.find(data, at)
    after = found + len(form.delimiter)
    for end in splits:
        if at < end <= at + len(data) and (found < 0 or end - at < after):
            return end - at, end - at
    return None if found < 0 else (found, after)
