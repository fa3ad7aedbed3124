"""A copy of an index in a file: NDJSON, compressed, one line per document::

{"_index", "_id", "_source"[, "_routing"]}
"""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import orjson

from logship.durable import sync_directory
from logship.elastic import Elastic
from logship.errors import BadReply, ElasticError, LogshipError
from logship.indices.listing import IndexRow, path_of

__all__ = ["ArchiveFailed", "archive", "archive_and_delete"]

KEEP_ALIVE = "5m"
# One reply is held in memory; documents on disk are compressed to about an eighth.
PAGE_BYTES, GROWTH, FEWEST, MOST = 8 << 20, 8, 10, 5000
BLOCK = "index.blocks.write"


class ArchiveFailed(LogshipError):
    """An index could not be archived; it is as it was."""


class _Hit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw())
    routing: str | None = msgspec.field(name="_routing", default=None)


class _Total(msgspec.Struct):
    value: int


class _Hits(msgspec.Struct):
    hits: list[_Hit]
    total: _Total | None = None


class _Shards(msgspec.Struct):
    failed: int = 0


class _Page(msgspec.Struct):
    hits: _Hits
    scroll: str = msgspec.field(name="_scroll_id", default="")
    timed_out: bool = False
    shards: _Shards = msgspec.field(name="_shards", default_factory=_Shards)


@dataclass(frozen=True, slots=True)
class Archived:
    """What an archive holds: *count* documents, each on a line of *path*."""

    path: Path
    count: int


async def archive_and_delete(elastic: Elastic, row: IndexRow, directory: Path) -> Archived:
    """Write an index to a file, read the file back, and delete the index.

    The index takes no documents from the last count to its deletion; when some came before
    that, it is left alone.

    Raises:
        ArchiveFailed: The index is there as before, and no file is.
        ElasticError: The index is there, or perhaps deleted when the connection broke; once
            its deletion was asked for, the file stays.

    Cancelled, so too.
    """
    was_blocked = await _is_blocked(elastic, row.name)
    archived = await archive(elastic, row, directory)
    is_asked_for = False
    try:
        await _block(elastic, row.name, block=True)
        count = await _count(elastic, row.name)
        if count != archived.count:
            raise ArchiveFailed(
                f"{row.name}: {count - archived.count} documents came while it was archived; "
                "it is left alone, archive it again"
            )
        is_asked_for = True
        await elastic.request("DELETE", path_of(row.name))
    except BaseException:  # cancelled, too: nothing else would lift the block
        if not is_asked_for:
            archived.path.unlink(missing_ok=True)
        if not was_blocked:
            await _release(elastic, row.name)
        raise
    return archived


async def archive(elastic: Elastic, row: IndexRow, directory: Path) -> Archived:
    """Write every document of an index to ``directory/INDEX.jsonl.gz``, and read it back.

    A file that is there is never overwritten: the next free of ``INDEX.2.jsonl.gz``, … is taken.
    The file is on disk, whole and counted when this returns.

    Raises:
        ArchiveFailed: It could not be written, or does not hold what the index does.
        ElasticError: The index could not be read.
    """
    if not row.is_open:
        raise ArchiveFailed(f"{row.name}: is closed; open it to archive it")
    await elastic.request("POST", f"{path_of(row.name)}/_refresh")
    try:
        part = _part_in(directory, row.name)
        try:
            count, total = await _write(elastic, row, part)
            kept = _lines_in(part)
            if not count == total == kept:
                raise ArchiveFailed(
                    f"{row.name}: of {total} documents {count} were read and {kept} are in the "
                    "archive; the index is left alone"
                )
            return Archived(_keep(part, directory, row.name), count)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise ArchiveFailed(
            f"{directory}: {row.name} cannot be archived there: {error.strerror or error}"
        ) from error


async def _write(elastic: Elastic, row: IndexRow, part: Path) -> tuple[int, int]:
    """Return how many documents were written, and how many the server says there are."""
    count = total = 0
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as raw:
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as packed:
            async for page in _pages(elastic, row):
                total = page.hits.total.value if page.hits.total else total
                packed.write(b"".join(_line(row.name, hit) for hit in page.hits.hits))
                count += len(page.hits.hits)
        raw.flush()
        os.fsync(raw.fileno())
    return count, total


async def _pages(elastic: Elastic, row: IndexRow) -> AsyncIterator[_Page]:
    average = (row.size_bytes or 0) / (row.docs or 1) * GROWTH
    size = min(MOST, max(FEWEST, int(PAGE_BYTES / max(1.0, average))))
    body = {"size": size, "sort": ["_doc"], "track_total_hits": True}
    page = await _page(elastic, f"{path_of(row.name)}/_search", body, {"scroll": KEEP_ALIVE})
    try:
        while page.hits.hits:
            yield page
            following = {"scroll": KEEP_ALIVE, "scroll_id": page.scroll}
            page = await _page(elastic, "/_search/scroll", following, {})
    finally:
        try:
            body = {"scroll_id": page.scroll}
            await elastic.request("DELETE", "/_search/scroll", orjson.dumps(body))
        except ElasticError:
            pass  # it ends by itself


async def _page(
    elastic: Elastic, path: str, body: dict[str, Any], params: dict[str, str | int | bool]
) -> _Page:
    reply = await elastic.request("POST", path, orjson.dumps(body), params=params)
    try:
        page = msgspec.json.decode(reply.body, type=_Page)
    except msgspec.MsgspecError as error:
        raise BadReply(f"this is no reply to a search: {error}") from error
    if page.timed_out or page.shards.failed:
        raise BadReply("a part of the index could not be read")
    return page


def _line(index: str, hit: _Hit) -> bytes:
    source = bytes(hit.source)
    if not source:
        raise ArchiveFailed(f"{index}: keeps no _source, so there is nothing to archive")
    if b"\n" in source:  # between tokens: inside of a text it would be escaped
        source = source.replace(b"\n", b" ")
    known = {"_index": index, "_id": hit.id, "_source": orjson.Fragment(source)}
    if hit.routing is not None:
        known["_routing"] = hit.routing
    return orjson.dumps(known) + b"\n"


def _lines_in(path: Path) -> int:
    """How many lines the archive holds, read back; gzip checks every byte."""
    count = 0
    try:
        with gzip.open(path, "rb") as file:
            while block := file.read(1 << 20):
                count += block.count(b"\n")
    except (EOFError, gzip.BadGzipFile) as error:
        raise ArchiveFailed(f"{path}: cannot be read back: {error}") from error
    return count


def _part_in(directory: Path, name: str) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{name}.{os.getpid()}.part"


def _keep(part: Path, directory: Path, name: str) -> Path:
    """Give the file its name, without ever taking another's."""
    number = 1
    while True:
        path = directory / f"{name}{'' if number == 1 else f'.{number}'}.jsonl.gz"
        try:
            os.link(part, path)
        except FileExistsError:
            number += 1
            continue
        sync_directory(directory)
        return path


async def _is_blocked(elastic: Elastic, name: str) -> bool:
    params: dict[str, str | int | bool] = {"flat_settings": True}
    found = (await elastic.request("GET", f"{path_of(name)}/_settings", params=params)).json()
    try:
        return str(found[name]["settings"].get(BLOCK)).lower() == "true"
    except (KeyError, TypeError, AttributeError) as error:
        raise BadReply("these are no settings of an index") from error


async def _block(elastic: Elastic, name: str, *, block: bool) -> None:
    body = orjson.dumps({BLOCK: True if block else None})
    await elastic.request("PUT", f"{path_of(name)}/_settings", body)


async def _release(elastic: Elastic, name: str) -> None:
    try:
        await _block(elastic, name, block=False)
    except ElasticError:
        pass  # what went wrong before is what is said


async def _count(elastic: Elastic, name: str) -> int:
    await elastic.request("POST", f"{path_of(name)}/_refresh")
    found = (await elastic.request("GET", f"{path_of(name)}/_count")).json()
    try:
        return int(found["count"])
    except (KeyError, TypeError, ValueError) as error:
        raise BadReply("this is no reply to a count") from error
