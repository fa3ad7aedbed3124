"""``LogshipHandler``: hands records to the shipping thread and returns."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from logship.handler import process
from logship.handler.document import Documenter, Encoded
from logship.handler.drops import by_level, by_reason
from logship.handler.options import (
    delivery_settings,
    elasticsearch_settings,
    index_of,
    overflow_of,
    seconds_of,
    size_of,
)
from logship.handler.queue import Queue
from logship.handler.shipper import HURRY_SECONDS, Account, Shipper, ShipperSettings
from logship.handler.spool import Spool
from logship.host import host_name
from logship.settings.model import GIB, MIB, IndexSettings
from logship.settings.texts import without_credentials
from logship.sinks.index_names import IndexNames

__all__ = ["HandlerStats", "LogshipHandler"]

START_AGAIN_SECONDS = 1.0
LOOK_SECONDS = 0.005
REPORT_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class HandlerStats:
    """Counters of one handler, since it was made or since the fork.

    ``emitted`` is the sum of all others but ``recovered`` and ``dropped_levels``.

    Attributes:
        emitted: Records that were offered, reports of drops included.
        delivered: Records that are stored.
        rejected: Records that Elasticsearch refused for good.
        waiting: Records queued or under way.
        spooled: Records that wait in ``spool_dir``.
        handed_on: Records that another handler took over when this one was closed.
        lost: Records that could neither be delivered nor spooled when it was closed.
        recovered: Records of other processes that were found in ``spool_dir`` and delivered.
        dropped: Records that were dropped, by reason: ``queue_full``, ``too_large`` (more than
            all may take together) or ``unreadable``.
        dropped_levels: The same by level.
    """

    emitted: int
    delivered: int
    rejected: int
    waiting: int
    spooled: int = 0
    handed_on: int = 0
    lost: int = 0
    recovered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    dropped_levels: dict[str, int] = field(default_factory=dict)


class LogshipHandler(logging.Handler):
    """Ships records to Elasticsearch from a thread of its own.

    ``emit`` builds the document in the calling thread, appends it to a bounded queue and
    returns: no I/O, no waiting for the server, no exception. The thread starts with the first
    record; nothing is contacted before. At a normal exit what is queued is delivered, for
    ``exit_deadline`` at the most, whatever the number of handlers; the rest goes to
    ``spool_dir``, and one line on stderr says so. Python's own reaction to SIGTERM is no normal
    exit: install a handler that calls ``sys.exit``, as servers do. ``os._exit`` is none either,
    but in children of multiprocessing: call :meth:`flush` before.

    A record's id and index are fixed when it is emitted, so a retry, the spool and a later
    start store it once. A forked child ships its own records, and none of its parent's. Records
    born on the shipping thread never enter. Where this handler is the only one, what logship has
    to say of itself goes to stderr.

    Every argument works from ``dictConfig``.

    Args:
        hosts: URL or URLs; by default ``LOGSHIP_ES_URL`` or ``http://localhost:9200``.
        service: Service of every record; by default ``LOGSHIP_SERVICE``.
        environment: ``environment`` of every record.
        index: Pattern with strftime's directives and ``{field}``, by the record's own time.
        api_key: By default ``LOGSHIP_ES_API_KEY``; or *username* and *password*.
        ca_certs: File with the certificates to trust instead of the system's.
        verify: Whether the server's certificate is checked.
        max_bytes: Bound of everything not yet settled, as a number or like ``"32MiB"``.
        max_records: The same in records.
        overflow: What gives way beyond the bounds: ``drop_oldest``; ``drop_newest``;
            ``drop_low_levels``, the lowest level first; ``block`` waits for room, for
            *max_block*, and then drops the newest; ``spool`` writes to *spool_dir*, from where
            records come back. Drops are counted by reason and level and reported as one
            document when they are over.
        max_block: How long one call may wait under ``block``.
        batch_age: A record goes at the latest after this time, for example ``"1s"``.
        exit_deadline: How long the interpreter's end may wait for delivery.
        spool_dir: Folder for records that cannot be delivered in time, and for what
            Elasticsearch refused; many processes may share it. The next handler that starts
            with it ships what it finds.
        spool_max_bytes: Bound of that folder.
        extra_field: Where what came by ``extra=`` goes; None merges it at the root.
        template: Whether to keep the index template up to date.
        level: As for every handler.

    Raises:
        ValueError: An argument cannot be used; the text says which and why.
    """

    def __init__(
        self,
        hosts: str | Sequence[str] | None = None,
        service: str | None = None,
        environment: str | None = None,
        index: str = "logs-%Y.%m.%d",
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        max_bytes: int | str = 32 * MIB,
        max_records: int = 50_000,
        overflow: str = "drop_oldest",
        batch_age: float | str = "1s",
        exit_deadline: float | str = "5s",
        extra_field: str | None = "extra",
        template: bool = True,
        level: int | str = logging.NOTSET,
        *,
        spool_dir: str | os.PathLike[str] | None = None,
        spool_max_bytes: int | str = GIB,
        max_block: float | str = "1s",
        ca_certs: str | os.PathLike[str] | None = None,
        verify: bool = True,
    ) -> None:
        super().__init__(level)
        self._overflow = overflow_of(overflow, spool_dir)
        self._max_bytes = size_of("max_bytes", max_bytes)
        self._max_records = size_of("max_records", max_records)
        self._max_block_seconds = seconds_of("max_block", max_block)
        self._exit_deadline_seconds = seconds_of("exit_deadline", exit_deadline)
        self._settings = ShipperSettings(
            elasticsearch=elasticsearch_settings(
                hosts, api_key, username, password, ca_certs, verify
            ),
            index=IndexSettings(name=index_of(index), template=template),
            delivery=delivery_settings(self._max_bytes, seconds_of("batch_age", batch_age)),
            buffer_records=max(1, self._max_records // 2),
            spool_dir=Path(spool_dir).absolute() if spool_dir is not None else None,
            spool_max_bytes=size_of("spool_max_bytes", spool_max_bytes),
            spools=self._overflow == "spool",
        )
        self._names = IndexNames(index)
        self._extra_field = extra_field
        constants = {
            "service": service or os.environ.get("LOGSHIP_SERVICE"),
            "environment": environment,
            "host.name": host_name(os.environ),
        }
        self._constants = {key: value for key, value in constants.items() if value}
        self._begin()
        process.register(self)

    def _begin(self) -> None:
        """Start with nothing: when made, and in the child of a fork."""
        self._pid = os.getpid()
        self._is_closed = False
        self._starting = threading.Lock()
        self._start_after = 0.0
        self._shipper: Shipper | None = None
        self._said: tuple[int, ...] = ()
        self._queue = Queue(
            max_bytes=self._max_bytes,
            max_records=self._max_records,
            overflow=self._overflow,
            max_block_seconds=self._max_block_seconds,
        )
        self._documenter = Documenter(self._names, self._constants, self._extra_field)
        self._account = Account({self._documenter.prefix})

    # --- logging -----------------------------------------------------------------------------

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit *record*, without the handler's lock: emit has its own, shorter."""
        kept = self.filter(record)
        if not kept:
            return False
        self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Queue *record*. Never waits, but for room under ``block``, and never raises.

        Hot: `make bench-handler`.
        """
        if threading.get_ident() in process.shipping and not process.is_finalising():
            self._say_own(record)
            return
        shipper = self._shipper
        if os.getpid() != self._pid:  # forked behind Python's back
            self.after_fork()
            shipper = None
        try:
            self._queue.put(self._documenter.encode(record))
        except Exception:  # the application's own work goes on, whatever logging meets
            self.handleError(record)
            return
        if shipper is None:
            shipper = self._start()
        if shipper is not None and not shipper.is_awake:
            shipper.wake()

    def handleError(self, record: logging.LogRecord) -> None:
        """Count *record* as unreadable, and say why as all handlers do. Never raises."""
        try:
            self._queue.count_drop("unreadable", logging.NOTSET)
            super().handleError(record)
        except Exception:  # stderr is closed, or a recursion is too deep for even this
            pass

    def flush(self, timeout: float = 5.0) -> bool:  # type: ignore[override]
        """Wait until everything emitted so far is settled, *timeout* seconds at the most.

        Inside ``dictConfig``, which holds a lock that the shipping thread may need, it only
        asks for a hurry.

        Returns:
            Whether it is. False at once on the shipping thread itself.
        """
        shipper = self._shipper
        if shipper is None:
            if not len(self._queue):
                return True
            shipper = self._start()
        if shipper is None or threading.get_ident() in process.shipping:
            return False
        number = self._queue.next_number()
        shipper.hurry()
        if process.holds_logging_lock():
            return shipper.is_done_before(number)
        by = time.monotonic() + timeout
        if process.is_ending():
            by = min(by, process.deadline(self._exit_deadline_seconds))
        return _wait(lambda: shipper.is_done_before(number), shipper, by)

    def stats(self) -> HandlerStats:
        """Return the counters."""
        queue, account = self._queue, self._account
        tally = queue.drops.copy()
        gone = account.rejected + account.spooled + account.handed_on + account.lost
        settled, dropped, emitted = queue.settled_records, queue.dropped, queue.emitted
        return HandlerStats(
            emitted=emitted,
            delivered=max(0, settled - gone),
            rejected=account.rejected,
            waiting=max(0, emitted - settled - dropped),
            spooled=account.spooled,
            handed_on=account.handed_on,
            lost=account.lost,
            recovered=account.recovered,
            dropped=by_reason(tally),
            dropped_levels=by_level(tally),
        )

    def close(self) -> None:
        """Deliver what is queued, for ``exit_deadline`` at the most, and end the thread.

        What could not be delivered goes to ``spool_dir``, else to another handler for the same
        hosts, else it is lost; one line on stderr says so. Inside ``dictConfig`` all of this
        happens behind its back. Closing again does nothing; a record that comes after all
        begins anew.
        """
        if not self._is_closed:
            self._is_closed = True
            self._close()
        super().close()

    def _close(self) -> None:
        shipper = self._shipper or self._without_thread()
        if shipper is None:
            return
        by = process.deadline(self._exit_deadline_seconds)
        shipper.finish(by - self._reserve_seconds)
        if threading.get_ident() in process.shipping or process.holds_logging_lock():
            return
        if not shipper.join(by - self._reserve_seconds):
            shipper.stop()
        self._leave(shipper)

    # --- the life of the shipping thread -------------------------------------------------------

    def _start(self) -> Shipper | None:
        """Start the thread, unless that happens just now or cannot be."""
        # Not waited for: a __del__ that logs may be inside already, on this very thread.
        if not self._starting.acquire(blocking=False):
            return self._shipper
        try:
            if self._shipper is None and time.monotonic() >= self._start_after:
                shipper = self._new_shipper()
                try:
                    shipper.start()
                except (RuntimeError, MemoryError):  # too many threads, or too late for one
                    self._start_after = time.monotonic() + START_AGAIN_SECONDS
                else:
                    self._shipper = shipper
                    self._is_closed = False
                process.begin_running(self)
            return self._shipper
        finally:
            self._starting.release()

    def _new_shipper(self) -> Shipper:
        return Shipper(
            self._queue, self._documenter, self._settings, self._account, self._on_thread_end
        )

    def _without_thread(self) -> Shipper | None:
        """Ship here and now what could not get a thread; the interpreter's end allows no new."""
        if len(self._queue):
            self._shipper = shipper = self._new_shipper()
            shipper.run_here(process.deadline(self._exit_deadline_seconds) - self._reserve_seconds)
        return self._shipper

    def hurry(self) -> None:
        """Send what there is at once, without waiting for it."""
        shipper = self._shipper
        if shipper is not None:
            shipper.hurry()

    def end(self) -> None:
        """At the end of the process: deliver within the deadline, then spool, then report.

        The thread stays, for what is logged while the interpreter ends.
        """
        shipper = self._shipper or self._without_thread()
        if shipper is None or threading.get_ident() in process.shipping:
            return
        by = process.deadline(self._exit_deadline_seconds) - self._reserve_seconds
        soon = min(by, time.monotonic() + REPORT_SECONDS)
        _wait(lambda: not shipper.has_unreported, shipper, soon)
        number = self._queue.next_number()
        _wait(lambda: shipper.is_done_before(number) and not shipper.is_recovering, shipper, by)
        if shipper.is_done_before(number):
            self._report(shipper)
        else:
            shipper.stop()
            self._leave(shipper)

    def after_fork(self) -> None:
        """In the child of a fork: own nothing of the parent's, and begin anew."""
        shipper = self._shipper
        process.keep((shipper, self._queue, self._documenter, self._starting))
        if shipper is not None and shipper.spool is not None:
            shipper.spool.let_go_in_child()
        self._begin()

    def _on_thread_end(self, shipper: Shipper) -> None:
        self._leave(shipper)

    def _leave(self, shipper: Shipper) -> None:
        """Take leave of *shipper*: place what it has not delivered, and say so."""
        rest = shipper.rest()
        if rest is None:
            return
        late: list[Encoded] = []
        if not process.is_ending():  # else there is no later
            late = [entry for entry in rest if entry.number >= shipper.last_number]
            rest = rest[: len(rest) - len(late)]
        if rest:
            self._place(rest)
        self._queue.put_back(late)
        if self._shipper is shipper:
            self._shipper = None
        process.end_running(self)
        self._report(shipper)
        if len(self._queue) and not process.is_ending():
            self._start()

    def _place(self, rest: list[Encoded]) -> None:
        """Put what nobody could deliver where it is kept, if there is such a place."""
        for entry in rest:
            self._queue.settle(entry)
        if self._settings.spool_dir is not None:
            name = f"{self._documenter.prefix}.rest"
            limit = self._settings.spool_max_bytes
            spool = Spool(self._settings.spool_dir, max_bytes=limit, name=name)
            kept, why = spool.append(rest, sync=True)
            spool.finish()
            self._account.spooled += kept
            if why:
                process.say(f"cannot spool: {why}.")
            rest = rest[kept:]
        heir = None if process.is_ending() else self._heir()
        if heir is not None and rest:
            self._account.handed_on += len(rest)
            heir._adopt(rest, self._account.prefixes)
        else:
            self._account.lost += len(rest)

    def _heir(self) -> LogshipHandler | None:
        """Return another open handler for the same cluster."""
        for other in process.known():
            if (
                isinstance(other, LogshipHandler)
                and other is not self
                and not other._is_closed
                and other._settings.elasticsearch == self._settings.elasticsearch
            ):
                return other
        return None

    def _adopt(self, entries: list[Encoded], prefixes: set[str]) -> None:
        self._account.prefixes |= prefixes
        for entry in entries:
            entry.must_stay = True
            self._queue.put(entry)
        shipper = self._start()
        if shipper is not None:
            shipper.wake()

    @property
    def _reserve_seconds(self) -> float:
        """How much of the deadline is left for the spool."""
        if self._settings.spool_dir is None:
            return 0.0
        return min(0.5, 0.1 * self._exit_deadline_seconds)

    # --- what people read ----------------------------------------------------------------------

    def _say_own(self, record: logging.LogRecord) -> None:
        """Say what logship reports of itself, where nothing else would show it."""
        shipper = self._shipper
        is_mine = shipper is not None and shipper.ident == threading.get_ident()
        is_report = record.levelno >= logging.WARNING and record.name.startswith("logship.")
        if is_mine and is_report and not _is_shown(logging.getLogger(record.name)):
            process.say(record.getMessage())

    def _report(self, shipper: Shipper) -> None:
        stats = self.stats()
        dropped = sum(stats.dropped.values())
        numbers = (stats.spooled, stats.lost, stats.rejected, dropped)
        if not any(numbers) or numbers == self._said:
            return
        self._said = numbers
        parts = [f"{stats.delivered} records delivered", f"{stats.spooled} spooled"]
        if stats.spooled:
            parts[-1] += f" to {self._settings.spool_dir}"
        parts.append(f"{stats.lost} lost")
        if stats.rejected:
            parts.append(f"{stats.rejected} rejected")
        parts += [f"{count} dropped ({reason})" for reason, count in stats.dropped.items()]
        why = ""
        if stats.spooled or stats.lost:
            hosts = ", ".join(map(without_credentials, self._settings.elasticsearch.hosts))
            why = f" {shipper.trouble or f'No answer from {hosts} in time.'}"
        elif stats.rejected and self._account.letters is not None:
            why = f" {self._account.letters.reason}"
        process.say(f"{', '.join(parts)}.{why}")


def _is_shown(logger: logging.Logger) -> bool:
    """Whether a handler of another kind gets the records of *logger*."""
    here: logging.Logger | None = logger
    while here is not None:
        if any(not isinstance(handler, LogshipHandler) for handler in here.handlers):
            return True
        here = here.parent if here.propagate else None
    return False


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
        time.sleep(LOOK_SECONDS)
    return True
