"""Joins lines to events as a grouping tells where events begin."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise

from logship.parsers.events import (
    NO_FIELDS,
    Events,
    JoinMemory,
    Limits,
    Pending,
    flush_pending,
    merged_tags,
    packed_checksums,
    tidy,
)

__all__ = ["Grouping", "Multiline"]

_EMPTY = (b"", b"\r")

# (lines, state of the event under way or None) → (where events begin, state afterwards).
# Positions ascend; len(lines) among them says that the last line ends its event.
Grouping = Callable[[Sequence[bytes], str | None], tuple[list[int], str | None]]


class Multiline:
    """Joins lines to events as a grouping tells.

    Empty lines at an event's end are not part of it, and none begins one. The event's payload
    has its lines with ``\\n`` between them.
    """

    def __init__(self, grouping: Grouping, limits: Limits | None = None) -> None:
        self._grouping, self._limits = grouping, limits or Limits()

    def join(
        self,
        lines: Sequence[bytes],
        offsets: Sequence[int],
        memory: JoinMemory,
        checksums: Sequence[int] | None = None,
    ) -> Events:
        """As :meth:`logship.parsers.events.Joiner.join`."""
        memory.prune()
        count = len(lines)
        parts = Events(
            list(offsets), list(checksums or map(zlib.crc32, lines)), list(lines),
            [None] * count, [NO_FIELDS] * count, [()] * count,
        )  # fmt: skip
        events = Events()
        raw_of = _newline_and_lines if checksums is None else packed_checksums
        self.join_parts(parts, "", memory, events, raw_of)
        return events.without_empty()

    def flush(self, memory: JoinMemory, before: int | None = None) -> Events:
        """As :meth:`logship.parsers.events.Joiner.flush`."""
        return flush_pending(memory, before).without_empty()

    def join_parts(
        self, parts: Events, key: str, memory: JoinMemory, events: Events,
        raw_of: Callable[[Events, int, int], bytes],
    ) -> None:  # fmt: skip
        """Append to *events* what *parts*, the next of the stream *key*, complete.

        Args:
            raw_of: (parts, start, stop) → what these parts, none an event's first, add to its
                checksum.
        """
        if not parts:
            return
        pending = memory.open.get(key)
        begins, state = self._grouping(parts.payloads, pending.state if pending else None)
        if pending is not None:
            for i in range(begins[0] if begins else len(parts)):
                pending.add(parts.offsets[i], b"\n" + parts.payloads[i], raw_of(parts, i, i + 1))
                pending.tags = merged_tags((pending.tags, parts.tags[i]))
            if not begins:
                pending.state = state
                return
            memory.close(key).give_to(events)
        else:
            if not begins or begins[0] > 0:
                begins = [0, *begins]
            if key in memory.split:
                self._tag_continued(parts, key, memory)
        self._give(parts, begins, memory, events, raw_of)
        rest = self._pending(parts, begins[-1], len(parts), raw_of)
        if rest is not None:
            rest.state = state
            memory.open[key] = rest

    def _give(
        self, parts: Events, begins: list[int], memory: JoinMemory, events: Events,
        raw_of: Callable[[Events, int, int], bytes],
    ) -> None:  # fmt: skip
        limits, payloads = self._limits, parts.payloads
        for start, stop in pairwise(begins):
            while stop > start and payloads[stop - 1] in _EMPTY:
                stop -= 1
            while start < stop and payloads[start] in _EMPTY:
                start += 1
            if start == stop:
                continue
            checksum, tags = parts.checksums[start], parts.tags[start]
            payload = payloads[start]
            if stop - start > 1:
                payload = b"\n".join(payloads[start:stop])
                checksum = zlib.crc32(raw_of(parts, start + 1, stop), checksum)
                tags = merged_tags(parts.tags[start:stop])
                memory.spans(parts.offsets[start], parts.offsets[stop - 1])
            if stop - start > limits.max_lines or len(payload) > limits.max_bytes:
                cut = self._pending(parts, start, stop, raw_of)
                assert cut is not None
                cut.give_to(events)
            else:
                events.add(parts.offsets[start], checksum, tidy(payload), parts.times[start],
                           parts.fields[start], tags)  # fmt: skip

    def _pending(
        self, parts: Events, start: int, stop: int, raw_of: Callable[[Events, int, int], bytes]
    ) -> Pending | None:
        """The event of the parts from *start* up to *stop*; None when all are empty."""
        while start < stop and parts.payloads[start] in _EMPTY:
            start += 1
        if start == stop:
            return None
        pending = Pending(
            parts.offsets[start], parts.payloads[start], parts.checksums[start], self._limits,
            time=parts.times[start], fields=parts.fields[start],
            tags=merged_tags(parts.tags[start:stop]),
        )  # fmt: skip
        for i in range(start + 1, stop):
            pending.add(parts.offsets[i], b"\n" + parts.payloads[i], raw_of(parts, i, i + 1))
        return pending

    def _tag_continued(self, parts: Events, key: str, memory: JoinMemory) -> None:
        """Tag the first line that is not empty when it would have gone on before the split.

        Only a tag: where events begin may not depend on what came before the split.
        """
        first = next((i for i, line in enumerate(parts.payloads) if line not in _EMPTY), None)
        if first is None:
            return
        begins, _ = self._grouping(parts.payloads[: first + 1], memory.split.pop(key))
        if first not in begins:
            parts.tags[first] = merged_tags((parts.tags[first], ("continued",)))


def _newline_and_lines(parts: Events, start: int, stop: int) -> bytes:
    return b"\n" + b"\n".join(parts.payloads[start:stop])
