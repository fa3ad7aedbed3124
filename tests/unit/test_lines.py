"""What divides the bytes of a file into lines."""

from __future__ import annotations

import zlib

import pytest

from logship.lines import PLAIN, LineForm, line_form


def texts(form: LineForm, data: bytes, at: int = 0) -> list[tuple[int, bytes]]:
    lines, offsets, checksums, _ = form.texts(data, at)
    raw, same, _ = form.lines(data, at)
    assert checksums == list(map(zlib.crc32, raw))
    assert offsets == same
    return list(zip(offsets, lines, strict=True))


def test_utf16_without_a_mark_is_little_endian() -> None:
    """As Windows writes it; a byte order mark at the beginning of the file decides otherwise."""
    form = line_form("utf-16", "\n")
    assert form.resolved(b"a\0").encoding == "utf-16-le"
    assert form.resolved("\ufeffa".encode("utf-16-le")).encoding == "utf-16-le"
    assert form.resolved("\ufeffa".encode("utf-16-be")).encoding == "utf-16-be"
    assert line_form("utf-32", "\n").resolved(b"\0\0\xfe\xff").encoding == "utf-32-be"
    assert PLAIN.resolved(b"\xfe\xff") is PLAIN


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_byte_order_mark_is_no_part_of_the_first_line(encoding: str) -> None:
    """The first line's offset and checksum begin behind it; elsewhere it is a character."""
    form, size = line_form(encoding, "\n"), len("\ufeff".encode(encoding))
    data = "\ufeffä\n\ufeffb\n".encode(encoding)
    found = texts(form, data)
    assert found[0] == (size, "ä".encode())
    assert found[1][1] == "\ufeffb".encode()
    assert form.as_plain(data, 0) == "ä\n\ufeffb\n".encode()


def test_characters_that_hold_newlines_are_none() -> None:
    """In UTF-16 a newline is a character of its own, not two bytes anywhere."""
    form = line_form("utf-16-le", "\n")
    odd = "ਊĀ\nb\n".encode("utf-16-le")  # 0A 0A, 00 01: "0A 00" at an odd offset
    assert odd.find(b"\n\0") == 1
    assert form.find(odd, 0) == 4
    assert texts(form, odd) == [(0, "ਊĀ".encode()), (6, b"b")]


def test_what_follows_a_torn_character_is_text_again() -> None:
    """Behind a split within a character the rest of it is replaced, and nothing else."""
    data = "a€c\n".encode("utf-16-le")
    form = line_form("utf-16-le", "\n")
    assert texts(form, data[:3]) == [(0, b"a\xff")]
    assert texts(form, data[3:], 3) == [(3, b"\xffc")]


def test_a_delimiter_that_overlaps_itself() -> None:
    """The first one from the line's beginning on ends the line, wherever reads end."""
    form = line_form("utf-8", "|||")
    assert texts(form, b"a||||b|||") == [(0, b"a"), (4, b"|b")]
    assert form.last_end(b"a||||", 0) == 4
    assert form.last_end(b"a|||||||", 0) == 7


def test_lines_that_hold_line_breaks() -> None:
    """With another delimiter, breaks inside a line stay, and those around it are not its text."""
    form = line_form("utf-8", "\0")
    data = b'{\n  "a": 1\n}\n\0\r\n\0b\0'
    assert texts(form, data) == [(0, b'{\n  "a": 1\n}'), (14, b""), (17, b"b")]
    assert texts(form, b"a\0\0\0b\0") == [(0, b"a"), (4, b"b")]
    assert form.as_plain(data, 0) == b'{   "a": 1 }\n\nb\n'


def test_nul_bytes_at_the_end_of_a_file() -> None:
    """They may be written to later, except for those of a character or of a delimiter."""
    assert PLAIN.written(b"a\0\0", 0, goes_on=False) == 1
    little, big = line_form("utf-16-le", "\n"), line_form("utf-16-be", "\n")
    assert little.written(b"\n\0\0\0", 0, goes_on=False) == 2
    assert little.written(b"\0", 3, goes_on=True) == 1
    assert big.written(b"\0\n\0", 0, goes_on=False) == 2
    nul = line_form("utf-8", "\0")
    assert nul.written(b"a\0\0\0", 0, goes_on=False) == 2
    assert nul.written(b"\0\0", 1, goes_on=True) == 1
    assert nul.written(b"\0\0", 1, goes_on=False) == 0


@pytest.mark.parametrize(
    ("encoding", "text"), [("shift_jis", "表示"), ("gb18030", "一𠀀"), ("utf-16-le", "a😀")]
)
def test_a_cut_goes_through_no_character(encoding: str, text: str) -> None:
    """A character that is not all there at the end is left out."""
    form, data = line_form(encoding, "\n"), text.encode(encoding)
    lead = len(text[0].encode(encoding))
    for end in range(lead, len(data)):
        assert form.whole(data[:end]) == data[:lead]
    assert form.whole(data) == data


def test_bytes_that_are_no_text_are_left_to_the_parsers() -> None:
    """They become bytes that are not UTF-8, which every parser replaces and tags."""
    assert texts(line_form("cp1252", "\n"), b"\xe4\x81\n") == [(0, "ä".encode() + b"\xff")]
    assert texts(line_form("utf-16-le", "\n"), b"\x00\xd8a\0\n\0") == [(0, b"\xffa")]
    assert texts(line_form("utf-8", ";"), b"\xff;") == [(0, b"\xff")]
