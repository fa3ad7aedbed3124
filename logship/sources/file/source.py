"""The file source: finds files, recognises them, and reads them in turns."""

from __future__ import annotations

import asyncio
import fnmatch
import logging
import os
import re
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from io import FileIO
from typing import TypeVar

from logship.checkpoints.store import CheckpointStore, FileRow
from logship.ids import FIRST_LINE_BYTES, TAIL_BYTES, first_line_digest, make_seed, tail_digest
from logship.interfaces import Clock, Ingest, MakeMemory
from logship.model import Chunk
from logship.settings.model import SourceSettings
from logship.sources.file.content import FileContent
from logship.sources.file.discovery import Found, Scan, scan, watch_roots
from logship.sources.file.identity import Candidate, find_first_line, look_at, recognise
from logship.sources.file.tailer import Tailer, day_of
from logship.sources.file.watcher import MODIFIED, Watcher

__all__ = ["FileSource"]

log = logging.getLogger(__name__)
T = TypeVar("T")

POLL_SECONDS = 1.0  # files that grew lately are looked at this often, notified or not
LATELY_SECONDS = 30.0
SCAN_SHARE = 10.0  # a notified change waits for this many times what the last scan took
QUIET_SECONDS = 1.0  # a source that is to stop reads on until it was quiet for this long


class FileSource:
    """Tails the files that the globs of one source name.

    Attributes:
        settings: Of this source.
        contents: Every content that has something to be saved, or may have.
        abandoned_bytes: Bytes so far that vanished before they were read, as far as seen.
        read_bytes: Bytes so far that were read.
    """

    def __init__(
        self,
        settings: SourceSettings,
        store: CheckpointStore,
        *,
        host_id: str,
        boot_id: str,
        clock: Clock,
        pool: ThreadPoolExecutor,
        make_memory: MakeMemory,
        once: bool = False,
    ) -> None:
        self.settings = settings
        self.contents: dict[int, FileContent] = {}
        self.abandoned_bytes = self.read_bytes = 0
        self._store, self._clock, self._pool = store, clock, pool
        self._host_id, self._boot_id = host_id, boot_id
        self._once, self._make_memory = once, make_memory
        self._rows = {row.id: row for row in store.files(settings.name)}
        self._tailers: dict[tuple[int, int], Tailer] = {}
        self._by_path: dict[str, Tailer] = {}
        self._ready: deque[Tailer] = deque()
        self._wake = asyncio.Event()
        self._changed: set[tuple[int, str]] = set()
        self._scan_due = True
        self._next_early_scan = 0.0
        self._names_one = re.compile(
            "|".join(fnmatch.translate(os.path.normpath(path)) for path in settings.paths)
        ).match
        self._stop_by: float | None = None
        self._complained: set[str] = set()
        self._watcher: Watcher | None = None

    @property
    def open_files(self) -> int:
        """How many files are open."""
        return len(self._tailers)

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
        try:
            await self._run(ingest)
        finally:
            if self._watcher is not None:
                self._watcher.stop()
            for tailer in list(self._tailers.values()):
                await self._close(tailer)

    async def _run(self, ingest: Ingest) -> None:
        next_scan = next_poll = self._clock.monotonic()
        last_progress = next_scan
        while True:
            now = self._clock.monotonic()
            if now >= next_scan or (self._scan_due and now >= self._next_early_scan):
                self._scan_due = False
                await self._look_around()
                after = self._clock.monotonic()
                next_scan = after + self.settings.scan_interval_seconds
                self._next_early_scan = after + SCAN_SHARE * (after - now)
            self._take_changes()
            if now >= next_poll:
                await self._poll()
                next_poll = self._clock.monotonic() + POLL_SECONDS
            if self._ready:
                if await self._read_one(ingest):
                    last_progress = self._clock.monotonic()
                if self._stop_by is not None and self._clock.monotonic() >= self._stop_by:
                    return
                continue
            if self._once:
                await self._finish_all(ingest)
                return
            if self._is_done(last_progress):
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
            elif self._names_one(path):
                self._scan_due = True
            else:
                elsewhere = True
        if elsewhere:  # perhaps a writer that goes on in a file that was renamed
            for tailer in self._tailers.values():
                if tailer.gone_since is not None:
                    self._make_ready(tailer)

    def _make_ready(self, tailer: Tailer) -> None:
        if not tailer.is_ready:
            tailer.is_ready = True
            self._ready.append(tailer)

    async def _poll(self) -> None:
        """Look at files that grew lately, or lie elsewhere now, whether notified or not."""
        now = self._clock.monotonic()
        for tailer in list(self._tailers.values()):
            waits = tailer.content is None or tailer.gone_since is not None
            if waits or now - tailer.grown_at <= LATELY_SECONDS:
                self._make_ready(tailer)

    async def _look_around(self) -> None:
        settings = self.settings
        found = await self._in_thread(partial(scan, settings.paths, settings.exclude))
        self._complain(found)
        self._watch()
        for file in found.files.values():
            tailer = self._tailers.get(file.key)
            if tailer is None:
                await self._open(file, found)
            else:
                self._still_there(tailer, file)
        for key, tailer in list(self._tailers.items()):
            if key not in found.files and tailer.gone_since is None:
                tailer.gone_since = self._clock.monotonic()
                if self._by_path.get(tailer.path) is tailer:
                    del self._by_path[tailer.path]
                self._make_ready(tailer)
        await self._recover_renamed(found)
        await self._forget(found)

    def _still_there(self, tailer: Tailer, file: Found) -> None:
        tailer.gone_since = None
        if file.path != tailer.path or self._by_path.get(file.path) is not tailer:
            if self._by_path.get(tailer.path) is tailer:
                del self._by_path[tailer.path]
            tailer.path = file.path
            self._by_path[file.path] = tailer
            if tailer.content is not None:
                tailer.content.moved(file.path, *file.key)
        if file.size != tailer.position:
            self._make_ready(tailer)

    def _complain(self, found: Scan) -> None:
        name = self.settings.name
        for pattern in found.unmatched:
            self._once_said(
                pattern, f"Source {name}: {pattern} matches no file yet; it is looked for again."
            )
        for path, reason in found.skipped.items():
            self._once_said(path, f"Source {name}: {path} is skipped: {reason}.")

    def _once_said(self, key: str, text: str) -> None:
        if key not in self._complained:
            self._complained.add(key)
            log.warning(text)

    def _watch(self) -> None:
        if self._once:
            return
        roots = watch_roots(self.settings.paths)
        if self._watcher is not None:
            if self._watcher.roots == roots:
                return
            self._watcher.stop()
        loop = asyncio.get_running_loop()
        self._watcher = Watcher(roots, partial(self._notified, loop))

    # Opening

    async def _open(self, file: Found, found: Scan) -> None:
        try:
            raw = await self._in_thread(partial(_open_raw, file.path))
        except OSError as error:
            self._once_said(
                f"open {file.path}",
                f"Source {self.settings.name}: cannot read {file.path}: {error.strerror}; "
                "it is tried again in every scan.",
            )
            return
        self._complained.discard(f"open {file.path}")
        candidate = await self._in_thread(partial(look_at, raw.fileno()))
        row = await self._in_thread(partial(recognise, candidate, self._rows_for(candidate, found)))
        await self._start(raw, file.path, candidate, row)

    def _rows_for(self, candidate: Candidate, found: Scan) -> list[FileRow]:
        """Contents that this file may be: not open, and not still at their own inode."""
        here = (candidate.device, candidate.inode)
        return [
            row
            for row in self._rows.values()
            if (row.device, row.inode) == here
            or (
                (row.device, row.inode) not in found.files
                and (row.device, row.inode) not in self._tailers
            )
        ]

    async def _start(
        self, raw: FileIO, path: str, candidate: Candidate, row: FileRow | None
    ) -> None:
        position = 0
        if row is not None:
            position = row.offset
        elif self.settings.start_at == "end" and not self._was_seen(path):
            position = candidate.size
        await self._in_thread(partial(raw.seek, position))
        tailer = Tailer(
            raw, path, position=position, clock=self._clock, pool=self._pool,
            max_line_bytes=self.settings.max_line_bytes,
        )  # fmt: skip
        self._tailers[tailer.key] = tailer
        self._by_path[path] = tailer
        self._make_ready(tailer)
        if row is not None:
            await self._resume(tailer, row, candidate)

    def _was_seen(self, path: str) -> bool:
        """Whether a file at this path was tailed before: then a new one is a rotation's."""
        return any(row.path == path for row in self._rows.values()) or any(
            content.row.path == path for content in self.contents.values()
        )

    async def _resume(self, tailer: Tailer, row: FileRow, candidate: Candidate) -> None:
        del self._rows[row.id]
        content = FileContent(row, self._store, self._make_memory)
        content.moved(tailer.path, *tailer.key)
        self.contents[row.id] = content
        today = day_of(self._clock.time())
        if today > content.last_day:
            # What was there when the agent ended may have been sent under the old mark;
            # what came while it was down may be as new as today.
            seen = max(row.size, row.offset)
            if seen < candidate.size:
                await content.mark_day(seen, f"{content.last_day}/{today}")
            await content.mark_day(candidate.size, today)
        count = min(TAIL_BYTES, row.offset)
        tail = await self._in_thread(partial(candidate.read_at, row.offset - count, count))
        tailer.start_from(content, tail)

    async def _establish(self, tailer: Tailer, *, force: bool = False) -> bool:
        """Give a new content its seed, durably. False while its first line is not complete."""
        descriptor = tailer.descriptor

        def read_at(offset: int, count: int) -> bytes:
            return os.pread(descriptor, count, offset)

        candidate = await self._in_thread(partial(look_at, descriptor))
        first_line = await self._in_thread(partial(find_first_line, read_at))
        if first_line is None and force and candidate.size:
            first_line = candidate.fingerprint.lstrip(b"\0")[:FIRST_LINE_BYTES]
        if not first_line:
            return False
        digest = first_line_digest(first_line)
        salt = secrets.token_bytes(8) if await self._store.salts(digest) else b""
        count = min(TAIL_BYTES, tailer.position)
        tail = await self._in_thread(partial(read_at, tailer.position - count, count))
        row = FileRow(
            id=0,
            source=self.settings.name,
            path=tailer.path,
            device=candidate.device,
            inode=candidate.inode,
            fingerprint=candidate.fingerprint,
            first_line=digest,
            salt=salt,
            seed=make_seed(self._host_id, first_line, salt),
            offset=tailer.position,
            tail=tail_digest(tail),
            last_time=None,
            size=candidate.size,
            boot=self._boot_id,
            confirmed_at=self._clock.time(),
            day_marks=((0, day_of(self._clock.time())),),
        )
        row = await self._store.add(row)
        content = FileContent(row, self._store, self._make_memory)
        self.contents[row.id] = content
        tailer.start_from(content, tail)
        return True

    # Reading

    async def _read_one(self, ingest: Ingest) -> bool:
        """Let the next file have its turn; whether there was anything."""
        tailer = self._ready.popleft()
        tailer.is_ready = False
        if tailer.key not in self._tailers:
            return False
        try:
            if tailer.content is None and not await self._establish(tailer):
                await self._at_end(tailer, ingest)
                return False
            before = tailer.position
            chunks = await tailer.read()
        except OSError as error:
            log.warning("Cannot read %s: %s; it is opened again.", tailer.path, error)
            await self._close(tailer)
            self._scan_due = True
            return False
        self.read_bytes += tailer.position - before
        await self._ingest(tailer, chunks, ingest)
        if tailer.at_end:
            await self._at_end(tailer, ingest)
        else:
            self._make_ready(tailer)
        return tailer.position > before

    async def _ingest(self, tailer: Tailer, chunks: Sequence[Chunk], ingest: Ingest) -> None:
        for chunk in chunks:
            assert tailer.content is not None
            await ingest(chunk, tailer.content)

    async def _at_end(self, tailer: Tailer, ingest: Ingest) -> None:
        """Everything there has been read: truncated, rotated and quiet, or just up to date?"""
        size = await tailer.size()
        if size < tailer.position:
            await self._truncated(tailer, size)
        elif tailer.gone_since is not None and not self._once:
            quiet_since = max(tailer.gone_since, tailer.grown_at)
            if self._clock.monotonic() - quiet_since >= self.settings.rotate_wait_seconds:
                await self._finish(tailer, ingest)
                await self._close(tailer, gone=True)

    async def _truncated(self, tailer: Tailer, size: int) -> None:
        content = tailer.content
        if content is not None:
            lost = max(0, content.size - tailer.position) + tailer.pending_bytes
            self.abandoned_bytes += lost
            log.info(
                "%s was truncated from %d to %d bytes: it is read from its beginning.%s",
                tailer.path, content.size, size,
                f" {lost} bytes had not been read." if lost else "",
            )  # fmt: skip
        await self._close(tailer, gone=True)
        self._scan_due = True

    async def _finish_all(self, ingest: Ingest) -> None:
        for tailer in list(self._tailers.values()):
            await self._finish(tailer, ingest)

    async def _finish(self, tailer: Tailer, ingest: Ingest) -> None:
        """Ship a last line that has no newline; nothing more is expected of this file."""
        if tailer.content is None and not await self._establish(tailer, force=True):
            return
        await self._ingest(tailer, await tailer.read(), ingest)
        await self._ingest(tailer, await tailer.finish(), ingest)

    async def _close(self, tailer: Tailer, *, gone: bool = False) -> None:
        self._tailers.pop(tailer.key, None)
        if self._by_path.get(tailer.path) is tailer:
            del self._by_path[tailer.path]
        if tailer.content is not None and gone:
            tailer.content.gone_at = self._clock.time()
        await tailer.close()

    async def _recover_renamed(self, found: Scan) -> None:
        """Read on in files that were renamed, out of the globs, while no agent ran."""
        waiting = [
            row
            for row in self._rows.values()
            if row.gone_at is None and (row.device, row.inode) not in found.files
        ]
        for row in waiting:
            path = await self._in_thread(partial(_find_inode, row))
            if path is None:
                self.abandoned_bytes += max(0, row.size - row.offset)
                self._rows[row.id] = _gone(row, self._clock.time())
                continue
            try:
                raw = await self._in_thread(partial(_open_raw, path))
            except OSError:
                continue
            candidate = await self._in_thread(partial(look_at, raw.fileno()))
            if await self._in_thread(partial(recognise, candidate, [row])) is None:
                await self._in_thread(raw.close)
                self._rows[row.id] = _gone(row, self._clock.time())
                continue
            await self._start(raw, path, candidate, row)
            tailer = self._tailers[candidate.device, candidate.inode]
            tailer.gone_since = self._clock.monotonic()

    async def _forget(self, found: Scan) -> None:
        """Drop contents that are saved and done, and those gone for long."""
        horizon = self._clock.time() - self.settings.forget_after_seconds
        open_ids = {t.content.row.id for t in self._tailers.values() if t.content is not None}
        for id_, content in list(self.contents.items()):
            if id_ not in open_ids and content.tracker.is_idle and not content.is_dirty:
                del self.contents[id_]
                self._rows[id_] = content.current()
        old = [
            row.id
            for row in self._rows.values()
            if row.gone_at is not None
            and row.gone_at < horizon
            and (row.device, row.inode) not in found.files
        ]
        for id_ in old:
            del self._rows[id_]
        await self._store.forget(old)

    async def _in_thread(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)


def _open_raw(path: str) -> FileIO:
    # Non-blocking: a pipe put in place of the file since the scan must not hang the thread.
    return FileIO(path, opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))


def _find_inode(row: FileRow) -> str | None:
    """Return where the content's inode lies now, in the folder where it was; None if nowhere."""
    try:
        with os.scandir(os.path.dirname(row.path)) as entries:
            for entry in entries:
                if entry.inode() == row.inode and entry.stat().st_dev == row.device:
                    return entry.path
    except OSError:
        pass
    return None


def _gone(row: FileRow, now: float) -> FileRow:
    return replace(row, gone_at=now)
