"""What happens to the process: it forks, and it ends.

One place for all handlers, so that there is one deadline for the end, however many there are.
"""

from __future__ import annotations

import atexit
import logging
import math
import os
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

__all__ = [
    "Ending",
    "Forking",
    "begin_running",
    "deadline",
    "end_running",
    "forks_wait",
    "holds_logging_lock",
    "is_ending",
    "is_finalising",
    "keep",
    "known",
    "register",
    "say",
    "say_at_last",
    "shipping",
]

# What forks without logging in it anything of this, for example with billiard: celery's own.
_FORKING_LIBRARIES = ("multiprocessing.util", "billiard.util")
_FINALIZER_PRIORITY = -100  # after what applications have to finish there
_FORK_WAIT_SECONDS = 5.0


class Forking(Protocol):
    """A handler, as far as forks have to do with it."""

    def after_fork(self) -> None:
        """In the child: own nothing of the parent's, and begin anew."""


class Ending(Protocol):
    """A handler's life, as far as the end of its process has to do with it."""

    def hurry(self) -> None:
        """Deliver what there is."""

    def end(self) -> None:
        """Deliver within the deadline, then spool, then report."""


_known: weakref.WeakSet[Any] = weakref.WeakSet()
# The threads that ship, as get_ident gives them: what is born there never enters a pipeline.
shipping: set[int] = set()
# Whoever has a thread is held here until that has ended, whether or not the application still
# remembers it: its records are not lost.
_running: set[Ending] = set()
_registered: set[str] = set()
_ending_since: float | None = None


def register(handler: Forking) -> None:
    """Let *handler* take part in forks."""
    _known.add(handler)


def known() -> list[Any]:
    """Return all handlers that are in use."""
    return list(_known)


def begin_running(life: Ending) -> None:
    """Hold *life* until :func:`end_running`, and end it with the process."""
    _running.add(life)
    for name in _FORKING_LIBRARIES:
        # Their children end in os._exit, without atexit but after these finalizers.
        library = sys.modules.get(name)
        if library is not None and name not in _registered:
            _registered.add(name)
            library.Finalize(None, end_all, exitpriority=_FINALIZER_PRIORITY)


def end_running(life: Ending) -> None:
    """Forget *life*: its thread has ended."""
    _running.discard(life)


def is_ending() -> bool:
    """Whether the process is at its end."""
    return _ending_since is not None


def deadline(seconds: float) -> float:
    """Return the monotonic time until which something may take that may take *seconds*.

    At the end of the process they count from the beginning of the end, once for all.
    """
    return (time.monotonic() if _ending_since is None else _ending_since) + seconds


def end_all() -> None:
    """Deliver what all handlers have, within one deadline."""
    global _ending_since
    if _ending_since is None:
        _ending_since = time.monotonic()
    lives = list(_running)
    for life in lives:
        life.hurry()
    for life in lives:
        try:
            life.end()
        except KeyboardInterrupt:  # enough of waiting: spool and report, all of them
            _ending_since = -math.inf
            life.end()


def is_finalising() -> bool:
    """Whether the calling thread is inside a finaliser.

    The garbage collector runs those of the application on any thread, the shipping one too.
    """
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "__del__" or code is weakref.finalize.__call__.__code__:
            return True
        frame = frame.f_back  # type: ignore[assignment]  # _getframe's type is not optional
    return False


def holds_logging_lock() -> bool:
    """Whether the calling thread holds the lock of :mod:`logging`, as inside ``dictConfig``.

    Whoever waits for another thread then may wait for ever: that thread may log.
    """
    lock = getattr(logging, "_lock", None)
    is_owned = getattr(lock, "_is_owned", None)
    return bool(is_owned and is_owned())


def say(text: str) -> None:
    """Tell people *text* on stderr, where there is one."""
    try:
        sys.stderr.write(f"logship: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # closed, or there is none
        pass


def say_at_last(text: str) -> None:
    """Tell people *text* when threads have ended that may have been writing to stderr."""
    try:  # not through its buffer: Python aborts where one of them holds that one's lock
        os.write(sys.stderr.fileno(), f"logship: {text}\n".encode())
    except (OSError, ValueError, AttributeError):
        pass


# --- forks ---------------------------------------------------------------------------------
# A module that another thread was importing when the process forked can never be imported in
# the child: its lock has no owner there. So forks wait for the imports of the shipping thread.

_importing = threading.Lock()
_forking = threading.local()


@contextmanager
def forks_wait() -> Iterator[None]:
    """Let no fork happen inside, for a bounded time."""
    with _importing:
        yield


def _before_fork() -> None:
    # An import may in turn wait for the forking thread: then there is no good way, and no hang.
    _forking.has_waited = _importing.acquire(timeout=_FORK_WAIT_SECONDS)


def _after_fork_in_parent() -> None:
    if _forking.has_waited:
        _importing.release()


def _after_fork_in_child() -> None:
    global _importing, _ending_since
    _importing = threading.Lock()
    _ending_since = None
    _registered.clear()
    keep(list(_running))
    _running.clear()
    shipping.clear()
    for handler in known():
        handler.after_fork()


def keep(inherited: object) -> None:
    """Never let go of *inherited*."""
    _inherited.append(inherited)


# Nothing inherited may be closed, not even by the garbage collector: descriptors and the epoll
# set are shared with the parent, and taking leave of a connection there takes it from the parent.
_inherited: list[object] = []

os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
# Before logging's own, which was registered when logging was imported.
atexit.register(end_all)
