"""One run of the agent: every stage, made, started and stopped in the order the data flows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from logship.agent.saver import Saver
from logship.agent.stages import (
    DEAD_LETTERS,
    make_buffer,
    make_delivery,
    make_overflow,
    make_readers,
    make_sink,
    make_spool,
)
from logship.checkpoints.store import CheckpointStore
from logship.elastic import Elastic
from logship.host import HostId, host_name
from logship.indices.keeper import IndexKeeper
from logship.interfaces import Clock
from logship.pipeline.overflow import SpoolIntake
from logship.settings.model import Settings
from logship.sinks.dead_letter_age import purge_regularly
from logship.sinks.dead_letter_box import DeadLetterBox
from logship.sinks.elasticsearch.template import confirm_template
from logship.sinks.elasticsearch.version import confirm_version
from logship.sources.file import FileSource
from logship.sources.spool import SpoolSource

__all__ = ["Flow", "Stopping"]

RETENTION_SECONDS = 10.0


class Stopping(asyncio.Event):
    """Set when the run is to end.

    Attributes:
        within_seconds: How long that may take.
    """

    def __init__(self, within_seconds: float) -> None:
        super().__init__()
        self.within_seconds = within_seconds


class Flow:
    """The stages of one run, from the sources to the sink.

    Belongs to the event loop that runs when it is made, and is to be closed.

    Attributes:
        delivery: The delivery loop.
    """

    def __init__(
        self, settings: Settings, state: Path, store: CheckpointStore, host: HostId, *,
        environment: Mapping[str, str], clock: Clock, once: bool, stopping: Stopping,
    ) -> None:  # fmt: skip
        """Make every stage; nothing begins. Blocking.

        Args:
            state: The state folder, locked.
            store: Open; stays so when the flow is closed.
            environment: For the name of the host.
            once: Read what is there, deliver it, and end.
            stopping: Ends it.
        """
        self._settings, self._state, self._clock = settings, state, clock
        self._once, self._stopping = once, stopping
        self._confirmed = asyncio.Event()
        self._files = ThreadPoolExecutor(4, thread_name_prefix="logship-files")
        self._work = ThreadPoolExecutor(2, thread_name_prefix="logship-work")
        self._names = ThreadPoolExecutor(2, thread_name_prefix="logship-names")
        asyncio.get_running_loop().set_default_executor(self._names)
        name = host_name(environment)
        self._elastic = Elastic(settings.elasticsearch)
        self._readers = make_readers(
            settings, store, host_id=host.id, host_name=name, clock=clock, pool=self._files,
            once=once,
        )  # fmt: skip
        self._spool = make_spool(settings.delivery, state, clock=clock, once=once)
        self._buffer = make_buffer(settings.delivery, clock)
        self._overflow = make_overflow(
            settings, state, self._buffer, dropped=self._count_dropped, host_name=name,
            clock=clock, pool=self._work,
        )  # fmt: skip
        self._sink = make_sink(settings, self._elastic, clock, self._work)
        self.delivery = make_delivery(
            settings, state, self._buffer, self._sink, clock=clock, pool=self._work,
            target=f"Elasticsearch at {', '.join(self._elastic.urls)}",
        )  # fmt: skip
        self._saver = Saver(store, self._contents, clock=clock)
        self._keeper = IndexKeeper(self._elastic, settings.index, clock=clock)

    @property
    def sources(self) -> list[FileSource | SpoolSource]:
        """The sources that read at present, in the order of the settings; the own spool last."""
        sources = [reader.source for reader in self._readers]
        return sources if self._spool is None else [*sources, self._spool]

    async def run(self) -> None:
        """Run until told to stop, or with *once* until everything there is settled.

        Ends the stages in data order, within the time given. Cancelled, nothing is lost: what is
        unconfirmed is read again by the next run.
        """
        await self.delivery.open()
        readers = asyncio.create_task(self._read())
        sender = asyncio.create_task(self._deliver())
        saver = asyncio.create_task(self._saver.run())
        stopped = asyncio.create_task(self._stopping.wait())
        others = [asyncio.create_task(self._purge()), asyncio.create_task(self._keep_indices())]
        if self._overflow is not None:
            others.append(asyncio.create_task(self._overflow.run()))
        tasks = (readers, sender, saver, *others, stopped)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if readers.done() and not _failed(tasks):  # with once, sources end by themselves
                self._buffer.close()
                await asyncio.wait((sender, saver, stopped), return_when=asyncio.FIRST_COMPLETED)
                if sender.done() and not _failed(tasks):
                    await self._wait_for_retention()
            if stopped.done() and not _failed(tasks):
                await self._wind_down(readers, sender)
            for task in _failed(tasks):
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._saver.save()

    async def close(self) -> None:
        """Close what the stages hold, in data order."""
        for source in self.sources:
            if isinstance(source, SpoolSource):
                source.close()
        if self._overflow is not None:
            self._overflow.close()
        await self._sink.close()
        for pool in (self._files, self._work):
            pool.shutdown(wait=False, cancel_futures=True)

    async def _wind_down(self, readers: asyncio.Task[None], sender: asyncio.Task[None]) -> None:
        total = self._stopping.within_seconds
        deadline = self._clock.monotonic() + total
        for source in self.sources:
            source.stop(total / 3)
        await asyncio.wait({readers}, timeout=total / 3 + 0.5)
        readers.cancel()
        await asyncio.gather(readers, return_exceptions=True)
        self._buffer.close()
        self.delivery.park()
        await asyncio.wait({sender}, timeout=max(0.0, deadline - self._clock.monotonic()))

    async def _read(self) -> None:
        """Read every source, and what was put aside: with *once* after what is read now."""
        intake = self._buffer if self._overflow is None else self._overflow
        async with asyncio.TaskGroup() as group:
            for reader in self._readers:
                group.create_task(
                    reader.run(intake, hurry=self._buffer.hurry, stopping=self._stopping)
                )
            if self._spool is not None and not self._once:
                group.create_task(self._spool.run(SpoolIntake(self._buffer)))
        if self._overflow is not None:
            await self._overflow.settle()
        if self._spool is not None and self._once:
            await self._spool.run(SpoolIntake(self._buffer))

    async def _deliver(self) -> None:
        index, report = self._settings.index, self.delivery.report_trouble
        if index.template:
            await confirm_template(self._elastic, index, report, schema=self._settings.schema)
        await confirm_version(self._elastic, report)
        self._confirmed.set()
        await self.delivery.run()

    async def _keep_indices(self) -> None:
        """Look after indices once the server answers, so that nothing is said twice."""
        await self._confirmed.wait()
        await self._keeper.run()

    async def _wait_for_retention(self) -> None:
        """Runs that only read what is there would end before old indices are deleted."""
        try:
            async with asyncio.timeout(RETENTION_SECONDS):
                await self._keeper.passed.wait()
        except TimeoutError:
            pass

    async def _purge(self) -> None:
        """Remove dead letters that are too old, until cancelled."""
        await purge_regularly(
            DeadLetterBox(self._state / DEAD_LETTERS),
            self._settings.dead_letters.max_age_seconds,
            clock=self._clock,
            pool=None,
        )

    def _count_dropped(self, count: int) -> None:
        self.delivery.totals.dropped += count

    def _contents(self) -> Iterable[Any]:
        return (content for source in self.sources for content in source.contents.values())


def _failed(tasks: Iterable[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """The tasks that ended with an exception: each is a bug, and ends the process."""
    return [task for task in tasks if task.done() and not task.cancelled() and task.exception()]
