"""Whether a server is one that logship can write to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from logship.elastic import Elastic
from logship.errors import ElasticError

__all__ = ["confirm_version", "too_old", "version_of"]

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
    while problem := too_old(version := await _version(elastic)):
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


def too_old(version: tuple[int, ...] | None) -> str:
    """Return what is wrong with a version; empty when nothing is, or it is not known."""
    if version is None or version >= OLDEST:
        return ""
    return f"version {'.'.join(map(str, version))} is too old: 7.17 or newer is needed"


async def _version(elastic: Elastic) -> tuple[int, ...] | None:
    try:
        reply = await elastic.request("GET", "/", timeout_seconds=TIMEOUT_SECONDS)
        return version_of(reply.json())
    except ElasticError:
        return None


def version_of(body: object) -> tuple[int, ...] | None:
    """Return the version of Elasticsearch in its answer to ``GET /``.

    Returns:
        None when it is not told, or another product's.
    """
    try:  # another server may answer anything: what is not as expected is caught below
        version = body["version"]  # type: ignore[index]
        if version.get("distribution") is not None:
            return None
        return tuple(int(part) for part in version["number"].partition("-")[0].split("."))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
