"""An index is deleted only when every document of it is in the file."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from logship.elastic import Elastic, Reply
from logship.errors import BadReply, ConnectionFailed, ElasticError, ErrorReply
from logship.indices.archive import ArchiveFailed, archive_and_delete
from logship.indices.listing import IndexRow

ROW = IndexRow("logs-2020.01.01", None, 5, 5000, "green", is_open=True, shards=1, segments=1)


class Server:
    """An index in pages of two; plays what may go wrong."""

    def __init__(self, count: int = 5) -> None:
        self.sources = [b'{"n":%d}' % number for number in range(count)]
        self.claimed: int | None = None
        self.more_at_the_end = 0
        self.page: dict[str, Any] = {}
        self.fails: dict[str, Exception] = {}
        self.is_there, self.is_blocked = True, False
        self.counting: Callable[[], None] = lambda: None
        self._read = 0

    async def request(
        self, method: str, path: str, body: bytes | None = None, **options: Any
    ) -> Reply:
        for beginning, error in self.fails.items():
            if f"{method} {path}".startswith(beginning):
                raise error
        answer = b"{}"
        if path.endswith("/_search") or (method, path) == ("POST", "/_search/scroll"):
            answer = self._next()
        elif path.endswith("/_count"):
            self.counting()
            await asyncio.sleep(0)
            answer = orjson.dumps({"count": len(self.sources) + self.more_at_the_end})
        elif method == "GET" and path.endswith("/_settings"):
            flat = {"index.blocks.write": "true"} if self.is_blocked else {}
            answer = orjson.dumps({ROW.name: {"settings": flat}})
        elif path.endswith("/_settings"):
            assert body is not None
            self.is_blocked = bool(orjson.loads(body)["index.blocks.write"])
        elif method == "DELETE" and path == f"/{ROW.name}":
            assert self.is_blocked
            self.is_there = False
        return Reply(200, {}, answer)

    def _next(self) -> bytes:
        part = range(self._read, min(self._read + 2, len(self.sources)))
        self._read = part.stop
        hits = [
            {"_index": ROW.name, "_id": f"i{n}", "_source": orjson.Fragment(self.sources[n])}
            for n in part
        ]
        total = len(self.sources) if self.claimed is None else self.claimed
        page = {"_scroll_id": "s", "hits": {"total": {"value": total}, "hits": hits}}
        return orjson.dumps({**page, **self.page})


def run(server: Server, folder: Path) -> Path:
    return asyncio.run(archive_and_delete(cast(Elastic, server), ROW, folder)).path


def assert_untouched(server: Server, folder: Path) -> None:
    assert server.is_there
    assert not server.is_blocked
    assert not folder.exists() or os.listdir(folder) == []


def test_all_is_well(tmp_path: Path) -> None:
    """Every page is written, byte for byte, and then the index is deleted."""
    server = Server()
    server.sources[1] = b'{"n":\n1.50}'
    path = run(server, tmp_path)
    assert not server.is_there
    lines = gzip.decompress(path.read_bytes()).split(b"\n")
    assert lines[0] == b'{"_index":"logs-2020.01.01","_id":"i0","_source":{"n":0}}'
    assert lines[1] == b'{"_index":"logs-2020.01.01","_id":"i1","_source":{"n": 1.50}}'
    assert (len(lines), lines[5]) == (6, b"")
    assert path.stat().st_mode & 0o777 == 0o600


def test_documents_that_come_meanwhile(tmp_path: Path) -> None:
    """What was not archived is not deleted, and can be written to again."""
    server = Server()
    server.more_at_the_end = 1
    with pytest.raises(ArchiveFailed, match="1 documents came while it was archived"):
        run(server, tmp_path)
    assert_untouched(server, tmp_path)


@pytest.mark.parametrize(
    ("page", "claimed", "error"),
    [
        ({"timed_out": True}, None, BadReply),
        ({"_shards": {"failed": 1}}, None, BadReply),
        ({"hits": "none"}, None, BadReply),
        ({}, 6, ArchiveFailed),
    ],
)
def test_incomplete_replies(
    page: dict[str, Any], claimed: int | None, error: type[Exception], tmp_path: Path
) -> None:
    """A search that gives less than there is deletes nothing and leaves no file."""
    server = Server()
    server.page, server.claimed = page, claimed
    with pytest.raises(error):
        run(server, tmp_path)
    assert_untouched(server, tmp_path)


def test_no_source(tmp_path: Path) -> None:
    """An index that keeps no documents cannot be archived."""
    server = Server()
    server.page = {"hits": {"total": {"value": 1}, "hits": [{"_id": "a"}]}}
    with pytest.raises(ArchiveFailed, match="keeps no _source"):
        run(server, tmp_path)
    assert_untouched(server, tmp_path)


@pytest.mark.parametrize(
    "where",
    [f"POST /{ROW.name}/_refresh", f"POST /{ROW.name}/_search", "POST /_search/scroll",
     f"GET /{ROW.name}/_count"],
)  # fmt: skip
@pytest.mark.parametrize("error", [ConnectionFailed("cut"), ErrorReply(503, "x", "later")])
def test_server_fails_before_the_deletion(where: str, error: Exception, tmp_path: Path) -> None:
    """Whatever request fails, the index is as it was and there is no file."""
    server = Server()
    server.fails[where] = error
    with pytest.raises(ElasticError):
        run(server, tmp_path)
    assert_untouched(server, tmp_path)


def test_deletion_without_a_reply(tmp_path: Path) -> None:
    """It may have been done, so the archive stays."""
    server = Server()
    server.fails[f"DELETE /{ROW.name}"] = ConnectionFailed("cut")
    with pytest.raises(ConnectionFailed):
        run(server, tmp_path)
    (name,) = os.listdir(tmp_path)
    assert gzip.decompress((tmp_path / name).read_bytes()).count(b"\n") == 5
    assert not server.is_blocked


def test_interrupted(tmp_path: Path) -> None:
    """Cancelled at the worst moment, the index takes documents again and no file is left."""

    async def work(server: Server) -> None:
        task = asyncio.current_task()
        assert task is not None
        server.counting = task.cancel  # type: ignore[assignment]
        await archive_and_delete(cast(Elastic, server), ROW, tmp_path)

    server = Server()
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work(server))
    assert_untouched(server, tmp_path)


def test_index_that_was_read_only(tmp_path: Path) -> None:
    """A block that was there before stays when the index does."""
    server = Server()
    server.is_blocked = True
    server.more_at_the_end = 1
    with pytest.raises(ArchiveFailed):
        run(server, tmp_path)
    assert server.is_blocked
    assert server.is_there


def test_scroll_that_cannot_be_closed(tmp_path: Path) -> None:
    """It ends by itself, and is no reason to keep the index."""
    server = Server()
    server.fails["DELETE /_search/scroll"] = ConnectionFailed("cut")
    run(server, tmp_path)
    assert not server.is_there


def test_disk_that_is_full(tmp_path: Path) -> None:
    """What cannot be written deletes nothing."""
    folder = tmp_path / "full"
    folder.mkdir()
    script = _in_a_small_disk(folder)
    assert "cannot be archived there: File too large" in script
    assert os.listdir(folder) == []


def _in_a_small_disk(folder: Path) -> str:
    """What is said where no file may grow beyond two kilobytes."""
    import resource
    import signal
    import subprocess
    import sys

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "from tests.unit.indices.test_archive import Server, run\n"
        "server = Server(); quote = chr(34)\n"
        "server.sources = [(quote + os.urandom(400).hex() + quote).encode() for _ in range(50)]\n"
        "try: run(server, Path(sys.argv[1]))\n"
        "except Exception as error: print(error, server.is_there)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        capture_output=True, text=True, preexec_fn=limit, cwd=Path(__file__).parents[3],
    )  # fmt: skip
    assert done.stdout.rstrip().endswith("True"), done
    return done.stdout
