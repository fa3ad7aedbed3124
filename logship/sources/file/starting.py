"""Begins to tail files: from where on, under which seed, and what was noted of them before."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from functools import partial

from logship.checkpoints.rows import FileRow
from logship.ids import TAIL_BYTES
from logship.lines import LineForm, line_form
from logship.settings.model import SourceSettings
from logship.sources.file.content import FileContent
from logship.sources.file.context import SourceContext
from logship.sources.file.identity import Candidate
from logship.sources.file.opening import Opened, readable
from logship.sources.file.seeding import Beginning, Seeding, say_formats
from logship.sources.file.tailer import Tailer, day_of

__all__ = ["Starter"]

SEEDED_AT_ONCE = 256
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Starter:
    """Makes tailers of files of one source that are open."""

    def __init__(self, context: SourceContext, seeding: Seeding) -> None:
        self._context, self._seeding = context, seeding
        self._at_first: set[tuple[int, int]] | None = None

    def looked(self, found: Collection[tuple[int, int]]) -> None:
        """Remember which files the first look found: they were there before the source was."""
        if self._at_first is None:
            self._at_first = set(found)

    def began(self, key: tuple[int, int]) -> None:
        """The file *key* is tailed: should it be opened again, it is no more new."""
        if self._at_first:
            self._at_first.discard(key)

    def opened_all(self) -> None:
        """Every file that the first look found has been opened once."""
        self._at_first = set()

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
            if form.is_plain and beginning.candidate.fingerprint.startswith(UTF_16_MARKS):
                context.complaints.once(
                    f"encoding {row.path}",
                    f"{row.path} begins as UTF-16 does, and is read as UTF-8, so its texts are "
                    'spoiled: set "encoding: utf-16".',
                )
            tailer.start_from(context.known.opened(row), beginning.tail)

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


def _as_parked(content: FileContent, candidate: Candidate) -> FileContent | None:
    """Return *content* when what was given out of it last stands in *candidate*. Blocking."""
    count = min(TAIL_BYTES, content.read_to)
    if candidate.read_at(content.read_to - count, count) != content.state.tail[-TAIL_BYTES:]:
        return None
    return content


def _form_of(settings: SourceSettings) -> LineForm:
    return line_form(settings.encoding, settings.delimiter)
