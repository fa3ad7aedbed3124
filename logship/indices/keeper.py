"""What the agent does for its indices beside delivering into them."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import orjson

from logship.elastic import Elastic
from logship.errors import ElasticError, ErrorReply
from logship.indices.listing import expired, list_indices, path_of
from logship.indices.overriding import overriding
from logship.interfaces import Clock
from logship.settings.model import IndexSettings
from logship.settings.units import format_duration
from logship.sinks.elasticsearch.template import lifecycle

__all__ = ["IndexKeeper", "set_lifecycle"]

log = logging.getLogger(__name__)

DAY_SECONDS, HOUR_SECONDS = 86_400.0, 3_600.0
# What a server answers that has no such thing.
_NO_SUCH_ENDPOINT = (400, 405, 501)


class IndexKeeper:
    """Applies ``index.retention``, at the start and about once a day.

    Says once when another template decides what new indices are. Never in the way of delivery:
    what does not work is one warning, and is tried again later.

    Args:
        jitter: Spreads what many agents do.
        pause_for: Waits that many seconds.

    Attributes:
        passed: Set once retention was applied, or could not be, for the first time.
    """

    def __init__(
        self,
        elastic: Elastic,
        index: IndexSettings,
        *,
        clock: Clock,
        jitter: random.Random | None = None,
        pause_for: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._elastic, self._index, self._clock = elastic, index, clock
        self._jitter, self._pause_for = jitter or random.Random(), pause_for
        self._warned = ""
        self.passed = asyncio.Event()

    async def run(self) -> None:
        """Go on for ever. Cancelled between two deletions or in one, the next run goes on."""
        if self._index.template:
            await self._say_overriding()
        while True:
            works = await self._apply()
            self.passed.set()
            about = DAY_SECONDS if works else HOUR_SECONDS
            await self._pause_for(self._jitter.uniform(0.75, 1.25) * about)

    async def _say_overriding(self) -> None:
        try:
            stronger = await overriding(self._elastic, self._index)
        except ElasticError:
            return  # a key that may only write is enough for everything else
        for template in stronger:
            log.warning("%s", template)

    async def _apply(self) -> bool:
        if self._index.retention_seconds is None:
            return True
        try:
            if self._index.data_stream is not None:
                await set_lifecycle(self._elastic, self._index)
            else:
                await self._delete_old(self._index.retention_seconds)
        except ElasticError as error:
            if str(error) != self._warned:
                self._warned = str(error)
                log.warning(
                    "index.retention cannot be applied (%s). Old records stay, delivery goes on, "
                    "and it is tried again later. %s",
                    error,
                    _what_to_do(error, is_stream=self._index.data_stream is not None),
                )
            return False
        self._warned = ""
        return True

    async def _delete_old(self, retention_seconds: float) -> None:
        rows = await list_indices(self._elastic, self._index)
        now = datetime.fromtimestamp(self._clock.time(), UTC)
        refused: ErrorReply | None = None
        for row in expired(rows, retention_seconds, now):
            try:
                await self._elastic.request("DELETE", path_of(row.name))
            except ErrorReply as error:
                # Another agent was faster, or this index alone is kept by something.
                if error.status != 404:
                    refused = refused or error
            else:
                log.info(
                    "Deleted the index %s: everything in it is older than index.retention (%s).",
                    row.name,
                    format_duration(retention_seconds),
                )
        if refused is not None:
            raise refused


async def set_lifecycle(elastic: Elastic, index: IndexSettings) -> bool:
    """Have the data stream keep its documents for ``index.retention``; idempotent.

    Returns:
        False when there is no such stream yet: the template says it to the server then.

    Raises:
        ElasticError: It was not set. A server that has no lifecycles says so in its own words.
    """
    assert index.data_stream is not None
    assert index.retention_seconds is not None
    path = f"/_data_stream{path_of(index.data_stream)}/_lifecycle"
    try:
        await elastic.request("PUT", path, orjson.dumps(lifecycle(index.retention_seconds)))
    except ErrorReply as error:
        if error.status == 404 and error.type:
            return False
        raise
    return True


def _what_to_do(error: ElasticError, *, is_stream: bool) -> str:
    if not isinstance(error, ErrorReply):
        return ""
    if error.status == 401 or error.type == "security_exception":
        needed = "manage_data_stream_lifecycle" if is_stream else "monitor and delete_index"
        return f"The key or user needs {needed} there."
    if is_stream and error.status in _NO_SUCH_ENDPOINT:
        return "This server has no lifecycles of data streams: delete old indices by other means."
    return ""
