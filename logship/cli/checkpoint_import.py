"""``logship checkpoints import filebeat``: its offsets become checkpoints."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from logship.checkpoints.admin import is_line_start, line_starts_around
from logship.checkpoints.filebeat_plan import FileOnDisk, Take, plan
from logship.checkpoints.filebeat_registry import read_registry
from logship.checkpoints.rows import FileRow
from logship.checkpoints.store import CheckpointStore
from logship.clock import SystemClock
from logship.host import boot_id, host_id
from logship.route import choose_format
from logship.search.terminal import one_line
from logship.settings.model import Settings
from logship.sources.file.discovery import scan_for
from logship.sources.file.identity import FINGERPRINT_BYTES, verifies
from logship.sources.file.opening import open_log_file, readable
from logship.sources.file.seeding import Beginning, Seeding

__all__ = ["import_filebeat"]

DONE, NOTHING = 0, 1
_GZIP, _ZSTD, _BZIP2 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh"


@dataclass(slots=True)
class _Outcome:
    """What was taken and what was not, as lines for people."""

    taken: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


class _CannotTakeError(Exception):
    """Why a file that was recognised cannot be gone on with."""


def import_filebeat(directory: Path, settings: Settings, environment: Mapping[str, str]) -> int:
    """Import, print what was done, and return the exit status.

    The caller holds the state folder. What is imported is durable before it is printed.

    Raises:
        LogshipError: There is no registry to import, or Filebeat is running.
    """
    positions = read_registry(directory)
    files, sources = _files(settings)
    takes, skipped = plan(positions, files)
    outcome = _Outcome()
    outcome.skipped += [f"{one_line(s.path)} at {s.offset}: {s.why}" for s in skipped]
    asyncio.run(_take(takes, sources, settings, environment, outcome))
    for line in outcome.taken:
        print(line)
    for line in outcome.skipped:
        print(f"skipped: {line}", file=sys.stderr)
    print(f"{len(outcome.taken)} imported, {len(outcome.skipped)} skipped", file=sys.stderr)
    return DONE if outcome.taken else NOTHING


def _files(settings: Settings) -> tuple[list[FileOnDisk], dict[tuple[int, int], list[str]]]:
    """Every file that the settings name, and the sources that name it."""
    files: dict[tuple[int, int], FileOnDisk] = {}
    sources: dict[tuple[int, int], list[str]] = {}
    for source in settings.sources:
        for key, found in scan_for(source).files.items():
            files.setdefault(
                key,
                FileOnDisk(found.path, *key, found.size, partial(_beginning_of, found.path)),
            )
            sources.setdefault(key, []).append(source.name)
    return list(files.values()), sources


def _beginning_of(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(FINGERPRINT_BYTES)
    except OSError:
        return b""


async def _take(
    takes: list[Take],
    sources: Mapping[tuple[int, int], list[str]],
    settings: Settings,
    environment: Mapping[str, str],
    outcome: _Outcome,
) -> None:
    store = CheckpointStore(settings.state_dir)
    try:
        host = host_id(settings.agent.id, environment, settings.state_dir)
        if store.meta("host_id") is None:
            store.set_meta("host_id", host.id)
        seeding = Seeding(
            store,
            host_id=host.id,
            boot_id=boot_id(),
            clock=SystemClock(),
            choose_format=choose_format,
        )
        known = {source.name: store.files(source.name) for source in settings.sources}
        for take in takes:
            for source in sources[take.file.device, take.file.inode]:
                try:
                    outcome.taken.append(await _take_one(take, source, known[source], seeding))
                except _CannotTakeError as error:
                    outcome.skipped.append(f"{one_line(take.file.path)} at {take.offset}: {error}")
    finally:
        await store.close()


async def _take_one(take: Take, source: str, known: Sequence[FileRow], seeding: Seeding) -> str:
    try:
        file = open_log_file(take.file.path)
    except OSError as error:
        raise _CannotTakeError(f"cannot be read: {error.strerror}") from error
    if file is None:
        raise _CannotTakeError("it is no regular file any more; import again")
    try:
        candidate = file.look()
        if (candidate.device, candidate.inode) != (take.file.device, take.file.inode):
            raise _CannotTakeError("it was replaced just now; import again")
        for row in known:
            if row.inode == candidate.inode and verifies(candidate, row):
                raise _CannotTakeError(
                    f'logship knows it already, up to {row.offset}; "checkpoints seek" moves that'
                )
        if candidate.fingerprint.startswith((_GZIP, _ZSTD, _BZIP2)):
            raise _CannotTakeError("it is compressed; only plain files are taken over")
        if not is_line_start(take.offset, None, candidate.read_at):
            before, _ = line_starts_around(take.offset, candidate.size, candidate.read_at)
            raise _CannotTakeError(
                f"no line begins there (one does at {before}): it may be another file"
            )
        path = readable(take.file.path)
        beginning = Beginning.of(file, path, take.offset, or_incomplete=False)
        if beginning is None:
            raise _CannotTakeError("it has no complete line yet")
        (row,) = await seeding.add(source, [beginning])
    except OSError as error:
        raise _CannotTakeError(f"cannot be read: {error.strerror}") from error
    finally:
        file.close()
    note = f" ({take.note})" if take.note else ""
    size = candidate.size
    return f"{one_line(path)} (source {source}): from {row.offset} of {size} bytes{note}"
