"""Lines that belong together become one event: what all joiners share.

A joiner stands between a chunk's lines and the parser. It works on columns, and what it
leaves unfinished at the end of a call stays in a memory per content, so that the same lines
give the same events however they are cut into calls.

Where an event begins and ends depends on nothing but the lines from its first one on: a
joiner that starts afresh at :attr:`JoinMemory.pending_start` gives the same events again.
"""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

__all__ = [
    "NO_FIELDS",
    "Events",
    "JoinMemory",
    "Joiner",
    "Limits",
    "Pending",
    "add_to_record",
    "flush_pending",
    "merged_tags",
    "packed_checksums",
    "tidy",
]

NO_FIELDS: Mapping[str, Any] = {}
_EMPTY_PIECES = (b"\n", b"\n\r")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much of one event is kept; the rest only counts in its checksum.

    Attributes:
        max_lines: Lines, empty ones included.
        max_bytes: Of what a parser is to read.
    """

    max_lines: int = 1000
    max_bytes: int = 1 << 20


@dataclass(slots=True)
class Events:
    """Joined events in columns of equal length, in the order in which they were complete.

    Attributes:
        offsets: Of each event's first byte in the content.
        checksums: CRC-32 over the event's bytes as they stand in the file. Of one line: over
            it, without its newline, as without a joiner.
        payloads: What a parser is to read, without line end.
        times: As a container runtime wrote it on the first line; None without one.
        fields: For the record, see :func:`add_to_record`. Shared by many: not to be changed.
        tags: ``cut`` when a limit was reached, ``continued`` when the beginning had to be
            given out before.
    """

    offsets: list[int] = field(default_factory=list)
    checksums: list[int] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    times: list[str | None] = field(default_factory=list)
    fields: list[Mapping[str, Any]] = field(default_factory=list)
    tags: list[tuple[str, ...]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.offsets)

    def add(
        self, offset: int, checksum: int, payload: bytes, time: str | None = None,
        fields: Mapping[str, Any] = NO_FIELDS, tags: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Append one event."""
        self.offsets.append(offset)
        self.checksums.append(checksum)
        self.payloads.append(payload)
        self.times.append(time)
        self.fields.append(fields)
        self.tags.append(tags)

    def extend(self, more: Events, start: int = 0, stop: int | None = None) -> None:
        """Append the events of *more* from *start* up to *stop*."""
        self.offsets += more.offsets[start:stop]
        self.checksums += more.checksums[start:stop]
        self.payloads += more.payloads[start:stop]
        self.times += more.times[start:stop]
        self.fields += more.fields[start:stop]
        self.tags += more.tags[start:stop]

    def without_empty(self) -> Events:
        """Return the events whose payload is not empty: an empty line is no record."""
        if b"" not in self.payloads:
            return self
        kept = Events()
        for i, payload in enumerate(self.payloads):
            if payload:
                kept.extend(self, i, i + 1)
        return kept


def add_to_record(record: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Put an event's *fields* on its record, before it is lifted; what is there stays.

    ``extra`` is merged where both have one.
    """
    for name, value in fields.items():
        there = record.setdefault(name, value)
        if name == "extra" and there is not value and isinstance(there, dict):
            record[name] = {**value, **there}


class Pending:
    """An event under way: a bounded beginning of it, and the checksum of all of it.

    Attributes:
        start: Offset of its first line.
        last: Offset of its last line that is not empty.
        checksum: CRC-32 up to that line.
        time, fields, tags: As in :class:`Events`.
        is_cut: Whether a limit was reached up to that line.
        state: What a grouping remembers of it.
        at: When its last line was written, in seconds since 1970, as far as lines tell.
    """

    __slots__ = (
        "_ahead", "_is_over", "_kept", "_limits", "_lines", "at", "checksum", "fields", "is_cut",
        "last", "start", "state", "tags", "time",
    )  # fmt: skip

    def __init__(
        self, offset: int, piece: bytes, checksum: int, limits: Limits, *,
        time: str | None = None, fields: Mapping[str, Any] = NO_FIELDS, tags: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        self.start = self.last = offset
        self.checksum = self._ahead = checksum
        self.time, self.fields, self.tags = time, fields, tags
        self.state: str | None = None
        self.at: float | None = None
        self._limits, self._kept = limits, bytearray()
        self._lines = 0
        self._is_over = False
        self._keep(piece)
        self.is_cut = self._is_over

    def add(self, offset: int, piece: bytes, raw: bytes) -> None:
        """Go on with *piece*; *raw* is what it adds to the checksum.

        Empty lines count once another line follows them.
        """
        self._ahead = zlib.crc32(raw, self._ahead)
        self._keep(piece)
        if piece not in _EMPTY_PIECES:
            self.last, self.checksum, self.is_cut = offset, self._ahead, self._is_over

    def give_to(self, events: Events) -> None:
        """Append the event to *events* as far as it is known."""
        payload = bytes(self._kept)
        tags = self.tags
        if self.is_cut:
            payload = payload[: codecs.utf_8_decode(payload, "replace")[1]]
            tags = merged_tags((tags, ("cut",)))
        events.add(self.start, self.checksum, tidy(payload), self.time, self.fields, tags)

    def _keep(self, piece: bytes) -> None:
        self._lines += 1
        room = self._limits.max_bytes - len(self._kept)
        if self._is_over or self._lines > self._limits.max_lines:
            self._is_over = True
            return
        self._is_over = len(piece) > room
        self._kept += piece[:room]


class JoinMemory:
    """What a joiner remembers of one content.

    Attributes:
        open: Stream → its event under way.
        split: Stream → state of the event that was given out before its end was seen.
    """

    __slots__ = ("_spans", "open", "split")

    def __init__(self) -> None:
        self.open: dict[str, Pending] = {}
        self.split: dict[str, str | None] = {}
        self._spans: list[tuple[int, int]] = []

    @property
    def pending_start(self) -> int | None:
        """Up to where the content is confirmed once all events given out so far are.

        Nothing that was given out or is under way lies on both sides of this offset. None:
        nothing is pending, and all that was joined is confirmed then.
        """
        if not self.open:
            return None
        start = min([pending.start for pending in self.open.values()])
        # An event of another stream that lies on both sides has to be read again with it:
        # its second half alone would be another event.
        for begin, last in sorted(self._spans, reverse=True):
            if begin < start <= last:
                start = begin
        return start

    def close(self, key: str) -> Pending:
        """Take the event under way out, which is to be given out now."""
        pending = self.open.pop(key)
        self.spans(pending.start, pending.last)
        return pending

    def spans(self, start: int, last: int) -> None:
        """An event whose lines begin at offsets from *start* to *last* is given out."""
        if last > start:
            self._spans.append((start, last))

    def prune(self) -> None:
        """Forget what no longer matters; before the next lines are joined."""
        points = [pending.start for pending in self.open.values()]
        spans, self._spans = sorted(self._spans, reverse=True), []
        for begin, last in spans:
            if any(begin < point <= last for point in points):
                self._spans.append((begin, last))
                points.append(begin)


class Joiner(Protocol):
    """Makes events of lines."""

    def join(
        self,
        lines: Sequence[bytes],
        offsets: Sequence[int],
        memory: JoinMemory,
        checksums: Sequence[int] | None = None,
    ) -> Events:
        """Return the events that *lines* complete. Never raises for anything they hold.

        Args:
            lines: In order, without their newlines.
            offsets: Of each line's first byte in the content.
            memory: Of this content. Changed.
            checksums: Of the bytes in the file, where *lines* are not these. An event's is then
                the one of its first line, continued with those of its other lines.
        """

    def flush(self, memory: JoinMemory, before: int | None = None) -> Events:
        """Return what is pending, although its end was not seen: after a time, or at the end.

        What follows is an event of its own. Its ids depend on where this happens, so it needs
        a durable mark first, and a replay has to flush at the same place, with the same
        *before*.

        Args:
            memory: Of this content. Changed.
            before: Only events without a line from this offset on; None means all.
        """


def flush_pending(
    memory: JoinMemory, before: int | None, keys: Collection[str] | None = None
) -> Events:
    """Return what is pending in *memory*, as :meth:`Joiner.flush`.

    Args:
        keys: Of the streams to look at; None means all.
    """
    events = Events()
    for key, pending in sorted(memory.open.items(), key=lambda item: item[1].start):
        if (keys is None or key in keys) and (before is None or pending.last < before):
            memory.close(key).give_to(events)
            memory.split[key] = pending.state
    return events


def packed_checksums(parts: Events, start: int, stop: int) -> bytes:
    """Return what parts add to an event's checksum whose bytes are not at hand any more."""
    return b"".join([checksum.to_bytes(4, "big") for checksum in parts.checksums[start:stop]])


def merged_tags(tags: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    """Return every tag of *tags* once, in the order in which they come first."""
    return tuple(dict.fromkeys([tag for some in tags for tag in some])) if any(tags) else ()


def tidy(payload: bytes) -> bytes:
    """Return *payload* with ``\\n`` between its lines and no line end behind the last one."""
    if b"\r" in payload:
        payload = payload.replace(b"\r\n", b"\n")
    return payload.rstrip(b"\r\n")
