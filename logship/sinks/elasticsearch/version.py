"""Whether a server is one that logship can write to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from logship.elastic import Elastic
from logship.errors import ElasticError

__all__ = ["confirm_version"]

log = logging.getLogger(__name__)

OLDEST, NEWEST = (7, 17), 9
TIMEOUT_SECONDS = 10.0


async def confirm_version(
    elastic: Elastic,
    said: Callable[[str], None],
    longest_pause_seconds: Callable[[], float] = lambda: 5.0,
    pause_for: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> None:
    """Return when the server is not too old, or does not say what it is.

    A key that may only write is not told the version, and other products number theirs
    otherwise: both are taken as they are.

    Args:
        said: Called with what is wrong, and with an empty text when it is no longer.
        pause_for: Waits that many seconds, or less when there is a hurry.
    """
    pause, is_said = 0.5, False
    while (version := await _version(elastic)) is not None and version < OLDEST:
        number = ".".join(map(str, version))
        problem = f"version {number} is too old: 7.17 or newer is needed"
        if not is_said:
            is_said = True
            log.error(
                "Elasticsearch at %s: %s. Nothing is dropped: records wait, and it is looked at "
                "again. Upgrade it, or name another in elasticsearch.hosts.",
                ", ".join(elastic.urls),
                problem,
            )
        said(problem)
        await pause_for(min(pause, longest_pause_seconds()))
        pause *= 1.5
    if is_said:
        log.info("Elasticsearch at %s is new enough now.", ", ".join(elastic.urls))
        said("")
    if version is not None and version[0] > NEWEST:
        log.warning(
            "Elasticsearch at %s has version %s, and logship was tested with 8 and %d. It is "
            "written to all the same.",
            ", ".join(elastic.urls),
            ".".join(map(str, version)),
            NEWEST,
        )


async def _version(elastic: Elastic) -> tuple[int, ...] | None:
    """Return the version of Elasticsearch; None when it is not known, or another product."""
    try:
        reply = await elastic.request("GET", "/", timeout_seconds=TIMEOUT_SECONDS)
        version = reply.json()["version"]
        if version.get("distribution") is not None:
            return None
        return tuple(int(part) for part in version["number"].partition("-")[0].split("."))
    except (ElasticError, AttributeError, KeyError, TypeError, ValueError):
        return None
