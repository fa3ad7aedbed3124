"""The file source: finds files, recognises them, and reads them in turns."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TypeVar

from logship.checkpoints.store import CheckpointStore, FileRow
from logship.ids import TAIL_BYTES
from logship.interfaces import Clock, Ingest, MakeMemory
from logship.model import Chunk
from logship.settings.model import MultilineSettings, SourceSettings
from logship.sources.file.content import FileContent
from logship.sources.file.copies import begins_alike, find_copy, goes_on, originals
from logship.sources.file.discovery import Found, Root, Scan, names, scan, watch_roots
from logship.sources.file.identity import Candidate
from logship.sources.file.known import Guess, KnownContents, find_inode
from logship.sources.file.opening import Opened, readable, take_up
from logship.sources.file.parking import DESCRIPTORS, ParkedFile, Parking
from logship.sources.file.seeding import Beginning, Seeding
from logship.sources.file.tailer import Tailer, day_of
from logship.sources.file.watcher import MODIFIED, Watcher

__all__ = ["FileSource"]

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL_SECONDS = 1.0  # files that grew lately are looked at this often, notified or not
LATELY_SECONDS = 30.0
SCAN_SHARE = 10.0  # a notified change waits for this many times what the last scan took
QUIET_SECONDS = 1.0  # a source that is to stop reads on until it was quiet for this long
SAY_AGAIN_SECONDS = 60.0
SEEDED_AT_ONCE = 256
OPENED_TOGETHER = 64
OPEN_AT_LEAST = 16  # so many a source may always open, whatever the others hold
LOOK_SECONDS = 5.0  # opening many files is interrupted after this time to look around again
COPY_SECONDS = 0.2  # what may be a copy under way is looked at again after this time


class FileSource:
    """Tails the files that the globs of one source name.

    Attributes:
        settings: Of this source.
        contents: Every content that has something to be saved, or may have.
        abandoned_bytes: Bytes so far that vanished before they were read, as far as seen.
        read_bytes: Bytes so far that were read.
        unreadable: Paths that the globs name and that cannot be read at present.
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
    ) -> None:
        self.settings = settings
        self.abandoned_bytes = self.read_bytes = 0
        self.unreadable: set[str] = set()
        self._store, self._clock, self._pool = store, clock, pool
        self._seeding, self._once = seeding, once
        multiline = settings.multiline or MultilineSettings()
        self._event_timeout_seconds = multiline.timeout_seconds
        self._known = KnownContents(settings.name, store, make_memory)
        self.contents: dict[int, FileContent] = self._known.contents
        self._tailers: dict[tuple[int, int], Tailer] = {}
        self._by_path: dict[str, Tailer] = {}
        self._gone_from: dict[str, Tailer] = {}
        self._ready: deque[Tailer] = deque()
        self._wake = asyncio.Event()
        self._changed: set[tuple[int, str]] = set()
        self._scan_due = self._is_first_look = True
        self._at_first: set[tuple[int, int]] = set()  # seen by the first look and not opened yet
        self._parking = Parking()
        self._reopen: set[str] = set()
        self._next_early_scan = 0.0
        self._are_named = names(settings.paths)
        self._stop_by: float | None = None
        self._complained: set[str] = set()
        self._copies: dict[tuple[int, int], tuple[int, float]] = {}  # (size, since when)
        self._say_blocked_after = float("-inf")
        self._watcher: Watcher | None = None

    @property
    def open_files(self) -> int:
        """How many files are open."""
        return len(self._tailers)

    @property
    def parked_files(self) -> int:
        """How many files are read to their end and closed until they change."""
        return len(self._parking)

    @property
    def cut_lines(self) -> int:
        """Lines so far, of the open files, that were longer than allowed."""
        return sum(tailer.cut_lines for tailer in self._tailers.values())

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
        """
        self._scan_due = True
        try:
            await self._run(ingest)
        finally:
            if self._watcher is not None:
                self._watcher.stop()
                self._watcher = None
            for tailer in list(self._tailers.values()):
                await self._close(tailer)

    async def _run(self, ingest: Ingest) -> None:
        next_scan = next_poll = self._clock.monotonic()
        last_progress = next_scan
        is_stopping = False
        while True:
            now = self._clock.monotonic()
            if self._stop_by is not None and not is_stopping:
                is_stopping, last_progress, next_scan = True, now, now
                for tailer in self._tailers.values():  # what came since is not lost on us
                    self._make_ready(tailer)
            if now >= next_scan or (self._scan_due and now >= self._next_early_scan):
                self._scan_due = False
                await self._look_around(ingest)
                after = self._clock.monotonic()
                next_scan = after + self.settings.scan_interval_seconds
                self._next_early_scan = after + SCAN_SHARE * (after - now)
                next_poll = min(next_poll, after + POLL_SECONDS)
            self._take_changes()
            await self._reopen_changed(ingest)
            if now >= next_poll:
                next_poll = now + POLL_SECONDS if self._poll() else next_scan
            if self._ready:
                if await self._read_one(ingest):
                    last_progress = self._clock.monotonic()
                next_poll = min(next_poll, now + POLL_SECONDS)
                if self._stop_by is not None and self._clock.monotonic() >= self._stop_by:
                    await self._flush_all(ingest)
                    return
                continue
            if self._once and not self._scan_due:
                await self._finish_all(ingest)
                return
            if self._is_done(last_progress):
                await self._finish_deleted(ingest)
                await self._flush_all(ingest)
                return
            next_look = min(next_scan, self._next_early_scan) if self._scan_due else next_scan
            await self._sleep(min(next_look, next_poll), last_progress)

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

    def _notified(self, loop: asyncio.AbstractEventLoop, changes: set[tuple[int, str]]) -> None:
        """Called on the watcher's thread."""
        try:
            loop.call_soon_threadsafe(self._note_changes, changes)
        except RuntimeError:  # the loop is closed: nobody is interested any more
            pass

    def _note_changes(self, changes: set[tuple[int, str]]) -> None:
        self._changed |= changes
        self._wake.set()

    def _take_changes(self) -> None:
        changed, self._changed = self._changed, set()
        elsewhere = False
        for change, path in changed:
            tailer = self._by_path.get(path)
            if tailer is not None:
                self._make_ready(tailer)
                self._scan_due |= change != MODIFIED
            elif change == MODIFIED and self._parking.at(path) is not None:
                self._reopen.add(path)
            elif self._are_named(path) or self._leads_to_files(path):
                self._scan_due = True
            else:
                elsewhere = True
        if elsewhere:  # perhaps a writer that goes on in a file that was renamed
            for tailer in self._tailers.values():
                if tailer.gone_since is not None:
                    self._make_ready(tailer)

    def _leads_to_files(self, path: str) -> bool:
        return any(pattern.startswith(f"{path}/") for pattern in self.settings.paths)

    def _make_ready(self, tailer: Tailer) -> None:
        if not tailer.is_ready:
            tailer.is_ready = True
            self._ready.append(tailer)

    def _poll(self) -> bool:
        """Look at files that grew lately, or lie elsewhere now, whether notified or not.

        Returns whether there are such files.
        """
        now = self._clock.monotonic()
        for tailer in self._tailers.values():
            waits = tailer.is_blocked or tailer.gone_since is not None
            if waits or now - tailer.grown_at <= LATELY_SECONDS:
                self._make_ready(tailer)
        return bool(self._ready)

    async def _look_around(self, ingest: Ingest) -> None:
        settings = self.settings
        found = await self._in_thread(partial(scan, settings.paths, settings.exclude))
        roots = await self._in_thread(partial(watch_roots, settings.paths))
        self._complain(found)
        self._watch(roots)
        if self._is_first_look:
            self._at_first = set(found.files)
            self._is_first_look = False
        self._parking.keep(found.files.keys())
        closed = []
        for key, file in found.files.items():
            tailer = self._tailers.get(key)
            if tailer is not None:
                self._still_there(tailer, file)
            elif not self._parking.is_unchanged(file):
                closed.append(file)
        self._notice_gone(found)
        if not await self._open_all(closed, found, ingest):
            return
        self._at_first.clear()
        await self._recover_renamed(found)
        await self._forget(found)
        await self._park_idle(ingest)

    async def _open_all(self, files: Sequence[Found], found: Scan, ingest: Ingest) -> bool:
        """Open *files*, few enough at once; returns whether all of them had their turn.

        Where there is no room for all, those that are open are read, each in its turn, and make
        room when they are at their end.
        """
        if not files:
            return True
        # An open file is another content than those at rest: their inode was reused.
        guess = Guess(
            self._known.at_rest(), lambda key: key in found.files and key not in self._tailers
        )
        # What is known first: a copy is recognised once its original is seen to be truncated.
        waiting = deque(
            sorted(files, key=lambda file: guess.distance(file.key, readable(file.path)))
        )
        look_by = self._clock.monotonic() + max(LOOK_SECONDS, self.settings.scan_interval_seconds)
        while True:
            room = max(DESCRIPTORS.limit - DESCRIPTORS.count, OPEN_AT_LEAST - len(self._tailers))
            while waiting and room > 0:
                before = len(self._tailers)
                count = min(len(waiting), room, OPENED_TOGETHER)
                await self._open([waiting.popleft() for _ in range(count)], guess)
                room -= len(self._tailers) - before
            await self._establish_new()
            if not waiting:
                return True
            has_room = await self._make_room(ingest)
            now = self._clock.monotonic()
            if self._stop_by is not None and now >= self._stop_by:
                return False
            if not has_room:
                self._say_full(len(waiting))
            if not has_room or (now >= look_by and not self._once):
                self._scan_due = True
                return False

    async def _make_room(self, ingest: Ingest) -> bool:
        """Give every open file its turn, then close those at their end; False: of no use."""
        self._take_changes()
        before, has_read = len(self._tailers), False
        for _ in range(len(self._ready)):
            has_read |= await self._read_one(ingest)
        await self._park(self._resting(ingest))
        if self._once and len(self._tailers) == before and not has_read:
            await self._finish_all(ingest)
            for tailer in list(self._tailers.values()):
                await self._close(tailer)
        return has_read or len(self._tailers) < before

    def _say_full(self, count: int) -> None:
        self._say_once(
            "full",
            f"Source {self.settings.name}: {count} files wait to be opened until some of the "
            f"{DESCRIPTORS.count} that are open are at their end. Allow more with ulimit -n.",
        )

    # Parking

    def _resting(self, ingest: Ingest) -> list[Tailer]:
        """Return the tailers that need not stay open, the least recently active first."""
        resting = [
            tailer
            for tailer in self._tailers.values()
            if tailer.is_at_rest
            and (tailer.content is None or ingest.pending_start(tailer.content) is None)
        ]
        return sorted(resting, key=lambda tailer: tailer.active_at)

    async def _park_idle(self, ingest: Ingest) -> None:
        """Close files that did not grow for ``close_idle``; sooner where too many are open."""
        now = self._clock.monotonic()
        too_many = DESCRIPTORS.count - DESCRIPTORS.limit * 3 // 4
        if self._once:
            return
        parked = [
            tailer
            for number, tailer in enumerate(self._resting(ingest))
            if now - tailer.active_at >= self.settings.close_idle_seconds
            or (number < too_many and now - tailer.active_at >= LATELY_SECONDS)
        ]
        await self._park(parked)

    async def _park(self, tailers: Sequence[Tailer]) -> None:
        """Close those of *tailers* that are at their end; the others have their turn again."""

        def close() -> list[tuple[int, int] | None]:
            return [_closed(tailer) for tailer in tailers]

        if not tailers:
            return
        for tailer, ended in zip(tailers, await self._in_thread(close), strict=True):
            if ended is None:
                self._make_ready(tailer)
                continue
            content = tailer.content
            if content is not None:
                content.read_to = tailer.given_out
            row = None if content is None else content.row.id
            self._parking.park(tailer.key, ParkedFile(tailer.path, *ended, row))
            self._released(tailer)

    async def _reopen_changed(self, ingest: Ingest) -> None:
        """Open parked files of which a change was notified; what is not plain, the scan sees."""
        if not self._reopen:
            return
        paths, self._reopen = self._reopen, set()
        if DESCRIPTORS.count + len(paths) > DESCRIPTORS.limit:
            await self._park(self._resting(ingest)[: len(paths)])
        for path in paths:
            parked = self._parking.at(path)
            if parked is None:
                continue
            key, file = parked
            row = None if file.row is None else self._known.resting(file.row)
            if row is None or DESCRIPTORS.count >= DESCRIPTORS.limit:
                self._scan_due = True
                continue
            try:
                opened = await self._in_thread(
                    partial(take_up, path, key, Guess([row]).recognise, self._pool)
                )
            except OSError:
                opened = None
            if opened is None or opened.row is None:
                if opened is not None:
                    await self._in_thread(opened.file.close)
                self._scan_due = True
                continue
            await self._begin(opened, path, file.modified)

    def _still_there(self, tailer: Tailer, file: Found) -> None:
        tailer.gone_since = None
        if self._gone_from.get(tailer.path) is tailer:
            del self._gone_from[tailer.path]
        content = tailer.content
        if file.path != tailer.path or self._by_path.get(file.path) is not tailer:
            if self._by_path.get(tailer.path) is tailer:
                del self._by_path[tailer.path]
            tailer.path = file.path
            self._by_path[file.path] = tailer
            if content is not None:
                content.moved(readable(file.path), *file.key)
        if content is not None:
            content.size = max(content.size, file.size)
        if file.size != tailer.position or file.modified != tailer.modified:
            tailer.modified = file.modified
            self._make_ready(tailer)

    def _notice_gone(self, found: Scan) -> None:
        for key, tailer in self._tailers.items():
            if key not in found.files and tailer.gone_since is None:
                tailer.gone_since = self._clock.monotonic()
                if self._by_path.get(tailer.path) is tailer:
                    del self._by_path[tailer.path]
                self._gone_from[tailer.path] = tailer
                self._make_ready(tailer)

    def _complain(self, found: Scan) -> None:
        name = self.settings.name
        for pattern in found.unmatched:
            self._say_once(
                pattern, f"Source {name}: {pattern} matches no file yet; it is looked for again."
            )
        for path, reason in found.skipped.items():
            self._say_once(path, f"Source {name}: {path} is skipped: {reason}.")

    def _say_once(self, key: str, text: str) -> None:
        if key not in self._complained:
            self._complained.add(key)
            log.warning("%s", text)

    def _say_unreadable(self, path: str, error: OSError) -> None:
        self.unreadable.add(path)
        self._say_once(
            f"read {path}: {error.errno}",
            f"Source {self.settings.name}: cannot read {path}: {error.strerror or error}; "
            "it is tried again in every scan.",
        )

    def _say_blocked(self, error: sqlite3.Error) -> None:
        now = self._clock.monotonic()
        if now >= self._say_blocked_after:
            self._say_blocked_after = now + SAY_AGAIN_SECONDS
            log.warning(
                "Source %s: cannot note in %s what must be noted before more is sent: %s. "
                "Such lines wait in their files; the rest goes on, and it is tried again.",
                self.settings.name,
                self._store.path,
                error,
            )

    def _watch(self, roots: Sequence[Root]) -> None:
        if self._once:
            return
        if self._watcher is not None:
            if self._watcher.roots == roots:
                return
            self._watcher.stop()
        loop = asyncio.get_running_loop()
        self._watcher = Watcher(roots, partial(self._notified, loop))

    # Opening

    async def _open(self, files: Sequence[Found], guess: Guess) -> None:
        """Open *files*: together, as every step on a thread costs more than a file does."""

        def look() -> deque[tuple[Found, Opened | OSError | None]]:
            return deque((file, _taken_up(file, guess, self._pool)) for file in files)

        looks = await self._in_thread(look)
        try:
            while looks:
                await self._opened(*looks.popleft(), guess)
        finally:
            for _, opened in looks:
                if isinstance(opened, Opened):
                    opened.file.close()

    async def _opened(self, file: Found, opened: Opened | OSError | None, guess: Guess) -> None:
        if isinstance(opened, OSError):
            if not isinstance(opened, FileNotFoundError):
                self._say_unreadable(file.path, opened)
            return
        if opened is None:  # another file lies there by now
            self._scan_due = True
            return
        self.unreadable.discard(file.path)
        if file.key in self._tailers:  # a copy that was taken over
            opened.file.close()
            return
        if opened.row is None:
            opened = await self._leave_deleted(opened, file.path)
        if opened.row is None and self._may_be_copy(file, opened.candidate):
            await self._in_thread(opened.file.close)
            return
        await self._supersede(guess, opened.candidate)
        if await self._is_done_with(opened, file):
            return
        await self._begin(opened, file.path, file.modified)
        self._at_first.discard(file.key)

    async def _begin(self, opened: Opened, path: str, modified: int) -> None:
        tailer = await self._start(opened, path)
        if tailer is not None:
            tailer.modified = modified
            tailer.path = path
            self._by_path[path] = tailer
            if tailer.content is not None:
                tailer.content.moved(readable(path), *tailer.key)

    async def _is_done_with(self, opened: Opened, file: Found) -> bool:
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
        opened.file.close()  # many at once; only read from, so that it does not wait for a disk
        self._parking.park(file.key, ParkedFile(file.path, file.size, file.modified, row.id))
        return True

    async def _leave_deleted(self, opened: Opened, path: str) -> Opened:
        """Close the deleted file that was tailed at *path* when *opened* goes on with it."""
        tailer = self._by_path.get(path) or self._gone_from.get(path)
        if tailer is None or tailer.content is None:
            return opened
        row, candidate = tailer.content.current(), opened.candidate
        if not await self._in_thread(partial(goes_on, candidate, row, tailer.file)):
            return opened
        await self._close(tailer)
        return replace(opened, row=row)

    def _may_be_copy(self, file: Found, candidate: Candidate) -> bool:
        """Whether *file* may be the copy, half written yet, of a file that is tailed.

        It is left alone until the original is truncated, when it is recognised, or until it
        has not grown for ``rotate_wait``: then it is a file of its own.
        """
        folder, name = os.path.split(file.path)
        paths = {os.path.join(folder, original) for original in originals(name)}
        if self._once or not any(
            begins_alike(candidate.fingerprint, fingerprint)
            for fingerprint in self._fingerprints_at(paths)
        ):
            return False
        now = self._clock.monotonic()
        size, since = self._copies.get(file.key, (-1, now))
        if size != candidate.size:
            since = now
        self._copies[file.key] = (candidate.size, since)
        self._next_early_scan = max(self._next_early_scan, now + COPY_SECONDS)
        self._scan_due = True
        return now - since < self.settings.rotate_wait_seconds

    def _fingerprints_at(self, paths: Collection[str]) -> Iterator[bytes]:
        """Yield the beginnings of the files of this source that lie at one of *paths*."""
        if not paths:
            return
        for tailer in self._tailers.values():
            if tailer.path in paths and tailer.content is not None:
                yield tailer.content.fingerprint
        for path in paths:
            parked = self._parking.at(path)
            if parked is not None and parked[1].row is not None:
                row = self._known.resting(parked[1].row)
                if row is not None:
                    yield row.fingerprint

    async def _take_over_copy(self, row: FileRow) -> bool:
        """Read on in the copy of a content whose own file was truncated; whether there is one."""
        found = await self._in_thread(
            partial(find_copy, row, {*self._tailers, *self._parking.keys}, self._pool)
        )
        if found is None:
            return False
        path, opened = found
        tailer = await self._start(opened, path)
        if tailer is None:
            return False
        assert tailer.content is not None
        tailer.content.moved(readable(path), *tailer.key)
        tailer.gone_since = self._clock.monotonic()
        self._copies.pop(tailer.key, None)
        log.info("%s was truncated: it is read to its end from its copy %s.", row.path, path)
        return True

    async def _supersede(self, guess: Guess, candidate: Candidate) -> None:
        """What else was known at this inode is there no more: truncated, or the inode is reused."""
        for row in guess.at(candidate):
            if row.gone_at is not None:
                continue
            if await self._take_over_copy(row):
                guess.take(row)
                continue
            self._vanished(row)
            log.info(
                "%s is not what it was when logship saw it last (%d bytes then, %d now): it "
                "is read from its beginning.",
                row.path, row.size, candidate.size,
            )  # fmt: skip

    def _vanished(self, row: FileRow) -> None:
        on_its_way = self._known.reopened(row)
        read_to = row.offset if on_its_way is None else on_its_way.read_to
        lost = max(0, row.size - read_to)
        self.abandoned_bytes += lost
        if lost:
            log.warning("%s: %d bytes vanished before they were read.", row.path, lost)
        self._known.gone(row, self._clock.time())

    async def _start(self, opened: Opened, path: str) -> Tailer | None:
        """Return a tailer that is ready to read; None when its marks cannot be noted now."""
        candidate, row = opened.candidate, opened.row
        position = self._beginning(path, candidate) if row is None else row.offset
        content = None if row is None else self._known.reopened(row)
        if content is not None:
            content = await self._in_thread(partial(_as_parked, content, candidate))
        if content is not None:
            position = content.read_to
        tailer = Tailer(
            opened.file, path, position=position, clock=self._clock, pool=self._pool,
            max_line_bytes=self.settings.max_line_bytes,
        )  # fmt: skip
        if row is not None:
            try:
                await self._resume(tailer, row, candidate, content)
            except (OSError, sqlite3.Error) as error:
                await tailer.close()
                if isinstance(error, OSError):
                    self._say_unreadable(path, error)
                else:
                    self._say_blocked(error)
                return None
        self._parking.leave(tailer.key)
        self._tailers[tailer.key] = tailer
        DESCRIPTORS.add(1)
        self._make_ready(tailer)
        return tailer

    def _beginning(self, path: str, candidate: Candidate) -> int:
        """Where to begin in a file that is seen the first time.

        A file that appears later, or where one was tailed before, is read from its beginning.
        """
        key = (candidate.device, candidate.inode)
        if self.settings.start_at == "beginning" or key not in self._at_first:
            return 0
        name = readable(path)
        was_seen = any(row.path == name for row in self._known.at_rest())
        return 0 if was_seen else candidate.size

    async def _resume(
        self, tailer: Tailer, row: FileRow, candidate: Candidate, content: FileContent | None
    ) -> None:
        """Let *tailer* go on in *content*, or, with None, where *row* is confirmed."""
        position = tailer.position
        count = min(TAIL_BYTES, position)
        tail = await self._in_thread(partial(candidate.read_at, position - count, count))
        if content is None:
            content = self._known.opened(row)
        else:
            self._known.continued(content)
        try:
            await self._mark_days(content, candidate.size)
        except BaseException:
            self._known.closed(content, row.gone_at)
            raise
        tailer.start_from(content, tail)

    async def _mark_days(self, content: FileContent, size: int) -> None:
        """What was there when the agent ended may have been sent under the old mark; what
        came while it was down may be as new as today.
        """
        today = day_of(self._clock.time())
        if today > content.last_day:
            seen = max(content.size, content.row.offset)
            if seen < size:
                await content.mark_day(seen, f"{content.last_day}/{today}")
            await content.mark_day(size, today)

    async def _establish_new(self) -> None:
        """Give the files of this look their seeds, many at once: every note costs a sync."""
        new = [t for t in self._tailers.values() if t.content is None and t.is_ready]
        for start in range(0, len(new), SEEDED_AT_ONCE):
            try:
                await self._establish(new[start : start + SEEDED_AT_ONCE])
            except OSError:  # which one, its own turn tells
                pass
            except sqlite3.Error as error:
                self._say_blocked(error)
                return

    async def _establish(self, tailers: Sequence[Tailer], *, or_incomplete: bool = False) -> None:
        """Give new contents their seeds, durably, where their first lines are complete."""

        def look() -> list[tuple[Tailer, Beginning]]:
            beginnings = (
                (tailer, Beginning.of(tailer.file, readable(tailer.path), tailer.position,
                                      or_incomplete=or_incomplete))
                for tailer in tailers
            )  # fmt: skip
            return [(tailer, beginning) for tailer, beginning in beginnings if beginning]

        looks = await self._in_thread(look)
        rows = await self._seeding.add(self.settings.name, [beginning for _, beginning in looks])
        for (tailer, beginning), row in zip(looks, rows, strict=True):
            tailer.start_from(self._known.opened(row), beginning.tail)

    # Reading

    async def _read_one(self, ingest: Ingest) -> bool:
        """Let the next file have its turn; whether there was anything."""
        tailer = self._ready.popleft()
        tailer.is_ready = False
        if self._tailers.get(tailer.key) is not tailer:
            return False
        before = tailer.position
        try:
            await self._read(tailer, ingest)
        except OSError as error:
            self._say_unreadable(tailer.path, error)
            await self._close(tailer)
        except sqlite3.Error as error:
            if self._once:
                raise
            tailer.is_blocked = True
            self._say_blocked(error)
        self.read_bytes += tailer.position - before
        return tailer.position > before

    async def _read(self, tailer: Tailer, ingest: Ingest) -> None:
        if tailer.content is None:
            await self._establish([tailer])
        if tailer.content is not None:
            await self._ingest(tailer, await tailer.read(), ingest)
            tailer.is_blocked = False
            if not tailer.at_end:
                self._make_ready(tailer)
                return
        await self._at_end(tailer, ingest)

    async def _ingest(self, tailer: Tailer, chunks: Sequence[Chunk], ingest: Ingest) -> None:
        for chunk in chunks:
            assert tailer.content is not None
            await ingest(chunk, tailer.content)

    async def _at_end(self, tailer: Tailer, ingest: Ingest) -> None:
        """Everything there has been read: truncated, rotated and quiet, or just up to date?"""
        quiet_seconds = self._clock.monotonic() - tailer.grown_at
        if tailer.is_rewritten or await tailer.size() < tailer.position:
            await self._flush(tailer, ingest)
            await self._truncated(tailer)
        elif tailer.gone_since is not None and not self._once:
            quiet_since = max(tailer.gone_since, tailer.grown_at)
            if self._clock.monotonic() - quiet_since >= self.settings.rotate_wait_seconds:
                await self._finish(tailer, ingest)
                await self._close(tailer, is_gone=True)
        elif quiet_seconds >= self._event_timeout_seconds:
            await self._flush(tailer, ingest)

    async def _flush(self, tailer: Tailer, ingest: Ingest) -> None:
        """Give out the event under way: that it ends here is noted durably first."""
        content = tailer.content
        if content is None:
            return
        start = ingest.pending_start(content)
        if start is not None:
            end = tailer.given_out
            await content.mark_split(start, end)
            await ingest.flush(content, end, content.day_at(max(start, end - 1))[0])

    async def _flush_all(self, ingest: Ingest) -> None:
        for tailer in list(self._tailers.values()):
            await self._flush(tailer, ingest)

    async def _truncated(self, tailer: Tailer) -> None:
        content, size, pending = tailer.content, await tailer.size(), tailer.pending_bytes
        unread = 0 if content is None else max(0, content.size - tailer.position) + pending
        await self._close(tailer, is_gone=True)
        self._scan_due = True
        if content is None or await self._take_over_copy(content.current()):
            return
        self.abandoned_bytes += unread
        log.info(
            "%s was truncated or written anew (%d bytes before, %d now): it is read from its "
            "beginning.%s",
            tailer.path, content.size, size,
            f" {unread} bytes had not been read." if unread else "",
        )  # fmt: skip

    async def _finish_all(self, ingest: Ingest) -> None:
        for tailer in list(self._tailers.values()):
            await self._finish(tailer, ingest)

    async def _finish_deleted(self, ingest: Ingest) -> None:
        """What is left in files without a name cannot be read again."""
        for tailer in list(self._tailers.values()):
            if tailer.gone_since is not None and await tailer.is_deleted():
                await self._finish(tailer, ingest)

    async def _finish(self, tailer: Tailer, ingest: Ingest) -> None:
        """Ship a last line that has no newline; nothing more is expected of this file."""
        if tailer.content is None:
            await self._establish([tailer], or_incomplete=True)
            if tailer.content is None:
                return
        tailer.at_end = False
        while not tailer.at_end:
            before = tailer.position
            chunks = await tailer.read()
            self.read_bytes += tailer.position - before
            await self._ingest(tailer, chunks, ingest)
        if not tailer.is_rewritten:
            await self._ingest(tailer, await tailer.finish(), ingest)
        await self._flush(tailer, ingest)

    async def _close(self, tailer: Tailer, *, is_gone: bool = False) -> None:
        self._released(tailer, self._clock.time() if is_gone else None)
        await tailer.close()

    def _released(self, tailer: Tailer, gone_at: float | None = None) -> None:
        """*tailer* is done: its content is at rest."""
        if self._tailers.pop(tailer.key, None) is not None:
            DESCRIPTORS.add(-1)
        if self._by_path.get(tailer.path) is tailer:
            del self._by_path[tailer.path]
        if self._gone_from.get(tailer.path) is tailer:
            del self._gone_from[tailer.path]
        if tailer.content is not None:
            self._known.closed(tailer.content, gone_at)

    async def _recover_renamed(self, found: Scan) -> None:
        """Read on in files that were renamed, out of the globs, while no agent ran."""
        for row in self._known.at_rest():
            key = (row.device, row.inode)
            if row.gone_at is not None or key in found.files or not self._are_named(row.path):
                continue
            path = await self._in_thread(partial(find_inode, row))
            if path is None:
                self._vanished(row)
            elif path != row.path:  # else it is left out on purpose
                await self._recover(row, path)

    async def _recover(self, row: FileRow, path: str) -> None:
        key = (row.device, row.inode)
        if key in self._tailers:
            return
        try:
            opened = await self._in_thread(
                partial(take_up, path, key, Guess([row]).recognise, self._pool)
            )
        except OSError as error:
            self._say_unreadable(path, error)
            return
        if opened is None:
            return
        if opened.row is None:
            await self._in_thread(opened.file.close)
            self._vanished(row)
            return
        tailer = await self._start(opened, path)
        if tailer is not None:
            tailer.gone_since = self._clock.monotonic()

    async def _forget(self, found: Scan) -> None:
        """Drop contents that are saved and done, and those gone for long."""
        self._known.settle()
        try:
            horizon = self._clock.time() - self.settings.forget_after_seconds
            await self._known.forget(horizon, found.files.keys())
        except sqlite3.Error as error:
            log.debug("Old checkpoints stay for now: %s", error)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)


def _closed(tailer: Tailer) -> tuple[int, int] | None:
    try:
        return tailer.close_unless_changed()
    except OSError:  # its next turn tells
        return None


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
