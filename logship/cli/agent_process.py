"""Runs an agent as a process: signals, its last line, its exit status."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from logship.cli.lean import without_other_clients

if TYPE_CHECKING:
    from logship.agent import Agent, Summary
    from logship.settings.load import Loaded

__all__ = ["run_agent"]

log = logging.getLogger("logship.agent")

INCOMPLETE = 3
LAST_SECONDS = 1.0  # after --timeout, for what is under way


def run_agent(
    loaded: Loaded,
    *,
    once: bool = False,
    timeout_seconds: float | None = None,
    read_again: Callable[[], Loaded] | None = None,
) -> int:
    """Run an agent until a signal, or with *once* until everything is settled.

    Args:
        timeout_seconds: With *once*, begin to stop after this time.
        read_again: Reads the settings on SIGHUP; without it, SIGHUP is a signal to end.

    Returns:
        0; or 3 with *once*, when anything went to dead letters, stayed held or unconfirmed, or
        could not be read.
    """
    with without_other_clients():
        import logship.agent  # noqa: F401 (here for what it leaves out; used below)
    from logship.cli.own_log import set_up_log

    _keep_little_of_what_is_freed()
    set_up_log(loaded.settings.log)
    _allow_many_files()
    _say_start(loaded)
    summary = asyncio.run(_Runs(loaded, once, read_again).run(timeout_seconds))
    print(f"logship: {summary}", file=sys.stderr)
    if summary.unconfirmed and not once:
        log.warning(
            "%d records are unconfirmed: they will be read again by the next run.",
            summary.unconfirmed,
        )
    return INCOMPLETE if once and _is_incomplete(summary) else 0


def _keep_little_of_what_is_freed() -> None:
    """Let all threads share what glibc keeps of freed memory, and bound it.

    Each would keep its own otherwise. Blocks of a mebibyte, such as longest lines, go back to the
    system at once. Elsewhere than with glibc nothing happens.
    """
    import ctypes

    trim_threshold, mmap_threshold, arena_max = -1, -3, -8  # from glibc's malloc.h
    try:
        libc = ctypes.CDLL(None)
        libc.mallopt(arena_max, 1)
        libc.mallopt(mmap_threshold, 1 << 20)
        libc.mallopt(trim_threshold, 8 << 20)
    except (OSError, AttributeError):
        pass


def _is_incomplete(summary: Summary) -> bool:
    totals = summary.totals
    return bool(
        totals.dead_letters
        or totals.dropped
        or summary.held
        or summary.unconfirmed
        or summary.unreadable
        or summary.put_aside_bytes
    )


class _Runs:
    """One agent after the other, each with the settings as they were read last."""

    def __init__(self, loaded: Loaded, once: bool, read_again: Callable[[], Loaded] | None) -> None:
        self._loaded, self._next = loaded, loaded
        self._once, self._read_again = once, read_again
        self._agent: Agent | None = None
        self._signals: list[int] = []

    async def run(self, timeout_seconds: float | None) -> Summary:
        """Run until the end; returns what became of the records in all of the runs."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, number)
        if self._read_again is not None:
            loop.add_signal_handler(signal.SIGHUP, self._reload)
        elif signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup sets it
            loop.add_signal_handler(signal.SIGHUP, self._end, signal.SIGHUP)
        if timeout_seconds is not None:
            loop.call_later(timeout_seconds, self._stop, LAST_SECONDS)
        summary = await self._run_one()
        while self._next is not self._loaded and not self._signals:
            summary = (await self._run_next()).after(summary)
        return summary

    async def _run_one(self) -> Summary:
        from logship.agent import Agent

        self._agent = Agent(self._loaded.settings, once=self._once)
        return await self._agent.run()

    async def _run_next(self) -> Summary:
        from logship.cli.own_log import set_up_log
        from logship.errors import StateError

        before, self._loaded = self._loaded, self._next
        set_up_log(self._loaded.settings.log)
        _say_start(self._loaded)
        try:
            return await self._run_one()
        except StateError as error:
            if self._next is self._loaded:
                self._next = before
            self._loaded = before
            set_up_log(before.settings.log)
            _say_unchanged(error)
            return await self._run_one()

    def _stop(self, within_seconds: float | None = None) -> None:
        assert self._agent is not None
        self._agent.stop(within_seconds)

    def _end(self, number: int) -> None:
        self._signals.append(number)
        if len(self._signals) > 1:
            os._exit(128 + number)
        log.info("Stopping (%s): what was read is delivered first.", signal.Signals(number).name)
        self._stop()

    def _reload(self) -> None:
        from logship.errors import LogshipError

        if self._signals:
            return
        assert self._read_again is not None
        try:
            read = self._read_again()
        except LogshipError as error:
            _say_unchanged(error)
            return
        if read.settings == self._next.settings:
            log.info("The settings were read again (SIGHUP): nothing in them has changed.")
            return
        self._next = read
        log.info(
            "The settings were read again (SIGHUP); changed: %s. What was read is delivered under "
            "the old ones first.",
            _listed(list(_changed(self._loaded.settings, read.settings))),
        )
        self._stop()


def _changed(before: Any, now: Any, section: str = "") -> Iterator[str]:
    """Yield the names of the settings that differ; not what they hold, which may be a secret."""
    for field in fields(before):
        old, new = getattr(before, field.name), getattr(now, field.name)
        name = section + field.name.removesuffix("_seconds")
        if old != new and is_dataclass(old) and type(old) is type(new):
            yield from _changed(old, new, f"{name}.")
        elif old != new:
            yield name


def _say_unchanged(error: Exception) -> None:
    log.error(
        "The settings were read again (SIGHUP) and cannot be used: the settings stay as they were."
    )
    for line in str(error).splitlines():
        log.error("%s", line)


def _allow_many_files() -> None:
    """Use the system's limit of open files, not a shell's: every tailed file is one."""
    try:
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (OSError, ValueError):  # macOS refuses what it said is allowed
        pass


def _say_start(loaded: Loaded) -> None:
    settings = loaded.settings
    hosts = ", ".join(settings.elasticsearch.hosts) or "the cloud deployment"
    log.info(
        "logship ships %s to %s.%s",
        _listed([path for source in settings.sources for path in source.paths]),
        _without_secrets(hosts),
        "".join(f" {override}." for override in loaded.overridden),
    )
    for unused in loaded.unused:
        log.warning("Not used: %s.", unused)


def _listed(paths: Sequence[str], most: int = 5) -> str:
    if len(paths) <= most:
        return ", ".join(paths)
    return f"{', '.join(paths[:most])} and {len(paths) - most} more"


def _without_secrets(text: str) -> str:
    import re

    return re.sub(r"//[^/@\s]*@", "//", text)
