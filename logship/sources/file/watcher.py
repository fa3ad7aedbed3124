"""File notifications: for latency only. The periodic scan is the truth."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from watchfiles._rust_notify import RustNotify, WatchfilesRustInternalError

from logship.sources.file.discovery import Root

__all__ = ["MODIFIED", "Watcher"]

MODIFIED = 2  # the kinds are added (1), modified (2), deleted (3)

log = logging.getLogger(__name__)

# One write makes several events; a few milliseconds bring them together. Every step wakes the
# process, so that they are longer while nothing happens.
STEP_MILLISECONDS, IDLE_STEP_MILLISECONDS = 10, 100
DEBOUNCE_MILLISECONDS, TIMEOUT_MILLISECONDS = 50, 1000
RESTART_SECONDS = 1.0


class Watcher:
    """Watches directories on a thread of its own.

    ``on_change`` is called on that thread with (kind, path) of what changed. When the system has no
    watches left, or a directory cannot be watched, there is one warning and no call.
    """

    def __init__(
        self, roots: Sequence[Root], on_change: Callable[[set[tuple[int, str]]], None]
    ) -> None:
        self.roots = list(roots)
        self._on_change = on_change
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._watch, args=root[:2], name="logship-watch", daemon=True)
            for root in self.roots
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; returns at once."""
        self._stop.set()

    def _watch(self, directory: str, recursive: bool) -> None:
        while not self._stop.is_set():
            try:
                # debug off, no polling, unreadable folders below are passed over
                notify = RustNotify([directory], False, False, 0, recursive, True)  # noqa: FBT003
            except (OSError, RuntimeError) as error:
                log.warning(
                    "Cannot watch %s (%s): its files are looked at in every scan instead.",
                    directory,
                    error,
                )
                return
            try:
                # What came between the last look and now made no event here.
                self._on_change({(MODIFIED, directory)})
                with notify:
                    self._pass_on(notify)
                return
            except WatchfilesRustInternalError as error:
                # A name that is not UTF-8 ends the watching of all; what was missed meanwhile
                # is found by looking.
                log.debug("Watching %s begins anew: %s", directory, error)
                self._stop.wait(RESTART_SECONDS)

    def _pass_on(self, notify: RustNotify) -> None:
        step = STEP_MILLISECONDS
        while not self._stop.is_set():
            changes = notify.watch(DEBOUNCE_MILLISECONDS, step, TIMEOUT_MILLISECONDS, self._stop)
            step = STEP_MILLISECONDS if isinstance(changes, set) else IDLE_STEP_MILLISECONDS
            if isinstance(changes, set):
                self._on_change(changes)
            elif changes != "timeout":
                return
