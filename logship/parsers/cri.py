"""Container logs as the kubelet's runtimes write them, and what all container logs share.

One line of the format::

    2026-11-21T10:00:00.123456789Z stdout F the text of the line
    time (RFC 3339)                stream │ text
                                          └ F: the text ends here; P: it goes on in the next
                                            line of this stream. More tags may follow a colon.

Source: Kubernetes, "CRI: Log management for container stdout/stderr streams".
"""

from __future__ import annotations

import re
import sys
import zlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from logship.parsers.multiline import Events, JoinMemory, Limits, Multiline, Pending, flush_pending

__all__ = ["CriJoiner", "Partials", "Stacked", "is_cri_line"]

STREAMS: dict[str, Mapping[str, Any]] = {name: {"stream": name} for name in ("stdout", "stderr")}

_NAMES = {name.encode(): name for name in STREAMS}
_FIELDS = {name.encode(): fields for name, fields in STREAMS.items()}
_CONTINUED = ("continued",)
_UNREADABLE = {"parse_error": "not a line of a CRI container log"}
_TIME = rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_is_time = re.compile(_TIME).fullmatch
_are_times = re.compile(rb"(?:" + _TIME + rb"\n)*+").fullmatch


class Partials(ABC):
    """Joins texts that a runtime cut into several lines, per stream.

    Args:
        max_bytes: Of a joined text; what is more is cut.
    """

    def __init__(self, max_bytes: int = 1 << 20) -> None:
        self._limits = Limits(sys.maxsize, max_bytes)

    def join(self, lines: Sequence[bytes], offsets: Sequence[int], memory: JoinMemory) -> Events:
        """As :meth:`logship.parsers.multiline.Joiner.join`."""
        return self.texts(lines, offsets, memory).without_empty()

    def flush(self, memory: JoinMemory, before: int | None = None) -> Events:
        """As :meth:`logship.parsers.multiline.Joiner.flush`."""
        return flush_pending(memory, before, STREAMS).without_empty()

    @abstractmethod
    def texts(self, lines: Sequence[bytes], offsets: Sequence[int], memory: JoinMemory) -> Events:
        """As :meth:`join`, and with the empty lines that the application wrote."""

    def _are_whole(
        self, lines: Sequence[bytes], offsets: Sequence[int], memory: JoinMemory
    ) -> bool:
        """Whether nothing was pending, and no line can be too long."""
        return (
            bool(lines)
            and memory.open.keys().isdisjoint(STREAMS)
            and memory.split.keys().isdisjoint(STREAMS)
            and offsets[-1] - offsets[0] + len(lines[-1]) <= self._limits.max_bytes
        )

    def _put(
        self, line: bytes, offset: int, text: bytes, stream: str, memory: JoinMemory,
        events: Events, *, is_final: bool, time: str | None, fields: Mapping[str, Any],
        tags: tuple[str, ...] = (),
    ) -> None:  # fmt: skip
        """Go on with the *stream* by one line, whose *text* is whole if *is_final*."""
        pending = memory.open.get(stream)
        if pending is not None:
            pending.add(offset, text, line)
            if is_final:
                memory.close(stream).give_to(events)
            return
        if stream in memory.split:
            del memory.split[stream]
            tags = (*tags, *_CONTINUED)
        if is_final and len(text) <= self._limits.max_bytes:
            events.add(offset, zlib.crc32(line), text.rstrip(b"\r\n"), time, fields, tags)
            return
        pending = Pending(
            offset, text, zlib.crc32(line), self._limits, time=time, fields=fields, tags=tags
        )
        if is_final:
            pending.give_to(events)
        else:
            memory.open[stream] = pending


class CriJoiner(Partials):
    """Makes events of the lines of a CRI container log.

    An event's payload is the application's text, its time and stream are the runtime's, and
    its checksum is over its own lines, each without newline. A line of another form is an
    event with a ``parse_error``.
    """

    def texts(self, lines: Sequence[bytes], offsets: Sequence[int], memory: JoinMemory) -> Events:
        """As :meth:`Partials.texts`."""
        memory.prune()
        if self._are_whole(lines, offsets, memory):
            events = _all_complete(lines, offsets)
            if events is not None:
                return events
        events = Events()
        for line, offset in zip(lines, offsets, strict=True):
            found = _read(line)
            if found is None:
                events.add(offset, zlib.crc32(line), line.rstrip(b"\r\n"), fields=_UNREADABLE)
                continue
            time, stream, flag, text = found
            self._put(
                line, offset, text, stream, memory, events,
                is_final=flag == b"F", time=time, fields=STREAMS[stream],
            )  # fmt: skip
        return events


def is_cri_line(line: bytes) -> bool:
    """Whether *line* is one of a CRI container log."""
    return _read(line) is not None


def _read(line: bytes) -> tuple[str, str, bytes, bytes] | None:
    """Return (time, stream, P or F, text); None for a line of another form."""
    parts = line.split(b" ", 3)
    if len(parts) == 3:  # some runtimes leave out the blank before an empty text
        parts.append(b"")
    if len(parts) != 4 or parts[1] not in _NAMES or not _is_time(parts[0]):
        return None
    flag = parts[2].partition(b":")[0]
    if flag not in (b"F", b"P"):
        return None
    return parts[0].decode(), _NAMES[parts[1]], flag, parts[3]


def _all_complete(lines: Sequence[bytes], offsets: Sequence[int]) -> Events | None:
    """The events of lines that are all whole, or None when they are not. Hot."""
    parts = [line.split(b" ", 3) for line in lines]
    try:
        times, streams, flags, texts = zip(*parts, strict=True)
    except ValueError:  # not four parts everywhere
        return None
    joined = b"\n".join(times)
    present = set(streams)
    if set(flags) != {b"F"} or not _FIELDS.keys() >= present or not _are_times(joined + b"\n"):
        return None
    payloads = [text.rstrip(b"\r\n") for text in texts]
    fields = list(map(_FIELDS.__getitem__, streams))
    texts_of_times: list[str | None] = [*joined.decode().split("\n")]
    return Events(
        list(offsets), list(map(zlib.crc32, lines)), payloads, texts_of_times, fields,
        [()] * len(lines),
    )  # fmt: skip


class Stacked:
    """Multiline events within the streams of a container log.

    Their checksum is the one over the first part's lines, continued with the checksums of the
    other parts: the bytes of a part are gone by the time it is known where it belongs.
    """

    def __init__(self, container: Partials, multiline: Multiline) -> None:
        self._container, self._multiline = container, multiline

    def join(self, lines: Sequence[bytes], offsets: Sequence[int], memory: JoinMemory) -> Events:
        """As :meth:`logship.parsers.multiline.Joiner.join`."""
        texts = self._container.texts(lines, offsets, memory)
        return self._within_streams(texts, memory).without_empty()

    def flush(self, memory: JoinMemory, before: int | None = None) -> Events:
        """As :meth:`logship.parsers.multiline.Joiner.flush`."""
        events = self._within_streams(flush_pending(memory, before, STREAMS), memory)
        events.extend(flush_pending(memory, before, _STACKED))
        return events.without_empty()

    def _within_streams(self, texts: Events, memory: JoinMemory) -> Events:
        events = Events()
        start = 0
        for stream, run in groupby(texts.fields, _stream_of):
            stop = start + sum(1 for _ in run)
            part = Events()
            part.extend(texts, start, stop)
            if stream in _STACKED_KEYS:
                key = _STACKED_KEYS[stream]
                self._multiline.join_parts(part, key, memory, events, _checksums)
            else:  # what the container's joiner could not read
                events.extend(part)
            start = stop
        return events


_STACKED_KEYS = {stream: f"{stream} lines" for stream in STREAMS}
_STACKED = tuple(_STACKED_KEYS.values())


def _stream_of(fields: Mapping[str, Any]) -> str:
    return str(fields.get("stream", ""))


def _checksums(parts: Events, start: int, stop: int) -> bytes:
    return b"".join([checksum.to_bytes(4, "big") for checksum in parts.checksums[start:stop]])
