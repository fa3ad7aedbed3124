"""Uncaught exceptions become records: of the main thread, threads, finalizers and tasks."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

__all__ = ["UNCAUGHT", "install_exception_hooks", "is_uncaught"]

UNCAUGHT = "uncaught"  # the logger, and the tag
_log = logging.getLogger(UNCAUGHT)
_undo: Callable[[], None] | None = None


def install_exception_hooks() -> Callable[[], None]:
    """Log every exception that nobody catches, with the tag ``uncaught``.

    Those that end the program (CRITICAL) or a thread (ERROR) and those that Python cannot raise,
    as in ``__del__`` (ERROR), go to the logger ``uncaught``. asyncio logs those of its tasks
    itself, to the logger ``asyncio``; these get the tag. Whatever hooks were there before are
    called, too, so what is written on stderr stays as it was. ``KeyboardInterrupt`` and
    ``SystemExit`` are no errors.

    Installing again changes nothing.

    Returns:
        A function that puts things back as they were before the first call.
    """
    global _undo
    if _undo is None:
        _undo = _install()
    return _uninstall


def is_uncaught(record: logging.LogRecord) -> bool:
    """Whether *record* tells of an exception that nobody caught."""
    return UNCAUGHT in (getattr(record, "tags", None) or ())


def _install() -> Callable[[], None]:
    of_program, of_threads, of_finalizers = (
        sys.excepthook,
        threading.excepthook,
        sys.unraisablehook,
    )

    def program(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            _report(logging.CRITICAL, "uncaught exception", (kind, error, trace))
        of_program(kind, error, trace)

    def thread(args: threading.ExceptHookArgs) -> None:
        if not issubclass(args.exc_type, SystemExit):
            name = args.thread.name if args.thread is not None else "?"
            info = (args.exc_type, args.exc_value, args.exc_traceback)
            _report(logging.ERROR, f"uncaught exception in thread {name}", info)
        of_threads(args)

    def finalizer(args: sys.UnraisableHookArgs) -> None:
        info = (args.exc_type, args.exc_value, args.exc_traceback)
        _report(logging.ERROR, _what(args), info)
        of_finalizers(args)

    sys.excepthook, threading.excepthook, sys.unraisablehook = program, thread, finalizer
    of_asyncio = logging.getLogger("asyncio")
    of_asyncio.addFilter(_tagged)

    def undo() -> None:
        # Who came after us calls us: only what is still ours is put back.
        if sys.excepthook is program:
            sys.excepthook = of_program
        if threading.excepthook is thread:
            threading.excepthook = of_threads
        if sys.unraisablehook is finalizer:
            sys.unraisablehook = of_finalizers
        of_asyncio.removeFilter(_tagged)

    return undo


def _uninstall() -> None:
    global _undo
    undo, _undo = _undo, None
    if undo is not None:
        undo()


def _report(level: int, text: str, info: tuple[Any, Any, Any]) -> None:
    if _undo is None:  # uninstalled, but a hook that came later still calls ours
        return
    try:
        _log.log(level, text, exc_info=info, extra={"tags": [UNCAUGHT]})
    except Exception:  # Python's own report follows; a second failure must not hide it
        pass


def _tagged(record: logging.LogRecord) -> bool:
    """Tag what asyncio reports of tasks and callbacks; let everything through."""
    if record.exc_info and record.levelno >= logging.ERROR and not is_uncaught(record):
        record.tags = [UNCAUGHT]
    return True


def _what(args: sys.UnraisableHookArgs) -> str:
    try:
        return f"{args.err_msg or 'exception ignored in'}: {args.object!r}"
    except Exception:  # a repr of somebody's own making
        return "exception ignored in a finalizer"
