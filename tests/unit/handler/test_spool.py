"""The spool: envelopes on disk, one lock per file, nothing cut and nothing taken twice."""

from __future__ import annotations

import fcntl
import stat
from pathlib import Path

import orjson
import pytest

from logship.handler.document import Encoded
from logship.handler.spool import Spool, envelope
from logship.model import action_head

HEAD = action_head("logs-2026.11.21", b"prefix", with_id=True)


def entries(count: int, size: int = 10) -> list[Encoded]:
    made = [Encoded(HEAD, b'"n":%d,"pad":"%b"}' % (n, b"x" * size), 20) for n in range(count)]
    for number, entry in enumerate(made):
        entry.fix(number)
    return made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "spool"


def spool(folder: Path, name: str = "one", max_bytes: int = 1 << 20) -> Spool:
    return Spool(folder, max_bytes=max_bytes, name=name)


def test_an_envelope_holds_index_id_and_document() -> None:
    """What was fixed at emit is in the line, as it would have been sent."""
    (entry,) = entries(1)
    line = orjson.loads(envelope(entry))
    assert line == {
        "index": "logs-2026.11.21",
        "id": "prefix" + entry.id.decode(),
        "doc": {"n": 0, "pad": "xxxxxxxxxx"},
    }


def test_files_are_private(folder: Path) -> None:
    """Nobody else may read what waits there."""
    one = spool(folder)
    assert one.append(entries(3), sync=True) == (3, "")
    one.finish()
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_file_being_written_is_left_alone(folder: Path) -> None:
    """It is claimed only when its writer has let go, and then by one alone."""
    writer, reader, other = spool(folder), spool(folder, "two"), spool(folder, "three")
    writer.append(entries(3), sync=False)
    assert reader.claim() is None
    writer.finish()
    claim = reader.claim()
    assert claim is not None
    assert [orjson.loads(line)["doc"]["n"] for line in claim.lines()] == [0, 1, 2]
    assert other.claim() is None
    reader.give_up(claim)
    claim = other.claim()
    assert claim is not None
    other.remove(claim, is_readable=True)
    assert list(folder.iterdir()) == []
    assert reader.claim() is None


def test_a_file_that_was_shipped_meanwhile_is_not_claimed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has opened a file that another ships and removes before the lock, leaves it alone."""
    writer, reader = spool(folder), spool(folder, "two")
    writer.append(entries(1), sync=False)
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
    written, why = one.append(entries(20), sync=False)
    one.finish()
    assert 0 < written < 20
    assert "is full (500 bytes)" in why
    (file,) = folder.iterdir()
    assert file.stat().st_size <= 500
    assert len(file.read_bytes().splitlines()) == written
    two = spool(folder, "two", max_bytes=500)
    assert two.append(entries(20), sync=False)[0] == 0
    two.finish()
    assert len(list(folder.iterdir())) == 1


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    """No exception: how many were written, and why not all."""
    (tmp_path / "file").write_text("")
    written, why = spool(tmp_path / "file" / "spool").append(entries(2), sync=True)
    assert written == 0
    assert "Not a directory" in why


def test_unreadable_files_are_kept_aside(folder: Path) -> None:
    """What holds something that is no envelope is not removed."""
    one = spool(folder)
    one.append(entries(1), sync=False)
    one.finish()
    claim = one.claim()
    assert claim is not None
    one.remove(claim, is_readable=False)
    assert [path.suffix for path in folder.iterdir()] == [".unreadable"]


def test_long_files_are_divided(folder: Path) -> None:
    """A file is handed over when it is long, so that what comes back comes back early."""
    one = spool(folder, max_bytes=1 << 30)
    for _ in range(3):
        one.append(entries(5, size=1 << 20), sync=False)
    one.finish()
    assert len(list(folder.iterdir())) == 2
