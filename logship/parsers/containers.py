"""What all container logs share: texts that were cut into lines, and multiline in each stream."""

from __future__ import annotations

import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, NamedTuple

from logship.parsers.events import (
    Events,
    JoinMemory,
    Limits,
    Pending,
    flush_pending,
    packed_checksums,
)
from logship.parsers.multiline import Multiline

__all__ = ["STREAMS", "Partials", "Piece", "Stacked"]

STREAMS: dict[str, Mapping[str, Any]] = {name: {"stream": name} for name in ("stdout", "stderr")}

_CONTINUED = ("continued",)


class Piece(NamedTuple):
    """What one line of a container log says.

    Attributes:
        time: When the runtime got it, as it wrote it; None without one.
        stream: ``stdout`` or ``stderr``.
        is_final: Whether the text ends with it.
        text: What the application wrote, or a part of it.
        fields: For the record of a text that begins with it.
        tags: For that record, too.
    """

    time: str | None
    stream: str
    is_final: bool
    text: bytes
    fields: Mapping[str, Any]
    tags: tuple[str, ...] = ()


class Partials(ABC):
    """Joins texts that a runtime cut into several lines, per stream.

    A text whose end does not come is over when a line of any stream was written much later
    than its last one: by the times in the lines, so that a replay decides the same.

    Attributes:
        timeout_seconds: How much later.
        unreadable: The fields of a record whose line is of another form.
    """

    unreadable: Mapping[str, Any]

    def __init__(self, max_bytes: int = 1 << 20, timeout_seconds: float = 2.0) -> None:
        """Join texts up to *max_bytes*; what is more is cut."""
        self._limits, self.timeout_seconds = Limits(sys.maxsize, max_bytes), timeout_seconds

    def join(
        self,
        lines: Sequence[bytes],
        offsets: Sequence[int],
        memory: JoinMemory,
        checksums: Sequence[int] | None = None,
    ) -> Events:
        """As :meth:`logship.parsers.events.Joiner.join`."""
        return self.texts(lines, offsets, memory, checksums).without_empty()

    def flush(self, memory: JoinMemory, before: int | None = None) -> Events:
        """As :meth:`logship.parsers.events.Joiner.flush`."""
        return flush_pending(memory, before, STREAMS).without_empty()

    def texts(
        self,
        lines: Sequence[bytes],
        offsets: Sequence[int],
        memory: JoinMemory,
        checksums: Sequence[int] | None = None,
    ) -> Events:
        """As :meth:`join`, and with the empty lines that the application wrote."""
        memory.prune()
        own = list(checksums or map(zlib.crc32, lines))
        if self._are_whole(lines, offsets, memory):
            events = self.all_complete(lines, offsets, own)
            if events is not None and not _go_on(events, memory):
                return events
        events = Events()
        for line, offset, checksum in zip(lines, offsets, own, strict=True):
            piece = self.read(line)
            if piece is None:
                events.add(offset, checksum, line.rstrip(b"\r\n"), fields=self.unreadable)
            else:
                raw = line if checksums is None else checksum.to_bytes(4, "big")
                self._put(piece, offset, checksum, raw, memory, events)
        return events

    @abstractmethod
    def read(self, line: bytes) -> Piece | None:
        """Return what *line* says; None for a line of another form."""

    @abstractmethod
    def all_complete(
        self, lines: Sequence[bytes], offsets: Sequence[int], checksums: list[int]
    ) -> Events | None:
        """Return the events of lines that are all whole, or None when they are not. Hot."""

    def _are_whole(
        self, lines: Sequence[bytes], offsets: Sequence[int], memory: JoinMemory
    ) -> bool:
        """Whether nothing was pending, and no line can be too long."""
        return (
            bool(lines)
            and memory.open.keys().isdisjoint(STREAMS)
            and offsets[-1] - offsets[0] + len(lines[-1]) <= self._limits.max_bytes
        )

    def _put(
        self, piece: Piece, offset: int, checksum: int, raw: bytes, memory: JoinMemory,
        events: Events,
    ) -> None:  # fmt: skip
        """Go on with the piece's stream; *raw* is what it adds to a checksum."""
        now = seconds_of(piece.time)
        if now is not None and memory.open:
            give_out_old(memory, STREAMS, now - self.timeout_seconds, events)
        stream, is_final, text = piece.stream, piece.is_final, piece.text
        pending = memory.open.get(stream)
        if pending is not None:
            pending.add(offset, text, raw)
            pending.at = now if now is not None else pending.at
            if is_final:
                memory.close(stream).give_to(events)
            return
        tags = piece.tags
        if stream in memory.split:
            del memory.split[stream]
            tags = (*tags, *_CONTINUED)
        if is_final and len(text) <= self._limits.max_bytes:
            events.add(offset, checksum, text.rstrip(b"\r\n"), piece.time, piece.fields, tags)
            return
        pending = Pending(
            offset, text, checksum, self._limits, time=piece.time, fields=piece.fields, tags=tags
        )
        pending.at = now
        if is_final:
            pending.give_to(events)
        else:
            memory.open[stream] = pending


class Stacked:
    """Multiline events within the streams of a container log.

    Their checksum is the one over the first part's lines, continued with the checksums of the
    other parts: the bytes of a part are gone by the time it is known where it belongs.

    An event is over, too, when a text of any stream was written much later than its last one: by
    the times in the lines, as in :class:`Partials`. A stream that fell silent does not have to
    wait for the whole file to do so.
    """

    def __init__(self, container: Partials, multiline: Multiline) -> None:
        self._container, self._multiline = container, multiline
        self._timeout_seconds = container.timeout_seconds

    def join(
        self,
        lines: Sequence[bytes],
        offsets: Sequence[int],
        memory: JoinMemory,
        checksums: Sequence[int] | None = None,
    ) -> Events:
        """As :meth:`logship.parsers.events.Joiner.join`."""
        texts = self._container.texts(lines, offsets, memory, checksums)
        events = Events()
        late = self._late(texts, memory) if self._may_be_late(texts, memory) else []
        start = 0
        for stop in [*late, len(texts)]:
            self._within_streams(texts, start, stop, memory, events)
            now = seconds_of(texts.times[stop]) if stop < len(texts) else None
            if now is not None:
                give_out_old(memory, _STACKED, now - self._timeout_seconds, events)
            start = stop
        return events.without_empty()

    def flush(self, memory: JoinMemory, before: int | None = None) -> Events:
        """As :meth:`logship.parsers.events.Joiner.flush`."""
        texts = flush_pending(memory, before, STREAMS)
        events = Events()
        self._within_streams(texts, 0, len(texts), memory, events)
        events.extend(flush_pending(memory, before, _STACKED))
        return events.without_empty()

    def _may_be_late(self, texts: Events, memory: JoinMemory) -> bool:
        """Whether there is a need to look at every time. Hot: no look at each."""
        times = [time for time in texts.times if time is not None]
        if not times:
            return False
        # In UTC, the order of texts is the order of whole seconds.
        first, last = seconds_of(min(times)), seconds_of(max(times))
        if first is None or last is None or "".join(times).count("Z") != len(times):
            return True
        ats = [memory.open[key].at for key in _STACKED if key in memory.open]
        oldest = min([first, *(at for at in ats if at is not None)])
        return last + 1 - oldest > self._timeout_seconds

    def _late(self, texts: Events, memory: JoinMemory) -> list[int]:
        """Return which texts were written so late that an event before them may be over."""
        last = {key: memory.open[key].at for key in _STACKED if key in memory.open}
        late = []
        for position, time in enumerate(texts.times):
            now = seconds_of(time)
            if now is None:
                continue
            oldest = now - self._timeout_seconds
            if any(at is not None and at < oldest for at in last.values()):
                late.append(position)
                last = {key: at for key, at in last.items() if at is None or at >= oldest}
            key = _STACKED_KEYS.get(_stream_of(texts.fields[position]))
            if key is not None:
                last[key] = now
        return late

    def _within_streams(
        self, texts: Events, start: int, stop: int, memory: JoinMemory, events: Events
    ) -> None:
        for stream, run in groupby(texts.fields[start:stop], _stream_of):
            stop = start + sum(1 for _ in run)
            part = Events()
            part.extend(texts, start, stop)
            key = _STACKED_KEYS.get(stream)
            if key is None:  # what the container's joiner could not read
                events.extend(part)
            else:
                self._multiline.join_parts(part, key, memory, events, packed_checksums)
                if key in memory.open:
                    _note_time(memory.open[key], part)
            start = stop


def _note_time(pending: Pending, part: Events) -> None:
    """Note when the last line of an event under way was written, which *part* ends with."""
    for offset, time in zip(reversed(part.offsets), reversed(part.times), strict=True):
        now = seconds_of(time)
        if offset < pending.start or now is not None:
            pending.at = now if offset >= pending.start else pending.at
            return


_STACKED_KEYS = {stream: f"{stream} lines" for stream in STREAMS}
_STACKED = tuple(_STACKED_KEYS.values())


def _go_on(events: Events, memory: JoinMemory) -> bool:
    """Whether one of them may go on with a text that was given out before its end was seen."""
    if memory.split.keys().isdisjoint(STREAMS):
        return False
    return not memory.split.keys().isdisjoint(map(_stream_of, events.fields))


def _stream_of(fields: Mapping[str, Any]) -> str:
    return str(fields.get("stream", ""))


def seconds_of(time: str | None) -> float | None:
    """Return a runtime's time as seconds since 1970; None when it is none."""
    if time is None:
        return None
    try:
        moment = datetime.fromisoformat(time)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def give_out_old(memory: JoinMemory, keys: Collection[str], before: float, events: Events) -> None:
    """Append the events of *keys* to *events* whose last line was written before a moment."""
    old = [key for key in keys if key in memory.open and _is_older(memory.open[key], before)]
    if old:
        events.extend(flush_pending(memory, None, old))


def _is_older(pending: Pending, before: float) -> bool:
    return pending.at is not None and pending.at < before
