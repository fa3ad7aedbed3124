"""The state folder: made, checked and locked by one agent at a time."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType

from logship.errors import StateError

__all__ = ["StateDir"]


class StateDir:
    """Holds the folder while it is open; the lock goes with the process.

    Raises:
        StateError: The folder cannot be made or written, or another agent holds it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"{path}: the state folder cannot be used ({error.strerror}). "
                "Choose another with --state-dir or state_dir, or make it writable."
            ) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._lock, 64, 0).decode("ascii", "replace").strip()
            os.close(self._lock)
            raise StateError(
                f"{path}: another agent{f' (process {holder})' if holder else ''} uses this state "
                "folder. Stop it, or choose another folder with --state-dir."
            ) from error
        try:
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(self._lock)
            raise StateError(f"{path}: cannot write there: {error.strerror}") from error

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._lock)

    def __enter__(self) -> StateDir:
        return self

    def __exit__(
        self,
        type_: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
