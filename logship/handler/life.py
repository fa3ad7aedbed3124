"""A handler's life in one process: its queue, the thread that ships from it, and how it ends."""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from logship.handler import process
from logship.handler.account import Account, stats_of
from logship.handler.document import Documenter, Encoded
from logship.handler.queue import Overflow, Queue
from logship.handler.shipper import HURRY_SECONDS, Shipper, ShipperSettings
from logship.settings.texts import without_credentials
from logship.spool import Spool

__all__ = ["Life", "LifeSettings"]

START_AGAIN_SECONDS = 1.0
START_SECONDS = 2.0  # for so long another thread may be starting ours
LOOK_SECONDS = 0.005

_lives: weakref.WeakSet[Life] = weakref.WeakSet()


@dataclass(frozen=True, slots=True)
class LifeSettings:
    """What a handler's life works from.

    Attributes:
        max_bytes: Bound of everything not yet settled.
        max_records: The same in records.
        overflow: What gives way beyond the bounds.
        max_block_seconds: How long a caller may wait for room.
        exit_deadline_seconds: How long the end may take.
        shipping: What the shipping thread works from.
    """

    max_bytes: int
    max_records: int
    overflow: Overflow
    max_block_seconds: float
    exit_deadline_seconds: float
    shipping: ShipperSettings


class Life:
    """One handler's records in one process. After a fork the child begins another.

    Attributes:
        pid: Of the process.
        queue: Where records wait for the thread.
        documenter: Makes them.
        shipper: Who ships them; None before the first record, and after a close.
        is_closed: Whether nothing more is expected.
    """

    def __init__(self, settings: LifeSettings, documenter: Documenter) -> None:
        self.pid = os.getpid()
        self.settings, self.documenter = settings, documenter
        self.queue = Queue(
            max_bytes=settings.max_bytes,
            max_records=settings.max_records,
            overflow=settings.overflow,
            max_block_seconds=settings.max_block_seconds,
        )
        self.account = Account({documenter.prefix})
        self.shipper: Shipper | None = None
        self.is_closed = False
        self._starting, self._leaving = threading.Lock(), threading.RLock()
        self._start_after = 0.0
        self._said: tuple[int, ...] = ()
        self._has_said_late = False
        _lives.add(self)

    def start(self) -> Shipper | None:
        """Start the thread, unless that happens just now or cannot be; return who ships then."""
        # Not waited for: a __del__ that logs may be inside already, on this very thread.
        if not self._starting.acquire(blocking=False):
            return self.shipper
        try:
            if self.shipper is None and time.monotonic() >= self._start_after:
                shipper = self._new_shipper()
                process.begin_running(self)  # first: the end may come while the thread starts
                try:
                    shipper.start()
                except (RuntimeError, MemoryError):  # too many threads, or too late for one
                    self._start_after = time.monotonic() + START_AGAIN_SECONDS
                else:
                    self.shipper = shipper
                    self.is_closed = False
            return self.shipper
        finally:
            self._starting.release()

    def too_late(self, level: int) -> None:
        """Count a record that a finaliser logs when the interpreter is being taken apart.

        No thread can be started then, nor one be waited for: whoever tries never ends.
        """
        self.queue.count_late(level)
        if not self._has_said_late:
            self._has_said_late = True
            process.say_at_last("what is logged while Python itself ends, as by __del__, is lost.")

    def flush(self, timeout: float) -> bool:
        """Wait until everything emitted so far is settled; whether it was within *timeout*."""
        if self.shipper is None and not len(self.queue):
            return True
        if threading.get_ident() in process.shipping:
            return False
        by = time.monotonic() + timeout
        if process.is_ending():
            by = min(by, self._by)
        shipper = self.shipper or self.start() or self._started_by_another(by)
        if shipper is None:
            return False
        number = self.queue.next_number()
        shipper.hurry()
        if process.holds_logging_lock():
            return shipper.is_done_before(number)
        return _wait(lambda: shipper.is_done_before(number), shipper, by)

    def hurry(self) -> None:
        """Send what there is at once, without waiting for it."""
        shipper = self.shipper
        if shipper is not None:
            shipper.hurry()

    def close(self) -> None:
        """Deliver within the deadline and end the thread; behind its back inside dictConfig."""
        if self.is_closed:
            return
        self.is_closed = True
        shipper = self.shipper or self._begin_late()
        if shipper is None:
            return
        by = self._by
        shipper.finish(by)
        if threading.get_ident() in process.shipping or process.holds_logging_lock():
            return
        if not shipper.join(by):
            shipper.stop()
        self._leave(shipper)

    def end(self) -> None:
        """At the end of the process: deliver within the deadline, then spool, then report.

        The thread stays, for what is logged while the interpreter ends.
        """
        shipper = self.shipper or self._begin_late()
        if shipper is None or threading.get_ident() in process.shipping:
            return
        by = self._by
        while True:
            number = self.queue.next_number()
            _wait(partial(_is_done, shipper, number), shipper, by)
            if time.monotonic() >= by or not shipper.has_unreported:
                break
            _wait(lambda: not shipper.has_unreported, shipper, by)
        with self._leaving:  # its thread may be at it
            if shipper.is_done_before(number):
                self._report(shipper)
                return
        shipper.stop()
        self._leave(shipper)

    def let_go(self) -> None:
        """In the child of a fork: keep everything, and close nothing but the spool's files."""
        process.keep(self)
        if self.shipper is not None and self.shipper.spool is not None:
            self.shipper.spool.let_go_in_child()

    @property
    def _by(self) -> float:
        """Until when, in monotonic seconds, an end that begins now may deliver."""
        seconds = self.settings.exit_deadline_seconds
        # What is left over must still be written.
        reserve = 0.0 if self.settings.shipping.spool_dir is None else min(0.5, 0.1 * seconds)
        return process.deadline(seconds) - reserve

    def _begin_late(self) -> Shipper | None:
        """Ship what waits and has no thread, if need be here and now."""
        if not len(self.queue):
            return None
        shipper = self.start() or self._started_by_another(self._by)
        if shipper is None and self._starting.acquire(blocking=False):
            try:
                shipper = self._new_shipper()
                shipper.run_here(self._by)
            finally:
                self._starting.release()
        return shipper

    def _started_by_another(self, by: float) -> Shipper | None:
        """Wait for a thread that is starting ours at this moment, as long as it may take."""
        seconds = min(by - time.monotonic(), START_SECONDS)
        if self._starting.acquire(timeout=max(0.0, seconds)):
            self._starting.release()
        return self.shipper

    def _new_shipper(self) -> Shipper:
        return Shipper(
            self.queue, self.documenter, self.settings.shipping, self.account, self._leave
        )

    def _leave(self, shipper: Shipper) -> None:
        """Take leave of *shipper*: place what it has not delivered, and say so.

        Its own thread and whoever waits for it may both come here. Only one finds something,
        and the other must not go on, perhaps to the end of the process, before that is placed.
        """
        with self._leaving:
            rest = shipper.rest()
            if rest is None:
                return
            if not process.is_ending():  # else there is no later
                late = [entry for entry in rest if entry.number >= shipper.last_number]
                rest = rest[: len(rest) - len(late)]
                self.queue.put_back(late)
            if rest:
                self._place(rest)
            self._report(shipper)
            if self.shipper is shipper:
                self.shipper = None
            process.end_running(self)
            if len(self.queue) and not process.is_ending():
                self.start()

    def _place(self, rest: list[Encoded]) -> None:
        """Put what nobody could deliver where it is kept, if there is such a place."""
        for entry in rest:
            self.queue.settle(entry)
        settings = self.settings.shipping
        if settings.spool_dir is not None:
            limit, name = settings.spool_max_bytes, f"{self.documenter.prefix}.rest"
            spool = Spool(settings.spool_dir, max_bytes=limit, name=name)
            kept, why = spool.append((entry.envelope() for entry in rest), sync=True)
            spool.finish()
            self.account.spooled += kept
            if why:
                process.say(f"cannot spool: {why}.")
            rest = rest[kept:]
        heir = None if process.is_ending() else self._heir()
        if heir is not None and rest:
            self.account.handed_on += len(rest)
            heir._adopt(rest, self.account.prefixes)
        else:
            self.account.lost += len(rest)

    def _heir(self) -> Life | None:
        """Return the life of another open handler for the same cluster."""
        cluster = self.settings.shipping.elasticsearch
        for other in list(_lives):
            is_open = other.pid == self.pid and not other.is_closed
            if is_open and other.settings.shipping.elasticsearch == cluster:
                return other
        return None

    def _adopt(self, entries: list[Encoded], prefixes: set[str]) -> None:
        self.account.prefixes |= prefixes
        for entry in entries:
            entry.must_stay = True
            self.queue.put(entry)
        shipper = self.start()
        if shipper is not None:
            shipper.wake()

    def _report(self, shipper: Shipper) -> None:
        """Say on stderr what was not delivered, unless that has been said."""
        stats = stats_of(self.queue, self.account)
        numbers = (stats.spooled, stats.lost, stats.rejected, sum(stats.dropped.values()))
        if not any(numbers) or numbers == self._said:
            return
        self._said = numbers
        settings = self.settings.shipping
        parts = [f"{stats.delivered} records delivered", f"{stats.spooled} spooled"]
        if stats.spooled:
            parts[-1] += f" to {settings.spool_dir}"
        parts.append(f"{stats.lost} lost")
        if stats.rejected:
            parts.append(f"{stats.rejected} rejected")
        parts += [f"{count} dropped ({reason})" for reason, count in stats.dropped.items()]
        why = ""
        if stats.spooled or stats.lost:
            hosts = ", ".join(map(without_credentials, settings.elasticsearch.hosts))
            why = f" {shipper.trouble or f'{hosts} did not take them in time.'}"
        elif stats.rejected and self.account.letters is not None:
            why = f" {self.account.letters.reason}"
        process.say(f"{', '.join(parts)}.{why}")


def _is_done(shipper: Shipper, number: int) -> bool:
    return shipper.is_done_before(number) and not shipper.is_recovering


def _wait(holds: Callable[[], bool], shipper: Shipper, by: float) -> bool:
    """Keep *shipper* in a hurry until *holds*, or *by*; whether it does."""
    hurry_at = time.monotonic() + HURRY_SECONDS
    shipper.hurry()
    while not holds():
        now = time.monotonic()
        if now >= by or shipper.has_ended:
            return holds()
        if now >= hurry_at:
            shipper.hurry()
            hurry_at = now + HURRY_SECONDS
        time.sleep(LOOK_SECONDS)  # a condition would need a lock that a __del__ may hold
    return True
