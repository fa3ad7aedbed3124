"""``LogshipHandler``: hands records to the shipping thread and returns."""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import get_args

from logship.handler.document import Documenter
from logship.handler.queue import Overflow, Queue
from logship.handler.shipper import Shipper
from logship.host import host_name
from logship.settings.model import (
    MIB,
    DeliverySettings,
    ElasticsearchSettings,
    IndexSettings,
)
from logship.settings.units import parse_duration, parse_size
from logship.sinks.index_names import IndexNames

__all__ = ["HandlerStats", "LogshipHandler"]

_handlers: weakref.WeakSet[LogshipHandler] = weakref.WeakSet()
# What a forked child inherited: its descriptors are shared with the parent, so nothing of it
# may ever be closed, not even by the garbage collector.
_inherited: list[object] = []


@dataclass(frozen=True, slots=True)
class HandlerStats:
    """Counters of one handler, since it was made or since the fork.

    Attributes:
        emitted: Records that were offered.
        delivered: Records that are stored.
        rejected: Records that Elasticsearch refused for good.
        waiting: Records queued or under way.
        dropped: Records that were dropped, by reason.
    """

    emitted: int
    delivered: int
    rejected: int
    waiting: int
    dropped: dict[str, int] = field(default_factory=dict)


class LogshipHandler(logging.Handler):
    """Ships records to Elasticsearch from a thread of its own.

    ``emit`` builds the document in the calling thread, appends it to a bounded queue and
    returns: no I/O, no waiting for the server, no exception. The thread starts with the first
    record; nothing is contacted before. At a normal exit what is queued is delivered, for
    ``exit_deadline`` at the most.

    A record's id and index are fixed when it is emitted, so a retry stores nothing twice.

    Every argument works from ``dictConfig``.

    Args:
        hosts: URL or URLs; by default ``LOGSHIP_ES_URL`` or ``http://localhost:9200``.
        service: Service of every record; by default ``LOGSHIP_SERVICE``.
        environment: ``environment`` of every record.
        index: Pattern with strftime's directives and ``{field}``, by the record's own time.
        api_key: By default ``LOGSHIP_ES_API_KEY``; or *username* and *password*.
        max_bytes: Bound of everything not yet settled, as a number or like ``"32MiB"``.
        max_records: The same in records.
        overflow: What gives way beyond the bounds: ``drop_oldest`` or ``drop_newest``.
        batch_age: A record goes at the latest after this time, for example ``"1s"``.
        exit_deadline: How long the interpreter's end may wait for delivery.
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
        overflow: Overflow = "drop_oldest",
        batch_age: float | str = "1s",
        exit_deadline: float | str = "5s",
        extra_field: str | None = "extra",
        template: bool = True,
        level: int | str = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        if overflow not in get_args(Overflow):
            raise ValueError(f"overflow must be one of {', '.join(get_args(Overflow))}")
        self._elasticsearch = ElasticsearchSettings(
            hosts=_hosts(hosts),
            api_key=api_key or os.environ.get("LOGSHIP_ES_API_KEY") or None,
            username=username or os.environ.get("LOGSHIP_ES_USERNAME") or None,
            password=password or os.environ.get("LOGSHIP_ES_PASSWORD") or None,
        )
        self._index = IndexSettings(name=index, template=template)
        self._names = IndexNames(index)
        self._max_bytes = max_bytes if isinstance(max_bytes, int) else parse_size(max_bytes)
        self._max_records, self._overflow = max_records, overflow
        self._delivery = _delivery(self._max_bytes, _seconds(batch_age))
        self._exit_deadline_seconds = _seconds(exit_deadline)
        self._extra_field = extra_field
        service = service or os.environ.get("LOGSHIP_SERVICE")
        self._constants = {
            key: value
            for key, value in (
                ("service", service),
                ("environment", environment),
                ("host.name", host_name(os.environ)),
            )
            if value
        }
        self._begin()
        _handlers.add(self)
        _register_once()

    def _begin(self) -> None:
        """Start with nothing: when made, and in the child of a fork."""
        self._closed = False
        self._start_lock = threading.Lock()
        self._shipper: Shipper | None = None
        self._queue = Queue(
            max_bytes=self._max_bytes,
            max_records=self._max_records,
            overflow=self._overflow,
            beyond=self._under_way,
        )
        self._documenter = Documenter(self._names, self._constants, self._extra_field)

    def _under_way(self) -> tuple[int, int]:
        shipper = self._shipper
        return (0, 0) if shipper is None else shipper.under_way

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit *record*, without the handler's lock: emit has its own, shorter."""
        kept = self.filter(record)
        if not kept:
            return False
        self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Queue *record*. Never blocks on the network and never raises."""
        shipper = self._shipper
        if shipper is not None and shipper.thread.ident == threading.get_ident():
            return  # born of shipping itself
        try:
            queue = self._queue
            queue.put(self._documenter.encode(record, queue.number()))
            if self._closed:
                queue.dropped["closed"] += len(queue.take(len(queue)))
                return
            if shipper is None:
                shipper = self._start()
            shipper.wake()
        except Exception:  # the application's own work goes on, whatever logging meets
            self.handleError(record)

    def flush(self, timeout: float = 5.0) -> bool:  # type: ignore[override]
        """Wait until everything emitted so far is settled, *timeout* seconds at the most.

        Returns:
            Whether it is. False at once on the shipping thread itself.
        """
        shipper, queue = self._shipper, self._queue
        if shipper is None:
            return True
        if shipper.thread.ident == threading.get_ident():
            return False
        target = queue.put_count
        shipper.hurry()
        shipper.wake()
        deadline = time.monotonic() + timeout
        while shipper.settled + sum(queue.dropped.values()) < target:
            if time.monotonic() >= deadline or not shipper.thread.is_alive():
                return False
            shipper.hurry()
            time.sleep(0.01)
        return True

    def stats(self) -> HandlerStats:
        """Return the counters."""
        shipper, queue = self._shipper, self._queue
        dropped = dict(queue.dropped)
        totals = shipper.delivery.totals if shipper and shipper.delivery else None
        settled = shipper.settled if shipper else 0
        return HandlerStats(
            emitted=queue.put_count,
            delivered=totals.delivered if totals else 0,
            rejected=totals.rejected if totals else 0,
            waiting=max(0, queue.put_count - settled - sum(dropped.values())),
            dropped=dropped,
        )

    def close(self) -> None:
        """Deliver what is queued, for ``exit_deadline`` at the most, and end the thread.

        What could not be delivered is said on stderr in one line. Closing again does nothing.
        """
        if not self._closed:
            self._closed = True
            shipper = self._shipper
            if shipper is not None and shipper.thread.ident != threading.get_ident():
                shipper.close(self._exit_deadline_seconds)
                self._report(shipper)
        super().close()

    def _start(self) -> Shipper:
        with self._start_lock:
            if self._shipper is None:
                shipper = Shipper(self._queue, self._elasticsearch, self._index, self._delivery)
                shipper.start()
                self._shipper = shipper
            return self._shipper

    def _report(self, shipper: Shipper) -> None:
        stats = self.stats()
        lost = stats.waiting + sum(stats.dropped.values())
        if lost + stats.rejected == 0:
            return
        trouble = shipper.delivery.trouble if shipper.delivery else ""
        why = shipper.failure or trouble or "see the reasons above"
        dropped = "".join(
            f", {count} dropped ({reason})" for reason, count in stats.dropped.items()
        )
        text = (
            f"logship: handler closed: {stats.delivered} records delivered, "
            f"{stats.waiting} lost, {stats.rejected} rejected{dropped}. {why}\n"
        )
        try:
            sys.stderr.write(text)
        except (OSError, ValueError, AttributeError):  # closed, or there is none
            pass

    def _after_fork(self) -> None:
        """In the child: own nothing of the parent's, and begin anew."""
        _inherited.append((self._shipper, self._queue, self._start_lock))
        self._begin()


def _seconds(value: float | str) -> float:
    return parse_duration(value) if isinstance(value, str) else float(value)


def _hosts(hosts: str | Sequence[str] | None) -> tuple[str, ...]:
    if hosts is None:
        hosts = os.environ.get("LOGSHIP_ES_URL") or ElasticsearchSettings().hosts
    if isinstance(hosts, str):
        hosts = hosts.replace(",", " ").split()
    return tuple(hosts)


def _delivery(max_bytes: int, batch_age_seconds: float) -> DeliverySettings:
    defaults = DeliverySettings()
    batch_bytes = min(defaults.batch_bytes, max(1, max_bytes // 4))
    # Little more than a batch is taken out of the queue ahead of time: what is in the queue
    # can still be dropped in favour of newer records.
    return DeliverySettings(
        batch_bytes=batch_bytes,
        batch_age_seconds=batch_age_seconds,
        buffer_bytes=2 * batch_bytes,
        max_in_flight=2,
    )


_registered = False


def _register_once() -> None:
    global _registered
    if _registered:
        return
    _registered = True
    # Runs before logging's own, which was registered when logging was imported.
    atexit.register(_close_all)
    os.register_at_fork(after_in_child=_after_fork_in_child)


def _close_all() -> None:
    for handler in list(_handlers):
        handler.close()


def _after_fork_in_child() -> None:
    for handler in list(_handlers):
        handler._after_fork()
