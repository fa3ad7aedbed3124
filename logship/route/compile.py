"""Compiles a source's settings into one function from a chunk to documents.

Two ways lead through it. A JSON record in which nothing has to change is shipped as its own
bytes, with logship's fields spliced in before them, after a look at the few fields that
matter. Every other record is parsed, lifted into the flat schema, processed and encoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any
from zoneinfo import ZoneInfo

from logship.ids import event_ids
from logship.interfaces import Clock, Processor, Record
from logship.model import Chunk, Documents, action_head
from logship.parsers import PARSERS, Parser
from logship.processors import AddFields, compile_processors
from logship.route.look import DECIDING
from logship.route.splice import HOST, Splice, context_of
from logship.route.state import HEADS_KEPT, AcceptWindow, RouteState
from logship.schema.encode import encode_record
from logship.schema.flat import add_tag, lift, move_to_extra
from logship.schema.times import utc_text
from logship.settings.model import IndexSettings, ProcessorSettings, SourceSettings
from logship.sinks.index_names import IndexNames

__all__ = ["Route", "compile_route"]

_OF_UNPARSED = {"message", "parse_error", "tags"}


def compile_route(
    source: SourceSettings,
    index: IndexSettings,
    processors: Sequence[ProcessorSettings],
    *,
    host_name: str,
    clock: Clock,
    stable_ids: bool = True,
) -> Route:
    """Return the route of *source*.

    Args:
        processors: Of all sources; the source's own come first.
        host_name: What records that name no host get as ``host.name``.
        clock: For records without any time.
        stable_ids: False leaves ids to Elasticsearch.
    """
    steps: list[Processor] = []
    if source.fields:
        steps.append(AddFields(source.fields, overwrites=False))
    steps += compile_processors((*source.processors, *processors))
    return Route(
        PARSERS[source.format],
        steps,
        IndexNames(index.name, index.timezone),
        AcceptWindow(index.accept_past_seconds, index.accept_future_seconds),
        zone_name=source.timezone,
        host_name=host_name,
        clock=clock,
        stable_ids=stable_ids,
        reads_json=source.format in ("auto", "json"),
    )


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
    ) -> None:
        self._parser, self._processors = parser, list(processors)
        self._names, self._window, self._clock = names, window, clock
        self._zone = None if zone_name == "local" else ZoneInfo(zone_name)
        self._host_name, self._stable_ids = host_name, stable_ids
        constants = _constants(self._processors)
        self._splice = None
        if (
            reads_json
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
        if chunk.day != state.day:
            state.day = chunk.day
            state.heads.clear()
        splice = self._splice
        if splice is None or chunk.is_cut or chunk.is_continued or not splice.is_worth_a_look():
            if splice is not None:
                splice.looked(0)
            return self._line_by_line(chunk, state, None), chunk.end
        documents = splice.whole(chunk, state)
        if documents is None:
            documents = self._line_by_line(chunk, state, splice)
        else:
            splice.looked(len(documents))
        return documents, chunk.end

    def _line_by_line(self, chunk: Chunk, state: RouteState, splice: Splice | None) -> Documents:
        heads: list[bytes] = []
        contexts: list[bytes] = []
        offsets: list[int] = []
        checksums: list[int] = []
        bodies: list[bytes] = []
        lines = chunk.data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        after = chunk.start
        plain = 0
        for line in lines:
            offset, after = after, after + len(line) + 1
            made = splice.one(line, state) if splice is not None else None
            if made is not None:
                plain += 1
            else:
                if line[:1] == b"\0":
                    line = line.lstrip(b"\0")
                    self.skipped_nul_bytes += after - 1 - len(line) - offset
                    offset = after - 1 - len(line)
                if not line or line == b"\r":
                    continue
                made = self._ordinary(line, offset, chunk, state)
                if made is None:
                    continue
            heads.append(made[0])
            contexts.append(made[1])
            bodies.append(made[2])
            offsets.append(offset)
            checksums.append(chunk.crc if chunk.is_cut else zlib.crc32(line))
        if splice is not None:
            splice.looked(plain)
        ids = event_ids(offsets, checksums) if self._stable_ids else [b""] * len(bodies)
        numbers = [b"%d," % offset for offset in offsets]
        return Documents.of((heads, ids, contexts, numbers, bodies), chunk.read_at)

    def _ordinary(
        self, line: bytes, offset: int, chunk: Chunk, state: RouteState
    ) -> tuple[bytes, bytes, bytes] | None:
        """Parse, lift, process and encode one line to (head, context, body).

        None when a processor dropped it.
        """
        if line.endswith(b"\r"):
            line = line[:-1]
        record = self._parser(line)
        if "parse_error" in record and record.keys() <= _OF_UNPARSED:
            self.parse_errors += 1
        lift(record, self._zone)
        if chunk.is_cut:
            add_tag(record, "cut")
        if chunk.is_continued and offset == chunk.start:
            add_tag(record, "continued")
        for process in self._processors:
            processed = process(record)
            if processed is None:
                self.dropped += 1
                return None
            record = processed
        head = self._place(record, state)
        body = encode_record(record)
        if HOST in record:
            context = context_of(state, "own host", {})
        else:
            context = context_of(state, "our host", {HOST: self._host_name})
        return head, context, body[1:]

    def _place(self, record: Record, state: RouteState) -> bytes:
        """Return the head for *record*, giving it a time when it has no usable one."""
        time = record.get("@timestamp")
        head = self._head(time, state, record) if isinstance(time, str) else None
        if head is not None:
            state.last_time = time
            return head
        if time is not None:
            move_to_extra(record, "@timestamp", time)
        time = state.last_time
        head = self._head(time, state, record) if time else None
        if head is not None:
            add_tag(record, "time_inherited")
        else:
            time = self._time_of_reading(state.day[:10])
            add_tag(record, "time_of_reading")
            head = self._head_of_reading(state, record)
        record["@timestamp"] = time
        return head

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
        head = action_head(name, state.seed, with_id=self._stable_ids)
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
