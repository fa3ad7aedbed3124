"""The way from a chunk to documents.

Two ways lead through it. A JSON record in which nothing has to change is shipped as its own
bytes, with logship's fields spliced in before them, after a look at the few fields that
matter. Every other record is parsed, lifted into the flat schema, processed and encoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

from logship.interfaces import Clock, Processor, Record
from logship.model import Chunk, Documents, action_head, merge
from logship.parsers import Parser
from logship.parsers.events import Events, Joiner, add_to_record
from logship.parsers.syslog import with_year
from logship.processors import AddFields
from logship.route.columns import Columns
from logship.route.look import DECIDING
from logship.route.splice import HOST, Splice, context_of
from logship.route.state import HEADS_KEPT, AcceptWindow, RouteState
from logship.schema.ecs import lift_ecs, to_ecs
from logship.schema.encode import encode_record
from logship.schema.flat import add_tag, lift, move_to_extra
from logship.schema.times import parse_time, utc_text
from logship.settings.model import Schema
from logship.sinks.index_names import IndexNames

__all__ = ["Route"]

_OF_UNPARSED = {"message", "parse_error", "tags"}


class Route:
    """A source's compiled way from chunk to documents.

    Attributes:
        parse_errors: Lines so far that could not be parsed and were shipped as text.
        dropped: Records so far that a processor dropped on purpose.
        skipped_nul_bytes: NUL bytes so far before lines: holes left by a writer.
    """

    def __init__(
        self,
        parser: Parser,
        processors: Sequence[Processor],
        names: IndexNames,
        window: AcceptWindow,
        *,
        zone_name: str,
        host_name: str,
        clock: Clock,
        stable_ids: bool,
        reads_json: bool,
        joiner: Joiner | None = None,
        schema: Schema = "flat",
    ) -> None:
        self._joiner = joiner
        self._parser, self._processors = parser, list(processors)
        self._names, self._window, self._clock = names, window, clock
        self._zone = None if zone_name == "local" else ZoneInfo(zone_name)
        self._host_name, self._stable_ids = host_name, stable_ids
        self._is_ecs = schema == "ecs"
        constants = _constants(self._processors)
        self._splice = None
        if (
            reads_json
            and not self._is_ecs
            and joiner is None
            and constants is not None
            and not names.has_fields
            and not any(name in DECIDING for name in constants)
        ):
            self._splice = Splice(
                host_name, constants, self._head, names.key_length, stable_ids=stable_ids
            )
        self.parse_errors = self.dropped = self.skipped_nul_bytes = 0

    def __call__(self, chunk: Chunk, state: RouteState) -> tuple[Documents, int]:
        """Return the documents of *chunk*, without receipts, and up to where they confirm it.

        Never raises for anything a line may hold. The same chunk under the same state gives
        the same heads and ids, whenever and however often it is routed.
        """
        self._begin_day(chunk.day, state)
        if self._joiner is not None:
            documents = self._joined(chunk, state, self._joiner)
        else:
            documents = self._unjoined(chunk, state)
        pending = self.pending_start(state)
        if pending is None:
            state.confirmed_end = chunk.end
        elif pending >= chunk.start:
            state.confirmed_end = pending
        return documents, state.confirmed_end

    def pending_start(self, state: RouteState) -> int | None:
        """Where the oldest event under way begins, of which the end was not seen; None: none."""
        return state.join.pending_start if self._joiner is not None else None

    def flush(self, state: RouteState, day: str) -> Documents:
        """Return what is under way as if it ended here; *day* is the mark that holds there."""
        self._begin_day(day, state)
        events = Events() if self._joiner is None else self._joiner.flush(state.join)
        return self._of_events(events, state, self._clock.monotonic())

    def _begin_day(self, day: str, state: RouteState) -> None:
        if day != state.day:
            state.day = day
            state.heads.clear()

    def _unjoined(self, chunk: Chunk, state: RouteState) -> Documents:
        splice = self._splice
        if splice is None or chunk.is_cut or chunk.is_continued or not splice.is_worth_a_look():
            if splice is not None:
                splice.looked(0)
            return self._line_by_line(chunk, state, None)
        documents = splice.whole(chunk, state) if chunk.form.is_plain else None
        if documents is None:
            return self._line_by_line(chunk, state, splice)
        splice.looked(len(documents))
        return documents

    def _joined(self, chunk: Chunk, state: RouteState, joiner: Joiner) -> Documents:
        if chunk.is_cut:  # too long for any event but its own
            before = self._of_events(joiner.flush(state.join), state, chunk.read_at)
            return merge([before, self._line_by_line(chunk, state, None)])
        lines, offsets, checksums = self._lines(chunk)
        if chunk.form.is_plain:
            events = joiner.join(lines, offsets, state.join)
        else:
            events = joiner.join(lines, offsets, state.join, checksums)
        if chunk.is_split:
            events.extend(joiner.flush(state.join))
        return self._of_events(events, state, chunk.read_at)

    def _lines(self, chunk: Chunk) -> tuple[list[bytes], list[int], list[int]]:
        """Return the lines of *chunk* in UTF-8, their offsets, and unless it is plain their
        checksums.
        """
        form = chunk.form
        checksums: list[int] = []
        if form.is_plain:
            lines, offsets, nul_bytes = form.lines(chunk.data, chunk.start)
        else:
            lines, offsets, checksums, nul_bytes = form.texts(
                chunk.data, chunk.start, is_one=chunk.is_cut
            )
        self.skipped_nul_bytes += nul_bytes
        return lines, offsets, checksums

    def _line_by_line(self, chunk: Chunk, state: RouteState, splice: Splice | None) -> Documents:
        columns = Columns(stable_ids=self._stable_ids)
        plain = 0
        lines, offsets, checksums = self._lines(chunk)
        if chunk.is_cut:
            checksums = [chunk.crc]
        for line, offset, checksum in zip(
            lines, offsets, checksums or map(zlib.crc32, lines), strict=True
        ):
            made = None
            if splice is not None and b"\n" not in line:  # in a bulk body, it would end a line
                made = splice.one(line, state)
            if made is not None:
                plain += 1
            elif line and line != b"\r":
                tags = ("cut",) if chunk.is_cut else ()
                if chunk.is_continued and offset == chunk.start:
                    tags = (*tags, "continued")
                made = self._ordinary(line, state, tags)
            if made is not None:
                columns.add(made, offset, checksum)
        if splice is not None:
            splice.looked(plain)
        return columns.documents(chunk.read_at)

    def _of_events(self, events: Events, state: RouteState, read_at: float) -> Documents:
        columns = Columns(stable_ids=self._stable_ids)
        for offset, checksum, payload, time, fields, tags in zip(
            events.offsets, events.checksums, events.payloads,
            events.times, events.fields, events.tags, strict=True,
        ):  # fmt: skip
            made = self._ordinary(payload, state, tags, time, fields)
            if made is not None:
                columns.add(made, offset, checksum)
        return columns.documents(read_at)

    def _ordinary(
        self,
        line: bytes,
        state: RouteState,
        tags: Sequence[str] = (),
        time: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> tuple[bytes, bytes, bytes] | None:
        """Parse, lift, process and encode one line or event to (head, context, body).

        Args:
            time: When a container's runtime got it, for records that have no time of their own.
            fields: What else the runtime says of it.

        Returns:
            None when a processor dropped it.
        """
        if line.endswith(b"\r"):
            line = line[:-1]
        record = self._parser(line)
        if "parse_error" in record and record.keys() <= _OF_UNPARSED:
            self.parse_errors += 1
        if fields:
            add_to_record(record, fields)
        if time is not None and not line.startswith(b"{"):
            record["@timestamp"] = time  # a text's own time may be in any zone
        own_time = record.get("@timestamp")
        if isinstance(own_time, str) and own_time.startswith("--"):  # syslog's has no year
            record["@timestamp"] = with_year(own_time, state.day) or own_time
        if self._is_ecs:
            lift_ecs(record, self._zone)
        else:
            lift(record, self._zone)
        if time is not None and "@timestamp" not in record:
            record["@timestamp"] = parse_time(time, UTC)
        for tag in tags:
            add_tag(record, tag)
        for process in self._processors:
            processed = process(record)
            if processed is None:
                self.dropped += 1
                return None
            record = processed
        head = self._place(record, state)
        if self._is_ecs:
            to_ecs(record)
        body = encode_record(record)
        if HOST in record:
            context = context_of(state, "own host", {})
        else:
            context = context_of(state, "our host", {HOST: self._host_name})
        return head, context, body[1:]

    def _place(self, record: Record, state: RouteState) -> bytes:
        """Return the head for *record*, giving it a time when it has no usable one."""
        time = record.get("@timestamp")
        named = self._with_host(record) if self._names.has_fields else record
        head = self._head(time, state, named) if isinstance(time, str) else None
        if head is not None:
            state.last_time = time
            return head
        if time is not None:
            move_to_extra(record, "@timestamp", time)
        time = state.last_time
        head = self._head(time, state, named) if time else None
        if head is not None:
            add_tag(record, "time_inherited")
        else:
            time = self._time_of_reading(state.day[:10])
            add_tag(record, "time_of_reading")
            head = self._head_of_reading(state, named)
        record["@timestamp"] = time
        return head

    def _with_host(self, record: Record) -> Record:
        """What decides names: the host's is only put before the record's bytes later on."""
        return record if HOST in record else {**record, HOST: self._host_name}

    def _head_of_reading(self, state: RouteState, record: Record) -> bytes:
        """Return the head for the mark's day: the index may not depend on the attempt."""
        key = ("of reading", *self._names.values(record))
        head = state.heads.get(key)
        if head is None:
            head = self._make_head(f"{state.day[:10]}T12:00", key, state, record)
        return head

    def _time_of_reading(self, day: str) -> str:
        """Now, kept within the mark's day."""
        now = utc_text(self._clock.time())
        if now[:10] == day:
            return now
        return f"{day}T00:00:00.000Z" if now < day else f"{day}T23:59:59.999Z"

    def _head(self, time: str, state: RouteState, record: Record | None = None) -> bytes | None:
        """Return the head for a UTC time, or None when the time is not believed."""
        key: object = time[: self._names.key_length]
        if self._names.has_fields:
            key = (key, *self._names.values(record))
        head = state.heads.get(key)
        if head is not None:
            return head
        if not self._window.accepts(time[:10], state.day):
            return None
        try:
            return self._make_head(time, key, state, record)
        except (ValueError, OverflowError):  # no such day, as 30 February
            return None

    def _make_head(self, time: str, key: object, state: RouteState, record: Record | None) -> bytes:
        name = self._names.name(time[: self._names.key_length], record)
        is_expired = self._window.is_expired(time[:10], state.day)
        head = action_head(name, state.seed, with_id=self._stable_ids, is_expired=is_expired)
        if len(state.heads) >= HEADS_KEPT:
            state.heads.clear()
        state.heads[key] = head
        return head


def _constants(processors: Sequence[Processor]) -> dict[str, tuple[Any, bool]] | None:
    """Return name → (value, overwrites) when all processors only add fields, else None."""
    constants: dict[str, tuple[Any, bool]] = {}
    for process in processors:
        if not isinstance(process, AddFields):
            return None
        for name, value in process.fields.items():
            if name in constants and not process.overwrites:
                continue
            overwrites = process.overwrites or constants.get(name, (None, False))[1]
            constants[name] = (value, overwrites)
    return constants
