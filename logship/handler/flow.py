"""The way of records from the queue to Elasticsearch: the agent's own pipeline.

All of this runs on the loop of the shipping thread, and only there. Nothing uses an executor:
at interpreter shutdown executors are gone, and what is queued must still go out.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from logship.buffer import Buffer
from logship.elastic import Elastic
from logship.handler.document import Encoded
from logship.handler.drops import Tally, report_record
from logship.handler.letters import Letters
from logship.handler.process import is_ending
from logship.handler.recovery import Recovery
from logship.model import Documents
from logship.pipeline import Delivery
from logship.sinks.dead_letters import DeadLetterFiles
from logship.sinks.elasticsearch import ElasticsearchSink
from logship.sinks.elasticsearch.template import confirm_template
from logship.sinks.elasticsearch.version import confirm_version
from logship.spool import Spool

if TYPE_CHECKING:
    from logship.handler.shipper import Shipper

__all__ = ["Flow", "new_loop"]

TAKEN_AT_ONCE = 500
ASIDE_SECONDS = 0.0001
REST_SECONDS = 0.02  # between two looks into a busy queue: at most 50 wake-ups a second
LONGEST_PAUSE_SECONDS = 5.0
CLOSING_PAUSE_SECONDS = 0.25  # at exit every moment counts
LOOK_AGAIN_SECONDS = 0.1
QUIET_SECONDS = 1.0  # without another drop, before drops are reported
SPOOL_AGAIN_SECONDS = 5.0
SPOOL_LOOK_SECONDS = 0.01  # a queue that fills up meanwhile loses nothing


class _Loop(asyncio.SelectorEventLoop):
    """Resolves names on its own thread, which has nothing else to do."""

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        return socket.getaddrinfo(host, port, **options)

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> Any:
        return socket.getnameinfo(sockaddr, flags)


def new_loop() -> asyncio.AbstractEventLoop:
    """Return a loop for a :class:`Flow`, whatever policy the application has set."""
    return _Loop()


class _Clock:
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)


class _Buffer(Buffer):
    """Says when there may be room again."""

    on_release: Callable[[], None] = staticmethod(lambda: None)

    def release(self, size_bytes: int, records: int) -> None:
        super().release(size_bytes, records)
        self.on_release()


class Flow:
    """Moves records from the shipper's queue through buffer and delivery.

    Attributes:
        delivery: The agent's delivery loop.
        letters: What Elasticsearch refused for good.
    """

    def __init__(self, shipper: Shipper) -> None:
        settings = shipper.settings
        self._shipper, self._queue, self._settings = shipper, shipper.queue, settings
        self._account = shipper.account
        self._elastic = Elastic(settings.elasticsearch)
        self._sink = ElasticsearchSink(self._elastic, clock=_Clock())
        self._buffer = _new_buffer(shipper)
        self._buffer.on_release = self._on_release
        self._spool, files = _spool_and_dead_letters(shipper)
        self.letters = shipper.account.letters or Letters(files, shipper.account.is_own)
        shipper.account.letters = self.letters
        self.delivery = Delivery(
            self._buffer,
            self._sink,
            self.letters,
            max_in_flight=settings.delivery.max_in_flight,
            clock=_Clock(),
            target=f"Elasticsearch at {', '.join(self._elastic.urls)}",
            longest_pause_seconds=self._longest_pause_seconds,
            letters_fate=f"they are in {settings.spool_dir}/dead-letters"
            if files is not None
            else "they are dropped and counted; give a spool_dir to keep such records",
        )
        self._recovery: Recovery | None = None
        if self._spool is not None:
            self._recovery = Recovery(
                self._spool, self._buffer, self._may_recover, shipper.count_recovered
            )
        self._woken, self._hurrying = asyncio.Event(), asyncio.Event()
        self._room, self._urged = asyncio.Event(), asyncio.Event()
        self._has_spooled = False
        self._spool_after = 0.0

    async def run(self) -> None:
        """Deliver until the shipper is closing and everything is settled.

        Cancelled, what is under way may have been stored; it is not settled.
        """
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._deliver())
                recovering = group.create_task(self._recover())
                await self._move()
                recovering.cancel()
                self._buffer.close()
        finally:
            if self._spool is not None:
                self._spool.finish()
            await self._sink.close()

    def wake(self) -> None:
        """There is something in the queue."""
        self._woken.set()

    def hurry(self) -> None:
        """Send what is there now, and what waits for another attempt, at once."""
        self._hurrying.set()
        self._woken.set()
        self._urged.set()
        self.delivery.hurry()

    async def _deliver(self) -> None:
        if self._settings.index.template:
            await confirm_template(
                self._elastic,
                self._settings.index,
                self.delivery.report_trouble,
                self._longest_pause_seconds,
                self._pause,
            )
        await confirm_version(
            self._elastic,
            self.delivery.report_trouble,
            self._longest_pause_seconds,
            self._pause,
        )
        await self.delivery.run()

    async def _pause(self, seconds: float) -> None:
        self._urged.clear()
        await _wait(self._urged, seconds)

    async def _recover(self) -> None:
        if self._recovery is not None:
            await self._recovery.run()

    async def _move(self) -> None:
        """Move records from the queue into the buffer until the shipper is closing."""
        while True:
            self._shipper.is_awake = False
            self._woken.clear()
            self._report_drops()
            await self._move_all()
            self._fetch_spooled()
            if self._hurrying.is_set() or self._shipper.is_closing:
                self._hurrying.clear()
                self._buffer.hurry()
            if self._is_over():
                return
            await self._wait_for_records()

    @property
    def _has_moved_all(self) -> bool:
        shipper = self._shipper
        return shipper.is_closing and self._queue.is_done_before(shipper.last_number)

    def _is_over(self) -> bool:
        is_settled = not (self._buffer.used_records or self.is_recovering or self.unreported())
        return self._has_moved_all and is_settled

    async def _wait_for_records(self) -> None:
        patience = None
        if self._shipper.is_closing:
            patience = LOOK_AGAIN_SECONDS
        elif self._has_spooled or self.unreported():
            patience = QUIET_SECONDS
        await _wait(self._woken, patience)
        if not self._shipper.is_closing:
            await _wait(self._hurrying, REST_SECONDS)

    async def _move_all(self) -> None:
        while len(self._queue) and not self._has_moved_all:
            if self._has_room:
                entries = self._shipper.take(TAKEN_AT_ONCE, self._settings.delivery.batch_bytes)
                if not entries:
                    return
                await self._buffer.put(_documents(entries))
                # Blocks on purpose: not the loop but the interpreter is for others now, for the
                # application's calls.
                time.sleep(ASIDE_SECONDS)  # noqa: ASYNC251
            elif self._must_spool:
                self._spool_some()
                await asyncio.sleep(0)
            else:
                self._room.clear()
                await _wait(self._room, SPOOL_LOOK_SECONDS if self._settings.spools else None)

    def _fetch_spooled(self) -> None:
        """Let what went to the spool come back, when there is room again."""
        if self._has_spooled and self._may_recover():
            assert self._spool is not None
            assert self._recovery is not None
            self._has_spooled = False
            self._spool.finish()
            self._recovery.look()

    @property
    def _has_room(self) -> bool:
        settings = self._settings
        return (
            self._buffer.used_bytes < settings.delivery.buffer_bytes
            and self._buffer.used_records < settings.buffer_records
        )

    def _on_release(self) -> None:
        self._room.set()
        if self._shipper.is_closing:
            self._woken.set()

    @property
    def _must_spool(self) -> bool:
        return (
            self._settings.spools
            and self._queue.is_half_full
            and time.monotonic() >= self._spool_after
        )

    def _spool_some(self) -> None:
        """Write what there is no room for to the spool, from where it comes back later."""
        assert self._spool is not None
        entries = self._shipper.take(TAKEN_AT_ONCE, self._settings.delivery.batch_bytes)
        if not entries:
            return
        written, why = self._spool.append((entry.envelope() for entry in entries), sync=False)
        self._shipper.count_spooled(entries[:written])
        self._has_spooled = True
        self._queue.spool_takes = not why
        if why:
            self._shipper.put_back(entries[written:])
            self._spool_after = time.monotonic() + SPOOL_AGAIN_SECONDS
            self._shipper.say(f"cannot spool: {why}. The oldest records are dropped if need be.")

    def _may_recover(self) -> bool:
        """Whether what is new leaves room for what is old."""
        is_calm = not self._queue.is_half_full
        return is_calm and 2 * self._buffer.used_bytes < self._settings.delivery.buffer_bytes

    @property
    def is_recovering(self) -> bool:
        """Whether documents of the spool are being delivered."""
        return self._recovery is not None and self._recovery.is_busy and not self.delivery.trouble

    def unreported(self) -> Tally:
        """Return what was dropped and is not reported yet. From any thread."""
        return self._queue.drops.copy() + self.letters.drops.copy() - self._account.reported

    def _report_drops(self) -> None:
        """Report what was dropped, in one document, when drops are over."""
        dropped = self.unreported()
        if not dropped:
            return
        drops = (self._queue.drops, self.letters.drops)
        last = max(one.last for one in drops)
        is_over = time.time() - last >= QUIET_SECONDS and not self._queue.is_half_full
        if is_over or self._shipper.is_closing or is_ending():
            account = self._account
            first = max(min(one.first for one in drops if one.last), account.reported_until)
            account.reported += dropped
            account.reported_until = last
            record = report_record(dropped, first, last)
            self._queue.put(self._shipper.documenter.encode(record, must_stay=True))
            self._shipper.last_number = self._queue.next_number()

    def _longest_pause_seconds(self) -> float:
        return CLOSING_PAUSE_SECONDS if self._shipper.is_closing else LONGEST_PAUSE_SECONDS


def _new_buffer(shipper: Shipper) -> _Buffer:
    settings = shipper.settings.delivery
    return _Buffer(
        max_bytes=settings.buffer_bytes,
        batch_bytes=settings.batch_bytes,
        batch_records=settings.batch_records,
        batch_age_seconds=settings.batch_age_seconds,
        clock=_Clock(),
    )


def _spool_and_dead_letters(shipper: Shipper) -> tuple[Spool | None, DeadLetterFiles | None]:
    settings = shipper.settings
    if settings.spool_dir is None:
        return None, None
    try:
        settings.spool_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        shipper.say(f"cannot make spool_dir {settings.spool_dir}: {error.strerror}.")
    files = DeadLetterFiles(
        settings.spool_dir / "dead-letters",
        clock=_Clock(),
        pool=None,
        max_bytes=settings.spool_max_bytes,
    )
    return shipper.spool, files


def _documents(entries: list[Encoded]) -> Documents:
    nothing = [b""] * len(entries)
    columns = (
        [entry.head for entry in entries],
        [entry.id for entry in entries],
        nothing,
        nothing,
        [entry.body for entry in entries],
    )
    return Documents.of(columns, time.monotonic(), [(entry, 1) for entry in entries])


async def _wait(event: asyncio.Event, seconds: float | None) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass
