from __future__ import annotations

import errno
import os
from pathlib import Path

import orjson
import pytest

from logship.model import Documents, action_head
from logship.sinks import held_files
from logship.sinks.held_files import HeldFile, HeldFiles
from tests.support.fakes import FakeClock


def documents(first: int, count: int, index: str = "a", length: int = 1) -> Documents:
    head = action_head(index, b"seed", with_id=True)
    numbers = range(first, first + count)
    columns = (
        [head] * count,
        [b"%04d" % number for number in numbers],
        [b'"at":1,'] * count,
        [b""] * count,
        [b'"n":%d,"pad":"%b"}' % (number, b"x" * length) for number in numbers],
    )
    return Documents.of(columns, 0.0)


def files_of(folder: Path, clock: FakeClock | None = None, max_bytes: int = 1 << 30) -> HeldFiles:
    return HeldFiles(folder / "held", clock=clock or FakeClock(), max_bytes=max_bytes)


def numbers(taken: Documents) -> list[int]:
    return [orjson.loads(taken.document(i).source)["n"] for i in range(len(taken))]


def take_all(file: HeldFile) -> list[int]:
    return numbers(file.take(10**6, 10**9, 0.0))


def test_written_and_read_again(tmp_path: Path) -> None:
    """A document comes back with its index, id and bytes, in the order it was written."""
    before = documents(0, 3)
    files_of(tmp_path).append("a", "some_exception", before)
    (file,) = files_of(tmp_path).open()
    assert (file.index, file.type, file.left) == ("a", "some_exception", 3)
    taken = file.take(10, 10**6, 7.0)
    assert [taken.document(i) for i in range(3)] == [before.document(i) for i in range(3)]
    assert (taken.read_at, file.under_way) == (7.0, 3)
    assert len(file.take(10, 10**6, 0.0)) == 0


def test_in_portions(tmp_path: Path) -> None:
    """A portion ends at its bounds, and has at least one document."""
    file = files_of(tmp_path).append("a", "x", documents(0, 10))
    assert numbers(file.take(4, 10**6, 0.0)) == [0, 1, 2, 3]
    assert numbers(file.take(10, 1, 0.0)) == [4]
    assert take_all(file) == [5, 6, 7, 8, 9]


def test_given_back_is_taken_again(tmp_path: Path) -> None:
    """What is held once more comes again; what is settled does not, and is counted down."""
    file = files_of(tmp_path).append("a", "x", documents(0, 4))
    changes: list[int] = []
    file.on_change = lambda: changes.append(file.left)
    taken = file.take(3, 10**6, 0.0)
    lines = [receipt for receipt, _ in taken.runs]
    lines[0].settle(1)
    lines[1].give_back()  # type: ignore[attr-defined]
    assert changes == []
    lines[2].settle(1)
    assert changes == [2]
    assert sorted(take_all(file)) == [1, 3]


def test_grows_until_it_is_large_or_old(tmp_path: Path) -> None:
    """Documents of one index and reason share a file for a while; others have their own."""
    clock = FakeClock()
    files = files_of(tmp_path, clock)
    first = files.append("a", "x", documents(0, 1))
    assert files.append("a", "x", documents(1, 1)) is first
    assert files.append("b", "x", documents(0, 1, "b")) is not first
    assert files.append("a", "y", documents(2, 1)) is not first
    clock.advance(held_files.GROWING_SECONDS + 1)
    later = files.append("a", "x", documents(3, 1, length=held_files.FILE_BYTES))
    assert later is not first
    assert files.append("a", "x", documents(4, 1)) is not later
    assert take_all(first) == [0, 1]
    assert len(files_of(tmp_path).open()) == 5


def test_what_is_added_is_taken_later(tmp_path: Path) -> None:
    """A file that is being read may grow."""
    files = files_of(tmp_path)
    file = files.append("a", "x", documents(0, 2))
    assert take_all(file) == [0, 1]
    files.append("a", "x", documents(2, 2))
    assert take_all(file) == [2, 3]


def test_cut_short_by_a_crash(tmp_path: Path) -> None:
    """A line without its end was not settled: it is cut off, and the others are there."""
    file = files_of(tmp_path).append("a", "x", documents(0, 3))
    whole = file.path.read_bytes()
    for cut in range(1, len(whole) // 3):
        file.path.write_bytes(whole[:-cut])
        (again,) = files_of(tmp_path).open()
        assert take_all(again) == [0, 1]
        assert again.path.read_bytes() == whole[: len(whole) // 3 * 2]


def test_nothing_but_a_cut_line(tmp_path: Path) -> None:
    """A file without a whole line is removed: nothing of it was settled."""
    file = files_of(tmp_path).append("a", "x", documents(0, 1))
    file.path.write_bytes(file.path.read_bytes()[:-1])
    assert files_of(tmp_path).open() == []
    assert list((tmp_path / "held").iterdir()) == []


def test_unreadable_lines_are_kept(tmp_path: Path) -> None:
    """What is no envelope is left out, and its file stays under another name when it is done."""
    files = files_of(tmp_path)
    file = files.append("a", "x", documents(0, 2))
    file.path.write_bytes(b"nonsense\n" + file.path.read_bytes())
    other = file.path.with_name("20261121T000000-000009-y.ndjson")
    other.write_bytes(b"nothing else\n")
    files = files_of(tmp_path)
    (file,) = files.open()
    taken = file.take(10, 10**6, 0.0)
    assert (numbers(taken), file.left, file.bad_lines) == ([0, 1], 2, 1)
    for receipt, _ in taken.runs:
        receipt.settle(1)
    files.remove(file)
    names = sorted(path.suffix for path in (tmp_path / "held").iterdir())
    assert names == [".unreadable", ".unreadable"]


def test_at_the_bound(tmp_path: Path) -> None:
    """Nothing is written beyond the bound, and what was removed makes room."""
    files = files_of(tmp_path, max_bytes=500)
    file = files.append("a", "x", documents(0, 5))
    with pytest.raises(OSError, match=r"is full.*held\.max_bytes"):
        files.append("a", "x", documents(5, 5))
    for receipt, _ in file.take(10, 10**6, 0.0).runs:
        receipt.settle(1)
    files.remove(file)
    files.append("a", "x", documents(5, 5))


def test_disk_full_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When only a part could be written the file ends where it did before."""
    files = files_of(tmp_path)
    file = files.append("a", "x", documents(0, 2))
    before = file.path.read_bytes()

    def full(descriptor: int, data: bytes) -> int:
        if len(data) <= 10:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:10])

    write = os.write
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        files.append("a", "x", documents(2, 1))
    with pytest.raises(OSError, match="No space"):
        files.append("b", "x", documents(2, 1, "b"))
    monkeypatch.undo()
    assert file.path.read_bytes() == before
    assert (file.left, len(files_of(tmp_path).open())) == (2, 1)
    files.append("a", "x", documents(2, 1))
    assert take_all(file) == [0, 1, 2]


def test_types_make_no_paths(tmp_path: Path) -> None:
    """Whatever a server calls its error, the file lies in the folder and is found again."""
    files = files_of(tmp_path)
    for number, type_ in enumerate(("../../up", "a b/c", "", "ü", "x" * 300)):
        files.append("a", type_, documents(number, 1))
    assert len(files_of(tmp_path).open()) == 5
    assert {path.parent for path in tmp_path.rglob("*.ndjson")} == {tmp_path / "held"}


def test_missing_file_takes_nothing(tmp_path: Path) -> None:
    """A file that somebody removed is an error, and nothing of it is under way."""
    file = files_of(tmp_path).append("a", "x", documents(0, 2))
    file.path.unlink()
    with pytest.raises(FileNotFoundError):
        file.take(10, 10**6, 0.0)
    assert (file.under_way, file.left) == (0, 2)
