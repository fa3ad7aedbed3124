"""What became of contents that are not where they were: renamed, copied and truncated, or gone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import partial

from logship.checkpoints.rows import FileRow
from logship.sources.file.archives import report_damage
from logship.sources.file.context import SourceContext
from logship.sources.file.copies import find_copy
from logship.sources.file.discovery import Scan, names
from logship.sources.file.guess import Guess
from logship.sources.file.identity import Candidate
from logship.sources.file.opening import readable, take_up
from logship.sources.file.rotation_names import originals
from logship.sources.file.starting import Starter
from logship.sources.file.surroundings import Surroundings

__all__ = ["Recovery"]

log = logging.getLogger(__name__)

MISSING_SECONDS, MISSING_ONCE_SECONDS = 0.3, 0.5  # what is nowhere is looked for again after this


class Recovery:
    """Looks for the contents of one source that others have taken the place of, or nobody."""

    def __init__(self, context: SourceContext, starter: Starter) -> None:
        self._context, self._starter = context, starter
        self._missing: dict[int, float] = {}  # content → since when it is nowhere
        self._are_rotated = names(context.settings.rotated)

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
        tailer = await self._starter.start(opened, path)
        if tailer is None:
            return False
        assert tailer.content is not None
        tailer.content.moved(readable(path), *tailer.key)
        tailer.gone_since = context.clock.monotonic()
        report_damage(context, path, opened.file)
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
            if row.gone_at is not None:
                continue
            there = self._content_at(key)  # before the names: it is cheap, and most are there
            if there == row.id or (there is None and key in found.files):
                continue
            if not (is_named(row.path) or self._is_rotated(row.path, is_named)):
                continue
            path = None
            if there is None:  # else another content has its inode now
                path = await context.in_thread(partial(surroundings.find, row))
            if path is None:
                await self._recover_copy(row, surroundings)
            elif path != row.path or not is_named(row.path):  # else it is left out on purpose
                await self._recover(row, path, surroundings)

    def _is_rotated(self, path: str, is_named: Callable[[str], object]) -> bool:
        """Whether a named file may be at *path* by now: an earlier run may have read on there."""
        folder, name = os.path.split(path)
        named = (os.path.join(folder, original) for original in originals(name))
        return bool(self._are_rotated(path)) or any(map(is_named, named))

    def superseded(self, row: FileRow) -> None:
        """Look for a copy of *row* for a while: another content has its place now."""
        self._missing.setdefault(row.id, self._context.clock.monotonic())
        self._context.look_again(MISSING_SECONDS)

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
        tailer = await self._starter.start(opened, path)
        if tailer is not None:
            tailer.gone_since = context.clock.monotonic()

    def _content_at(self, key: tuple[int, int]) -> int | None:
        """Return the id of the content that is tailed at the inode *key*, or was to its end."""
        tailer = self._context.open_files.get(key)
        if tailer is not None:
            return None if tailer.content is None else tailer.content.row.id
        parked = self._context.parking.get(key)
        return None if parked is None else parked.row

    def _surroundings(self) -> Surroundings:
        context = self._context
        return Surroundings(
            context.settings.rotated,
            with_archives=context.settings.compressed is not False,
            taken={*context.open_files.keys, *context.parking.keys},
        )

    def _is_taken(self, key: tuple[int, int]) -> bool:
        return key in self._context.open_files or self._context.parking.get(key) is not None

    async def supersede(self, guess: Guess, candidate: Candidate) -> None:
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
