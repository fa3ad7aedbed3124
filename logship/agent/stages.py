"""Settings become stages: sources with their routes, buffer, overflow, delivery, sink."""

from __future__ import annotations

import glob
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from logship.agent.reader import MakeSource, Reader
from logship.buffer import Buffer
from logship.checkpoints.store import CheckpointStore
from logship.elastic import Elastic
from logship.host import boot_id
from logship.interfaces import Clock, Sink
from logship.pipeline import Delivery, Keeping
from logship.pipeline.overflow import Overflow
from logship.route import RouteState, choose_format, compile_route
from logship.routing_change import take_over
from logship.settings.model import DeliverySettings, HeldSettings, Settings, SourceSettings
from logship.sinks.dead_letters import DeadLetterFiles
from logship.sinks.elasticsearch import ElasticsearchSink
from logship.sinks.elasticsearch.gate import Gate
from logship.sinks.elasticsearch.request import INGESTED
from logship.sinks.held_files import GROWING_SECONDS, HeldFiles
from logship.sources.file import FileSource, Seeding
from logship.sources.file.discovery import names
from logship.sources.spool import SpoolSource

__all__ = [
    "DEAD_LETTERS",
    "SPOOL",
    "make_buffer",
    "make_delivery",
    "make_overflow",
    "make_readers",
    "make_sink",
    "make_spool",
]

# Folders in the state folder.
DEAD_LETTERS, HELD, SPOOL = "dead-letters", "held", "spool"


def make_readers(
    settings: Settings, store: CheckpointStore, *, host_id: str, host_name: str, clock: Clock,
    pool: ThreadPoolExecutor, once: bool,
) -> list[Reader]:  # fmt: skip
    """Return what reads each source, in the order of the settings. Blocking.

    Args:
        store: Where they resume; gets their settings, if these decide ids and indices as before.
        host_id: Goes into the seeds of file contents.
        host_name: Goes into records.
        pool: For reading files.
        once: Each reads what is there, and ends.
    """
    seeding = Seeding(
        store, host_id=host_id, boot_id=boot_id(), clock=clock, choose_format=choose_format
    )
    make_file_source = partial(
        FileSource, store=store, seeding=seeding, clock=clock, pool=pool, make_memory=RouteState,
        once=once,
    )  # fmt: skip
    readers = []
    for source in settings.sources:
        make: MakeSource = partial(SpoolSource, clock=clock, once=once)
        change = None
        if source.type != "spool":
            make = make_file_source
            change = take_over(
                store, settings, source, names(source.paths), host_name=host_name, clock=clock
            )
        route = compile_route(
            source,
            settings.index,
            settings.processors,
            host_name=host_name,
            clock=clock,
            stable_ids=settings.delivery.ids == "stable",
            schema=settings.schema,
        )
        readers.append(Reader(source, route, make, change))
    return readers


def make_spool(
    settings: DeliverySettings, state: Path, *, clock: Clock, once: bool
) -> SpoolSource | None:
    """Return the source of what was put aside; None where nothing is, nor will be.

    Args:
        state: The state folder.
    """
    folder = state / SPOOL
    if settings.when_full != "spool" and not folder.exists():
        return None
    own = SourceSettings(
        "spool", (glob.escape(str(folder)),), type="spool", scan_interval_seconds=1.0
    )
    return SpoolSource(own, clock=clock, once=once)


def make_buffer(settings: DeliverySettings, clock: Clock) -> Buffer:
    """Return the buffer, empty."""
    return Buffer(
        max_bytes=settings.buffer_bytes,
        batch_bytes=settings.batch_bytes,
        batch_records=settings.batch_records,
        batch_age_seconds=settings.batch_age_seconds,
        clock=clock,
    )


def make_sink(
    settings: Settings, elastic: Elastic, clock: Clock, pool: Executor
) -> ElasticsearchSink:
    """Return the sink; closing it closes *elastic*."""
    return ElasticsearchSink(
        elastic,
        clock=clock,
        pool=pool,
        gate=Gate(settings.index),
        ingested=INGESTED[settings.schema],
    )


def make_delivery(
    settings: Settings, state: Path, buffer: Buffer, sink: Sink, *, target: str, clock: Clock,
    pool: Executor,
) -> Delivery:  # fmt: skip
    """Return the delivery from *buffer* to *sink*, with the files of what cannot be stored.

    Args:
        state: The state folder.
        target: What the sink is called in log lines.
    """
    dead_letters = DeadLetterFiles(
        state / DEAD_LETTERS, clock=clock, pool=pool, max_bytes=settings.dead_letters.max_bytes
    )
    return Delivery(
        buffer,
        sink,
        dead_letters if settings.delivery.rejected == "dead_letter" else None,
        max_in_flight=settings.delivery.max_in_flight,
        clock=clock,
        keeping=_keeping(settings.held, state / HELD, clock, pool),
        target=target,
    )


def make_overflow(
    settings: Settings, state: Path, buffer: Buffer, *, dropped: Callable[[int], None],
    host_name: str, clock: Clock, pool: Executor,
) -> Overflow | None:  # fmt: skip
    """Return the way into *buffer* that does not wait; None where sources wait when it is full.

    Args:
        state: The state folder.
        dropped: Called with how many records were dropped just now.
    """
    return Overflow.of(
        settings,
        buffer,
        dropped=dropped,
        host_name=host_name,
        clock=clock,
        directory=state / SPOOL,
        pool=pool,
    )


def _keeping(settings: HeldSettings, directory: Path, clock: Clock, pool: Executor) -> Keeping:
    growing = GROWING_SECONDS
    if settings.limit_seconds is not None:
        growing = min(growing, settings.limit_seconds / 10)
    files = HeldFiles(directory, clock=clock, max_bytes=settings.max_bytes, growing_seconds=growing)
    return Keeping(
        files,
        pool=pool,
        after_seconds=settings.after_seconds,
        limit_seconds=settings.limit_seconds,
    )
