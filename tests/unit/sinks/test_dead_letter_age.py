from __future__ import annotations

import asyncio
import logging
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from logship.errors import StateError
from logship.model import Document, Refusal
from logship.sinks.dead_letter_age import purge_before, purge_regularly
from logship.sinks.dead_letter_box import DeadLetterBox, Snapshot
from logship.sinks.dead_letters import DeadLetterFiles
from tests.support.fakes import NOON, FakeClock

DAY = 86_400.0


def write(folder: Path, days_ago: int, *types: str) -> None:
    files = DeadLetterFiles(
        folder, clock=FakeClock(NOON - days_ago * DAY), pool=None, max_bytes=1 << 20
    )
    letters = [
        (Document("a", f"{days_ago}-{number}", b'{"n":1}'), Refusal(0, 400, type_, "no"))
        for number, type_ in enumerate(types)
    ]
    asyncio.run(files.write(letters))


def test_whole_days_are_removed(tmp_path: Path) -> None:
    """What was refused before the day is gone and counted by type; what came since stays."""
    write(tmp_path, 3, "x", "x", "y")
    write(tmp_path, 2, "x")
    write(tmp_path, 1, "x")
    box = DeadLetterBox(tmp_path)
    with Snapshot(box) as snapshot, box.locked():
        box.clear([letter for letter in snapshot if letter.id == "3-1"], "delivered")
    today = datetime.fromtimestamp(NOON, UTC).date()
    purged = purge_before(box, date.fromordinal(today.toordinal() - 1))
    assert purged == {"x": 2, "y": 1}
    with Snapshot(box) as snapshot:
        assert [letter.id for letter in snapshot] == ["1-0"]
    assert box.cleared() == set()
    assert purge_before(box, date.fromordinal(today.toordinal() - 1)) == {}


def test_not_while_a_command_clears(tmp_path: Path) -> None:
    """Nothing is removed under a replay."""
    write(tmp_path, 3, "x")
    box = DeadLetterBox(tmp_path)
    with box.locked(), pytest.raises(StateError):
        purge_before(box, date(2030, 1, 1))
    assert len(box.files()) == 1


def test_no_folder(tmp_path: Path) -> None:
    """Without dead letters there is nothing to do, and no folder is made."""
    assert purge_before(DeadLetterBox(tmp_path / "none"), date(2030, 1, 1)) == {}
    assert not (tmp_path / "none").exists()


def test_says_what_it_removed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The agent's log names how many were removed and of which types."""
    write(tmp_path, 40, "x", "y", "y")

    async def work() -> None:
        purging = asyncio.create_task(
            purge_regularly(DeadLetterBox(tmp_path), 30 * DAY, clock=FakeClock(), pool=None)
        )
        async with asyncio.timeout(5):
            while not caplog.records:  # noqa: ASYNC110 (there is no event for a log line)
                await asyncio.sleep(0.001)
        purging.cancel()

    with caplog.at_level(logging.INFO):
        asyncio.run(work())
    (text,) = [record.getMessage() for record in caplog.records]
    assert text == (
        "3 dead letters from before 2026-10-22 were removed (dead_letters.max_age): 2 y, 1 x."
    )
