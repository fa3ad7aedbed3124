"""Dead letters read once each, and removed while somebody appends."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from logship.errors import StateError
from logship.sinks.dead_letter import DeadLetter, digest_of, parse
from logship.sinks.dead_letter_box import DeadLetterBox, Snapshot

DAY = "2026-11-20.ndjson"


def line(id_: str, reason: str = "bad", index: str = "logs", **more: Any) -> bytes:
    entry = {
        "at": "2026-11-20T10:00:00.000Z", "index": index, "id": id_, "status": 400, "type": "t",
        "reason": reason, "source": "/app.log", "offset": 7, **more, "doc": {"message": id_},
    }  # fmt: skip
    return json.dumps(entry, separators=(",", ":")).encode() + b"\n"


@pytest.fixture
def box(tmp_path: Path) -> DeadLetterBox:
    (tmp_path / "dead-letters").mkdir()
    return DeadLetterBox(tmp_path / "dead-letters")


def put(box: DeadLetterBox, *lines: bytes, name: str = DAY) -> Path:
    with (box.directory / name).open("ab") as file:
        file.writelines(lines)
    return box.directory / name


def letters(box: DeadLetterBox) -> list[DeadLetter]:
    with Snapshot(box) as snapshot:
        return list(snapshot)


def ids(box: DeadLetterBox) -> list[str]:
    return [letter.id for letter in letters(box)]


def clear(box: DeadLetterBox, *wanted: str) -> None:
    with box.locked():
        box.clear([letter for letter in letters(box) if letter.id in wanted], "delivered")


def purge(box: DeadLetterBox, *wanted: str, **options: Any) -> int:
    lines = {d for letter in letters(box) if letter.id in wanted for d in letter.lines}
    with box.locked():
        return box.compact(lines, **options)


def test_an_entry_as_it_was_written() -> None:
    """An entry keeps its fields, and its document byte for byte."""
    document = b'{"n": 123456789012345678901234567890.0,"s":",\\"doc\\":{}"}'
    text = line("a", reason='quotes ,"doc":1 in it').rstrip()[: -len('{"message":"a"}}')]
    letter = parse(text + document + b"}\n")
    assert letter is not None
    assert letter.document == document
    assert (letter.index, letter.id, letter.status) == ("logs", "a", 400)
    assert (letter.source, letter.offset) == ("/app.log", 7)


def test_an_entry_without_an_id_gets_one_that_stays() -> None:
    """Where Elasticsearch was to choose, the id comes of the line, so a replay can be repeated."""
    first, second = parse(line("")), parse(line("", reason="other"))
    assert first is not None
    assert second is not None
    assert first.id == digest_of(line("")).hex()
    assert first.id != second.id


@pytest.mark.parametrize(
    "text", [b"", b"[]\n", b"{}\n", b'"x"\n', b'{"index":"i","id":1,"doc":{}}\n', b"{torn\n"]
)
def test_what_is_no_entry(text: bytes) -> None:
    """Anything else is no entry, and no exception."""
    assert parse(text) is None


def test_text_that_is_no_document() -> None:
    """What was sent and is no JSON object is an entry without a document."""
    letter = parse(b'{"index":"i","id":"a","doc":"{half"}\n')
    assert letter is not None
    assert letter.document == b""


def test_the_newest_entry_of_a_document_counts(box: DeadLetterBox) -> None:
    """One document is listed once, with its last reason, in the order of the last entries."""
    put(box, line("a", "old"), line("b"), line("a", index="other"))
    put(box, line("a", "new"), name="2026-11-21.ndjson")
    assert [(x.index, x.id, x.reason) for x in letters(box)] == [
        ("logs", "b", "bad"),
        ("other", "a", "bad"),
        ("logs", "a", "new"),
    ]


def test_files_in_order(box: DeadLetterBox) -> None:
    """Set-aside files come before the live one of their day, by number; others are none."""
    for name in ("2026-11-21.ndjson", "2026-11-20.10.ndjson", "2026-11-20.9.ndjson", DAY,
                 "cleared.ndjson", "2026-11-20.ndjson.new", "lock"):  # fmt: skip
        put(box, name=name)
    assert [path.name for path in box.files()] == [
        "2026-11-20.9.ndjson",
        "2026-11-20.10.ndjson",
        DAY,
        "2026-11-21.ndjson",
    ]


def test_torn_and_unreadable_lines(box: DeadLetterBox) -> None:
    """A line being written is nothing yet; a broken one is counted by its file."""
    put(box, line("a"), b"broken\n", line("b"), line("c")[:-5])
    with Snapshot(box) as snapshot:
        assert [letter.id for letter in snapshot] == ["a", "b"]
        assert snapshot.unreadable == {DAY: 1}
        assert snapshot.unreadable_lines() == {digest_of(b"broken")}


def test_cleared_entries_with_all_older_ones(box: DeadLetterBox) -> None:
    """Clearing a document clears every entry of it so far, and no later one."""
    put(box, line("a", "old"), line("a", "new"), line("b"))
    clear(box, "a")
    assert ids(box) == ["b"]
    put(box, line("a", "again"))
    assert [(x.id, x.reason) for x in letters(box)] == [("b", "bad"), ("a", "again")]


def test_compaction_frees_space_and_keeps_the_rest(box: DeadLetterBox) -> None:
    """Cleared lines leave their files, and the journal goes with the last of them."""
    put(box, line("a"), line("b"), line("a"))
    put(box, line("c"), name="2026-11-21.ndjson")
    clear(box, "a", "c")
    with box.locked():
        freed = box.compact()
    assert [path.name for path in box.files()] == ["2026-11-20.1.ndjson"]
    assert (box.directory / "2026-11-20.1.ndjson").read_bytes() == line("b")
    assert freed > 2 * len(line("a")) + len(line("c"))
    assert sorted(path.name for path in box.directory.iterdir()) == ["2026-11-20.1.ndjson", "lock"]
    with box.locked():
        assert box.compact() == 0


def test_untouched_files_stay_where_they_are(box: DeadLetterBox) -> None:
    """A file of which nothing is removed keeps its name: an agent may be at it."""
    path = put(box, line("a"))
    put(box, line("b"), name="2026-11-21.ndjson")
    purge(box, "b")
    assert box.files() == [path]


def test_a_file_that_is_being_written_waits(box: DeadLetterBox) -> None:
    """While a writer has the file open nothing of it is lost, what is removed counts no more."""
    path = put(box, line("a"), line("b"))
    with path.open("ab") as writer:
        assert purge(box, "a", wait_seconds=0.05) == 0
        assert ids(box) == ["b"]
        writer.write(line("late"))
        writer.flush()
        assert ids(box) == ["b", "late"]
    with box.locked():
        assert box.compact() > 0
    assert (box.directory / "2026-11-20.1.ndjson").read_bytes() == line("b") + line("late")
    assert not (box.directory / "cleared.ndjson").exists()


def test_a_torn_end_goes_with_the_rest(box: DeadLetterBox) -> None:
    """A file of which only a line cut short would be left is removed."""
    put(box, line("a"), line("b")[:9])
    purge(box, "a")
    assert box.files() == []


def test_nothing_is_lost_to_an_appending_agent(box: DeadLetterBox) -> None:
    """While one appends and another purges, every entry is listed or was purged, once."""
    count, purged = 400, []
    started = threading.Event()

    def append() -> None:
        for number in range(count):
            descriptor = os.open(box.directory / DAY, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(descriptor, line(str(number)))
            finally:
                os.close(descriptor)
            started.set()

    writer = threading.Thread(target=append)
    writer.start()
    try:
        assert started.wait(10)
        while writer.is_alive():
            found = ids(box)
            purge(box, *found)
            purged += found
    finally:
        writer.join()
    purged += ids(box)
    assert sorted(map(int, purged)) == list(range(count))


def test_one_command_clears_at_a_time(box: DeadLetterBox) -> None:
    """While one holds the lock the next is told so; afterwards it is free."""
    with box.locked():
        second = box.locked()
        with pytest.raises(StateError, match="another command replays or purges"):
            second.__enter__()
    with box.locked():
        pass


def test_a_journal_cut_short(box: DeadLetterBox) -> None:
    """A torn line of the journal clears nothing, and does not swallow the next one."""
    put(box, line("a"), line("b"))
    (box.directory / "cleared.ndjson").write_bytes(b'{"line": "00ff')
    clear(box, "b")
    assert ids(box) == ["a"]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Without a folder there is nothing, and none is made."""
    box = DeadLetterBox(tmp_path / "dead-letters")
    assert letters(box) == []
    assert not box.directory.exists()


def test_readable_for_the_owner_of_the_folder_only(box: DeadLetterBox) -> None:
    """What is written belongs to the folder's owner and is for nobody else."""
    put(box, line("a"), line("b"))
    if os.geteuid() == 0:
        os.chown(box.directory, 12345, 12345)
        os.chown(box.directory / DAY, 12345, 12345)
    purge(box, "a")
    clear(box, "b")
    for name in ("2026-11-20.1.ndjson", "cleared.ndjson", "lock"):
        stat = (box.directory / name).stat()
        assert stat.st_mode & 0o777 == 0o600
        assert stat.st_uid == box.directory.stat().st_uid
