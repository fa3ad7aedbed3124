"""What ``logship indices`` does, and how it says so."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

import orjson

from logship.cli.index_options import output_of
from logship.cli.table import as_table, human_size
from logship.elastic import Elastic
from logship.errors import ConnectionFailed, ElasticError, LogshipError
from logship.indices.archive import ArchiveFailed, archive_and_delete
from logship.indices.listing import IndexRow, expired, list_indices, path_of, settled
from logship.search.terminal import one_line, visible_json
from logship.settings.model import Settings

__all__ = ["optimize", "prune", "show"]

DONE, NOTHING, FAILED, PARTIAL = 0, 1, 2, 3
MERGE_SECONDS = 4 * 3600.0
HEAD = ("DAY", "DOCS", "SIZE", "HEALTH", "INDEX")


async def show(elastic: Elastic, settings: Settings, arguments: argparse.Namespace) -> int:
    """Print every index; returns the exit status."""
    rows = await list_indices(elastic, settings.index)
    if not rows:
        return _say_nothing(settings)
    if output_of(arguments) == "json":
        for row in rows:
            _print_json(row)
    else:
        for line in as_table(HEAD, [_cells(row) for row in rows], numbers="bc"):
            print(line)
    return DONE


async def prune(elastic: Elastic, settings: Settings, arguments: argparse.Namespace) -> int:
    """Delete old indices, say which, and return the exit status."""
    index = settings.index
    if index.data_stream is not None:
        raise LogshipError(
            f"{index.data_stream} is a data stream: its lifecycle deletes what is old; set "
            'index.retention and run "logship setup"'
        )
    age = arguments.older_than or index.retention_seconds
    if age is None:
        raise LogshipError("how old? give --older-than, for example 90d, or index.retention")
    rows = await list_indices(elastic, index)
    if not rows:
        return _say_nothing(settings)
    doomed = expired(rows, age, datetime.now(UTC))
    if not doomed:
        print(f"logship: nothing is older; the oldest is {rows[0].name}", file=sys.stderr)
    report = _Report(arguments)
    for row in doomed:
        if arguments.dry_run:
            report.add(row, "would be archived" if arguments.archive else "would be deleted")
            continue
        try:
            if arguments.archive is None:
                await elastic.request("DELETE", path_of(row.name))
                report.add(row, "deleted")
            else:
                archived = await archive_and_delete(elastic, row, arguments.archive)
                report.add(row, "archived and deleted", archive=str(archived.path))
        except ConnectionFailed:
            if not report.done:
                raise
            report.fail(row, "no reply; look whether it is there")
            break
        except (ElasticError, ArchiveFailed) as error:
            report.fail(row, str(error))
    return report.end("would go" if arguments.dry_run else "deleted")


async def optimize(elastic: Elastic, settings: Settings, arguments: argparse.Namespace) -> int:
    """Merge the indices of past days, say which, and return the exit status."""
    index = settings.index
    rows = await list_indices(elastic, index)
    if not rows:
        return _say_nothing(settings)
    past = settled(rows, datetime.now(UTC), is_stream=index.data_stream is not None)
    wanted = [row for row in past if row.is_open and not _is_merged(row)]
    if not wanted:
        print("logship: every index of a past day is merged", file=sys.stderr)
    report = _Report(arguments)
    for row in wanted:
        if arguments.dry_run:
            report.add(row, "would be merged", segments=row.segments)
            continue
        try:
            await elastic.request(
                "POST",
                f"{path_of(row.name)}/_forcemerge",
                params={"max_num_segments": 1},
                timeout_seconds=MERGE_SECONDS,
            )
        except ConnectionFailed:
            if not report.done:
                raise
            report.fail(row, "no reply; the server may still be merging it")
            break
        except ElasticError as error:
            report.fail(row, str(error))
        else:
            report.add(row, "merged", segments=row.segments)
    return report.end("would be merged" if arguments.dry_run else "merged")


class _Report:
    """Says what became of each index as it happens, and the sum at the end."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self._is_json = output_of(arguments) == "json"
        self._size = self.done = self.failed = 0

    def add(self, row: IndexRow, action: str, **more: object) -> None:
        self.done += 1
        self._size += row.size_bytes or 0
        if self._is_json:
            _print_json(row, action=action, **more)
            return
        day, docs, size, _, name = _cells(row)
        note = "".join(f", {value}" for key, value in more.items() if key == "archive")
        print(one_line(f"{name}  {day}, {docs} documents, {size}: {action}{note}"), flush=True)

    def fail(self, row: IndexRow, reason: str) -> None:
        self.failed += 1
        reason = reason if row.name in reason else f"{row.name}: {reason}"
        print(f"logship: {one_line(reason)}", file=sys.stderr)

    def end(self, what: str) -> int:
        if self.done:
            noun = "index" if self.done == 1 else "indices"
            print(f"{self.done} {noun} {what}, {human_size(self._size)}", file=sys.stderr)
        if self.failed:
            return PARTIAL if self.done else FAILED
        return DONE


def _is_merged(row: IndexRow) -> bool:
    return row.segments is not None and row.segments <= row.shards


def _cells(row: IndexRow) -> tuple[str, ...]:
    health = (row.health or "-") if row.is_open else "closed"
    docs = "-" if row.docs is None else f"{row.docs:,}"
    day = row.period.text if row.period else "-"
    return day, docs, human_size(row.size_bytes), health, one_line(row.name)


def _print_json(row: IndexRow, **more: object) -> None:
    entry = {
        "index": row.name,
        "day": row.period.text if row.period else None,
        "docs": row.docs,
        "size_bytes": row.size_bytes,
        "health": row.health or None,
        "is_open": row.is_open,
        **more,
    }
    print(visible_json(orjson.dumps(entry).decode()), flush=True)


def _say_nothing(settings: Settings) -> int:
    what = settings.index.data_stream or settings.index.name
    print(f"logship: there is no index of {what}; -i or index.name says which", file=sys.stderr)
    return NOTHING
