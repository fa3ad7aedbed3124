"""The spool: envelopes on disk, one lock per file, nothing cut and nothing taken twice."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import orjson
import pytest

from logship.model import action_head
from logship.spool import Claim, Spool, envelope

HEAD = action_head("logs-2026.11.21", b"prefix", with_id=True)


def lines(count: int, size: int = 10) -> list[bytes]:
    return [
        envelope(HEAD, b"%d" % n, b'{"n":%d,"pad":"%b"}' % (n, b"x" * size)) for n in range(count)
    ]


class Owed:
    def settle(self, count: int) -> None: ...


def numbers(claim: Claim) -> list[int]:
    return [
        orjson.loads(documents.document(position).source)["n"]
        for documents in claim.read(Owed())
        for position in range(len(documents))
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "spool"


def spool(folder: Path, name: str = "one", max_bytes: int = 1 << 20) -> Spool:
    return Spool(folder, max_bytes=max_bytes, name=name)


def test_files_are_private(folder: Path) -> None:
    """Nobody else may read what waits there."""
    one = spool(folder)
    assert one.append(lines(3), sync=True) == (3, "")
    one.finish()
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_being_written_is_left_alone(folder: Path) -> None:
    """It is claimed only when its writer has let go, and then by one alone."""
    writer, reader, other = spool(folder), spool(folder, "two"), spool(folder, "three")
    writer.append(lines(3), sync=False)
    assert reader.claim() is None
    writer.finish()
    claim = reader.claim()
    assert claim is not None
    assert numbers(claim) == [0, 1, 2]
    assert other.claim() is None
    reader.give_up(claim)
    claim = other.claim()
    assert claim is not None
    assert other.remove(claim) is None
    assert list(folder.iterdir()) == []
    assert reader.claim() is None


def test_files_are_claimed_in_their_order(folder: Path) -> None:
    """The oldest first, also when more come while they are claimed."""
    writer, reader = spool(folder), spool(folder, "two")
    claims = []
    for count in (1, 2, 3):
        writer.append(lines(count), sync=False)
        writer.finish()
        if count > 1:
            claim = reader.claim()
            assert claim is not None
            claims.append(claim)
    last = reader.claim()
    assert last is not None
    assert [len(numbers(claim)) for claim in (*claims, last)] == [1, 2, 3]
    assert reader.claim() is None
    for claim in (*claims, last):
        reader.give_up(claim)


def test_a_file_that_was_shipped_meanwhile_is_not_claimed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has opened a file that another ships and removes before the lock, leaves it alone."""
    writer, reader = spool(folder), spool(folder, "two")
    writer.append(lines(1), sync=False)
    writer.finish()
    lock = fcntl.flock

    def late_lock(descriptor: int, operation: int) -> None:
        for path in folder.glob("*.ndjson"):
            path.unlink()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", late_lock)
    assert reader.claim() is None


def test_the_bound_is_for_the_whole_folder(folder: Path) -> None:
    """What fits is written, whole lines only, and the rest is for the caller."""
    one = spool(folder, max_bytes=500)
    written, why = one.append(lines(20), sync=False)
    one.finish()
    assert 0 < written < 20
    assert "is full (500 bytes)" in why
    (file,) = folder.iterdir()
    assert file.stat().st_size <= 500
    assert len(file.read_bytes().splitlines()) == written
    two = spool(folder, "two", max_bytes=500)
    assert two.append(lines(20), sync=False)[0] == 0
    two.finish()
    assert len(list(folder.iterdir())) == 1


def test_what_a_full_disk_cuts_is_taken_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a write that stopped in the middle of a line the file ends with a whole one."""
    one = spool(folder)
    assert one.append(lines(2), sync=False) == (2, "")
    write, calls = os.write, []

    def half(descriptor: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) > 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data[: len(data) // 2 + 3])

    monkeypatch.setattr(os, "write", half)
    written, why = one.append(lines(5), sync=True)
    monkeypatch.undo()
    assert (written, "No space left" in why) == (0, True)
    assert one.append(lines(1), sync=True) == (1, "")
    one.finish()
    claim = one.claim()
    assert claim is not None
    assert (numbers(claim), claim.bad_lines) == ([0, 1, 0], 0)
    one.give_up(claim)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """No exception: how many were written, and why not all."""
    (tmp_path / "file").write_text("")
    written, why = spool(tmp_path / "file" / "spool").append(lines(2), sync=True)
    assert written == 0
    assert "Not a directory" in why


def test_bad_lines_alone_are_kept_aside(folder: Path) -> None:
    """What is no envelope is not removed with the rest, and is found by its line's number."""
    folder.mkdir(parents=True)
    good = lines(4)
    bad = [b"not json\n", b'{"index":"a","id":"b"}\n', b'{"index":"a","id":"b","doc":{"n']
    file = folder / "20261121T193000-7-x-0.ndjson"
    file.write_bytes(b"".join([good[0], bad[0], *good[1:], b"\n", *bad[1:]]))
    one = spool(folder)
    claim = one.claim()
    assert claim is not None
    assert numbers(claim) == [0, 1, 2, 3]
    assert [line.number for line in claim.first_bad] == [2, 7, 8]
    kept = file.with_suffix(".unreadable")
    assert one.remove(claim) == kept
    assert list(folder.iterdir()) == [kept]
    assert kept.read_bytes() == b"".join(bad)


def test_long_files_are_divided(folder: Path) -> None:
    """A file is handed over when it is long, so that what comes back comes back early."""
    one = spool(folder, max_bytes=1 << 30)
    for _ in range(3):
        one.append(lines(5, size=1 << 20), sync=False)
    one.finish()
    assert len(list(folder.iterdir())) == 2


def test_what_is_no_file_is_not_claimed(folder: Path) -> None:
    """Whatever its name is; reading a pipe would wait for ever."""
    folder.mkdir(parents=True)
    os.mkfifo(folder / "20261121T193000-7-pipe-0.ndjson")
    (folder / "20261121T193000-7-folder-0.ndjson").mkdir()
    (folder / "20261121T193000-7-link-0.ndjson").symlink_to("/etc/hostname")
    one = spool(folder)
    assert one.claim() is None
    assert {path.name.split("-")[2] for path in one.refused} == {"folder", "link"}


def test_what_cannot_be_removed_is_not_claimed_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a folder that may be read and not changed would be shipped for ever."""
    one = spool(folder)
    one.append(lines(1), sync=False)
    one.finish()
    claim = one.claim()
    assert claim is not None

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(PermissionError):
        one.remove(claim)
    assert one.claim() is None
    monkeypatch.undo()
    other = spool(folder, "two").claim()
    assert other is not None
    os.close(other.descriptor)
