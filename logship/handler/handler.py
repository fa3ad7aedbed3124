"""``LogshipHandler``: hands records to the shipping thread and returns."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from logship.handler import process
from logship.handler.account import HandlerStats, stats_of
from logship.handler.document import Documenter
from logship.handler.levels import level_number
from logship.handler.life import Life, LifeSettings
from logship.handler.options import (
    delivery_settings,
    elasticsearch_settings,
    index_of,
    overflow_of,
    seconds_of,
    size_of,
)
from logship.handler.shipper import ShipperSettings
from logship.host import host_name
from logship.settings.model import GIB, MIB, IndexSettings
from logship.sinks.index_names import IndexNames

__all__ = ["HandlerStats", "LogshipHandler"]


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
            records come back: while the disk takes them, but slower than they come, a call waits,
            for half a second. Drops are counted by reason and level and reported as one
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
        level: As for every handler, in any usual spelling; ``HTTP`` (15) lies between ``INFO``
            and ``DEBUG``.

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
        bytes_, records = size_of("max_bytes", max_bytes), size_of("max_records", max_records)
        policy = overflow_of(overflow, spool_dir)
        self._settings = LifeSettings(
            max_bytes=bytes_,
            max_records=records,
            overflow=policy,
            max_block_seconds=seconds_of("max_block", max_block),
            exit_deadline_seconds=seconds_of("exit_deadline", exit_deadline),
            shipping=ShipperSettings(
                elasticsearch=elasticsearch_settings(
                    hosts, api_key, username, password, ca_certs, verify
                ),
                index=IndexSettings(name=index_of(index), template=template),
                delivery=delivery_settings(bytes_, records, seconds_of("batch_age", batch_age)),
                buffer_records=max(1, records // 2),
                spool_dir=Path(spool_dir).absolute() if spool_dir is not None else None,
                spool_max_bytes=size_of("spool_max_bytes", spool_max_bytes),
                spools=policy == "spool",
            ),
        )
        number = level_number(level)
        constants = {
            "service": service or os.environ.get("LOGSHIP_SERVICE"),
            "environment": environment,
            "host.name": host_name(os.environ),
        }
        self._constants = {key: value for key, value in constants.items() if value}
        self._names, self._extra_field = IndexNames(index), extra_field
        self._life = self._new_life()
        # Last: logging closes at exit what it knows, also when an argument was refused.
        super().__init__(number)
        process.register(self)

    def _new_life(self) -> Life:
        documenter = Documenter(self._names, self._constants, self._extra_field)
        return Life(self._settings, documenter)

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and emit *record*, without the handler's lock: emit has its own, shorter."""
        kept = self.filter(record)
        if not kept:
            return False
        self.emit(kept if isinstance(kept, logging.LogRecord) else record)
        return True

    def emit(self, record: logging.LogRecord) -> None:
        """Queue *record*. Waits for nothing but room under ``block`` and ``spool``; never raises.

        Hot: `make bench-handler`.
        """
        life = self._life
        if sys.is_finalizing():
            life.too_late(record.levelno)
            return
        if threading.get_ident() in process.shipping and not process.is_finalising():
            self._say_own(record)
            return
        if os.getpid() != life.pid:  # forked behind Python's back
            self.after_fork()
            life = self._life
        try:
            life.queue.put(life.documenter.encode(record))
        except Exception:  # the application's own work goes on, whatever logging meets
            self.handleError(record)
            return
        shipper = life.shipper or life.start()
        if shipper is not None and not shipper.is_awake:
            shipper.wake()

    def handleError(self, record: logging.LogRecord) -> None:
        """Count *record* as unreadable, and say why as all handlers do. Never raises."""
        try:
            self._life.queue.count_drop("unreadable", logging.NOTSET)
            super().handleError(record)
        except Exception:  # stderr is closed, or a recursion is too deep for even this
            pass

    # logging's flush returns nothing; what it is given and returns beyond that is an addition.
    def flush(self, timeout: float = 5.0) -> bool:  # type: ignore[override]
        """Wait until everything emitted so far is settled, *timeout* seconds at the most.

        Inside ``dictConfig``, which holds a lock that the shipping thread may need, it only
        asks for a hurry.

        Returns:
            Whether it is. False at once on the shipping thread itself.
        """
        return self._life.flush(timeout)

    def stats(self) -> HandlerStats:
        """Return the counters."""
        return stats_of(self._life.queue, self._life.account)

    def close(self) -> None:
        """Deliver what is queued, for ``exit_deadline`` at the most, and end the thread.

        What could not be delivered goes to ``spool_dir``, else to another handler for the same
        hosts, else it is lost; one line on stderr says so. Inside ``dictConfig`` all of this
        happens behind its back. Closing again does nothing; a record that comes after all
        begins anew.
        """
        self._life.close()
        super().close()

    def hurry(self) -> None:
        """Send what there is at once, without waiting for it."""
        self._life.hurry()

    def after_fork(self) -> None:
        """In the child of a fork: own nothing of the parent's, and begin anew."""
        self._life.let_go()
        self._life = self._new_life()

    def _say_own(self, record: logging.LogRecord) -> None:
        """Say what logship reports of itself, where nothing else would show it."""
        shipper = self._life.shipper
        is_mine = shipper is not None and shipper.ident == threading.get_ident()
        is_report = record.levelno >= logging.WARNING and record.name.startswith("logship.")
        if is_mine and is_report and not _is_shown(logging.getLogger(record.name)):
            process.say(record.getMessage())


def _is_shown(logger: logging.Logger) -> bool:
    """Whether a handler of another kind gets the records of *logger*."""
    here: logging.Logger | None = logger
    while here is not None:
        if any(not isinstance(handler, LogshipHandler) for handler in here.handlers):
            return True
        here = here.parent if here.propagate else None
    return False
