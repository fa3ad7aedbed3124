"""What a source has to say of its files: once, or seldom, and never in every scan."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from logship.interfaces import Clock

__all__ = ["Complaints"]

log = logging.getLogger(__name__)

SAY_AGAIN_SECONDS = 60.0


class Complaints:
    """Warns of what is wrong with the files of one source.

    Attributes:
        unreadable: Paths that the globs name and that cannot be read at present.
    """

    def __init__(self, source: str, clock: Clock) -> None:
        self.unreadable: set[str] = set()
        self._source, self._clock = source, clock
        self._said: set[str] = set()
        self._not_noted_again = float("-inf")

    def once(self, key: str, text: str) -> None:
        """Say *text*, unless something was said of *key* before."""
        if key not in self._said:
            self._said.add(key)
            log.warning("Source %s: %s", self._source, text)

    def cannot_read(self, path: str, error: OSError) -> None:
        """The file at *path* cannot be read now."""
        self.unreadable.add(path)
        self.once(
            f"read {path}: {error.errno}",
            f"cannot read {path}: {error.strerror or error}; it is tried again in every scan.",
        )

    def can_read(self, path: str) -> None:
        """The file at *path* can be read again; when it cannot once more, that is said again."""
        if path in self.unreadable:
            self.unreadable.discard(path)
            self._said = {key for key in self._said if not key.startswith(f"read {path}: ")}

    def cannot_note(self, store: Path, error: sqlite3.Error) -> None:
        """What has to be durable before more is sent is not; said once a minute."""
        now = self._clock.monotonic()
        if now >= self._not_noted_again:
            self._not_noted_again = now + SAY_AGAIN_SECONDS
            log.warning(
                "Source %s: cannot note in %s what must be noted before more is sent: %s. "
                "Such lines wait in their files; the rest goes on, and it is tried again.",
                self._source,
                store,
                error,
            )
