"""``logship checkpoints``: up to where each file is confirmed, and moving that."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from logship.cli.command import add_command
from logship.cli.state_options import add_state_options, load_state

if TYPE_CHECKING:
    from logship.checkpoints.admin import Place
    from logship.checkpoints.rows import FileRow
    from logship.sources.file.log_file import LogFile

__all__ = ["add_parser"]

DONE, NOTHING = 0, 1

DESCRIPTION = """\
Show up to where each file has been confirmed by Elasticsearch, and move that. "list" works
beside a running agent; what moves a checkpoint is refused while one runs.
"""
EPILOG = """\
examples:
  logship checkpoints list -c logship.yaml
  logship checkpoints list -o json | jq 'select(.behind > 0)'
  logship checkpoints reset /var/log/app.log              read it again, under the same ids
  logship checkpoints reset --as-new /var/log/app.log     ship it once more, as new records
  logship checkpoints seek /var/log/app.log end           leave out what is there now
  logship checkpoints import filebeat /var/lib/filebeat -c logship.yaml

Every "logship ship" target has a state folder of its own: name it with --state-dir.

exit status: 0 done, 1 nothing found, 2 error
"""
LIST = """\
List every file that is known: its path, the offset up to which all is confirmed, its size
now, the bytes behind, when it was confirmed last (local time), its source, the seed that the
ids of its records begin with, and since when it is gone.
"""
RESET = """\
Have a file read again from its beginning. Its records keep their ids, so what is stored
already is left as it is, and what is missing is added. With --as-new its records get new
ids: each is stored once more.
"""
SEEK = """\
Have a file read from another place: start, end, or an offset in bytes at which a line
begins. What lies between is not shipped, or read again under the same ids. Records without
a time of their own, right after that place, are stored by the time of reading.
"""
IMPORT = """\
Take over from another shipper, up to where it has read, so that nothing is stored twice or
left out. Stop it first. DIR is Filebeat's data folder, for example /var/lib/filebeat. Files
are taken that the settings name and that are what Filebeat knew them by; the others are
listed with the reason.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "checkpoints",
        "up to where each file is confirmed; read again, skip, import",
        DESCRIPTION,
        epilog=EPILOG,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    listing = add_command(verbs, "list", "show every known file", LIST, run_list)
    add_state_options(listing)
    listing.add_argument(
        "-o", "--output", choices=("table", "json"), default="table",
        help="a table for people, or one JSON object per line (default: table)",
    )  # fmt: skip

    reset = add_command(verbs, "reset", "have a file read again", RESET, run_reset)
    add_state_options(reset)
    reset.add_argument("path", metavar="PATH", help="the file")
    reset.add_argument(
        "--as-new", action="store_true", help="under new ids: its records are stored once more"
    )

    seek = add_command(verbs, "seek", "have a file read from another place", SEEK, run_seek)
    add_state_options(seek)
    seek.add_argument("path", metavar="PATH", help="the file")
    seek.add_argument(
        "place", metavar="PLACE", type=_place, help="start, end, or an offset in bytes"
    )

    importing = add_command(verbs, "import", "take over from another shipper", IMPORT, run_import)
    add_state_options(importing)
    importing.add_argument("shipper", choices=("filebeat",), help="whose registry it is")
    importing.add_argument("directory", metavar="DIR", type=Path, help="its data folder")


def run_list(arguments: argparse.Namespace) -> int:
    """Print every checkpoint; returns the exit status."""
    from logship.checkpoints.admin import read_rows

    directory = load_state(arguments).settings.state_dir
    rows = read_rows(directory)
    if not rows:
        print(f"logship: no checkpoints in {directory}", file=sys.stderr)
        return NOTHING
    from logship.cli.checkpoint_list import json_lines, table

    for line in json_lines(rows) if arguments.output == "json" else table(rows):
        print(line)
    return DONE


def run_reset(arguments: argparse.Namespace) -> int:
    """Move checkpoints to the beginning; returns the exit status."""
    if arguments.as_new:
        return _on_each(arguments, _begin_anew)
    return _on_each(arguments, lambda target: _move(target, "start"))


def run_seek(arguments: argparse.Namespace) -> int:
    """Move checkpoints somewhere; returns the exit status."""
    return _on_each(arguments, lambda target: _move(target, arguments.place))


def run_import(arguments: argparse.Namespace) -> int:
    """Take over another shipper's offsets; returns the exit status."""
    from logship.cli.checkpoint_import import import_filebeat

    loaded = load_state(arguments)
    if not loaded.settings.sources:
        from logship.errors import LogshipError

        raise LogshipError(
            "which source a file belongs to is told by the settings: name them with -c FILE, "
            "LOGSHIP_CONFIG or LOGSHIP_PATHS"
        )
    with _held(loaded.settings.state_dir):
        return import_filebeat(arguments.directory, loaded.settings, os.environ)


class _Target:
    """A checkpoint that is to be moved, the open file, and the state folder."""

    def __init__(self, row: FileRow, place: Place, file: LogFile, directory: Path) -> None:
        self.row, self.place = row, place
        self.file, self.directory = file, directory


def _on_each(arguments: argparse.Namespace, change: Callable[[_Target], str]) -> int:
    """Do *change* to every checkpoint of the path and print what it says."""
    from logship.checkpoints.admin import read_rows

    directory = load_state(arguments).settings.state_dir
    path = os.path.abspath(arguments.path)
    if not read_rows(directory):
        print(f"logship: no checkpoints in {directory}", file=sys.stderr)
        return NOTHING
    with _held(directory), _opened(path) as (place, file):
        rows = _of_content(read_rows(directory), place)
        for row in rows:
            print(change(_Target(row, place, file, directory)))
    if not rows:
        print(
            f"logship: {path} has no checkpoint in {directory}: its next reader begins as with a "
            'new file. "logship checkpoints list" shows what is known.',
            file=sys.stderr,
        )
        return NOTHING
    return DONE


@contextmanager
def _held(directory: Path) -> Iterator[None]:
    """Hold the state folder, as an agent does."""
    from logship.errors import StateError
    from logship.state_dir import StateDir

    try:
        state = StateDir(directory)
    except StateError as error:
        raise StateError(f"checkpoints can only be moved while no agent runs: {error}") from error
    with state:
        yield


@contextmanager
def _opened(path: str) -> Iterator[tuple[Place, LogFile]]:
    from logship.checkpoints.admin import Place
    from logship.errors import LogshipError
    from logship.sources.file.opening import open_log_file, readable

    try:
        file = open_log_file(path)
        if file is None:
            raise LogshipError(f"{path}: is no regular file")
        try:
            seen = file.look()
            place = Place(
                readable(path), seen.device, seen.inode, seen.size, seen.fingerprint, seen.read_at
            )
            yield place, file
        finally:
            file.close()
    except OSError as error:
        raise LogshipError(f"{path}: cannot be read: {error.strerror}") from error


def _of_content(rows: Sequence[FileRow], place: Place) -> list[FileRow]:
    """The rows, at most one of a source, that are what lies at *place*."""
    from logship.sources.file.identity import Candidate, recognise

    candidate = Candidate(place.device, place.inode, place.size, place.fingerprint, place.read_at)
    near: dict[str, list[FileRow]] = {}
    for row in rows:
        if row.path == place.path or (row.device, row.inode) == (place.device, place.inode):
            near.setdefault(row.source, []).append(row)
    found = (recognise(candidate, of_source) for of_source in near.values())
    return [row for row in found if row is not None]


def _move(target: _Target, where: str | int) -> str:
    import asyncio

    from logship.checkpoints.admin import checkpoint_at
    from logship.checkpoints.store import CheckpointStore

    row, place = target.row, target.place
    offset = _offset(row, place, where)
    checkpoint = checkpoint_at(row, offset, place)

    async def save() -> None:
        store = CheckpointStore(target.directory)
        try:
            await store.save([checkpoint])
        finally:
            await store.close()

    asyncio.run(save())
    what = "read again under the same ids" if offset < row.offset else "left out"
    what = "as before" if offset == row.offset else f"{abs(row.offset - offset)} bytes are {what}"
    return f"{place.path} (source {row.source}): from {row.offset} to {offset}, {what}"


def _offset(row: FileRow, place: Place, where: str | int) -> int:
    """The offset that is meant.

    Raises:
        LogshipError: No line begins there; says where the nearest ones do.
    """
    from logship.checkpoints.admin import is_line_start, line_starts_around
    from logship.errors import LogshipError

    if where == "start":
        return 0
    if where == "end":
        # The beginning of a line that is still being written is not left out.
        return line_starts_around(place.size, place.size, place.read_at)[0]
    assert isinstance(where, int)
    if where > place.size:
        raise LogshipError(f"{place.path} ends at {place.size}; {where} is beyond that")
    if not is_line_start(where, row, place.read_at):
        before, after = line_starts_around(where, place.size, place.read_at)
        nearest = f"{before} and {after}" if after is not None else f"{before}"
        raise LogshipError(
            f"{place.path}: {where} is in the middle of a line; lines begin at {nearest}"
        )
    return where


def _begin_anew(target: _Target) -> str:
    import asyncio

    from logship.checkpoints.store import CheckpointStore
    from logship.clock import SystemClock
    from logship.errors import LogshipError
    from logship.host import boot_id, host_id
    from logship.route import choose_format
    from logship.sources.file.seeding import Beginning, Seeding

    row, place = target.row, target.place
    beginning = Beginning.of(target.file, place.path, 0, or_incomplete=False)
    if beginning is None:
        raise LogshipError(f"{place.path}: there is no complete line in it yet")

    async def add() -> FileRow:
        store = CheckpointStore(target.directory)
        try:
            known = store.meta("host_id") or host_id(None, os.environ, target.directory).id
            seeding = Seeding(
                store,
                host_id=known,
                boot_id=boot_id(),
                clock=SystemClock(),
                choose_format=choose_format,
            )
            # The first line stays known, so the new seed gets a salt. Ended in between, the
            # agent does the same: to it the file is new.
            await store.forget([row.id])
            (added,) = await seeding.add(row.source, [beginning])
            # Nothing of it was sent: there is nothing to be finished under older settings.
            await store.set_read_limit(added.id, 0)
            return added
        finally:
            await store.close()

    added = asyncio.run(add())
    return (
        f"{place.path} (source {row.source}): from {row.offset} to 0 under new ids, which begin "
        f"with {added.seed}, not {row.seed}"
    )


def _place(text: str) -> str | int:
    if text in ("start", "end"):
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f'"{text}" is neither start nor end nor an offset in bytes')
