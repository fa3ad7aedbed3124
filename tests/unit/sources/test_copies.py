"""Which file is the copy of a truncated log?"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from logship.checkpoints.rows import FileRow
from logship.ids import tail_digest
from logship.sources.file.copies import find_copy
from logship.sources.file.identity import fingerprint_of
from logship.sources.file.surroundings import Surroundings

BANNER = b"x" * 1100 + b"\n"
SEEN_AT = 1_795_000_000


def known(path: Path, data: bytes, offset: int) -> FileRow:
    return FileRow(
        id=1, source="s", path=str(path), device=1, inode=1, fingerprint=fingerprint_of(data),
        first_line=b"", salt=b"", seed="seed", offset=offset,
        tail=tail_digest(data[max(0, offset - 256) : offset]), last_time=None, size=len(data),
        boot="", confirmed_at=float(SEEN_AT),
    )  # fmt: skip


def write(path: Path, data: bytes, seconds: int) -> None:
    path.write_bytes(data)
    os.utime(path, (SEEN_AT + seconds, SEEN_AT + seconds))


def found(row: FileRow, read: tuple[int, bytes] = (0, b"")) -> str | None:
    with ThreadPoolExecutor(1) as pool:
        copy = find_copy(row, Surroundings(), lambda key: False, pool, read)
    if copy is None:
        return None
    copy[1].file.close()
    return os.path.basename(copy[0])


def test_copy_that_holds_what_was_read_comes_first(tmp_path: Path) -> None:
    """Generations that begin alike and of which nothing is confirmed are told by what was read."""
    first, second, third = (BANNER + text for text in (b"one\n", b"two\n", b"three\n"))
    write(tmp_path / "app.log.3", first, 1)
    write(tmp_path / "app.log.2", second, 2)
    write(tmp_path / "app.log.1", third, 3)
    row = known(tmp_path / "app.log", second, 0)
    assert found(row, (len(second), second[-256:])) == "app.log.2"
    assert found(row, (len(third), third[-256:])) == "app.log.1"


def test_first_copy_since_the_content_was_seen_comes_first(tmp_path: Path) -> None:
    """What followed it was copied later, what was before it earlier."""
    write(tmp_path / "app.log.4", BANNER, -9)
    write(tmp_path / "app.log.3", BANNER, 5)
    write(tmp_path / "app.log.2", BANNER, 6)
    assert found(known(tmp_path / "app.log", BANNER, 0)) == "app.log.3"


@pytest.mark.parametrize("name", ["app-error.log", "web.log.1", "app.log.bak"])
def test_other_names_are_no_copies(tmp_path: Path, name: str) -> None:
    """Equal beginnings are not enough."""
    write(tmp_path / name, BANNER, 1)
    assert found(known(tmp_path / "app.log", BANNER, 0)) is None


def test_copy_lacks_nothing_that_was_confirmed(tmp_path: Path) -> None:
    """A copy that is half written, or of another generation, is none."""
    data = BANNER + b"one\n"
    write(tmp_path / "app.log.1", data[:-2], 1)
    write(tmp_path / "app.log.2", BANNER + b"two\n", 1)
    assert found(known(tmp_path / "app.log", data, len(data))) is None
    write(tmp_path / "app.log.3", data + b"more\n", 1)
    assert found(known(tmp_path / "app.log", data, len(data))) == "app.log.3"
