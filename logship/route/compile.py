"""Compiles a source's settings into one function from a chunk to documents.

Hot: this is where the time per record goes. Guarded by ``make bench`` and its steps.

Two ways lead through it. A JSON record in which nothing has to change is shipped as its own
bytes, with logship's fields spliced in before them, after a look at the few fields that
matter. Every other record is parsed, lifted into the flat schema, processed and encoded.
"""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Sequence
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from msgspec import UNSET

from logship.ids import event_ids
from logship.interfaces import Clock, Processor, Record
from logship.model import Chunk, Documents, action_head, wire_bytes
from logship.parsers import PARSERS, Parser
from logship.processors import AddFields, compile_processors
from logship.route.look import DECIDING, PLAIN_LEVELS, Look, is_plain_time
from logship.route.state import HEADS_KEPT, AcceptWindow, RouteState
from logship.schema.encode import encode_record
from logship.schema.flat import add_tag, lift
from logship.schema.times import utc_text
from logship.settings.model import IndexSettings, ProcessorSettings, SourceSettings
from logship.sinks.index_names import IndexNames

__all__ = ["Route", "compile_route"]

HOST, PATH, OFFSET = "host.name", "log.file.path", "log.offset"
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
        can_splice = (
            reads_json
            and constants is not None
            and not names.has_fields
            and not any(name in DECIDING for name in constants)
        )
        self._constants = constants or {}
        self._look = Look(tuple(self._constants)) if can_splice else None
        self._added = {name: value for name, (value, _) in self._constants.items()}
        self.parse_errors = self.dropped = self.skipped_nul_bytes = 0

    def __call__(self, chunk: Chunk, state: RouteState) -> tuple[Documents, int]:
        """Return the documents of *chunk*, without receipts, and up to where they confirm it.

        Never raises for anything a line may hold. The same chunk under the same state gives
        the same heads and ids, whenever and however often it is routed.
        """
        if chunk.day != state.day:
            state.day = chunk.day
            state.heads.clear()
        lines = chunk.data.split(b"\n")
        if not lines[-1]:
            lines.pop()
        special = chunk.is_cut or chunk.is_continued
        if self._look is None or special:
            looks: Sequence[tuple[Any, ...] | None] = (None,) * len(lines)
        else:
            looks = self._look.at(chunk.data, lines)
        heads, offsets, checksums, bodies = self._columns(chunk, state, lines, looks)
        if chunk.is_cut and checksums:
            checksums[0] = chunk.crc
        ids = event_ids(offsets, checksums) if self._stable_ids else [b""] * len(bodies)
        size = wire_bytes(heads, ids, bodies)
        return Documents(heads, ids, bodies, [], size, chunk.read_at), chunk.end

    def _columns(
        self,
        chunk: Chunk,
        state: RouteState,
        lines: Sequence[bytes],
        looks: Sequence[tuple[Any, ...] | None],
    ) -> tuple[list[bytes], list[int], list[int], list[bytes]]:
        heads: list[bytes] = []
        offsets: list[int] = []
        checksums: list[int] = []
        bodies: list[bytes] = []
        look = self._look
        nothing = look.nothing if look else ()
        absent = look.absent if look else slice(0)
        has_constants = bool(self._constants)
        prefix = self._context(state, (), {HOST: self._host_name, **self._added})
        known, key_length, crc32 = state.heads.get, self._names.key_length, zlib.crc32
        last_time = state.last_time
        offset = chunk.start
        for line, seen in zip(lines, looks, strict=True):
            at, offset = offset, offset + len(line) + 1
            if seen is not None and seen[absent] == nothing and line[0] == 123:
                time, level, trace, span = seen[:4]
                if (
                    level in PLAIN_LEVELS
                    and time
                    and is_plain_time(time)
                    and (trace is UNSET or (trace and len(trace) == 32 and trace.islower()))
                    and (span is UNSET or (span and len(span) == 16 and span.islower()))
                ):
                    head = known(time[:key_length]) or self._head(time, state, None)
                    before = self._prefix(state, seen) if has_constants else prefix
                    if head is not None and before is not None:
                        heads.append(head)
                        offsets.append(at)
                        checksums.append(crc32(line))
                        bodies.append(b"%b%d,%b\n" % (before, at, line[1:]))
                        last_time = time
                        continue
            if line[:1] == b"\0":
                line = line.lstrip(b"\0")
                self.skipped_nul_bytes += offset - 1 - len(line) - at
                at = offset - 1 - len(line)
            if not line or line == b"\r":
                continue
            state.last_time = last_time
            made = self._ordinary(line, at, chunk, state)
            last_time = state.last_time
            if made is not None:
                heads.append(made[0])
                offsets.append(at)
                checksums.append(crc32(line))
                bodies.append(made[1])
        state.last_time = last_time
        return heads, offsets, checksums, bodies

    def _ordinary(
        self, line: bytes, offset: int, chunk: Chunk, state: RouteState
    ) -> tuple[bytes, bytes] | None:
        """Parse, lift, process and encode one line; None when a processor dropped it."""
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
            before = self._context(state, "own host", {})
        else:
            before = self._context(state, "ours", {HOST: self._host_name})
        return head, b"%b%d,%b\n" % (before, offset, body[1:])

    def _place(self, record: Record, state: RouteState) -> bytes:
        """Return the head for *record*, giving it a time when it has no usable one."""
        time = record.get("@timestamp")
        head = self._head(time, state, record) if isinstance(time, str) else None
        if head is not None:
            state.last_time = time
            return head
        if time is not None:
            extra = record.setdefault("extra", {})
            extra.setdefault("@timestamp", time)
        time = state.last_time
        head = self._head(time, state, record) if time else None
        if head is not None:
            add_tag(record, "time_inherited")
        else:
            time = self._time_of_reading(state.day[:10])
            add_tag(record, "time_of_reading")
            head = self._make_head(time, state, record)
        record["@timestamp"] = time
        return head

    def _time_of_reading(self, day: str) -> str:
        """Now, kept within the mark's day: the index may not depend on the attempt."""
        now = utc_text(self._clock.time())
        if now[:10] == day:
            return now
        return f"{day}T00:00:00.000Z" if now < day else f"{day}T23:59:59.999Z"

    def _head(self, time: str, state: RouteState, record: Record | None) -> bytes | None:
        """Return the head for a UTC time, or None when the time is not believed."""
        key = time[: self._names.key_length]
        if record is None or not self._names.has_fields:
            head = state.heads.get(key)
            if head is not None:
                return head
        if not self._window.accepts(time[:10], state.day[-10:]):
            return None
        try:
            return self._make_head(time, state, record)
        except ValueError:  # no such day, as 30 February
            return None

    def _make_head(self, time: str, state: RouteState, record: Record | None) -> bytes:
        key = time[: self._names.key_length]
        name = self._names.name(key, record)
        head = action_head(name, state.seed, with_id=self._stable_ids)
        if not self._names.has_fields:
            if len(state.heads) >= HEADS_KEPT:
                state.heads.clear()
            state.heads[key] = head
        return head

    def _prefix(self, state: RouteState, seen: tuple[Any, ...]) -> bytes | None:
        """Return what goes before a record's own bytes; None when that cannot be.

        The constants that a record brings itself are left out, unless they overwrite.
        """
        assert self._look is not None
        there = tuple([value is not UNSET for value in seen[self._look.constants]])
        added: dict[str, Any] = {HOST: self._host_name}
        if there not in state.contexts:
            for present, (name, (value, overwrites)) in zip(
                there, self._constants.items(), strict=True
            ):
                if not present:
                    added[name] = value
                elif overwrites:
                    return None
        return self._context(state, there, added)

    def _context(self, state: RouteState, key: Hashable, added: Record) -> bytes:
        """Return the beginning of a body up to the offset's number; made once per *key*."""
        context = state.contexts.get(key)
        if context is None:
            context = orjson.dumps({**added, PATH: state.path, OFFSET: 0})[1:-2]
            state.contexts[key] = context
        return context


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
