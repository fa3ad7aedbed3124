"""What ``logship checkpoints reset`` and ``seek`` do: move checkpoints while no agent runs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from logship.checkpoints.admin import (
    Place,
    checkpoint_at,
    is_line_start,
    line_starts_around,
    read_rows,
)
from logship.checkpoints.rows import FileRow
from logship.checkpoints.store import CheckpointStore
from logship.clock import SystemClock
from logship.errors import LogshipError, StateError
from logship.host import boot_id, host_id
from logship.route import choose_format
from logship.sources.file.identity import Candidate, recognise
from logship.sources.file.log_file import LogFile
from logship.sources.file.opening import open_log_file, readable
from logship.sources.file.seeding import Beginning, Seeding
from logship.state_dir import StateDir

__all__ = ["Target", "begin_anew", "locked", "move", "move_each"]

DONE, NOTHING = 0, 1


@dataclass(frozen=True, slots=True)
class Target:
    """A checkpoint that is to be moved.

    Attributes:
        row: Of the content, as the store has it.
        place: Where the content lies.
        file: Open there.
        directory: The state folder, locked.
    """

    row: FileRow
    place: Place
    file: LogFile
    directory: Path


def move_each(directory: Path, path: str, change: Callable[[Target], str]) -> int:
    """Do *change* to every checkpoint of what lies at *path*, and print what it says.

    Args:
        directory: The state folder.

    Returns:
        The exit status.

    Raises:
        LogshipError: The folder is locked, or the file cannot be read or has no such place.
    """
    path = os.path.abspath(path)
    if not read_rows(directory):
        print(f"logship: no checkpoints in {directory}", file=sys.stderr)
        return NOTHING
    with locked(directory), _opened(path) as (place, file):
        rows = _of_content(read_rows(directory), place)
        for row in rows:
            print(change(Target(row, place, file, directory)))
    if not rows:
        print(
            f"logship: {path} has no checkpoint in {directory}: its next reader begins as with a "
            'new file. "logship checkpoints list" shows what is known.',
            file=sys.stderr,
        )
        return NOTHING
    return DONE


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold the state folder, as an agent does."""
    try:
        state = StateDir(directory)
    except StateError as error:
        raise StateError(f"checkpoints can only be moved while no agent runs: {error}") from error
    with state:
        yield


@contextmanager
def _opened(path: str) -> Iterator[tuple[Place, LogFile]]:
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
    candidate = Candidate(place.device, place.inode, place.size, place.fingerprint, place.read_at)
    near: dict[str, list[FileRow]] = {}
    for row in rows:
        if row.path == place.path or (row.device, row.inode) == (place.device, place.inode):
            near.setdefault(row.source, []).append(row)
    found = (recognise(candidate, of_source) for of_source in near.values())
    return [row for row in found if row is not None]


def move(target: Target, where: str | int) -> str:
    """Have the next agent read from another place on; returns what that means, one line.

    Args:
        where: ``start``, ``end``, or the offset of a line.

    Raises:
        LogshipError: No line begins there.
    """
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


def begin_anew(target: Target) -> str:
    """Have the next agent read all of it as new records; returns what that means, one line.

    Raises:
        LogshipError: There is no complete line in it.
    """
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
