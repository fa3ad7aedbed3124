"""Opens files: which content is it, is it to be read now, and what had its place before?"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from logship.sources.file.archives import Archives
from logship.sources.file.context import SourceContext
from logship.sources.file.copies import begins_alike, goes_on
from logship.sources.file.discovery import Found
from logship.sources.file.guess import Guess
from logship.sources.file.identity import Candidate
from logship.sources.file.opening import Opened, readable, take_up
from logship.sources.file.parking import DESCRIPTORS, ParkedFile
from logship.sources.file.recovery import Recovery
from logship.sources.file.rotation_names import is_copy_name, is_rotated_name, originals
from logship.sources.file.starting import Starter

__all__ = ["Opener"]

log = logging.getLogger(__name__)

COPY_SECONDS = 0.2  # what may be a copy under way is looked at again after this time


class Opener:
    """Opens files of one source, and gives each the content that it is."""

    def __init__(
        self, context: SourceContext, starter: Starter, recovery: Recovery, archives: Archives
    ) -> None:
        self._context, self._starter = context, starter
        self._recovery, self._archives = recovery, archives
        self._copies: dict[tuple[int, int], tuple[int, float]] = {}  # (size, since when)

    async def open(self, files: Sequence[Found], guess: Guess) -> None:
        """Open *files*: together, as every step on a thread costs more than a file does."""
        pool = self._context.pool
        archives = [file for file in files if file.is_archive]
        files = [file for file in files if not file.is_archive]

        def look() -> deque[tuple[Found, Opened | OSError | None]]:
            return deque((file, _taken_up(file, guess, pool)) for file in files)

        looks = await self._context.in_thread(look)
        try:
            while looks:
                await self._opened(*looks.popleft(), guess)
        finally:
            for _, opened in looks:
                if isinstance(opened, Opened):
                    opened.file.close()
        for file in archives:
            await self._open_archive(file, guess)

    async def begin(self, opened: Opened, path: str, modified: int) -> None:
        """Tail the file that was opened at *path*."""
        tailer = await self._starter.start(opened, path)
        if tailer is not None:
            tailer.modified = modified
            row = opened.row
            tailer.is_rotated = row is not None and is_rotated_name(readable(path), row.path)
            self._context.open_files.lies_at(tailer, path)
            if tailer.content is not None:
                tailer.content.moved(readable(path), *tailer.key)

    async def _opened(self, file: Found, opened: Opened | OSError | None, guess: Guess) -> None:
        context = self._context
        if opened is None or isinstance(opened, FileNotFoundError):  # rotated since it was listed
            guess.missed(file.key)
            context.look_again(0.0)
            return
        if isinstance(opened, OSError):
            context.complaints.cannot_read(file.path, opened)
            return
        context.complaints.can_read(file.path)
        if file.key in context.open_files or (  # a copy that was taken over, or may be
            opened.row is None and guess.may_be_missed(opened.candidate, file.path)
        ):
            opened.file.close()
            return
        if opened.row is None:
            opened = await self._leave_deleted(opened, file.path)
        if not file.is_named:
            await self._take_unseen(file, opened, guess)
            return
        if opened.row is None:
            opened = await self._cut_short(opened, file.path, guess)
        if opened is None or (opened.row is None and await self._waits(file, opened)):
            return
        await self._recovery.supersede(guess, opened.candidate)
        if self._is_done_with(opened, file):
            return
        if opened.row is None and context.is_finishing:
            await self._leave(opened, file)
            return
        await self.begin(opened, file.path, file.modified)
        self._starter.began(file.key)

    async def _take_unseen(self, file: Found, opened: Opened, guess: Guess) -> None:
        """Read a file that was begun and rotated between two looks; most are known already."""
        context = self._context
        if opened.row is None and context.is_finishing:
            await self._leave(opened, file)
            return
        if opened.row is None and await self._is_known(file, opened):
            return
        await self._recovery.supersede(guess, opened.candidate)
        tailer = await self._starter.start(opened, file.path)
        if tailer is None:
            context.unseen.wait()
            return
        context.unseen.handled(file)
        tailer.gone_since = context.clock.monotonic()
        if tailer.content is not None:
            tailer.content.moved(readable(file.path), *file.key)

    async def _leave(self, opened: Opened, file: Found) -> None:
        """Close a file of which nothing is to be finished."""
        if opened.file.is_archive:
            self._archives.leave(file)
        await self._context.in_thread(opened.file.close)

    async def _is_known(self, file: Found, opened: Opened) -> bool:
        """Whether *file* is a copy of what is read from elsewhere, or may be; it is closed then."""
        context = self._context
        if opened.file.is_archive:
            waits = await self._archives.waits(file, opened.file, opened.candidate)
            if context.parking.get(file.key) is not None:
                context.unseen.handled(file)
            elif waits:
                context.unseen.wait()
            return waits
        is_known = await self._archives.is_known(file, opened.candidate)
        if is_known:
            context.unseen.handled(file)
        elif is_known is None:
            context.unseen.wait()
            self._archives.look_again(file)
        elif self._may_be_copy(file, opened.candidate):
            context.unseen.wait()
            is_known = None
        if is_known is not False:
            await context.in_thread(opened.file.close)
        return is_known is not False

    async def _open_archive(self, file: Found, guess: Guess) -> None:
        """Open a compressed file, when it is known how much is in it."""
        context = self._context
        if self._archives.is_left(file):
            return
        if self._archives.is_settled(file, guess):
            context.unseen.handled(file)
            return
        measured = await self._archives.take(file)
        if measured is None:
            context.unseen.wait()
            return
        opened: Opened | OSError
        if isinstance(measured, OSError):
            opened = measured
        else:
            candidate = await context.in_thread(measured.look)
            row = await context.in_thread(partial(guess.recognise, candidate, file.path))
            opened = Opened(measured, candidate, row)
        await self._opened(file, opened, guess)

    async def _waits(self, file: Found, opened: Opened) -> bool:
        """Whether *file*, which nobody knows, is not opened now; it is closed then, or kept."""
        if opened.file.is_archive:
            return await self._archives.waits(file, opened.file, opened.candidate)
        if not self._may_be_copy(file, opened.candidate):
            return False
        await self._context.in_thread(opened.file.close)
        return True

    def _is_done_with(self, opened: Opened, file: Found) -> bool:
        """Park a file at once, where there are many, that is as when all was confirmed."""
        row, candidate = opened.row, opened.candidate
        if (
            row is None
            or DESCRIPTORS.count < DESCRIPTORS.limit // 2
            or row.gone_at is not None
            or not row.offset == row.size == candidate.size == file.size
            or (row.path, row.device, row.inode) != (readable(file.path), *file.key)
        ):
            return False
        row = self._context.known.found(row)
        opened.file.close()  # many at once; only read from, so that it does not wait for a disk
        parked = ParkedFile(file.path, file.size, file.modified, row.id)
        self._context.parking.park(file.key, parked)
        return True

    async def _cut_short(self, opened: Opened, path: str, guess: Guess) -> Opened | None:
        """Recognise a file that a power cut made shorter; None when that cannot be noted now."""
        context = self._context
        for row in guess.last_at(readable(path), opened.file.key):
            try:
                found = await context.known.cut_short(row, opened.candidate)
            except (OSError, sqlite3.Error) as error:
                await context.in_thread(opened.file.close)
                if isinstance(error, OSError):
                    context.complaints.cannot_read(path, error)
                else:
                    context.complaints.cannot_note(context.store.path, error)
                return None
            if found is not None:
                guess.take(row)
                log.warning(
                    "%s is shorter than what was read of it before this boot (%d bytes of %d): it "
                    "is read again, under the same ids.",
                    path, opened.candidate.size, row.offset,
                )  # fmt: skip
                return replace(opened, row=found)
        return opened

    async def _leave_deleted(self, opened: Opened, path: str) -> Opened:
        """Close the deleted file that *opened*, at *path*, goes on with.

        It may have been rotated since it took the other's place: a related name is enough.
        """
        context, candidate = self._context, opened.candidate
        for tailer in context.open_files:
            content = tailer.content
            if (
                content is None
                or not begins_alike(content.fingerprint, candidate.fingerprint)
                or not _are_related(tailer.path, path)
            ):
                continue
            row = content.current()
            if await context.in_thread(partial(goes_on, candidate, row, tailer.file)):
                context.open_files.release(tailer)
                context.known.closed(content, None)
                await tailer.close()
                return replace(opened, row=row)
        return opened

    def _may_be_copy(self, file: Found, candidate: Candidate) -> bool:
        """Whether *file* may be the copy, half written or empty yet, of a file that is tailed.

        It is left alone until the original is truncated, when it is recognised, or until it
        has not grown for ``rotate_wait``: then it is a file of its own.
        """
        context = self._context
        if context.once or not any(
            not candidate.size or begins_alike(candidate.fingerprint, fingerprint)
            for fingerprint in self._fingerprints_near(file.path)
        ):
            return False
        now = context.clock.monotonic()
        size, since = self._copies.get(file.key, (-1, now))
        if size != candidate.size:
            since = now
        self._copies[file.key] = (candidate.size, since)
        context.look_again(COPY_SECONDS)
        return now - since < context.settings.rotate_wait_seconds

    def _fingerprints_near(self, path: str) -> Iterator[bytes]:
        """Yield the beginnings of the files whose copy may lie at *path*.

        An open one may have been renamed since it was copied.
        """
        context = self._context
        folder, name = os.path.split(path)
        for tailer in context.open_files:
            beside, other = os.path.split(tailer.path)
            if tailer.content is not None and beside == folder and is_copy_name(name, other):
                yield tailer.content.fingerprint
        for original in originals(name):
            parked = context.parking.at(os.path.join(folder, original))
            if parked is not None and parked[1].row is not None:
                row = context.known.resting(parked[1].row)
                if row is not None:
                    yield row.fingerprint


def _are_related(path: str, other: str) -> bool:
    """Whether rotation may have made one of the names of the other, in one folder."""
    (folder, name), (other_folder, other_name) = os.path.split(path), os.path.split(other)
    return folder == other_folder and (name == other_name or is_copy_name(name, other_name)
                                       or is_copy_name(other_name, name))  # fmt: skip


def _taken_up(file: Found, guess: Guess, pool: ThreadPoolExecutor) -> Opened | OSError | None:
    try:
        return take_up(file.path, file.key, guess.recognise, pool)
    except OSError as error:
        return error
