"""How far a content may have been read before is known, and read again to there at least."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from io import FileIO
from pathlib import Path

import pytest

from logship.sources.file.log_file import PlainFile
from logship.sources.file.tailer import READ_BYTES, Tailer
from tests.support.tailing import FixedClock, Notes, content_of

LIMIT = 10 * READ_BYTES + 4711


async def given_out(path: Path, offset: int, *, is_finishing: bool) -> int:
    """Return up to where a tailer that begins at *offset* gives out chunks."""
    notes = Notes()
    notes.is_full = True  # no other limit can be noted
    content = content_of(offset=offset, notes=notes)
    content.read_limit = LIMIT
    with ThreadPoolExecutor(1) as pool:
        tailer = Tailer(
            PlainFile(FileIO(str(path)), pool), str(path), position=offset, clock=FixedClock(),
            pool=pool, max_line_bytes=1 << 20, is_finishing=is_finishing,
        )  # fmt: skip
        with path.open("rb") as file:
            file.seek(max(0, offset - 256))
            tailer.start_from(content, file.read(min(256, offset)))
        end = offset
        try:
            while not tailer.at_end:
                for chunk in await tailer.read():
                    end = chunk.end
        except OSError:
            if is_finishing:  # which needs no other limit
                raise
        await tailer.close()
    return end


@pytest.mark.parametrize("first", [0, 100, READ_BYTES - 100, 5 * READ_BYTES + 1000])
@pytest.mark.parametrize("second", [0, 300, 3 * READ_BYTES - 500, 9 * READ_BYTES])
def test_whoever_finishes_reads_at_least_as_far_and_no_further_than_the_limit(
    tmp_path: Path, first: int, second: int
) -> None:
    """Wherever the two begin: reads of one do not end where those of the other do."""
    path = tmp_path / "a.log"
    path.write_bytes(b"x" * 99 + b"\n" + (b"y" * 99 + b"\n") * (20 * READ_BYTES // 100))
    first, second = first - first % 100, second - second % 100
    before = asyncio.run(given_out(path, first, is_finishing=False))
    again = asyncio.run(given_out(path, second, is_finishing=True))
    assert before <= again <= LIMIT
    assert before > LIMIT - 3 * READ_BYTES, "what may be read is read"
