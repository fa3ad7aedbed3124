"""Sorts what the folders' notifications say by what is to be done about it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

from logship.sources.file.context import SourceContext
from logship.sources.file.discovery import Root, names
from logship.sources.file.watcher import MODIFIED, Watcher

__all__ = ["Notices"]


class Notices:
    """What was notified and nothing was done about yet.

    Args:
        wake: Called on the event loop when something was notified.
    """

    def __init__(self, context: SourceContext, wake: Callable[[], None]) -> None:
        self._context, self._wake = context, wake
        self._are_named = names(context.settings.paths)
        self._changed: set[tuple[int, str]] = set()
        self._reopen: set[str] = set()
        self._watcher: Watcher | None = None

    def watch(self, roots: Sequence[Root]) -> None:
        """Have these folders notified from now on, and no others; none with *once*."""
        if self._context.once:
            return
        if self._watcher is not None:
            if self._watcher.roots == roots:
                return
            self._watcher.stop()
        loop = asyncio.get_running_loop()
        self._watcher = Watcher(roots, partial(self._notified, loop))

    def stop(self) -> None:
        """Have nothing notified any more; returns at once."""
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher = None

    def take(self) -> None:
        """Give open files that changed their turn, and have a look where others did."""
        open_files, look_again = self._context.open_files, self._context.look_again
        changed, self._changed = self._changed, set()
        elsewhere = False
        for change, path in changed:
            tailer = open_files.at(path)
            if tailer is not None:
                open_files.make_ready(tailer)
                if change != MODIFIED:
                    look_again(0.0)
            elif change == MODIFIED and self._context.parking.at(path) is not None:
                self._reopen.add(path)
            elif self._are_named(path) or self._leads_to_files(path):
                look_again(0.0)
            else:
                elsewhere = True
        if elsewhere:  # perhaps a writer that goes on in a file that was renamed
            for tailer in open_files:
                if tailer.gone_since is not None:
                    open_files.make_ready(tailer)

    def to_reopen(self) -> set[str]:
        """Return, once, the paths of parked files that changed, as far as they were taken."""
        paths, self._reopen = self._reopen, set()
        return paths

    def _notified(self, loop: asyncio.AbstractEventLoop, changes: set[tuple[int, str]]) -> None:
        """Called on the watcher's thread."""
        try:
            loop.call_soon_threadsafe(self._note, changes)
        except RuntimeError:  # the loop is closed: nobody is interested any more
            pass

    def _note(self, changes: set[tuple[int, str]]) -> None:
        self._changed |= changes
        self._wake()

    def _leads_to_files(self, path: str) -> bool:
        return any(pattern.startswith(f"{path}/") for pattern in self._context.settings.paths)
