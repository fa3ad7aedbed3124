"""Which file is this: recognised only when inode or place and content agree."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from hypothesis import example, given, settings
from hypothesis import strategies as st

from logship.checkpoints.rows import FileRow
from logship.ids import TAIL_BYTES, tail_digest
from logship.sources.file.guess import Guess
from logship.sources.file.identity import (
    BLOCK_BYTES,
    Candidate,
    find_data,
    find_first_line,
    fingerprint_of,
    recognise,
    verifies,
)


def reader(data: bytes) -> Callable[[int, int], bytes]:
    return lambda offset, count: data[offset : offset + count]


def candidate(data: bytes, inode: int = 1) -> Candidate:
    return Candidate(1, inode, len(data), fingerprint_of(data[:1024]), reader(data))


def row(
    data: bytes, offset: int, *, inode: int = 1, id_: int = 1, path: str = "/none/a"
) -> FileRow:
    """What is known of a file that held *data* and is confirmed up to *offset*."""
    return FileRow(
        id=id_, source="s", path=path, device=1, inode=inode,
        fingerprint=fingerprint_of(data[:1024]), first_line=b"", salt=b"", seed="", offset=offset,
        tail=tail_digest(data[max(0, offset - TAIL_BYTES) : offset]), last_time=None,
        size=len(data), boot="", confirmed_at=0.0,
    )  # fmt: skip


files = st.lists(
    st.sampled_from([b"line\n", b"other line\n", b"\0", b"\n", b"x" * 300, b"y" * 900]), max_size=9
).map(b"".join)


@given(files, files, st.data())
@settings(max_examples=300)
def test_file_that_has_only_grown_is_recognised(
    data: bytes, more: bytes, draw: st.DataObject
) -> None:
    """Whatever was confirmed, a file that grew is the same, under its inode and under another."""
    data = data.rstrip(b"\0")
    offset = draw.draw(st.integers(0, len(data)))
    known = row(data, offset)
    for inode in (1, 2):
        expected = known if data else None  # nothing is known of nothing
        assert recognise(candidate(data + more, inode), [known]) == expected


@given(files, files, st.data())
@settings(max_examples=300)
def test_file_with_other_bytes_is_not_recognised(
    data: bytes, other: bytes, draw: st.DataObject
) -> None:
    """A file that is shorter, begins otherwise or differs before the offset is another."""
    offset = draw.draw(st.integers(0, len(data)))
    is_same = (
        len(other) >= offset
        and other[:1024].startswith(fingerprint_of(data[:1024]))
        and other[max(0, offset - TAIL_BYTES) : offset]
        == data[max(0, offset - TAIL_BYTES) : offset]
    )
    assert verifies(candidate(other), row(data, offset)) <= is_same


def test_one_byte_decides() -> None:
    """In the first KiB and in the 256 bytes before the offset every byte counts; no other does."""
    data = bytes(range(1, 251)) * 20
    for position in (0, 700, 1023, 4000 - 256, 3999):
        changed = data[:position] + b"\xff" + data[position + 1 :]
        assert not verifies(candidate(changed), row(data, 4000))
    for position in (1024, 4000 - 257, 4000):
        changed = data[:position] + b"\xff" + data[position + 1 :]
        assert verifies(candidate(changed), row(data, 4000))


def test_inode_beats_offset_and_presence_beats_both() -> None:
    """Of several contents that fit: the one at this inode, the one not gone, the furthest.

    Of two at this inode the later one: the other was truncated before all of it was confirmed.
    """
    data = b"same line\n" * 40
    earlier = row(data, 100, id_=0)
    here, gone = row(data, 10), replace(row(data, 100, id_=2), gone_at=1.0)
    elsewhere, further = row(data, 200, inode=5, id_=3), row(data, 300, inode=6, id_=4)
    assert recognise(candidate(data), [further, here, gone, elsewhere]) == here
    assert recognise(candidate(data), [here, earlier]) == here
    assert recognise(candidate(data), [further, gone, elsewhere]) == gone
    assert recognise(candidate(data), [elsewhere, further]) == further
    assert recognise(candidate(data), []) is None


def test_content_that_is_still_beside_its_path_is_not_taken_for_another(tmp_path: Path) -> None:
    """A new file that begins like a renamed one gets that one's row only when it is nowhere."""
    data = b"banner\n"
    renamed = tmp_path / "app.log.1"
    renamed.write_bytes(data)
    inode = os.stat(renamed).st_ino
    known = replace(
        row(data, len(data), inode=inode, path=str(tmp_path / "app.log")),
        device=os.stat(renamed).st_dev,
    )
    new = replace(candidate(data + b"new\n", inode=inode + 1), device=known.device)
    path = known.path
    assert Guess([known], lambda row: False).recognise(new, path) is None
    renamed.unlink()
    unrelated = str(tmp_path / "web.log")
    assert Guess([known], lambda row: False).recognise(new, unrelated) is None
    guess = Guess([known], lambda row: False)
    assert guess.recognise(new, path) == known
    assert guess.recognise(new, path) is None, "it is taken"
    assert Guess([known], lambda row: True).recognise(new, path) is None, "its inode is open"


def test_copy_of_a_file_that_moved_since_it_was_listed_is_not_taken_for_a_new_one() -> None:
    """Whether its original was truncated shows only where that one lies by now."""
    data = b"banner\n"
    known = row(data, 0, inode=4, path="/logs/app.log")
    copy = candidate(data + b"more\n", inode=5)
    guess = Guess([known], lambda row: True)
    assert not guess.may_be_missed(copy, "/logs/app.log-20261121")
    guess.missed((known.device, 99))
    assert not guess.may_be_missed(copy, "/logs/app.log-20261121")
    guess.missed((known.device, known.inode))
    assert guess.may_be_missed(copy, "/logs/app.log-20261121")
    assert not guess.may_be_missed(copy, "/logs/web.log"), "not of that file"
    assert not guess.may_be_missed(candidate(b"other\n", inode=5), "/logs/app.log-20261121")


@given(st.binary(max_size=40), st.sampled_from([b"\n", b"\r\n", b""]), st.integers(0, 3))
@example(b"\0\0", b"\n", 1)
def test_first_line_is_the_first_that_is_not_empty(line: bytes, end: bytes, blank: int) -> None:
    """Empty lines and NUL bytes before it are passed over; without an end there is none yet."""
    data = b"\n\r\n\0\0\n"[: 2 * blank] + line + end
    lines = [part.lstrip(b"\0") for part in data.split(b"\n")]
    complete = [part for part in lines[:-1] if part not in (b"", b"\r")]
    assert find_first_line(reader(data)) == (complete[0] if complete else None)
    if not complete:
        last = lines[-1].rstrip(b"\0")
        expected = last if last.strip(b"\r") else None
        assert find_first_line(reader(data), or_incomplete=True) == expected


def test_first_line_is_found_over_the_edges_of_blocks() -> None:
    """Blank areas of any length and lines longer than a block change nothing."""
    for before in (BLOCK_BYTES - 3, BLOCK_BYTES, 5 * BLOCK_BYTES + 1):
        for fill in (b"\n", b"\0"):
            data = fill * before + b"the first line\nmore\n"
            assert find_first_line(reader(data)) == b"the first line"
    long = b"l" * (3 * BLOCK_BYTES)
    assert find_first_line(reader(long)) is None
    assert find_first_line(reader(long + b"\n")) == b"l" * 1024
    assert find_first_line(reader(b"\n" * BLOCK_BYTES + b"l" * (16 << 20))) == b"l" * 1024


def test_data_is_found_behind_holes(tmp_path: Path) -> None:
    """Sparse or written out, NUL bytes are passed over; only NUL bytes are nothing."""
    for is_sparse in (True, False):
        path = tmp_path / f"file-{is_sparse}"
        with path.open("wb") as file:
            if is_sparse:
                file.truncate(3 << 20)
            else:
                file.write(bytes(3 << 20))
            file.seek(3 << 20)
            file.write(b"data")
            file.write(bytes(100))
        descriptor = os.open(path, os.O_RDONLY)
        try:
            assert find_data(descriptor, 0) == 3 << 20
            assert find_data(descriptor, (3 << 20) + 2) == (3 << 20) + 2
            assert find_data(descriptor, (3 << 20) + 4) is None
            assert find_data(descriptor, 1 << 30) is None
        finally:
            os.close(descriptor)
