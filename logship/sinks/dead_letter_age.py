"""Removes dead letters that are too old, whole days at a time, and says how many."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from concurrent.futures import Executor
from datetime import UTC, date, datetime, timedelta

from logship.durable import sync_directory
from logship.errors import StateError
from logship.interfaces import Clock
from logship.sinks.dead_letter import digest_of, parse
from logship.sinks.dead_letter_box import DeadLetterBox

__all__ = ["purge_before", "purge_regularly"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 3600.0


async def purge_regularly(
    box: DeadLetterBox, max_age_seconds: float, *, clock: Clock, pool: Executor | None
) -> None:
    """Remove what is older than *max_age_seconds*, now and every hour, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        moment = datetime.fromtimestamp(clock.time(), UTC) - timedelta(seconds=max_age_seconds)
        try:
            purged = await loop.run_in_executor(pool, purge_before, box, moment.date())
        except (OSError, StateError) as error:
            log.warning("Old dead letters cannot be removed: %s. It is tried again.", error)
        else:
            if purged:
                kinds = ", ".join(f"{count} {kind}" for kind, count in purged.most_common())
                log.warning(
                    "%d dead letters from before %s were removed (dead_letters.max_age): %s.",
                    purged.total(), moment.date(), kinds,
                )  # fmt: skip
        await asyncio.sleep(LOOK_SECONDS)


def purge_before(box: DeadLetterBox, day: date) -> Counter[str]:
    """Remove the dead letters of all days before *day* (UTC).

    Returns:
        How many counted still, by error type.

    Raises:
        StateError: A command clears there just now.
        OSError: The disk failed; what was not removed counts still.
    """
    purged: Counter[str] = Counter()
    old = [path for path in box.files() if path.name[:10] < day.isoformat()]
    if not old:
        return purged
    with box.locked():
        cleared = box.cleared()
        for path in old:
            with path.open("rb") as file:
                for line in file:
                    letter = None if digest_of(line) in cleared else parse(line)
                    if letter is not None:
                        purged[letter.type or str(letter.status)] += 1
            path.unlink()
        sync_directory(box.directory)
        box.compact()
    return purged
