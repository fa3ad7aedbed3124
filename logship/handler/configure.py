"""``configure_logging``: console, files and Elasticsearch in one call."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from logship.handler import process
from logship.handler.console import ConsoleHandler, TextFormatter, is_terminal, wants_color
from logship.handler.formatter import JsonFormatter
from logship.handler.hooks import install_exception_hooks, is_uncaught
from logship.handler.levels import level_number
from logship.handler.rotation import DailyFileHandler

if TYPE_CHECKING:
    from logship.handler.handler import LogshipHandler

__all__ = ["configure_logging"]

Console = Literal["auto", "text", "json"]

COMBINED_BYTES, COMBINED_DAYS = 100 << 20, 14
ERROR_BYTES, ERROR_DAYS = 20 << 20, 30

_installed: list[logging.Handler] = []


def configure_logging(
    service: str | None = None,
    environment: str | None = None,
    level: int | str | None = None,
    console: Console | None = "auto",
    directory: str | os.PathLike[str] | None = None,
    hosts: str | Sequence[str] | None = None,
    **options: Any,
) -> LogshipHandler | None:
    """Set up the root logger: console, files and Elasticsearch, in any combination.

    Uncaught exceptions are logged, too (:func:`install_exception_hooks`). Called again, it
    replaces what it set up before; handlers of others stay. When it raises, nothing was changed.

    Args:
        service: Service of every record; by default ``LOGSHIP_SERVICE``.
        environment: ``environment`` of every record.
        level: Name or number for the root logger; by default ``LOG_LEVEL``, else ``INFO``.
            ``HTTP`` (15) lies between ``INFO`` and ``DEBUG``.
        console: On stdout: ``text`` for people, ``json`` (one document per line), ``auto`` (text
            on a terminal, else JSON), or None.
        directory: Where daily files of JSON lines go: ``combined-YYYY-MM-DD.log`` (100 MB each,
            14 days), ``error-YYYY-MM-DD.log`` (ERROR and above; 20 MB, 30 days) and
            ``exceptions.log`` (uncaught exceptions; 20 MB). See :mod:`logship.handler.rotation`.
        hosts: URL or URLs of Elasticsearch, to ship straight there.
        options: What else :class:`LogshipHandler` takes.

    Returns:
        The handler that ships, or None without *hosts*.

    Raises:
        ValueError: An argument or ``LOG_LEVEL`` cannot be used; the text says which and why.
        OSError: *directory* cannot be made.
    """
    number = _level(level)
    if console is not None and console not in get_args(Console):
        raise ValueError(f'console must be "auto", "text", "json" or None, not {console!r}')
    if options and hosts is None:
        raise ValueError(f"{', '.join(options)}: of use only together with hosts")
    handlers: list[logging.Handler] = []
    shipping = None
    try:
        if console is not None:
            handlers.append(_console(console, service, environment))
        if directory is not None:
            handlers += _files(directory, service, environment)
        if hosts is not None:
            shipping = _shipping(hosts, service=service, environment=environment, **options)
            for handler in handlers:
                handler.addFilter(_is_not_of_shipping)
            handlers.append(shipping)
    except BaseException:
        _close(handlers)
        raise
    _put_in_place(handlers, number)
    return shipping


def _level(level: int | str | None) -> int:
    where = "level"
    if level is None:
        where, level = "LOG_LEVEL", os.environ.get("LOG_LEVEL", "").strip() or "INFO"
    try:
        return level_number(level)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _console(console: Console, service: str | None, environment: str | None) -> logging.Handler:
    handler = ConsoleHandler()
    if console == "text" or (console == "auto" and is_terminal()):
        handler.setFormatter(TextFormatter(color=wants_color()))
        # Python itself shows these on stderr, which is the same terminal.
        handler.addFilter(_is_not_shown_by_python)
    else:
        handler.setFormatter(JsonFormatter(service=service, environment=environment))
    return handler


def _is_not_shown_by_python(record: logging.LogRecord) -> bool:
    return record.name != "uncaught"


def _files(
    directory: str | os.PathLike[str], service: str | None, environment: str | None
) -> list[logging.Handler]:
    combined = DailyFileHandler(
        directory, "combined", max_bytes=COMBINED_BYTES, keep_days=COMBINED_DAYS
    )
    errors = DailyFileHandler(
        directory, "error", max_bytes=ERROR_BYTES, keep_days=ERROR_DAYS, level=logging.ERROR
    )
    exceptions = DailyFileHandler(directory, "exceptions", max_bytes=ERROR_BYTES, dated=False)
    exceptions.addFilter(is_uncaught)
    handlers: list[logging.Handler] = [combined, errors, exceptions]
    for handler in handlers:
        handler.setFormatter(JsonFormatter(service=service, environment=environment))
    return handlers


def _shipping(hosts: str | Sequence[str], **options: Any) -> LogshipHandler:
    from logship.handler.handler import LogshipHandler

    return LogshipHandler(hosts, **options)


def _is_not_of_shipping(record: logging.LogRecord) -> bool:
    """Leave out what the HTTP client says of each request that ships records: one every second."""
    return record.thread not in process.shipping or record.levelno >= logging.WARNING


def _put_in_place(handlers: list[logging.Handler], level: int) -> None:
    root = logging.getLogger()
    before = _installed[:]
    for handler in handlers:
        root.addHandler(handler)
    for handler in before:
        root.removeHandler(handler)
    _installed[:] = handlers
    root.setLevel(level)
    install_exception_hooks()
    _close(before)


def _close(handlers: list[logging.Handler]) -> None:
    for handler in handlers:
        handler.close()
