"""The file source: looks for files, has them opened, and lets each be read in its turn."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from logship.checkpoints.rows import FileRow
from logship.checkpoints.store import CheckpointStore
from logship.interfaces import Clock, Ingest, MakeMemory
from logship.settings.model import SourceSettings
from logship.sources.file.archives import Archives
from logship.sources.file.complaints import Complaints
from logship.sources.file.content import FileContent
from logship.sources.file.context import Counts, SourceContext
from logship.sources.file.discovery import Found, Scan, names, scan_for, watch_roots
from logship.sources.file.guess import Guess
from logship.sources.file.idle import LATELY_SECONDS, Idle
from logship.sources.file.known import KnownContents
from logship.sources.file.notices import Notices
from logship.sources.file.open_files import OpenFiles
from logship.sources.file.opener import Opener
from logship.sources.file.opening import readable
from logship.sources.file.parking import DESCRIPTORS, Parking
from logship.sources.file.reader import Reader
from logship.sources.file.recovery import Recovery
from logship.sources.file.rotation_names import is_rotated_name
from logship.sources.file.seeding import Seeding
from logship.sources.file.starting import Starter
from logship.sources.file.tailer import Tailer
from logship.sources.file.unseen import Unseen

__all__ = ["FileSource"]

log = logging.getLogger(__name__)

NEVER = float("inf")
POLL_SECONDS = 1.0  # files that grew lately are looked at this often, notified or not
SCAN_SHARE = 10.0  # a notified change waits for this many times what the last scan took
QUIET_SECONDS = 1.0  # a source that is to stop reads on until it was quiet for this long
OPENED_TOGETHER = 64
OPEN_AT_LEAST = 16  # so many a source may always open, whatever the others hold
SAVED_WITHIN_SECONDS = 30.0  # a checkpoint is at most so much older than the last look
LOOK_SECONDS = 5.0  # opening many files is interrupted after this time to look around again


class FileSource:
    """Tails the files that the globs of one source name.

    Attributes:
        settings: Of this source.
        contents: Every content that has something to be saved, or may have.
    """

    def __init__(
        self,
        settings: SourceSettings,
        store: CheckpointStore,
        *,
        seeding: Seeding,
        clock: Clock,
        pool: ThreadPoolExecutor,
        make_memory: MakeMemory,
        once: bool = False,
        is_finishing: bool = False,
    ) -> None:
        """Make a source that has not begun.

        Args:
            once: Read what is there, and end.
            is_finishing: Read only what some run may have read and not seen confirmed, and end.
        """
        self.settings = settings
        once = once or is_finishing
        self._clock, self._once, self._is_finishing = clock, once, is_finishing
        self._open_files, self._parking = OpenFiles(), Parking()
        self._known = KnownContents(settings.name, store, make_memory, seeding.boot_id)
        self.contents: dict[int, FileContent] = self._known.contents
        self._complaints, self._counts = Complaints(settings.name, clock), Counts()
        since = self._looked_after_since(store)
        known = (row.path for row in self._known.at_rest())
        self._unseen = Unseen(settings, since, known, clock.time)
        context = SourceContext(
            settings, store, clock, pool, self._known, self._open_files, self._parking,
            self._unseen, self._complaints, self._counts, self._look_again, once, is_finishing,
        )  # fmt: skip
        self._in_thread = context.in_thread
        self._starter, self._archives = Starter(context, seeding), Archives(context, seeding)
        self._recovery = Recovery(context, self._starter)
        self._opener = Opener(context, self._starter, self._recovery, self._archives)
        self._reader = Reader(context, self._starter, self._recovery)
        self._idle = Idle(context, self._opener)
        self._wake = asyncio.Event()
        self._notices = Notices(context, self._wake.set)
        self._look_by = 0.0  # when the folders are to be looked at, besides every scan_interval
        self._no_look_before = 0.0
        self._are_named = names(settings.paths)
        self._stop_by: float | None = None

    def _looked_after_since(self, store: CheckpointStore) -> float:
        """Since when no file of this source may have come and gone unseen, in epoch seconds.

        Not before the source was first looked after: what lay beside its files was not asked for.
        """
        now, key = self._clock.time(), f"first look {self.settings.name}"
        try:
            first = float(store.meta(key) or "")
        except ValueError:
            first = now
            store.set_meta(key, str(now))
        saved = [row.confirmed_at for row in self._known.at_rest()]
        return max(first, max(saved, default=now) - SAVED_WITHIN_SECONDS)

    @property
    def open_files(self) -> int:
        """How many files are open."""
        return len(self._open_files)

    @property
    def read_bytes(self) -> int:
        """Bytes so far that were read."""
        return self._counts.read_bytes

    @property
    def abandoned_bytes(self) -> int:
        """Bytes so far that vanished before they were read, as far as seen."""
        return self._counts.abandoned_bytes

    @property
    def cut_lines(self) -> int:
        """Lines so far that were longer than allowed."""
        return self._open_files.cut_lines

    @property
    def unreadable(self) -> set[str]:
        """Paths that the globs name and that cannot be read at present."""
        return self._complaints.unreadable

    def stop(self, within_seconds: float = 0.0) -> None:
        """Read on until nothing came for a second, or *within_seconds*, then end ``run``."""
        if self._stop_by is None:
            self._stop_by = self._clock.monotonic() + within_seconds
        self._wake.set()

    async def run(self, ingest: Ingest) -> None:
        """Read until stopped, or with *once* until everything there has been read.

        Raises:
            OSError, sqlite3.Error: The state folder or the files' system failed; what was
                read before is safe, and the source can be run again.


        Cancelled, its files are closed, and what was not put into the buffer is read again by the
        next run. Marks may be durable by then that nothing was sent by: that run goes by them.
        """
        self._look_again()
        try:
            await self._run(ingest)
        finally:
            self._notices.stop()
            await self._archives.close()
            for tailer in self._open_files:
                await self._reader.close(tailer)

    async def _run(self, ingest: Ingest) -> None:
        next_scan = next_poll = self._clock.monotonic()
        last_progress = next_scan
        is_stopping = False
        while True:
            now = self._clock.monotonic()
            if self._stop_by is not None and self._is_finishing:
                return
            if self._stop_by is not None and not is_stopping:
                is_stopping, last_progress, next_scan = True, now, now
                for tailer in self._open_files:  # what came since is not lost on us
                    self._open_files.make_ready(tailer)
            if now >= min(next_scan, max(self._look_by, self._no_look_before)):
                self._look_by = NEVER
                await self._look_around(ingest)
                after = self._clock.monotonic()
                next_scan = after + self.settings.scan_interval_seconds
                self._no_look_before = after + SCAN_SHARE * (after - now)
                next_poll = min(next_poll, after + POLL_SECONDS)
            self._notices.take()
            if paths := self._notices.to_reopen():
                await self._idle.reopen(paths, ingest)
            if now >= next_poll:
                next_poll = now + POLL_SECONDS if self._poll() else next_scan
            if self._open_files.ready:
                if await self._reader.turn(ingest):
                    last_progress = self._clock.monotonic()
                next_poll = min(next_poll, now + POLL_SECONDS)
                if self._stop_by is not None and self._clock.monotonic() >= self._stop_by:
                    await self._reader.flush_all(ingest)
                    return
                continue
            if self._once and self._look_by == NEVER:
                if not self._is_finishing:
                    await self._reader.finish_all(ingest)
                return
            if self._is_done(last_progress):
                await self._reader.finish_deleted(ingest)
                await self._reader.flush_all(ingest)
                return
            next_look = max(self._look_by, self._no_look_before)
            await self._sleep(min(next_scan, next_look, next_poll), last_progress)

    def _is_done(self, last_progress: float) -> bool:
        if self._stop_by is None:
            return False
        now = self._clock.monotonic()
        return now >= self._stop_by or now - last_progress >= QUIET_SECONDS

    async def _sleep(self, until: float, last_progress: float) -> None:
        if self._stop_by is not None:
            until = min(until, self._stop_by, last_progress + QUIET_SECONDS)
        try:
            async with asyncio.timeout(max(0.0, until - self._clock.monotonic())):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()

    # Noticing

    def _look_again(self, after_seconds: float = 0.0) -> None:
        self._look_by = min(self._look_by, self._clock.monotonic() + after_seconds)

    def _poll(self) -> bool:
        """Look at files that grew lately, or lie elsewhere now, whether notified or not.

        Returns whether there are such files.
        """
        now = self._clock.monotonic()
        for tailer in self._open_files:
            waits = tailer.is_blocked or tailer.gone_since is not None or tailer.waiting_size > 0
            if waits or now - tailer.grown_at <= LATELY_SECONDS:
                self._open_files.make_ready(tailer)
        return self._open_files.ready > 0

    # Looking around

    async def _look_around(self, ingest: Ingest) -> None:
        settings = self.settings
        found = await self._in_thread(partial(scan_for, settings))
        roots = await self._in_thread(partial(watch_roots, settings.paths))
        self._complain(found)
        self._notices.watch(roots)
        unseen = await self._in_thread(partial(self._unseen.find, list(found.files.values())))
        self._starter.looked(found.files)
        self._archives.keep({*found.files, *(file.key for file in unseen)})
        self._parking.keep(found.files.keys())
        closed = []
        for key, file in found.files.items():
            tailer = self._open_files.get(key)
            if tailer is not None:
                self._still_there(tailer, file)
            elif not self._parking.is_unchanged(file):
                closed.append(file)
        closed += [file for file in unseen if file.key not in self._open_files]
        now = self._clock.monotonic()
        for tailer in self._open_files:
            if tailer.key not in found.files and tailer.gone_since is None:
                self._open_files.gone(tailer, now)
        if not await self._open_all(closed, found, ingest):
            return
        self._starter.opened_all()
        await self._recovery.recover_renamed(found, self._are_named)
        await self._forget(found)
        await self._idle.park_quiet(ingest)

    def _complain(self, found: Scan) -> None:
        for pattern in found.unmatched:
            self._complaints.once(
                pattern, f"{pattern} matches no file yet; it is looked for again."
            )
        for path, reason in found.skipped.items():
            self._complaints.once(path, f"{path} is skipped: {reason}.")

    def _still_there(self, tailer: Tailer, file: Found) -> None:
        content, before = tailer.content, tailer.path
        if self._open_files.lies_at(tailer, file.path):
            tailer.is_rotated = is_rotated_name(file.path, before)
            self._open_files.make_ready(tailer)
            if content is not None:
                content.moved(readable(file.path), *file.key)
        if content is not None and not tailer.file.is_archive:
            content.size = max(content.size, file.size)
        has_grown = file.size != tailer.position and not tailer.file.is_archive
        if has_grown or file.modified != tailer.modified:
            tailer.modified = file.modified
            self._open_files.make_ready(tailer)

    async def _open_all(self, files: Sequence[Found], found: Scan, ingest: Ingest) -> bool:
        """Open *files*, few enough at once; returns whether all of them had their turn.

        Where there is no room for all, those that are open are read, each in its turn, and make
        room when they are at their end.
        """
        if not files:
            return True
        open_files = self._open_files

        def is_there(row: FileRow) -> bool:
            """Where it is open, or compressed now, it is another: the inode was reused."""
            file = found.files.get((row.device, row.inode))
            is_same = (
                file is not None and file.is_archive == file._replace(path=row.path).is_archive
            )
            return is_same and (row.device, row.inode) not in open_files

        guess = Guess(self._known.at_rest(), is_there)
        # What is known first: a copy is recognised once its original is seen to be truncated.
        waiting = deque(
            sorted(files, key=lambda file: guess.distance(file.key, readable(file.path)))
        )
        look_by = self._clock.monotonic() + max(LOOK_SECONDS, self.settings.scan_interval_seconds)
        while True:
            room = max(DESCRIPTORS.limit - DESCRIPTORS.count, OPEN_AT_LEAST - len(open_files))
            while waiting and room > 0:
                before = len(open_files)
                count = min(len(waiting), room, OPENED_TOGETHER)
                await self._opener.open([waiting.popleft() for _ in range(count)], guess)
                room -= len(open_files) - before
            await self._starter.establish_new()
            if not waiting:
                return True
            has_room = await self._make_room(ingest)
            now = self._clock.monotonic()
            if self._stop_by is not None and now >= self._stop_by:
                return False
            if not has_room:
                self._complaints.once(
                    "full",
                    f"{len(waiting)} files wait to be opened until some of the "
                    f"{DESCRIPTORS.count} that are open are at their end. Allow more with "
                    "ulimit -n.",
                )
            if not has_room or (now >= look_by and not self._once):
                self._look_again()
                return False

    async def _make_room(self, ingest: Ingest) -> bool:
        """Give every open file its turn, then close those at their end; False: of no use."""
        self._notices.take()
        before, has_read = len(self._open_files), False
        for _ in range(self._open_files.ready):
            has_read |= await self._reader.turn(ingest)
        await self._idle.park(self._idle.resting(ingest))
        if self._once and len(self._open_files) == before and not has_read:
            if not self._is_finishing:
                await self._reader.finish_all(ingest)
            for tailer in self._open_files:
                await self._reader.close(tailer)
        return has_read or len(self._open_files) < before

    async def _forget(self, found: Scan) -> None:
        """Drop contents that are saved and done, and those gone for long."""
        self._known.settle()
        horizon = self._clock.time() - self.settings.forget_after_seconds
        try:
            await self._known.note_found()
            await self._known.forget(horizon, found.files.keys())
        except sqlite3.Error as error:
            log.debug("Old checkpoints stay for now: %s", error)
