"""In any encoding, with any delimiter, lines and their ids are functions of the file's bytes."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

from hypothesis import example, given, settings
from hypothesis import strategies as st

from logship.lines import LineForm, line_form
from logship.model import Chunk
from logship.settings.line_forms import check_line_form
from logship.sources.file.identity import find_first_line, fingerprint_of
from tests.support.tailing import Reading, read

# (offset, checksum, text): what an id is made of, and what becomes of the record.
Line = tuple[int, int, str]

ENCODINGS = (
    "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "iso8859-1", "cp1252",
    "shift_jis", "gbk", "gb18030", "euc_jp", "big5", "cp037",
)  # fmt: skip
DELIMITERS = ("\n", "\n", "\r\n", "\0", "\r", "|||", "\n\n", ";", "ab", "€", "aa一a")
FORMS = [
    (encoding, delimiter)
    for encoding in ENCODINGS
    for delimiter in DELIMITERS
    if not check_line_form(encoding, delimiter)
]
# U+0A00, U+000A and U+4E00 beside each other hold newlines that are none in UTF-16.
PIECES = (
    "a", "b", " ", "{}", "\n", "\n", "\r\n", "\r", "\0", "\0\0\0", "|", "||||", ";", "€", "é", "一",
    "\u0a00", "\u0100", "\u0a0a", "\u0d0a", "\u0a0d", "表", "ソ", "😀", "x" * 30, "aa一aa一a",
)  # fmt: skip
MARKS = {"utf-8": "\ufeff", "utf-16": "\ufeff", "utf-32": "\ufeff", "utf-16-be": "\ufeff"}


def encoded(encoding: str, pieces: Sequence[str | bytes], order: str, *, marked: bool) -> bytes:
    """The pieces in the encoding, as far as it has them; bytes stay what they are."""
    coded = f"{encoding}-{order}" if encoding in ("utf-16", "utf-32") else encoding
    start = MARKS.get(encoding, "") if marked or order == "be" else ""
    return start.encode(coded) + b"".join(
        piece if isinstance(piece, bytes) else piece.encode(coded, "ignore") for piece in pieces
    )


@st.composite
def files(draw: st.DrawFn) -> tuple[LineForm, bytes]:
    """A form, and what a file of it holds: mostly texts, now and then bytes of none."""
    encoding, delimiter = draw(st.sampled_from(FORMS))
    pieces = st.sampled_from((*PIECES, delimiter, delimiter, delimiter))
    odd = st.sampled_from((b"\xff", b"\x81", b"\0", b"\n", b"\xd8\x00"))
    some = draw(st.lists(pieces | pieces | pieces | odd, max_size=30))
    order, marked = draw(st.sampled_from(("le", "be"))), draw(st.booleans())
    return line_form(encoding, delimiter), encoded(encoding, some, order, marked=marked)


thoroughly = settings(max_examples=2 * settings().max_examples)
SIZES = st.lists(st.integers(1, 40), min_size=1, max_size=5)


def expected(form: LineForm, data: bytes, ends: Sequence[int] = ()) -> list[Line]:
    """The lines of a whole file, unit by unit: complete ones, and those that end at *ends*."""
    form = form.resolved(data)
    unit, size = form.unit, len(form.delimiter)
    found: list[Line] = []
    begin = position = 0
    while position <= len(data):
        is_end = position % unit == 0 and data.startswith(form.delimiter, position)
        stop = next((end for end in sorted(ends) if begin < end <= position + size * is_end), None)
        if stop is not None and (stop == position or (is_end and stop < position + size)):
            _add(found, form, data, begin, stop)
            begin = position = stop
        elif is_end:
            _add(found, form, data, begin, position)
            begin = position = position + size
        else:
            position += 1
    return found


def _add(found: list[Line], form: LineForm, data: bytes, begin: int, stop: int) -> None:
    """Add the line of data[begin:stop], unless it is blank."""
    while begin < stop:
        after = begin + form.unit - begin % form.unit
        if after > stop or data[begin:after].strip(b"\0"):
            break
        begin = after
    mark = "\ufeff".encode(form.encoding) if form.encoding.startswith("utf-") else b""
    if begin == 0 and mark and data[:stop].startswith(mark):
        begin = len(mark)
    raw = data[begin:stop]
    torn = -begin % form.unit
    if torn:
        text = "\ufffd" + raw[torn:].decode(form.encoding, "replace")
    else:
        text = raw.decode(form.encoding, "replace")
    if form.delimiter.decode(form.encoding, "replace") != "\n":
        text = text.strip("\r\n")
    if text not in ("", "\r"):
        found.append((begin, zlib.crc32(raw), text))


def lines_of(chunks: Sequence[Chunk]) -> list[Line]:
    """The same from what a tailer made of it, as the route takes it."""
    found: list[Line] = []
    for chunk in chunks:
        lines, offsets, checksums, _ = chunk.form.texts(
            chunk.data, chunk.start, is_one=chunk.is_cut
        )
        if chunk.is_cut:
            checksums = [chunk.crc]
        for line, offset, checksum in zip(lines, offsets, checksums, strict=True):
            if line not in (b"", b"\r"):
                found.append((offset, checksum, line.decode("utf-8", "replace")))
    return found


def tailed(
    form: LineForm, data: bytes, sizes: Sequence[int], *, start: int = 0,
    splits: Sequence[tuple[int, int]] = (), finish: bool = False, max_line: int = 1 << 20,
    skips: bool = False,
) -> Reading:  # fmt: skip
    """What a tailer makes of *data* from *start* on, in reads of *sizes*."""
    beginning = fingerprint_of(data[: max(4, min(start, 1024))])
    reading = read(
        data, sizes, start=start, form=form, fingerprint=beginning, splits=splits, finish=finish,
        max_line=max_line, skips=skips,
    )  # fmt: skip
    assert not reading.is_rewritten
    at = start
    for chunk in reading.chunks:
        assert chunk.start == at
        assert chunk.tail == data[max(0, chunk.end - 256) : chunk.end]
        at = chunk.end
    return reading


def loose(lines: Sequence[Line]) -> list[tuple[int, int, str]]:
    """With runs of replacement characters as one: codecs count what they replace differently."""
    return [(at, crc, "\ufffd".join(filter(None, text.split("\ufffd")))) for at, crc, text in lines]


@thoroughly
@given(files(), SIZES)
@example((line_form("utf-16", "\n"), "\ufeffa\n一\u0a00\n".encode("utf-16-le")), [1])
@example((line_form("utf-16", "\n"), "a\n".encode("utf-16-le")), [3, 1])
@example((line_form("utf-16-be", "\n"), "a\nb\n".encode("utf-16-be")), [1])
@example((line_form("utf-8", "|||"), b"a||||b|||||||c|||"), [2])
@example((line_form("utf-8", "\0"), b'{\n "a": 1\n}\0\0\0{}\0'), [3])
def test_lines_are_those_of_the_whole_file(file: tuple[LineForm, bytes], sizes: list[int]) -> None:
    """However a file is read, every complete line has its own offset, checksum and text."""
    form, data = file
    assert loose(lines_of(tailed(form, data, sizes).chunks)) == loose(expected(form, data))


@thoroughly
@given(files(), SIZES, SIZES, st.data())
def test_resumed_anywhere_the_rest_is_the_same(
    file: tuple[LineForm, bytes], sizes: list[int], again: list[int], more: st.DataObject
) -> None:
    """From every offset that can be confirmed, with or without a split, the rest is the same."""
    form, data = file
    cut = more.draw(st.integers(0, len(data)))
    first = tailed(form, data[:cut], sizes, finish=True)
    end = first.chunks[-1].end if first.chunks else 0
    lines = lines_of(first.chunks)
    splits = [(0, end)] if end else []
    assert loose(lines) == loose(expected(form, data[:cut], [end]))
    whole = tailed(form, data, again, splits=splits)
    assert lines_of(whole.chunks)[: len(lines)] == lines
    everything = lines_of(whole.chunks)
    assert loose(everything) == loose(expected(form, data, [end]))
    starts = {chunk.end for chunk in whole.chunks} | {end}
    at = 0
    for chunk in whole.chunks:
        raw, offsets, _ = chunk.form.lines(chunk.data, chunk.start)
        for line, offset in zip(raw, offsets, strict=True):
            at = offset + len(line) + len(form.delimiter)
            starts.add(min(at, chunk.end))
    for start in sorted(starts):
        resumed = lines_of(tailed(form, data, sizes, start=start, splits=splits).chunks)
        assert resumed == [line for line in everything if line[0] >= start], start


def long_starts(form: LineForm, data: bytes, sizes: Sequence[int], max_line: int) -> set[int]:
    """Where the lines begin that are too long."""
    chunks = tailed(form, data, sizes, max_line=max_line).chunks
    return {chunk.start for chunk in chunks if chunk.is_cut}


@thoroughly
@given(files(), SIZES, SIZES, st.integers(8, 40))
@example((line_form("utf-8", "\r\n"), b"xxxxx\r\nb\r\n"), [1], [2], 4)
@example((line_form("utf-8", "\r\n"), b"xxxx\r\nb\r\n"), [1], [7], 4)
def test_long_lines_are_cut_at_a_character_or_left_out(
    file: tuple[LineForm, bytes], sizes: list[int], again: list[int], max_line: int
) -> None:
    """The same lines are too long however they are read; what is kept is the line's beginning."""
    form, data = file
    whole = lines_of(tailed(form, data, sizes).chunks)
    cut = lines_of(tailed(form, data, sizes, max_line=max_line).chunks)
    assert lines_of(tailed(form, data, again, max_line=max_line).chunks) == cut
    assert [line[:1] for line in cut] == [line[:1] for line in whole]
    for (_, _, kept), (_, _, text) in zip(cut, whole, strict=True):
        kept = kept.strip("\r\n\ufffd")
        assert text.lstrip("\r\n").startswith(kept) or "\ufffd" in text
    too_long = long_starts(form, data, (1 << 20,), max_line)
    for reads in (sizes, again):
        assert long_starts(form, data, reads, max_line) == too_long
    skipped = tailed(form, data, sizes, max_line=max_line, skips=True)
    assert skipped.skipped_lines == skipped.cut_lines == len(too_long)
    left = lines_of(skipped.chunks)
    assert set(left) <= set(whole)
    assert len(left) == len(whole) - len(too_long)


@thoroughly
@given(files(), st.integers(1, 64), st.booleans())
@example((line_form("utf-16", "\n"), b"\xfe\xff\0\0\0\n"), 1, False).via("NUL behind the mark")
@example((line_form("utf-16-be", "\r\n"), b"\0\n\0\0\0\r\0\n"), 1, False).via("NUL in a line")
def test_the_first_line_is_the_first_of_the_lines(
    file: tuple[LineForm, bytes], block: int, or_incomplete: bool
) -> None:
    """What a seed is made of is the first line that is read, however its bytes are looked at."""
    form, data = file
    form = form.resolved(data)
    lines = expected(form, data)
    found = find_first_line(
        lambda offset, count: data[offset : offset + min(count, block)],
        form=form,
        or_incomplete=or_incomplete,
    )
    if lines:
        assert found is not None
        assert zlib.crc32(found) == lines[0][1]
    elif not or_incomplete:
        assert found is None
