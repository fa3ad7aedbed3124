"""The composition root: settings become sources, routes, buffer, delivery and sink.

Starts them in the order the data flows, and stops them in the same order.
"""

from __future__ import annotations

import asyncio
import glob
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from logship.buffer import Buffer
from logship.checkpoints.store import CheckpointStore
from logship.elastic import Elastic
from logship.errors import StateError
from logship.host import HostId, boot_id, host_id, host_name
from logship.indices.keeper import IndexKeeper
from logship.interfaces import Clock
from logship.pipeline import Delivery, Ingestion, Keeping, Totals
from logship.pipeline.overflow import Overflow, SpoolIntake, size_of_spool
from logship.route import AutoRoute, Route, RouteState, choose_format, compile_route
from logship.routing_change import CountedRoute, RoutingChange, take_over
from logship.settings.model import Settings, SourceSettings
from logship.sinks.dead_letter_age import purge_regularly
from logship.sinks.dead_letter_box import DeadLetterBox
from logship.sinks.dead_letters import DeadLetterFiles
from logship.sinks.elasticsearch import ElasticsearchSink
from logship.sinks.elasticsearch.gate import Gate
from logship.sinks.elasticsearch.request import INGESTED
from logship.sinks.elasticsearch.template import confirm_template
from logship.sinks.elasticsearch.version import confirm_version
from logship.sinks.held_files import GROWING_SECONDS, HeldFiles
from logship.sources.file import FileSource, Seeding
from logship.sources.file.discovery import names as is_named_by
from logship.sources.spool import SpoolSource
from logship.state_dir import StateDir

__all__ = ["Agent", "Summary"]

log = logging.getLogger(__name__)

SAVE_SECONDS = 1.0
LONGEST_RETRY_SECONDS = 30.0
SAY_AGAIN_SECONDS = 60.0
RETENTION_SECONDS = 10.0


class SystemClock:
    """The machine's own time."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended.

    Attributes:
        totals: What became of the records.
        unconfirmed: Records read and neither delivered nor in a held file or dead letter; they
            are read again by the next run.
        held: Records in the held files, those of earlier runs included; they go when Elasticsearch
            takes them.
        unreadable: Files that are there and could not be read.
        put_aside_bytes: Size of what is in the spool still; the next run sends it.
    """

    totals: Totals
    unconfirmed: int
    held: int = 0
    unreadable: int = 0
    put_aside_bytes: int = 0

    def __str__(self) -> str:
        t = self.totals
        aside = f", put aside {self.put_aside_bytes} bytes" if self.put_aside_bytes else ""
        return (
            f"delivered {t.delivered}, rescued {t.rescued}, held {self.held}, "
            f"dead letters {t.dead_letters}, dropped {t.dropped}, unconfirmed {self.unconfirmed}"
            f"{aside}"
        )


class Agent:
    """Tails files and delivers what is in them, until stopped.

    Everything it holds is opened by :meth:`run` and closed when that returns.

    Args:
        settings: As loaded.
        once: Read what is there, deliver it, and end.
        environment: For the host's identity; the process's own when None.

    Attributes:
        sources: The sources, while it runs.
        delivery: The delivery loop, while it runs.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        once: bool = False,
        clock: Clock | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.settings, self.once = settings, once
        self.sources: list[FileSource | SpoolSource] = []
        self.routes: list[Route | AutoRoute] = []
        self.delivery: Delivery | None = None
        self._overflow: Overflow | None = None
        self._spool: SpoolSource | None = None
        self._changes: dict[int, tuple[RoutingChange, Callable[..., FileSource]]] = {}
        self._clock = clock or SystemClock()
        self._environment = os.environ if environment is None else environment
        self._stopping, self._confirmed = asyncio.Event(), asyncio.Event()
        self._say_unsaved_after = 0.0
        self._shutdown_seconds = settings.shutdown_timeout_seconds

    def stop(self, within_seconds: float | None = None) -> None:
        """Begin to end: sources read on until quiet, what was read is delivered.

        Args:
            within_seconds: Instead of the settings' ``shutdown_timeout``.
        """
        if within_seconds is not None:
            self._shutdown_seconds = within_seconds
        self._stopping.set()

    async def run(self) -> Summary:
        """Run until stopped, or with *once* until everything there is settled.

        Raises:
            StateError: The state folder cannot be used, or another agent holds it.

        Cancelled, nothing is lost: what is unconfirmed is read again by the next run.
        """
        with StateDir(self.settings.state_dir) as state:
            host, store = self._open_state(state.path)
            try:
                return await self._run(state.path, store, host)
            finally:
                await store.close()

    def _open_state(self, state: Path) -> tuple[HostId, CheckpointStore]:
        store = None
        try:
            host = host_id(self.settings.agent.id, self._environment, state)
            store = CheckpointStore(state, now=self._clock.time)
            self._report_store(store, host)
        except (OSError, sqlite3.Error) as error:
            if store is not None:
                store.close_now()
            what = getattr(error, "strerror", None) or error
            raise StateError(
                f"{state}: the state folder cannot be used ({what}). "
                "Make it writable, or choose another with --state-dir."
            ) from error
        return host, store

    async def _run(self, state: Path, store: CheckpointStore, host: HostId) -> Summary:
        settings, clock = self.settings, self._clock
        delivery = settings.delivery
        files = ThreadPoolExecutor(4, thread_name_prefix="logship-files")
        work = ThreadPoolExecutor(2, thread_name_prefix="logship-work")
        asyncio.get_running_loop().set_default_executor(
            ThreadPoolExecutor(2, thread_name_prefix="logship-names")
        )
        elastic = Elastic(settings.elasticsearch)
        buffer = Buffer(
            max_bytes=delivery.buffer_bytes,
            batch_bytes=delivery.batch_bytes,
            batch_records=delivery.batch_records,
            batch_age_seconds=delivery.batch_age_seconds,
            clock=clock,
        )
        dead_letters = DeadLetterFiles(
            state / "dead-letters",
            clock=clock,
            pool=work,
            max_bytes=settings.dead_letters.max_bytes,
        )
        sink = ElasticsearchSink(
            elastic,
            clock=clock,
            pool=work,
            gate=Gate(settings.index),
            ingested=INGESTED[settings.schema],
        )
        self.delivery = Delivery(
            buffer,
            sink,
            dead_letters if delivery.rejected == "dead_letter" else None,
            max_in_flight=delivery.max_in_flight,
            clock=clock,
            keeping=self._keeping(state, work),
            target=f"Elasticsearch at {', '.join(elastic.urls)}",
        )
        self._make_sources(store, host, files)
        self._make_overflow(state, buffer, self.delivery, work)
        try:
            await self.delivery.open()
            await self._flow(store, elastic, buffer, self.delivery)
        finally:
            for source in self.sources:
                if isinstance(source, SpoolSource):
                    source.close()
            if self._overflow is not None:
                self._overflow.close()
            await sink.close()
            for pool in (files, work):
                pool.shutdown(wait=False, cancel_futures=True)
        unreadable = sum(len(source.unreadable) for source in self.sources)
        sent = self.delivery
        aside = 0 if self._spool is None else size_of_spool(state / "spool")
        return Summary(sent.totals, sent.unconfirmed, sent.held, unreadable, aside)

    def _keeping(self, state: Path, pool: ThreadPoolExecutor) -> Keeping:
        held = self.settings.held
        growing = GROWING_SECONDS
        if held.limit_seconds is not None:
            growing = min(growing, held.limit_seconds / 10)
        files = HeldFiles(
            state / "held", clock=self._clock, max_bytes=held.max_bytes, growing_seconds=growing
        )
        return Keeping(
            files,
            pool=pool,
            after_seconds=held.after_seconds,
            limit_seconds=held.limit_seconds,
        )

    def _make_overflow(
        self, state: Path, buffer: Buffer, delivery: Delivery, pool: ThreadPoolExecutor
    ) -> None:
        """Prepare for a full buffer; what was put aside is shipped in any case."""
        folder = state / "spool"

        def count_dropped(count: int) -> None:
            delivery.totals.dropped += count

        self._overflow = Overflow.of(
            self.settings,
            buffer,
            dropped=count_dropped,
            host_name=host_name(self._environment),
            clock=self._clock,
            directory=folder,
            pool=pool,
        )
        if self.settings.delivery.when_full == "spool" or folder.exists():
            own = SourceSettings(
                "spool", (glob.escape(str(folder)),), type="spool", scan_interval_seconds=1.0
            )
            self._spool = SpoolSource(own, clock=self._clock, once=self.once)
            self.sources.append(self._spool)

    def _make_sources(self, store: CheckpointStore, host: HostId, pool: ThreadPoolExecutor) -> None:
        settings = self.settings
        stable_ids = settings.delivery.ids == "stable"
        name = host_name(self._environment)
        seeding = Seeding(
            store,
            host_id=host.id,
            boot_id=boot_id(),
            clock=self._clock,
            choose_format=choose_format,
        )
        for place, source in enumerate(settings.sources):
            if source.type == "spool":
                self.sources.append(SpoolSource(source, clock=self._clock, once=self.once))
            else:
                change = take_over(
                    store,
                    settings,
                    source,
                    is_named_by(source.paths),
                    host_name=name,
                    clock=self._clock,
                )
                make = partial(
                    FileSource,
                    store=store,
                    seeding=seeding,
                    clock=self._clock,
                    pool=pool,
                    make_memory=RouteState,
                )
                if change is not None:
                    self._changes[place] = change, make
                    source_now = make(change.old[0].source, is_finishing=True)
                else:
                    source_now = make(source, once=self.once)
                self.sources.append(source_now)
            self.routes.append(
                compile_route(
                    source,
                    settings.index,
                    settings.processors,
                    host_name=name,
                    clock=self._clock,
                    stable_ids=stable_ids,
                    schema=settings.schema,
                )
            )

    async def _flow(
        self, store: CheckpointStore, elastic: Elastic, buffer: Buffer, delivery: Delivery
    ) -> None:
        """Run sources, delivery and saver; end them in data order, within the time given."""
        saver = asyncio.create_task(self._save_regularly(store))
        sender = asyncio.create_task(self._deliver(elastic, delivery))
        readers = asyncio.create_task(self._read(buffer))
        purger = asyncio.create_task(self._purge(self.settings.state_dir))
        keeper = IndexKeeper(elastic, self.settings.index, clock=self._clock)
        keeping = asyncio.create_task(self._keep_indices(keeper))
        overflow = [] if self._overflow is None else [asyncio.create_task(self._overflow.run())]
        stopped = asyncio.create_task(self._wait_for_stop())
        tasks = (readers, sender, saver, purger, keeping, *overflow, stopped)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if readers.done() and not _failed(tasks):  # with once, sources end by themselves
                buffer.close()
                await asyncio.wait((sender, saver, stopped), return_when=asyncio.FIRST_COMPLETED)
                if sender.done() and not _failed(tasks):
                    await self._wait_for_retention(keeper)
            if stopped.done() and not _failed(tasks):
                await self._wind_down(readers, sender, buffer)
            for task in _failed(tasks):
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._save(store)

    async def _keep_indices(self, keeper: IndexKeeper) -> None:
        """Look after indices once the server answers, so that nothing is said twice."""
        await self._confirmed.wait()
        await keeper.run()

    async def _wait_for_retention(self, keeper: IndexKeeper) -> None:
        """Runs that only read what is there would end before old indices are deleted."""
        try:
            async with asyncio.timeout(RETENTION_SECONDS):
                await keeper.passed.wait()
        except TimeoutError:
            pass

    async def _wait_for_stop(self) -> None:
        await self._stopping.wait()

    async def _wind_down(
        self, readers: asyncio.Task[None], sender: asyncio.Task[None], buffer: Buffer
    ) -> None:
        total = self._shutdown_seconds
        deadline = self._clock.monotonic() + total
        for source in self.sources:
            source.stop(total / 3)
        await asyncio.wait({readers}, timeout=total / 3 + 0.5)
        readers.cancel()
        await asyncio.gather(readers, return_exceptions=True)
        buffer.close()
        if self.delivery is not None:
            self.delivery.park()
        await asyncio.wait({sender}, timeout=max(0.0, deadline - self._clock.monotonic()))

    async def _read(self, buffer: Buffer) -> None:
        async with asyncio.TaskGroup() as group:
            for place, route in enumerate(self.routes):
                group.create_task(self._read_one(place, route, buffer))
            if self._spool is not None and not self.once:
                group.create_task(self._spool.run(SpoolIntake(buffer)))
        if self._overflow is not None:
            await self._overflow.settle()
        if self._spool is not None and self.once:
            await self._spool.run(SpoolIntake(buffer))

    async def _read_one(self, place: int, route: Route | AutoRoute, buffer: Buffer) -> None:
        """Run one source, after what its settings of before have under way."""
        if place in self._changes:
            change, make = self._changes[place]

            async def read_old(settings: SourceSettings, old: CountedRoute) -> FileSource:
                source = self.sources[place] = make(settings, is_finishing=True)
                await self._run_source(source, old, buffer)
                buffer.hurry()
                return source

            if not await change.finish(read_old, self._stopping.is_set):
                return
            self.sources[place] = make(self.settings.sources[place], once=self.once)
        await self._run_source(self.sources[place], route, buffer)

    async def _run_source(
        self,
        source: FileSource | SpoolSource,
        route: Route | AutoRoute | CountedRoute,
        buffer: Buffer,
    ) -> None:
        """Run a source; when it fails, report it and try again with growing pauses."""
        ingest = Ingestion(route, buffer if self._overflow is None else self._overflow)
        pause = 1.0
        while True:
            try:
                await source.run(ingest)
            except (OSError, sqlite3.Error) as error:
                log.error(
                    "Source %s cannot go on: %s. It is tried again in %.0f s.",
                    source.settings.name,
                    error,
                    pause,
                )
            else:
                return
            try:
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
                    return
            except TimeoutError:
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)

    async def _purge(self, state: Path) -> None:
        """Remove dead letters that are too old, until cancelled."""
        box = DeadLetterBox(state / "dead-letters")
        await purge_regularly(
            box, self.settings.dead_letters.max_age_seconds, clock=self._clock, pool=None
        )

    async def _deliver(self, elastic: Elastic, delivery: Delivery) -> None:
        if self.settings.index.template:
            await confirm_template(
                elastic,
                self.settings.index,
                delivery.report_trouble,
                schema=self.settings.schema,
            )
        await confirm_version(elastic, delivery.report_trouble)
        self._confirmed.set()
        await delivery.run()

    async def _save_regularly(self, store: CheckpointStore) -> None:
        while True:
            await asyncio.sleep(SAVE_SECONDS)
            await self._save(store)

    async def _save(self, store: CheckpointStore) -> None:
        """Save what was confirmed since the last time. A full disk is not the end."""
        dirty = [c for s in self.sources for c in s.contents.values() if c.is_dirty]
        if not dirty:
            return
        try:
            await store.save([content.checkpoint() for content in dirty])
        except sqlite3.Error as error:
            for content in dirty:
                content.unsaved()
            if self._clock.monotonic() >= self._say_unsaved_after:
                self._say_unsaved_after = self._clock.monotonic() + SAY_AGAIN_SECONDS
                log.warning(
                    "Cannot save checkpoints in %s: %s. Delivery goes on, and it is tried again. "
                    "A restart before that reads again what was delivered; ids keep it from "
                    "doubling.",
                    store.path,
                    error,
                )
        else:
            if self._say_unsaved_after:
                self._say_unsaved_after = 0.0
                log.info("Checkpoints are saved again.")

    def _report_store(self, store: CheckpointStore, host: HostId) -> None:
        if store.moved_aside is not None:
            log.error(
                "%s was damaged or of another version of logship: it was moved to %s and a new "
                "one begun. Files are read again; their ids keep that from doubling records.",
                store.path,
                store.moved_aside,
            )
        known = store.meta("host_id")
        if known is None:
            store.set_meta("host_id", host.id)
        elif known != host.id:
            log.warning(
                "The host's id is now %s (from %s); it was %s. Files that are known keep their "
                "ids.",
                host.id, host.origin, known,
            )  # fmt: skip
            store.set_meta("host_id", host.id)
        if host.origin.startswith("random"):
            log.warning(
                "This machine has no id: a random one is %s. "
                "Set agent.id so that it survives the loss of that folder.",
                host.origin.removeprefix("random, "),
            )


def _failed(tasks: Iterable[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
    """The tasks that ended with an exception: each is a bug, and ends the process."""
    return [task for task in tasks if task.done() and not task.cancelled() and task.exception()]
