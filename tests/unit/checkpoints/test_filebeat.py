"""Filebeat's registry, in each of the forms it has had, and what of it can be gone on with."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from logship.checkpoints.filebeat_plan import FileOnDisk, Skipped, plan
from logship.checkpoints.filebeat_registry import Position, read_registry
from logship.errors import LogshipError

NATIVE = Position("/var/log/app.log", 42, "native", 17, 2049)
KEY = "filestream::my-id::native::17-2049"
BEGINNING = b"2026-11-21 the first line\n" * 40


def stream(offset: int = 42, source: str = "/var/log/app.log", **more: Any) -> dict[str, Any]:
    meta = {"source": source, "identifier_name": "native"}
    return {"ttl": -1, "updated": [1, 2], "cursor": {"offset": offset}, "meta": meta, **more}


def old(offset: int = 42, **more: Any) -> dict[str, Any]:
    return {
        "source": "/var/log/app.log",
        "offset": offset,
        "ttl": -1,
        "type": "log",
        "FileStateOS": {"inode": 17, "device": 2049},
        **more,
    }


def write_log(folder: Path, *pairs: tuple[str, int, str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").write_text('{"version":"1"}')
    lines = []
    for operation, number, key, value in pairs:
        lines.append(json.dumps({"op": operation, "id": number}))
        lines.append(json.dumps({"k": key} if value is None else {"k": key, "v": value}))
    (folder / "log.json").write_text("".join(f"{line}\n" for line in lines))
    return folder


def test_operations_in_order(tmp_path: Path) -> None:
    """The last set of a key holds, what was removed is gone; any of the three folders will do."""
    write_log(
        tmp_path / "registry" / "filebeat",
        ("set", 1, KEY, stream(10)),
        ("set", 2, "filestream::x::native::1-1", stream(5, "/gone.log")),
        ("set", 3, KEY, stream(42)),
        ("remove", 4, "filestream::x::native::1-1", None),
    )
    for folder in (tmp_path, tmp_path / "registry", tmp_path / "registry" / "filebeat"):
        assert read_registry(folder) == [NATIVE]


def test_snapshot_and_what_follows(tmp_path: Path) -> None:
    """The snapshot with the highest number holds, operations up to its number are in it."""
    folder = write_log(
        tmp_path,
        ("set", 8, KEY, stream(1)),
        ("set", 10, KEY, stream(2)),
        ("set", 11, KEY, stream(3)),
    )
    (folder / "9.json").write_text(json.dumps([{"_key": KEY, **stream(7)}]))
    (folder / "2.json").write_text("damaged")
    assert [position.offset for position in read_registry(folder)] == [3]


def test_a_gap_or_a_torn_line_ends_the_log(tmp_path: Path) -> None:
    """What follows a missing number, or a line cut short, is not believed."""
    folder = write_log(tmp_path, ("set", 1, KEY, stream(1)), ("set", 3, KEY, stream(3)))
    assert [position.offset for position in read_registry(folder)] == [1]
    write_log(tmp_path, ("set", 1, KEY, stream(1)), ("set", 2, KEY, stream(2)))
    with (folder / "log.json").open("a") as log:
        log.write('{"op":"set","id":3}\n{"k":"' + KEY + '","v":{"cur')
    assert [position.offset for position in read_registry(folder)] == [2]


def test_upper_case_names(tmp_path: Path) -> None:
    """Older versions wrote K and V, and a blank line between."""
    (tmp_path / "log.json").write_text(
        '{"op":"set", "id": 1}\n\n' + json.dumps({"K": KEY, "V": stream()}) + "\n\n"
    )
    assert read_registry(tmp_path) == [NATIVE]


def test_entries_that_say_nothing(tmp_path: Path) -> None:
    """Removed entries, those without an offset or a path, and other inputs' are left out."""
    write_log(
        tmp_path,
        ("set", 1, KEY, stream(ttl=0)),
        ("set", 2, "filestream::b::native::1-1", stream(cursor=None)),
        ("set", 3, "filestream::c::native::1-1", stream(meta=None)),
        ("set", 4, "filestream::d::native::1-1", stream(cursor={"offset": "9"})),
        ("set", 5, "journald::x::y", {"cursor": {"position": "s=1"}}),
        ("set", 6, "filestream::e::native::?", stream()),
    )
    assert read_registry(tmp_path) == []


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("native::17-2049", {"kind": "native", "inode": 17, "device": 2049}),
        ("native::17-2049-stdout", {"kind": "native", "inode": 17, "device": 2049}),
        ("path::/var/log/app.log", {"kind": "path"}),
        ("inode_marker::17-disk-1", {"kind": "inode_marker", "inode": 17}),
        ("fingerprint::" + "ab" * 32, {"kind": "fingerprint", "digest": "ab" * 32}),
        ("fingerprint::" + "ab" * 32 + "-stderr", {"kind": "fingerprint", "digest": "ab" * 32}),
        ("growing_fingerprint::6869", {"kind": "fingerprint", "beginning": b"hi"}),
    ],
)
def test_identities(tmp_path: Path, identity: str, expected: dict[str, Any]) -> None:
    """Each way of telling files apart is read, with or without a container's stream."""
    write_log(tmp_path, ("set", 1, f"filestream::.global::{identity}", stream()))
    assert read_registry(tmp_path) == [Position("/var/log/app.log", 42, **expected)]


def test_log_input(tmp_path: Path) -> None:
    """The log input's entries are read; those that no input cared for are marked."""
    hashed = "filebeat::logs::1b59052b95e61943-native::17-2049"
    write_log(
        tmp_path,
        ("set", 1, "filebeat::logs::native::17-2049", old(identifier_name="native")),
        ("set", 2, hashed, old(43, ttl=-2, identifier_name="native", meta={"stream": "stdout"})),
        ("set", 3, "filebeat::logs::path::/x.log", {"source": "/x.log", "offset": 1,
                                                   "identifier_name": "path"}),
    )  # fmt: skip
    assert read_registry(tmp_path) == [
        NATIVE,
        Position("/var/log/app.log", 43, "native", 17, 2049, is_managed=False),
        Position("/x.log", 1, "path"),
    ]


def test_old_versions(tmp_path: Path) -> None:
    """Version 0 keeps an array in data.json, and before that the registry was the array."""
    entries = json.dumps([old(ttl=-2), old(9, ttl=0)])
    folder = tmp_path / "seven" / "registry" / "filebeat"
    folder.mkdir(parents=True)
    (folder / "meta.json").write_text('{"version": "0"}')
    (folder / "data.json").write_text(entries)
    assert read_registry(tmp_path / "seven") == [NATIVE]
    (tmp_path / "six").mkdir()
    (tmp_path / "six" / "registry").write_text(entries)
    assert read_registry(tmp_path / "six") == [NATIVE]
    assert read_registry(tmp_path / "six" / "registry") == [NATIVE]


def test_what_is_no_registry(tmp_path: Path) -> None:
    """A folder without one, a damaged snapshot and a newer version are errors with the place."""
    with pytest.raises(LogshipError, match="no such folder"):
        read_registry(tmp_path / "nowhere")
    with pytest.raises(LogshipError, match="no registry of Filebeat here"):
        read_registry(tmp_path)
    (tmp_path / "7.json").write_text("[{")
    with pytest.raises(LogshipError, match=r"7\.json: is no registry"):
        read_registry(tmp_path)
    (tmp_path / "meta.json").write_text('{"version": "2"}')
    with pytest.raises(LogshipError, match="version 2 is not known"):
        read_registry(tmp_path)


def test_refused_while_filebeat_runs(tmp_path: Path) -> None:
    """While Filebeat holds its lock nothing is read; a lock that nobody holds is no obstacle."""
    folder = write_log(tmp_path / "registry" / "filebeat", ("set", 1, KEY, stream()))
    with (tmp_path / "filebeat.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LogshipError, match="Filebeat is running"):
            read_registry(folder)
    assert read_registry(folder) == [NATIVE]


def on_disk(
    path: str = "/var/log/app.log",
    inode: int = 17,
    *,
    size: int = 100,
    beginning: bytes = b"",
) -> FileOnDisk:
    return FileOnDisk(path, 2049, inode, size, lambda: beginning[:1024])


def outcome(*positions: Position, files: list[FileOnDisk]) -> tuple[list[Any], list[Skipped]]:
    takes, skipped = plan(positions, files)
    return [(take.file.path, take.offset, take.note) for take in takes], skipped


def test_taken_where_the_inode_is() -> None:
    """A file is taken under the name it has now, as long as inode and device are the same."""
    renamed = on_disk("/var/log/app.log.1")
    assert outcome(NATIVE, files=[on_disk(inode=18), renamed]) == (
        [("/var/log/app.log.1", 42, "")],
        [],
    )


def test_skipped_with_the_reason() -> None:
    """Another inode, a shorter file and one that no source names are left, each with its why."""
    assert "another file lies there now" in outcome(NATIVE, files=[on_disk(inode=18)])[1][0].why
    assert "shorter now (41 bytes)" in outcome(NATIVE, files=[on_disk(size=41)])[1][0].why
    assert outcome(NATIVE, files=[on_disk("/other.log", 5)]) == (
        [],
        [Skipped("/var/log/app.log", 42, "no source of the settings names such a file")],
    )


def test_by_content() -> None:
    """A fingerprint is looked for at the old path first, then among all files."""
    digest = hashlib.sha256(BEGINNING[:1024]).hexdigest()
    position = Position("/var/log/app.log", 42, "fingerprint", digest=digest)
    moved = on_disk("/var/log/old/app.log", 5, beginning=BEGINNING)
    other = on_disk(beginning=b"other " * 300)
    assert outcome(position, files=[moved, on_disk(beginning=BEGINNING)])[0] == [
        ("/var/log/app.log", 42, "")
    ]
    assert outcome(position, files=[moved, other])[0] == [("/var/log/old/app.log", 42, "")]
    assert "configured to be over other bytes" in outcome(position, files=[other])[1][0].why


def test_by_the_first_bytes() -> None:
    """A file too short for a fingerprint is known by what there is of it."""
    position = Position("/var/log/app.log", 3, "fingerprint", beginning=b"one")
    assert outcome(position, files=[on_disk(beginning=b"one\ntwo")])[0]
    assert outcome(position, files=[on_disk(beginning=b"two\none")])[1]


@pytest.mark.parametrize(
    ("make", "taken"),
    [
        (lambda: Position("/var/log/app.log", 42, "path"), True),
        (lambda: Position("/var/log/b.log", 42, "path"), False),
        (lambda: Position("/var/log/app.log", 42, "inode_marker", 17), True),
        (lambda: Position("/var/log/app.log", 42, "inode_marker", 18), False),
    ],
)
def test_by_path(make: Callable[[], Position], taken: bool) -> None:
    """Where Filebeat went by the path, the path decides, with the inode if it had that."""
    assert bool(outcome(make(), files=[on_disk()])[0]) == taken


def test_the_smallest_of_several_offsets() -> None:
    """Two streams of one file have two offsets: the smaller is taken, and that is said."""
    other = Position("/var/log/app.log", 40, "native", 17, 2049)
    assert outcome(NATIVE, other, files=[on_disk()])[0] == [
        ("/var/log/app.log", 40, "the smallest of 2 offsets")
    ]


def test_what_no_input_cared_for_gives_way() -> None:
    """An entry left over from an input that is gone counts only where there is no other."""
    stale = Position("/var/log/app.log", 1, "native", 17, 2049, is_managed=False)
    assert outcome(stale, NATIVE, files=[on_disk()])[0] == [("/var/log/app.log", 42, "")]
    assert outcome(stale, files=[on_disk()])[0] == [("/var/log/app.log", 1, "")]
