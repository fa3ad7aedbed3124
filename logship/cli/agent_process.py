"""Runs an agent as a process: signals, its last line, its exit status."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from logship.cli.lean import without_other_clients

if TYPE_CHECKING:
    from logship.agent import Agent, Summary
    from logship.settings.load import Loaded

__all__ = ["run_agent"]

log = logging.getLogger("logship.agent")

INCOMPLETE = 3
LAST_SECONDS = 1.0  # after --timeout, for what is under way


def run_agent(loaded: Loaded, *, once: bool = False, timeout_seconds: float | None = None) -> int:
    """Run an agent until a signal, or with *once* until everything is settled.

    Args:
        timeout_seconds: With *once*, begin to stop after this time.

    Returns:
        0; or 3 with *once*, when anything went to dead letters, stayed held or unconfirmed, or
        could not be read.
    """
    with without_other_clients():
        from logship.agent import Agent
    from logship.cli.own_log import set_up_log

    _keep_little_of_what_is_freed()
    set_up_log(loaded.settings.log)
    _allow_many_files()
    _say_start(loaded)
    agent = Agent(loaded.settings, once=once)
    summary = asyncio.run(_run(agent, timeout_seconds))
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


async def _run(agent: Agent, timeout_seconds: float | None) -> Summary:
    loop = asyncio.get_running_loop()
    received: list[int] = []

    def on_signal(number: int) -> None:
        received.append(number)
        if len(received) > 1:
            os._exit(128 + number)
        log.info("Stopping (%s): what was read is delivered first.", signal.Signals(number).name)
        agent.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    if timeout_seconds is not None:
        loop.call_later(timeout_seconds, agent.stop, LAST_SECONDS)
    return await agent.run()


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
