"""Compressed files until they are opened: measured away from the reader, and compared."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Iterator
from functools import partial

from logship.checkpoints.rows import FileRow
from logship.ids import TAIL_BYTES
from logship.sources.file.archive import Archive, is_half_written
from logship.sources.file.context import SourceContext
from logship.sources.file.copies import begins_alike
from logship.sources.file.discovery import Found
from logship.sources.file.guess import Guess
from logship.sources.file.identity import Candidate, verifies
from logship.sources.file.log_file import LogFile
from logship.sources.file.opening import open_log_file, readable
from logship.sources.file.parking import ParkedFile
from logship.sources.file.seeding import Beginning, Seeding

__all__ = ["Archives", "report_damage"]

log = logging.getLogger(__name__)

AGAIN_SECONDS = 0.5  # what waits is looked at again after this time

Key = tuple[int, int]
Measured = LogFile | OSError | None


class Archives:
    """The compressed files of one source that are not tailed yet.

    Whoever compresses a log reads it to its end first and deletes it then: for a while both are
    there, and the archive may be half written.
    """

    def __init__(self, context: SourceContext, seeding: Seeding) -> None:
        self._context, self._seeding = context, seeding
        self._tasks: dict[Key, asyncio.Task[Measured]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._unchanged: dict[Key, tuple[Found, float]] = {}
        self._left: dict[Key, Found] = {}

    async def take(self, file: Found) -> Measured:
        """Return *file* opened once it is known how much is in it; None before, or when it is gone.

        To decompress it takes a while: it is done beside the reading of other files, one after
        the other, and the folders are looked at again after it.
        """
        task = self._tasks.get(file.key)
        if task is None:
            task = self._tasks[file.key] = asyncio.create_task(self._measure(file))
        if self._context.once:
            await asyncio.wait({task})
        if not task.done():
            return None
        del self._tasks[file.key]
        return task.result()

    def is_settled(self, file: Found, guess: Guess) -> bool:
        """Park an archive of which everything is confirmed, without decompressing it again."""
        context, path = self._context, readable(file.path)
        for row in guess.rows_at(file.key):
            if (
                row.gone_at is None
                and row.offset == row.size
                and row.confirmed_at * 1e9 > file.modified
                and file._replace(path=row.path).is_archive
            ):
                guess.take(row)
                row = context.known.found(row)
                if row.path != path:
                    context.known.moved(row, path, file.key)
                parked = ParkedFile(file.path, file.size, file.modified, row.id)
                context.parking.park(file.key, parked)
                return True
        return False

    def leave(self, file: Found) -> None:
        """Ask no more what is in *file*, as long as it is as it is."""
        self._left[file.key] = file

    def is_left(self, file: Found) -> bool:
        """Whether nobody asks what is in *file*."""
        return self._left.get(file.key) == file

    async def waits(self, found: Found, file: LogFile, candidate: Candidate) -> bool:
        """Whether *file*, an archive that nobody knows, is not to be tailed now.

        It is kept when it is half written, or may be what is being read from its original; and
        closed when all of it is confirmed from there.
        """
        is_known = None
        if not self._is_growing(found, file):
            is_known = await self.is_known(found, candidate)
        if is_known is None:
            self._put_back(found, file)
        elif is_known:
            await self._pass_over(found, file)
        else:
            report_damage(self._context, found.path, file)
        return is_known is not False

    def look_again(self, found: Found) -> None:
        """Look at *found* again soon, unless it has been waiting for long."""
        if self._unchanged_seconds(found) < self._context.settings.rotate_wait_seconds:
            self._context.look_again(AGAIN_SECONDS)

    async def close(self) -> None:
        """Close what is waiting."""
        for task in self._tasks.values():
            task.cancel()
        for ended in await asyncio.gather(*self._tasks.values(), return_exceptions=True):
            if ended is not None and not isinstance(ended, BaseException):
                ended.close()
        self._tasks.clear()

    def keep(self, there: set[Key]) -> None:
        """Forget those that are not *there* any more."""
        for key in [key for key in self._tasks if key not in there]:
            task = self._tasks.pop(key)
            task.add_done_callback(_close_result)
            task.cancel()
        for key in [key for key in self._unchanged if key not in there]:
            del self._unchanged[key]

    def _put_back(self, found: Found, file: LogFile) -> None:
        self._tasks[found.key] = asyncio.create_task(_returned(file))
        self.look_again(found)

    def _is_growing(self, found: Found, file: LogFile) -> bool:
        """Whether *file* ends in the middle, and changed less than ``rotate_wait`` ago."""
        if not is_half_written(file) or self._context.once:
            return False
        return self._unchanged_seconds(found) < self._context.settings.rotate_wait_seconds

    async def is_known(self, found: Found, candidate: Candidate) -> bool | None:
        """Whether all of *candidate* stands in a file that is there, and is confirmed.

        None when that may become so: what is behind the confirmed offset is to be read from
        whichever of the two is left.
        """
        context = self._context
        for row, live in self._alike(candidate):
            contained = await context.in_thread(partial(_is_contained, candidate, live))
            if contained:
                return candidate.size <= row.offset or None
            if contained is None:
                continue
            # More than the file has: truncated a moment ago, or of equal beginning.
            is_new = self._unchanged_seconds(found) < context.settings.rotate_wait_seconds
            if is_new and not context.once and verifies(candidate, row):
                return None
        return False

    async def _pass_over(self, found: Found, file: LogFile) -> None:
        """Note durably that nothing of *file* is to be shipped: it is confirmed from elsewhere."""
        context, row_id = self._context, None

        def begin() -> Beginning | None:
            return Beginning.of(file, readable(found.path), file.size(), or_incomplete=True)

        try:
            beginning = await context.in_thread(begin)
            if beginning is not None:
                (row,) = await self._seeding.add(context.settings.name, [beginning])
                context.known.added(row)
                row_id = row.id
        except (OSError, sqlite3.Error) as error:
            log.debug("%s is looked at again: %s", found.path, error)
            context.look_again(1.0)
            return
        finally:
            await context.in_thread(file.close)
        parked = ParkedFile(found.path, found.size, found.modified, row_id)
        context.parking.park(found.key, parked)

    async def _measure(self, file: Found) -> Measured:
        context = self._context
        open_it = partial(_measured, file, partial(open_log_file, file.path, context.pool))
        async with self._one_at_a_time:
            measured = await context.in_thread(open_it)
        context.look_again(0.0)
        return measured

    def _unchanged_seconds(self, found: Found) -> float:
        now = self._context.clock.monotonic()
        seen, since = self._unchanged.get(found.key, (found, now))
        if (seen.size, seen.modified) != (found.size, found.modified):
            since = now
        self._unchanged[found.key] = (found, since)
        return now - since

    def _alike(self, candidate: Candidate) -> Iterator[tuple[FileRow, LogFile | str]]:
        """Yield what is tailed, or was to its end, and begins as *candidate* does."""
        context, key = self._context, (candidate.device, candidate.inode)
        for tailer in context.open_files:
            content = tailer.content
            if content is None or tailer.key == key:
                continue
            if begins_alike(content.fingerprint, candidate.fingerprint):
                yield content.current(), tailer.file
        for parked in context.parking:
            row = None if parked.row is None else context.known.resting(parked.row)
            if row is not None and begins_alike(row.fingerprint, candidate.fingerprint):
                yield row, parked.path


def _measured(found: Found, open_it: partial[LogFile | None]) -> Measured:
    try:
        file = open_it()
    except OSError as error:
        return error
    if file is None:
        return None
    try:
        if file.key == found.key:
            file.look()
            return file
    except OSError as error:
        file.close()
        return error
    file.close()
    return None


async def _returned(file: LogFile) -> Measured:
    return file


def _close_result(task: asyncio.Task[Measured]) -> None:
    if not task.cancelled() and task.exception() is None:
        result = task.result()
        if result is not None and not isinstance(result, OSError):
            result.close()


def _is_contained(candidate: Candidate, live: LogFile | str) -> bool | None:
    """Whether *live* begins with all of *candidate*; None when it is another or not there.

    False when it begins like it and is shorter. Blocking.
    """
    opened: LogFile | None = None
    try:
        file = opened = open_log_file(live) if isinstance(live, str) else None
        if not isinstance(live, str):
            file = live
        if file is None:
            return None
        size = candidate.size
        if file.size() < size:
            return False
        start = max(0, size - TAIL_BYTES)
        is_equal = file.read_at(start, size - start) == candidate.read_at(start, size - start)
        return is_equal or None
    except OSError:
        return None
    finally:
        if opened is not None:
            opened.close()


def report_damage(context: SourceContext, path: str, file: LogFile) -> None:
    """Say once of an archive that only a part of it can be read."""
    if isinstance(file, Archive) and file.reason and file.status().st_size:
        state = "damaged" if file.state == "complete" else file.state
        context.complaints.once(
            f"damaged {path}",
            f"{path} is {state} ({file.reason}): what can be read of it is shipped, "
            f"{file.size()} bytes.",
        )
