"""``python -m tests.bench.steps``: microseconds per record of single steps, without any I/O.

The first group is the floor: what the libraries need for the same bytes. The second is ours.
Each figure is the best of several runs over the same chunks, warm.
"""

from __future__ import annotations

import timeit
import zlib
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import orjson

from logship.elastic.connection import compress_level_1
from logship.model import Chunk, Documents, merge
from logship.route import Route, compile_route
from logship.route.state import RouteState
from logship.settings.model import IndexSettings, ProcessorSettings, SourceSettings
from logship.sinks.elasticsearch.reply import classify_reply
from logship.sinks.elasticsearch.request import BulkBody
from tests.bench.endpoint import bulk_reply
from tests.bench.records import encode_record, records

CHUNK_BYTES = 128 << 10
CHUNKS_OF_BATCH = 11  # some 5,000 records
COUNT = 20_000
REPEATS = 7
TODAY = datetime.now(UTC).date()


class FixedClock:
    """A clock that stands still."""

    def monotonic(self) -> float:
        """Return 0."""
        return 0.0

    def time(self) -> float:
        """Return noon of the day of the records."""
        return datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC).timestamp()


def chunks_of(lines: list[bytes]) -> list[Chunk]:
    """Return *lines* in chunks of the size that one read gives."""
    chunks: list[Chunk] = []
    data, start = b"", 0
    for line in [*lines, b""]:
        if data and (not line or len(data) + len(line) > CHUNK_BYTES):
            chunks.append(Chunk(data, start, start + len(data), TODAY.isoformat(), 0.0))
            data, start = b"", start + len(data)
        data += line
    return chunks


def route_of(*processors: ProcessorSettings, name: str = "logs-%Y.%m.%d") -> Route:
    """Return the route of a source of JSON lines."""
    source = SourceSettings(name="bench", paths=("/app.log",))
    index = IndexSettings(name=name)
    return compile_route(source, index, processors, host_name="bench", clock=FixedClock())


def routed(route: Route, chunks: list[Chunk]) -> list[Documents]:
    """Return the documents of all chunks."""
    state = RouteState(b"AAAAAAAA", "/app.log")
    return [route(chunk, state)[0] for chunk in chunks]


def route_all(route: Route, chunks: list[Chunk]) -> None:
    """Route all chunks and keep nothing, as when batches leave as fast as they are made."""
    state = RouteState(b"AAAAAAAA", "/app.log")
    drop(route(chunk, state) for chunk in chunks)


def drop(results: Iterable[object]) -> None:
    """Use up *results* and keep none."""
    deque(results, maxlen=0)


def report(name: str, step: Callable[[], object]) -> None:
    """Print one step's cost per record."""
    step()
    best = min(timeit.repeat(step, number=1, repeat=REPEATS))
    print(f"{name:52}{best / COUNT * 1e6:8.2f} µs")


def main() -> None:
    """Measure every step."""
    made = list(records(COUNT, TODAY))
    lines = [encode_record(record) for record in made]
    data = b"".join(lines)
    chunks = chunks_of(lines)
    print(
        f"{COUNT:,} records of {len(data) / COUNT:.0f} bytes, {len(chunks)} chunks; per record:\n"
    )
    report("split", lambda: [len(chunk.data.split(b"\n")) for chunk in chunks])
    # What orjson.dumps returns keeps a far larger allocation alive, so it must not be kept here.
    report("orjson.loads", lambda: drop(map(orjson.loads, lines)))
    report("orjson.dumps", lambda: drop(map(orjson.dumps, made)))
    report("crc32", lambda: drop(map(zlib.crc32, lines)))
    print()
    lower = chunks_of([encode_record({**one, "level": str(one["level"]).lower()}) for one in made])
    report("route: untouched bytes", lambda: route_all(route_of(), chunks))
    report(
        "route: decoded and encoded (levels in lower case)", lambda: route_all(route_of(), lower)
    )
    by_field = route_of(name="{service}-%Y.%m.%d")
    report("route: the same, index named by a field", lambda: route_all(by_field, lower))
    print()
    parts = routed(route_of(), chunks)
    batches = [
        merge(parts[at : at + CHUNKS_OF_BATCH]) for at in range(0, len(parts), CHUNKS_OF_BATCH)
    ]
    bodies = [BulkBody(batch, 0.0) for batch in batches]
    replies = [bulk_reply(len(batch), "create", is_short=True) for batch in batches]
    counts = list(map(len, batches))
    others = [reply.replace(b'"status":201', b'"status":409', 1) for reply in replies]
    report(
        "merge into batches", lambda: drop(map(merge, (parts[:CHUNKS_OF_BATCH],) * len(batches)))
    )
    report("bulk body", lambda: drop(map(drop, bodies)))
    report("bulk body, gzip", lambda: drop(map(compress_level_1, bodies)))
    report("reply: complete success", lambda: drop(map(classify_reply, counts, replies)))
    report("reply: one was there already", lambda: drop(map(classify_reply, counts, others)))


if __name__ == "__main__":
    main()
