"""How ``logship checkpoints list`` shows what the store knows."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import orjson

from logship.checkpoints.rows import FileRow
from logship.cli.table import as_table
from logship.schema.times import utc_text
from logship.search.terminal import one_line
from logship.sources.file.compression import ENDINGS
from logship.sources.file.surroundings import Surroundings

__all__ = ["json_lines", "table"]

_HEAD = ("OFFSET", "SIZE", "BEHIND", "CONFIRMED", "SOURCE", "SEED", "GONE", "PATH")


@dataclass(frozen=True, slots=True)
class _Found:
    """A content where it lies now; the size last seen where it lies nowhere."""

    path: str
    size: int
    is_there: bool


def json_lines(rows: Sequence[FileRow]) -> Iterator[str]:
    """Yield one JSON object for each content: sizes in bytes, times in UTC."""
    for row in rows:
        found = _find(row)
        yield orjson.dumps(
            {
                "path": os.fsencode(found.path).decode("utf-8", "replace"),
                "source": row.source,
                "offset": row.offset,
                "size": found.size,
                "behind": max(0, found.size - row.offset),
                "seed": row.seed,
                "confirmed_at": utc_text(row.confirmed_at),
                "is_there": found.is_there,
                "gone_since": None if row.gone_at is None else utc_text(row.gone_at),
            }
        ).decode()


def table(rows: Sequence[FileRow]) -> list[str]:
    """Return the lines of a table, times in local time."""
    lines = []
    for row in rows:
        found = _find(row)
        lines.append(
            (
                str(row.offset),
                str(found.size),
                str(max(0, found.size - row.offset)),
                _local(row.confirmed_at),
                one_line(row.source),
                row.seed,
                _gone(row, found),
                one_line(found.path),
            )
        )
    return as_table(_HEAD, lines, numbers="abc")


def _gone(row: FileRow, found: _Found) -> str:
    if row.gone_at is not None:
        return _local(row.gone_at)
    return "-" if found.is_there else "now"


def _find(row: FileRow) -> _Found:
    """Look where it was, then for its inode beside that: a rename may not be noted yet."""
    if row.gone_at is None:
        try:
            found = os.stat(row.path)
            if found.st_ino == row.inode:  # the device may have another number after a reboot
                return _Found(row.path, _content_size(row, found), is_there=True)
        except OSError:
            pass
        path = Surroundings().find(row)
        if path is not None:
            try:
                return _Found(path, _content_size(row, os.stat(path)), is_there=True)
            except OSError:
                pass
    return _Found(row.path, row.size, is_there=False)


def _content_size(row: FileRow, found: os.stat_result) -> int:
    """In an archive, what was seen when it was decompressed; else what the disk says."""
    return row.size if row.path.lower().endswith(ENDINGS) else found.st_size


def _local(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
