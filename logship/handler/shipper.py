"""The shipping thread, and what other threads may say to it.

The pipeline itself (:mod:`logship.handler.flow`) is imported on that thread: it costs half a
second, which the application must not pay.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from logship.handler import process
from logship.handler.account import Account
from logship.handler.document import Documenter, Encoded
from logship.handler.gently import importing_gently
from logship.handler.queue import Queue
from logship.settings.model import DeliverySettings, ElasticsearchSettings, IndexSettings
from logship.spool import Spool

if TYPE_CHECKING:
    import asyncio

    from logship.handler.flow import Flow

__all__ = ["Shipper", "ShipperSettings"]

AGAIN_SECONDS = 1.0
HURRY_SECONDS = 0.25
MOVING_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class ShipperSettings:
    """What a shipper works from.

    Attributes:
        buffer_records: Bound of what has left the queue, beside the bound in bytes.
        spool_dir: Where records go that must wait on disk; None for nowhere.
        spool_max_bytes: Bound of that folder.
        spools: Whether a full queue goes there, too.
    """

    elasticsearch: ElasticsearchSettings
    index: IndexSettings
    delivery: DeliverySettings
    buffer_records: int
    spool_dir: Path | None
    spool_max_bytes: int
    spools: bool


class Shipper:
    """Takes records from a queue and delivers them, on a daemon thread.

    Attributes:
        ident: Of the thread that ships, as :func:`threading.get_ident` gives it; 0 before.
        is_awake: Whether it will look into the queue by itself.
        is_closing: Whether it is to end when everything is settled.
        last_number: While closing: what is numbered from here on came too late for it.
        has_ended: Whether it does nothing any more.
        account: What became of the records.
        failure: Why it had to begin again, one line; empty when it had not.
    """

    def __init__(
        self,
        queue: Queue,
        documenter: Documenter,
        settings: ShipperSettings,
        account: Account,
        on_end: Callable[[Shipper], None],
    ) -> None:
        self.queue, self.documenter, self.settings = queue, documenter, settings
        self.account = account
        self.ident = self.last_number = 0
        self.is_awake = self.is_closing = self.has_ended = False
        self.failure = ""
        self.spool = _spool(settings, documenter.prefix)
        self._on_end = on_end
        self._is_stopped = self._is_left = False
        self._pending: set[Encoded] = set()
        # Held while records go from the queue to what is pending, so that whoever looks for
        # everything unsettled finds each of them in one of the two.
        self._hand = threading.RLock()
        self._flow: Flow | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._by: float | None = None
        self._thread = threading.Thread(target=self._run, name="logship-handler", daemon=True)

    # --- from any thread -------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread.

        Raises:
            RuntimeError: No thread can be started (any more).
        """
        self._thread.start()

    def run_here(self, by: float) -> None:
        """Ship on the calling thread until everything is settled, or *by* (monotonic seconds).

        For the end of the interpreter, when no thread can be started any more.
        """
        self._by, self.last_number = by, self.queue.next_number()
        self.is_closing = True
        self._run()

    def wake(self) -> None:
        """Say that there is something in the queue. Never blocks."""
        flow = self._flow  # once: it may be gone a moment later
        if flow is not None and not self.is_awake:
            self.is_awake = True
            self._call(flow.wake)

    def hurry(self) -> None:
        """Send what is there, and what waits for another attempt, at once."""
        flow = self._flow
        if flow is not None:
            self._call(flow.hurry)

    def finish(self, by: float) -> None:
        """Let the thread end when everything is settled, at the latest *by*."""
        self._by, self.last_number = by, self.queue.next_number()
        self.is_closing = True
        self.hurry()
        self._call(self._stop_in_time)

    def stop(self) -> None:
        """Let the thread end now; what is not settled is for :meth:`rest`."""
        self._is_stopped = True
        self._call(self._cancel)

    def join(self, by: float) -> bool:
        """Wait until the thread has ended, and keep it in a hurry; whether it has."""
        while self._thread.is_alive() and (seconds := by - time.monotonic()) > 0:
            self.hurry()
            self._thread.join(min(seconds, HURRY_SECONDS))
        return not self._thread.is_alive()

    def rest(self) -> list[Encoded] | None:
        """Take over everything that is not settled, in the order of the numbers.

        What is under way at this moment may be stored nevertheless. Only the first call gets
        something; None for all others.
        """
        self._is_stopped = True
        has_hand = self._hand.acquire(timeout=MOVING_SECONDS)
        try:
            if self._is_left:
                return None
            self._is_left = True
            pending, self._pending = self._pending, set()
            rest = [*pending, *self.queue.take_all()]
        finally:
            if has_hand:
                self._hand.release()
        return sorted(rest, key=lambda entry: entry.number)

    def is_done_before(self, number: int) -> bool:
        """Whether everything numbered below *number* is settled."""
        if not self.queue.is_done_before(number):
            return False
        with self._hand:
            pending = self._pending.copy()
        return self.queue.is_done_before(number) and all(
            entry.number >= number for entry in pending
        )

    @property
    def is_recovering(self) -> bool:
        """Whether documents of the spool are being delivered."""
        flow = self._flow
        return flow is not None and flow.is_recovering

    @property
    def has_unreported(self) -> bool:
        """Whether drops are to be reported."""
        flow = self._flow
        return flow is not None and bool(flow.unreported())

    @property
    def trouble(self) -> str:
        """Why nothing goes out at present, one line; empty while all is well."""
        flow = self._flow
        return self.failure if self.failure or flow is None else flow.delivery.trouble

    def say(self, text: str) -> None:
        """Tell people something on stderr, where there is one."""
        process.say(text)

    # --- on the shipping thread ------------------------------------------------------------

    def take(self, most: int, most_bytes: int) -> list[Encoded]:
        """Take entries from the queue; each is pending until it is settled."""
        with self._hand:
            if self._is_stopped:
                return []
            entries = self.queue.take(most, most_bytes)
            self._pending.update(entries)
        for entry in entries:
            entry.settled = self._settled
        return entries

    def put_back(self, entries: Sequence[Encoded]) -> None:
        """Return what was taken to the queue."""
        with self._hand:
            mine = [entry for entry in entries if entry in self._pending]
            self._pending.difference_update(mine)
            self.queue.put_back(mine)

    def count_spooled(self, entries: Sequence[Encoded]) -> None:
        """Settle what is in the spool now."""
        for entry in entries:
            self._settled(entry)
        self.account.spooled += len(entries)

    def count_recovered(self, path: Path, count: int) -> None:
        """Count documents of a file of the spool that are settled."""
        if self.spool is not None and self.spool.wrote(path):
            self.account.spooled -= count
        else:
            self.account.recovered += count

    def _settled(self, entry: Encoded) -> None:
        if entry in self._pending:
            self._pending.discard(entry)
            self.queue.settle(entry)

    def _run(self) -> None:
        self.ident = threading.get_ident()
        process.shipping.add(self.ident)
        time.sleep(0.001)  # the call that started this thread waits for its turn to return
        try:
            while not self._is_stopped:
                try:
                    self._ship()
                    break
                except Exception as error:  # a bug, or a broken installation: nothing gets lost
                    self._begin_again(error)
        finally:
            self._loop = None
            self.has_ended = True
            self._on_end(self)
            process.shipping.discard(self.ident)
            self.ident = 0

    def _ship(self) -> None:
        with process.forks_wait(), importing_gently():
            import asyncio

            from logship.handler.flow import Flow, new_loop

        async def main() -> None:
            flow = Flow(self)
            self._task = asyncio.current_task()
            self._flow, self._loop = flow, asyncio.get_running_loop()
            if self._is_stopped:
                return
            self._stop_in_time()
            await flow.run()

        with (
            contextlib.suppress(asyncio.CancelledError),
            asyncio.Runner(loop_factory=new_loop) as runner,
        ):
            runner.run(main())

    def _begin_again(self, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        if isinstance(error, ExceptionGroup):
            text = "; ".join(f"{type(e).__name__}: {e}" for e in error.exceptions)
        if text != self.failure:
            self.failure = text
            self.say(f"shipping failed ({text}). Records are kept, and it begins again.")
        self._loop = self._flow = None
        with self._hand:
            pending, self._pending = self._pending, set()
            self.queue.put_back(sorted(pending, key=lambda entry: entry.number))
        if self._by is not None and time.monotonic() + AGAIN_SECONDS > self._by:
            self._is_stopped = True
        else:
            time.sleep(AGAIN_SECONDS)

    def _stop_in_time(self) -> None:
        if self._by is not None and self._loop is not None:
            self._loop.call_later(self._by - time.monotonic(), self.stop)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _call(self, function: Callable[[], None]) -> None:
        loop = self._loop
        if loop is not None:
            try:
                loop.call_soon_threadsafe(function)
            except RuntimeError:  # closed
                pass


def _spool(settings: ShipperSettings, name: str) -> Spool | None:
    if settings.spool_dir is None:
        return None
    return Spool(settings.spool_dir, max_bytes=settings.spool_max_bytes, name=name)
