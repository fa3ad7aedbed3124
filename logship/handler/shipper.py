"""The shipping thread: the agent's own pipeline on a thread and loop of its own.

Nothing here uses an executor: at interpreter shutdown executors are gone, and what is
queued must still go out.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from logship.handler.queue import Queue
from logship.settings.model import DeliverySettings, ElasticsearchSettings, IndexSettings

if TYPE_CHECKING:
    from logship.buffer import Buffer
    from logship.pipeline import Delivery

__all__ = ["Shipper"]

TAKEN_AT_ONCE = 500
REST_SECONDS = 0.02  # between two looks into a busy queue: at most 50 wake-ups a second


class _Loop(asyncio.SelectorEventLoop):
    """Resolves names on its own thread, which has nothing else to do."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        return socket.getaddrinfo(host, port, **options)


class _Clock:
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)


class _Receipt:
    """Counts what is settled. Used on the shipping thread alone."""

    def __init__(self) -> None:
        self.settled = 0

    def settle(self, count: int) -> None:
        self.settled += count


class Shipper:
    """Takes records from a queue and delivers them, on a daemon thread.

    Attributes:
        settled: Records so far that are delivered or rejected for good.
    """

    def __init__(
        self,
        queue: Queue,
        elasticsearch: ElasticsearchSettings,
        index: IndexSettings,
        delivery: DeliverySettings,
    ) -> None:
        self._queue, self._elasticsearch, self._index = queue, elasticsearch, index
        self._settings = delivery
        self._receipt = _Receipt()
        self._loop: _Loop | None = None
        self._wake: asyncio.Event | None = None
        self._is_awake = False
        self._closing = False
        self._buffer: Buffer | None = None
        self.delivery: Delivery | None = None
        self.failure = ""
        self.thread = threading.Thread(target=self._run, name="logship-handler", daemon=True)

    @property
    def settled(self) -> int:
        """Records so far that are delivered or rejected for good."""
        return self._receipt.settled

    @property
    def under_way(self) -> tuple[int, int]:
        """Bytes and records that left the queue and are not settled."""
        buffer = self._buffer
        return (buffer.used_bytes, buffer.used_records) if buffer is not None else (0, 0)

    def start(self) -> None:
        """Start the thread."""
        self.thread.start()

    def wake(self) -> None:
        """Say that there is something in the queue. From any thread; never blocks."""
        if self._is_awake:
            return
        loop, wake = self._loop, self._wake
        if loop is None or wake is None:
            return  # it looks into the queue when it begins
        self._is_awake = True
        try:
            loop.call_soon_threadsafe(wake.set)
        except RuntimeError:  # closed
            pass

    def hurry(self) -> None:
        """Send what is there without waiting for a batch to fill. From any thread."""
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(self._hurry)
            except RuntimeError:
                pass

    def close(self, timeout_seconds: float) -> bool:
        """Deliver what is queued and end; whether that was done in time."""
        self._closing = True
        self._is_awake = False
        self.wake()
        self.hurry()
        self.thread.join(timeout_seconds)
        return not self.thread.is_alive()

    def _longest_pause_seconds(self) -> float:
        """At exit every moment counts."""
        return 0.25 if self._closing else 5.0

    def _hurry(self) -> None:
        if self._buffer is not None:
            self._buffer.hurry()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=_Loop) as runner:
                runner.run(self._main())
        except BaseException as error:  # the application must not see it; stats do
            self.failure = f"{type(error).__name__}: {error}"
            raise

    async def _main(self) -> None:
        from logship.buffer import Buffer
        from logship.elastic import Elastic
        from logship.pipeline import Delivery
        from logship.sinks.elasticsearch import ElasticsearchSink
        from logship.sinks.elasticsearch.template import confirm_template

        clock, settings = _Clock(), self._settings
        elastic = Elastic(self._elasticsearch)
        sink = ElasticsearchSink(elastic, clock=clock)
        self._buffer = buffer = Buffer(
            max_bytes=settings.buffer_bytes,
            batch_bytes=settings.batch_bytes,
            batch_records=settings.batch_records,
            batch_age_seconds=settings.batch_age_seconds,
            clock=clock,
        )
        self.delivery = delivery = Delivery(
            buffer,
            sink,
            None,
            max_in_flight=settings.max_in_flight,
            clock=clock,
            target=f"Elasticsearch at {', '.join(elastic.urls)}",
            longest_pause_seconds=self._longest_pause_seconds,
        )
        self._wake = asyncio.Event()
        self._loop = asyncio.get_running_loop()  # type: ignore[assignment]

        async def deliver() -> None:
            if self._index.template:
                await confirm_template(
                    elastic, self._index, delivery.report_trouble, self._longest_pause_seconds
                )
            await delivery.run()

        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(deliver())
                group.create_task(self._move(buffer))
        finally:
            await sink.close()

    async def _move(self, buffer: Buffer) -> None:
        """Move records from the queue into the buffer until closed."""
        from logship.model import Documents

        assert self._wake is not None
        while True:
            self._is_awake = False
            self._wake.clear()
            entries = self._queue.take(TAKEN_AT_ONCE)
            while entries:
                heads = [entry.head for entry in entries]
                ids = [entry.id for entry in entries]
                bodies = [entry.body for entry in entries]
                nothing = [b""] * len(entries)
                columns = (heads, ids, nothing, nothing, bodies)
                runs = [(self._receipt, len(entries))]
                await buffer.put(Documents.of(columns, time.monotonic(), runs))
                entries = self._queue.take(TAKEN_AT_ONCE)
            if self._closing and not len(self._queue):
                buffer.close()
                return
            if len(self._queue):
                continue
            await self._wake.wait()
            if not self._closing:
                await asyncio.sleep(REST_SECONDS)
