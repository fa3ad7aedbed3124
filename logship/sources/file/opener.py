"""Opens files: which content is it, where does reading begin, and what became of the others."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

from logship.checkpoints.store import FileRow
from logship.ids import TAIL_BYTES
from logship.lines import LineForm, line_form
from logship.settings.model import SourceSettings
from logship.sources.file.archives import Archives
from logship.sources.file.content import FileContent
from logship.sources.file.context import SourceContext
from logship.sources.file.copies import begins_alike, find_copy, goes_on
from logship.sources.file.discovery import Found, Scan
from logship.sources.file.identity import Candidate
from logship.sources.file.known import Guess
from logship.sources.file.opening import Opened, readable, take_up
from logship.sources.file.parking import DESCRIPTORS, ParkedFile
from logship.sources.file.rotation_names import is_copy_name, is_rotated_name, originals
from logship.sources.file.seeding import Beginning, Seeding, say_formats
from logship.sources.file.surroundings import Surroundings
from logship.sources.file.tailer import Tailer, day_of

__all__ = ["Opener"]

log = logging.getLogger(__name__)

SEEDED_AT_ONCE = 256
MISSING_SECONDS, MISSING_ONCE_SECONDS = 0.3, 0.5  # what is nowhere is looked for again after this
COPY_SECONDS = 0.2  # what may be a copy under way is looked at again after this time


class Opener:
    """Opens files of one source, and gives each the content that it is."""

    def __init__(self, context: SourceContext, seeding: Seeding) -> None:
        self._context, self._seeding = context, seeding
        self._archives = Archives(context, seeding)
        self._at_first: set[tuple[int, int]] | None = None
        self._missing: dict[int, float] = {}  # content → since when it is nowhere
        self._copies: dict[tuple[int, int], tuple[int, float]] = {}  # (size, since when)

    def looked(self, found: Scan, unseen: Sequence[Found]) -> None:
        """Remember which files the first look found: they were there before the source was.

        Args:
            unseen: Files beside the named ones that may be opened as well.
        """
        if self._at_first is None:
            self._at_first = set(found.files)
        self._archives.keep({*found.files, *(file.key for file in unseen)})

    def opened_all(self) -> None:
        """Every file that the first look found has been opened once."""
        self._at_first = set()

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

    async def close(self) -> None:
        """Close what was opened and is not tailed yet."""
        await self._archives.close()

    async def begin(self, opened: Opened, path: str, modified: int) -> None:
        """Tail the file that was opened at *path*."""
        tailer = await self.start(opened, path)
        if tailer is not None:
            tailer.modified = modified
            row = opened.row
            tailer.is_rotated = row is not None and is_rotated_name(readable(path), row.path)
            self._context.open_files.lies_at(tailer, path)
            if tailer.content is not None:
                tailer.content.moved(readable(path), *tailer.key)

    async def start(self, opened: Opened, path: str) -> Tailer | None:
        """Return a tailer that is ready to read; None when its marks cannot be noted now."""
        context, candidate, row = self._context, opened.candidate, opened.row
        position = self._beginning(path, candidate) if row is None else row.offset
        content = None if row is None else context.known.reopened(row)
        if content is not None:
            content = await context.in_thread(partial(_as_parked, content, candidate))
        if content is not None:
            position = content.read_to
        tailer = Tailer(
            opened.file, path, position=position, clock=context.clock, pool=context.pool,
            max_line_bytes=context.settings.max_line_bytes, form=_form_of(context.settings),
            skips_long_lines=context.settings.long_lines == "skip",
            is_finishing=context.is_finishing,
        )  # fmt: skip
        if row is not None:
            try:
                await self._resume(tailer, row, candidate, content)
            except (OSError, sqlite3.Error) as error:
                await tailer.close()
                if isinstance(error, OSError):
                    context.complaints.cannot_read(path, error)
                else:
                    context.complaints.cannot_note(context.store.path, error)
                return None
        context.parking.leave(tailer.key)
        context.open_files.add(tailer)
        return tailer

    async def establish_new(self) -> None:
        """Give the files of this look their seeds, many at once: every note costs a sync."""
        context = self._context
        new = [t for t in context.open_files if t.content is None and t.is_ready]
        for start in range(0, len(new), SEEDED_AT_ONCE):
            try:
                await self.establish(new[start : start + SEEDED_AT_ONCE])
            except OSError:  # which one, its own turn tells
                pass
            except sqlite3.Error as error:
                context.complaints.cannot_note(context.store.path, error)
                return

    async def establish(self, tailers: Sequence[Tailer], *, or_incomplete: bool = False) -> None:
        """Give new contents their seeds, durably, where their first lines are complete.

        Args:
            or_incomplete: A first line without newline is taken, too.

        Raises:
            OSError, sqlite3.Error: None of them has its seed.
        """

        context = self._context
        form = _form_of(context.settings)

        def look() -> list[tuple[Tailer, Beginning]]:
            beginnings = (
                (tailer, Beginning.of(tailer.file, readable(tailer.path), tailer.position,
                                      or_incomplete=or_incomplete, form=form))
                for tailer in tailers
            )  # fmt: skip
            return [(tailer, beginning) for tailer, beginning in beginnings if beginning]

        looks = await context.in_thread(look)
        beginnings = [beginning for _, beginning in looks]
        rows = await self._seeding.add(context.settings.name, beginnings)
        if context.settings.format == "auto":
            say_formats(context.settings.name, rows)
        for (tailer, beginning), row in zip(looks, rows, strict=True):
            tailer.start_from(context.known.opened(row), beginning.tail)

    async def take_over_copy(
        self,
        row: FileRow,
        read: tuple[int, bytes] = (0, b""),
        surroundings: Surroundings | None = None,
    ) -> bool:
        """Read on in the copy of a content whose own file was truncated; whether there is one.

        Args:
            read: Offset up to which the content was read, and the bytes before it.
            surroundings: As listed a moment ago; listed now when None.
        """
        context = self._context
        near = surroundings or self._surroundings()
        find = partial(find_copy, row, near, self._is_taken, context.pool, read)
        found = await context.in_thread(find)
        if found is None:
            return False
        path, opened = found
        tailer = await self.start(opened, path)
        if tailer is None:
            return False
        assert tailer.content is not None
        tailer.content.moved(readable(path), *tailer.key)
        tailer.gone_since = context.clock.monotonic()
        self._copies.pop(tailer.key, None)
        self._archives.report_damage(path, opened.file)
        log.info("%s is truncated or gone: it is read to its end from its copy %s.", row.path, path)
        return True

    async def recover_renamed(self, found: Scan, is_named: Callable[[str], object]) -> None:
        """Read on in files that were renamed, out of the globs, while no agent ran.

        Args:
            is_named: Tells whether the globs name a path.
        """
        context, surroundings = self._context, self._surroundings()
        for row in context.known.at_rest():
            key = (row.device, row.inode)
            if row.id in self._missing:
                await self._recover_copy(row, surroundings)
                continue
            if row.gone_at is not None or not is_named(row.path):
                continue
            there = self._content_at(key)
            if there == row.id or (there is None and key in found.files):
                continue
            path = None
            if there is None:  # else another content has its inode now
                path = await context.in_thread(partial(surroundings.find, row))
            if path is None:
                await self._recover_copy(row, surroundings)
            elif path != row.path:  # else it is left out on purpose
                await self._recover(row, path, surroundings)

    async def _recover_copy(self, row: FileRow, surroundings: Surroundings) -> None:
        """Read on in the copy of a content that is nowhere; without one for a while, it is gone.

        A rotation under way may have renamed what was just listed.
        """
        context, now = self._context, self._context.clock.monotonic()
        if await self.take_over_copy(row, surroundings=surroundings):
            self._missing.pop(row.id, None)
            return
        since = self._missing.setdefault(row.id, now)
        patience = context.settings.rotate_wait_seconds
        if now - since >= (min(patience, MISSING_ONCE_SECONDS) if context.once else patience):
            del self._missing[row.id]
            self._vanished(row)
        else:
            context.look_again(MISSING_SECONDS)

    def _surroundings(self) -> Surroundings:
        context = self._context
        return Surroundings(
            context.settings.rotated,
            with_archives=context.settings.compressed is not False,
            taken={*context.open_files.keys, *context.parking.keys},
        )

    def _is_taken(self, key: tuple[int, int]) -> bool:
        return key in self._context.open_files or self._context.parking.get(key) is not None

    def _content_at(self, key: tuple[int, int]) -> int | None:
        """Return the id of the content that is tailed at the inode *key*, or was to its end."""
        tailer = self._context.open_files.get(key)
        if tailer is not None:
            return None if tailer.content is None else tailer.content.row.id
        parked = self._context.parking.get(key)
        return None if parked is None else parked.row

    async def _recover(self, row: FileRow, path: str, surroundings: Surroundings) -> None:
        context, key = self._context, (row.device, row.inode)
        if key in context.open_files:
            return
        recognise = Guess([row]).recognise
        try:
            opened = await context.in_thread(partial(take_up, path, key, recognise, context.pool))
        except OSError as error:
            context.complaints.cannot_read(path, error)
            return
        if opened is None:
            return
        if opened.row is None:
            await context.in_thread(opened.file.close)
            await self._recover_copy(row, surroundings)
            return
        tailer = await self.start(opened, path)
        if tailer is not None:
            tailer.gone_since = context.clock.monotonic()

    async def _opened(self, file: Found, opened: Opened | OSError | None, guess: Guess) -> None:
        context = self._context
        if isinstance(opened, OSError):
            if not isinstance(opened, FileNotFoundError):
                context.complaints.cannot_read(file.path, opened)
            return
        if opened is None:  # another file lies there by now
            context.look_again(0.0)
            return
        context.complaints.can_read(file.path)
        if file.key in context.open_files:  # a copy that was taken over
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
        await self._supersede(guess, opened.candidate)
        if self._is_done_with(opened, file):
            return
        if opened.row is None and context.is_finishing:
            await context.in_thread(opened.file.close)
            return
        await self.begin(opened, file.path, file.modified)
        if self._at_first:
            self._at_first.discard(file.key)

    async def _take_unseen(self, file: Found, opened: Opened, guess: Guess) -> None:
        """Read a file that was begun and rotated between two looks; most are known already."""
        context = self._context
        if opened.row is None and (context.is_finishing or await self._is_known(file, opened)):
            return
        await self._supersede(guess, opened.candidate)
        tailer = await self.start(opened, file.path)
        if tailer is None:
            context.unseen.wait()
            return
        context.unseen.handled(file)
        tailer.gone_since = context.clock.monotonic()
        if tailer.content is not None:
            tailer.content.moved(readable(file.path), *file.key)

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
        """Whether *file* may be the copy, half written yet, of a file that is tailed.

        It is left alone until the original is truncated, when it is recognised, or until it
        has not grown for ``rotate_wait``: then it is a file of its own.
        """
        context = self._context
        if context.once or not any(
            begins_alike(candidate.fingerprint, fingerprint)
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

    def superseded(self, row: FileRow) -> None:
        """Look for a copy of *row* for a while: another content has its place now."""
        self._missing.setdefault(row.id, self._context.clock.monotonic())
        self._context.look_again(MISSING_SECONDS)

    async def _supersede(self, guess: Guess, candidate: Candidate) -> None:
        """What else was known at this inode is there no more: truncated, or the inode is reused."""
        context = self._context
        for row in guess.at(candidate):
            if row.gone_at is not None:
                continue
            if await self.take_over_copy(row):
                guess.take(row)
                continue
            context.known.gone(row, context.clock.time())
            self.superseded(row)
            log.info(
                "%s is not what it was when logship saw it last (%d bytes then, %d now): it "
                "is read from its beginning.",
                row.path, row.size, candidate.size,
            )  # fmt: skip

    def _vanished(self, row: FileRow) -> None:
        context = self._context
        on_its_way = context.known.reopened(row)
        lost = max(0, row.size - (row.offset if on_its_way is None else on_its_way.read_to))
        context.counts.abandon(lost)
        if lost:
            log.warning("%s: %d bytes vanished before they were read.", row.path, lost)
        context.known.gone(row, context.clock.time())

    def _beginning(self, path: str, candidate: Candidate) -> int:
        """Where to begin in a file that is seen the first time.

        A file that appears later, or where one was tailed before, is read from its beginning.
        """
        context, key = self._context, (candidate.device, candidate.inode)
        if context.settings.start_at == "beginning" or key not in (self._at_first or ()):
            return 0
        name = readable(path)
        was_seen = any(row.path == name for row in context.known.at_rest())
        return 0 if was_seen else candidate.size

    async def _resume(
        self, tailer: Tailer, row: FileRow, candidate: Candidate, content: FileContent | None
    ) -> None:
        """Let *tailer* go on in *content*, or, with None, where *row* is confirmed."""
        known, position = self._context.known, tailer.position
        count = min(TAIL_BYTES, position)
        tail = await self._context.in_thread(partial(candidate.read_at, position - count, count))
        if content is None:
            content = known.opened(row)
        else:
            known.continued(content)
        try:
            await self._mark_days(content, candidate.size)
        except BaseException:
            known.closed(content, row.gone_at)
            raise
        tailer.start_from(content, tail)

    async def _mark_days(self, content: FileContent, size: int) -> None:
        """What was there when the agent ended may have been sent under the old mark; what
        came while it was down may be as new as today.
        """
        today = day_of(self._context.clock.time())
        if today > content.last_day:
            seen = max(content.size, content.row.offset)
            if seen < size:
                await content.mark_day(seen, f"{content.last_day}/{today}")
            await content.mark_day(size, today)


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


def _as_parked(content: FileContent, candidate: Candidate) -> FileContent | None:
    """Return *content* when what was given out of it last stands in *candidate*. Blocking."""
    count = min(TAIL_BYTES, content.read_to)
    if candidate.read_at(content.read_to - count, count) != content.state.tail[-TAIL_BYTES:]:
        return None
    return content


def _form_of(settings: SourceSettings) -> LineForm:
    return line_form(settings.encoding, settings.delimiter)
