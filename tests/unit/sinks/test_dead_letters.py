from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest

from logship.model import Document, Refusal
from logship.sinks.dead_letters import DeadLetterFiles
from tests.support.fakes import FakeClock

SOURCE = b'{"host.name":"web-1","log.file.path":"/a.log","log.offset":17,"n":1e2,"x":"\xc3\xa9"}'
LETTER = (
    Document("logs-2026.11.21", "seed0001", SOURCE),
    Refusal(0, 400, "document_parsing_exception", 'failed to parse field "n"'),
)
LINE = (
    b'{"at":"2026-11-21T12:00:00.000Z","index":"logs-2026.11.21","id":"seed0001","status":400,'
    b'"type":"document_parsing_exception","reason":"failed to parse field \\"n\\"",'
    b'"source":"/a.log","offset":17,"doc":' + SOURCE + b"}\n"
)
GIB = 1 << 30
ROOT = Path(__file__).parents[3]


def write(
    directory: Path,
    *batches: Sequence[tuple[Document, Refusal]],
    clock: FakeClock | None = None,
    max_bytes: int = GIB,
) -> DeadLetterFiles:
    async def run() -> DeadLetterFiles:
        with ThreadPoolExecutor(1) as pool:
            files = DeadLetterFiles(
                directory, clock=clock or FakeClock(), pool=pool, max_bytes=max_bytes
            )
            for batch in batches:
                await files.write(batch)
            return files

    return asyncio.run(run())


def test_line_is_pinned(tmp_path: Path) -> None:
    """A dead letter is one line with the document as it was sent, byte for byte."""
    directory = tmp_path / "dead-letters"
    files = write(directory, [LETTER, LETTER], [LETTER])
    assert files.written == 3
    path = directory / "2026-11-21.ndjson"
    assert path.read_bytes() == LINE * 3
    assert path.stat().st_mode & 0o777 == 0o600
    assert directory.stat().st_mode & 0o777 == 0o700


def test_every_day_has_its_file(tmp_path: Path) -> None:
    """The day of refusal (UTC) names the file."""
    clock = FakeClock()
    write(tmp_path, [LETTER], clock=clock)
    clock.advance(86_400)
    write(tmp_path, [LETTER], clock=clock)
    assert sorted(os.listdir(tmp_path)) == ["2026-11-21.ndjson", "2026-11-22.ndjson"]


@pytest.mark.parametrize("source", [b'{"n":1e999}', b'{"s":"\\ud800"}', b"\xff", b'{"cut":'])
def test_document_that_is_no_json_is_kept_as_text(tmp_path: Path, source: bytes) -> None:
    """What cannot be a member of the line is kept as the text it is."""
    write(tmp_path, [(Document("i", "1", source), LETTER[1])])
    entry = orjson.loads((tmp_path / "2026-11-21.ndjson").read_bytes())
    assert entry["doc"] == source.decode("utf-8", "replace")
    assert (entry["source"], entry["offset"]) == (None, None)


def test_line_that_a_crash_cut_does_not_hide_the_next(tmp_path: Path) -> None:
    """A torn line is ended before the next is written."""
    path = tmp_path / "2026-11-21.ndjson"
    path.write_bytes(LINE + b'{"at":"2026-11-2')
    write(tmp_path, [LETTER])
    assert path.read_bytes() == LINE + b'{"at":"2026-11-2\n' + LINE


def test_full_is_an_error_and_nothing_is_written(tmp_path: Path) -> None:
    """At the bound nothing is written; the files of all days count."""
    (tmp_path / "2026-11-20.ndjson").write_bytes(LINE)
    write(tmp_path, [LETTER], max_bytes=2 * len(LINE))
    with pytest.raises(OSError, match=r"dead_letters\.max_bytes"):
        write(tmp_path, [LETTER], max_bytes=2 * len(LINE))
    assert (tmp_path / "2026-11-21.ndjson").read_bytes() == LINE


def test_disk_that_is_full_in_the_middle(tmp_path: Path) -> None:
    """A write that fails half-way leaves what was there before, and the next one is whole."""
    path = tmp_path / "2026-11-21.ndjson"
    write(tmp_path, [LETTER])
    # The kernel itself refuses to let a file grow beyond its process's limit.
    script = f"""
import asyncio, pathlib, resource, signal
from logship.model import Document, Refusal
from logship.sinks.dead_letters import DeadLetterFiles
from tests.support.fakes import FakeClock
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({len(LINE) + 100},) * 2)
files = DeadLetterFiles(pathlib.Path({str(tmp_path)!r}), clock=FakeClock(), pool=None, max_bytes=9**9)
letter = Document("i", "1", b"{{}}"), Refusal(0, 400, "t", "x" * 500)
try:
    asyncio.run(files.write([letter]))
except OSError as error:
    print("refused", files.written, error.strerror, error.filename)
"""  # noqa: E501
    found = asyncio.run(run_python(script)).decode()
    assert found == f"refused 0 File too large {path}\n"
    assert path.read_bytes() == LINE
    write(tmp_path, [LETTER])
    assert path.read_bytes() == LINE * 2


async def run_python(script: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    out, _ = await process.communicate()
    return out


def test_names_are_synced_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the first write of a day the file, its folder and that folder's name are on disk."""
    synced: list[str] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    directory = tmp_path / "dead-letters"
    write(directory, [LETTER], [LETTER])
    file = str(directory / "2026-11-21.ndjson")
    assert synced == [file, str(directory), str(tmp_path), file]


def test_folder_that_somebody_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is made again while writing goes on is as durable as the first one."""
    synced: list[str] = []
    real = os.fsync

    def noted(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    directory = tmp_path / "dead-letters"
    file = directory / "2026-11-21.ndjson"

    async def run() -> None:
        files = DeadLetterFiles(directory, clock=FakeClock(), pool=None, max_bytes=GIB)
        await files.write([LETTER])
        shutil.rmtree(directory)
        monkeypatch.setattr(os, "fsync", noted)
        await files.write([LETTER])

    asyncio.run(run())
    assert file.read_bytes() == LINE
    assert synced == [str(file), str(directory), str(tmp_path)]


def test_writers_at_once_do_not_mix_their_lines(tmp_path: Path) -> None:
    """Batches of several deliveries become whole lines, one after the other."""

    async def run() -> None:
        with ThreadPoolExecutor(4) as pool:
            files = DeadLetterFiles(tmp_path, clock=FakeClock(), pool=pool, max_bytes=GIB)
            await asyncio.gather(*(files.write([LETTER] * 20) for _ in range(10)))
            assert files.written == 200

    asyncio.run(run())
    assert (tmp_path / "2026-11-21.ndjson").read_bytes() == LINE * 200
