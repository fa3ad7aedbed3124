"""``LogCollector``: for asyncio code that hands over its records itself."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import orjson

from logship.buffer import Buffer
from logship.elastic import Elastic
from logship.errors import ElasticError
from logship.handler.collector_search import Time, indices_of, level_of, search_body
from logship.handler.document import Documenter, Encoded
from logship.handler.formatter import constants_of
from logship.model import Documents
from logship.pipeline import Delivery
from logship.settings.model import MIB, DeliverySettings, ElasticsearchSettings, IndexSettings
from logship.sinks.elasticsearch import ElasticsearchSink
from logship.sinks.elasticsearch.template import put_template
from logship.sinks.index_names import IndexNames

__all__ = ["LogCollector"]

log = logging.getLogger(__name__)

MAX_BYTES = 32 * MIB


class LogCollector:
    """Collects records and ships them to Elasticsearch in batches, on the caller's event loop.

    ``log`` puts a record into a buffer and returns; nothing waits for the server. A batch goes
    when it has *buffer_size* records or its first is *flush_interval* old. A failed one is sent
    again until it is stored, with the same ids, so that nothing is stored twice. Beyond 32 MiB
    of what is not stored yet new records are dropped, counted, and the count is shipped.

    Elasticsearch need not be there: the first time that it cannot be reached is said on stderr,
    in one line, and records wait in memory.

    Belongs to the event loop that first uses it. Use it as an async context manager, or
    ``initialize`` and ``close`` it.

    Args:
        service: Service of every record.
        elasticsearch_url: Of Elasticsearch; may carry a user and password. An API key comes
            from ``LOGSHIP_ES_API_KEY``.
        buffer_size: Records in a batch.
        flush_interval: Seconds that a record waits for a batch to fill.
        index: Pattern with strftime's directives and ``{field}``, by the record's own time.

    Attributes:
        delivered: Records that are stored.
        dropped: Records that are lost: the buffer was full, or time was up in ``close``.
            What Elasticsearch refuses for good is counted by ``close``, on stderr.
    """

    def __init__(
        self,
        service: str,
        elasticsearch_url: str | Sequence[str] = "http://elasticsearch:9200",
        buffer_size: int = 100,
        flush_interval: float = 1.0,
        *,
        index: str = "logs-%Y.%m.%d",
    ) -> None:
        urls = (elasticsearch_url,) if isinstance(elasticsearch_url, str) else elasticsearch_url
        self.dropped = 0
        self._service = service
        self._index = IndexSettings(name=index)
        self._elasticsearch = ElasticsearchSettings(
            hosts=tuple(urls), api_key=os.environ.get("LOGSHIP_ES_API_KEY") or None
        )
        self._buffer_size, self._flush_interval_seconds = buffer_size, flush_interval
        self._names = IndexNames(index)
        self._documenter = Documenter(self._names, constants_of(service, None), None)
        self._number = self._unsaid_drops = 0
        self._receipt = _Receipt()
        self._elastic: Elastic | None = None
        self._buffer: Buffer | None = None
        self._delivery: Delivery | None = None
        self._work: asyncio.Task[None] | None = None
        self._is_closing = False

    @property
    def delivered(self) -> int:
        """Records that are stored."""
        return self._delivery.totals.delivered if self._delivery is not None else 0

    async def initialize(self) -> None:
        """Begin to ship; ``log`` does the same. Does not wait for Elasticsearch."""
        self._begin()

    async def start_flush_loop(self) -> None:
        """Do what ``initialize`` does: flushing needs no loop of the caller's."""
        self._begin()

    async def log(
        self,
        level: object,
        message: str,
        trace_id: str | None = None,
        span_id: str | None = None,
        user_id: object = None,
        request_id: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Ship a record. Never raises for what it is given, and never waits for the server.

        Args:
            level: A name in any case, an enumeration's member or Python's number.
            message: The text.
            trace_id: Where it is None, trace and span are :func:`logship.current_trace`'s.
            extra: Goes under ``extra``; what JSON cannot carry becomes text.
        """
        if self._is_closing:
            self._drop("the collector is closed")
            return
        buffer = self._begin()
        if buffer.used_bytes >= MAX_BYTES:
            self._drop("the buffer is full: Elasticsearch takes too little or is away")
            return
        if self._unsaid_drops:
            count, self._unsaid_drops = self._unsaid_drops, 0
            text = f"{count} records were dropped: the buffer was full"
            await self._put(buffer, self._record("WARNING", text, {"extra": {"dropped": count}}))
        fields = {
            "trace_id": trace_id,
            "span_id": span_id,
            "user_id": user_id,
            "request_id": request_id,
            "extra": dict(extra) if extra else None,
        }
        given = {name: value for name, value in fields.items() if value is not None}
        await self._put(buffer, self._record(level, message, given))

    async def flush(self, timeout: float = 5.0) -> bool:
        """Wait until everything logged so far is settled; whether it was within *timeout*."""
        target, deadline = self._number, time.monotonic() + timeout
        while self._buffer is not None and self._receipt.settled < target:
            if time.monotonic() >= deadline or self._work is None or self._work.done():
                return False
            self._buffer.hurry()
            await asyncio.sleep(0.01)
        return True

    async def search_logs(
        self,
        query: str,
        start_time: Time | None = None,
        end_time: Time | None = None,
        level: object = None,
        service: str | None = None,
        limit: int = 100,
    ) -> list[dict[str, Any]]:
        """Return Elasticsearch's hits as they are, newest first.

        ``timestamp`` stands beside ``@timestamp`` in each ``_source``.

        Args:
            query: In Elasticsearch's ``query_string`` syntax; empty finds everything.
            start_time: Beginning of the range, itself included; without a zone it is UTC.
            end_time: End of the range, itself included.
            level: Exactly this level, in any case.
            service: Of this service.
            limit: At most this many, up to 10,000.

        Returns:
            The hits, or an empty list after an error, which is logged.
        """
        try:
            hits = await self._search(
                indices_of(self._names, self._index.name, start_time, end_time, datetime.now(UTC)),
                search_body(query, start_time, end_time, level, service, limit),
            )
        except Exception as error:  # callers rely on that: a search that fails finds nothing
            log.error("Searching for %r failed: %s. No records are returned.", query, error)
            return []
        for hit in hits:
            source = hit.get("_source")
            if isinstance(source, dict) and "@timestamp" in source:
                source.setdefault("timestamp", source["@timestamp"])
        return hits

    async def close(self, timeout: float = 5.0) -> None:
        """Deliver what is there, for *timeout* seconds at the most, and end.

        What could not be delivered is lost, and said on stderr. Closing again does nothing.
        """
        if self._is_closing:
            return
        self._is_closing = True
        if self._buffer is not None and self._work is not None:
            self._buffer.close()
            await asyncio.wait([self._work], timeout=timeout)
            self._work.cancel()
            ended = await asyncio.gather(self._work, return_exceptions=True)
            self._report(ended[0])
        if self._elastic is not None:
            await self._elastic.close()

    async def __aenter__(self) -> Self:
        self._begin()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def _search(self, indices: list[str], body: dict[str, Any]) -> list[dict[str, Any]]:
        reply = await self._connection().request(
            "POST",
            f"/{quote(','.join(indices), safe=',*')}/_search",
            orjson.dumps(body),
            params={"ignore_unavailable": True, "allow_no_indices": True},
        )
        hits: list[dict[str, Any]] = reply.json()["hits"]["hits"]
        return hits

    def _connection(self) -> Elastic:
        if self._elastic is None:
            self._elastic = Elastic(self._elasticsearch)
        return self._elastic

    def _begin(self) -> Buffer:
        if self._buffer is None:
            defaults, clock = DeliverySettings(), _Clock()
            elastic = self._connection()
            self._buffer = Buffer(
                max_bytes=2 * MAX_BYTES,  # ``log`` keeps below; its ``put`` must never wait
                batch_bytes=defaults.batch_bytes,
                batch_records=self._buffer_size,
                batch_age_seconds=self._flush_interval_seconds,
                clock=clock,
            )
            self._delivery = Delivery(
                self._buffer,
                ElasticsearchSink(elastic, clock=clock),
                None,
                max_in_flight=2,
                clock=clock,
                target=f"Elasticsearch at {', '.join(elastic.urls)}",
                longest_pause_seconds=self._longest_pause_seconds,
            )
            self._work = asyncio.get_running_loop().create_task(
                self._deliver(elastic, self._delivery), name="logship-collector"
            )
        return self._buffer

    async def _deliver(self, elastic: Elastic, delivery: Delivery) -> None:
        pause = 0.25
        while True:
            try:
                await put_template(elastic, self._index)
                break
            except ElasticError as error:
                if not delivery.trouble:
                    _say(
                        f"Elasticsearch at {', '.join(elastic.urls)} cannot be used ({error}). "
                        f"Records of {self._service} wait in memory; they go when it is there."
                    )
                delivery.report_trouble(str(error))
                await asyncio.sleep(min(pause, self._longest_pause_seconds()))
                pause *= 1.5
        delivery.report_trouble("")
        await delivery.run()

    def _longest_pause_seconds(self) -> float:
        return 0.25 if self._is_closing else 5.0

    def _record(self, level: object, message: str, fields: Mapping[str, Any]) -> Encoded:
        number, name = level_of(level)
        record = logging.LogRecord(self._service, number, "", 0, message, None, None)
        record.levelname = name
        record.__dict__.update(fields)
        entry = self._documenter.encode(record)
        entry.fix(self._number)
        self._number += 1
        return entry

    async def _put(self, buffer: Buffer, entry: Encoded) -> None:
        columns = ([entry.head], [entry.id], [b""], [b""], [entry.body])
        await buffer.put(Documents.of(columns, time.monotonic(), [(self._receipt, 1)]))

    def _drop(self, why: str) -> None:
        self.dropped += 1
        self._unsaid_drops += 1
        if self._unsaid_drops == 1:
            log.error("Records of %s are dropped: %s.", self._service, why)

    def _report(self, failure: BaseException | None) -> None:
        """Say what is lost, if anything is."""
        assert self._delivery is not None
        lost, rejected = self._number - self._receipt.settled, self._delivery.totals.rejected
        self.dropped += lost
        if lost + rejected == 0:
            return
        why = self._delivery.trouble or "time was up"
        if isinstance(failure, Exception):
            why = f"{type(failure).__name__}: {failure}"
        _say(
            f"collector of {self._service} closed: {self.delivered} records delivered, "
            f"{rejected} rejected, {lost} lost" + (f" ({why})" if lost else "")
        )


class _Clock:
    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)


class _Receipt:
    """Counts what is settled."""

    def __init__(self) -> None:
        self.settled = 0

    def settle(self, count: int) -> None:
        self.settled += count


def _say(text: str) -> None:
    try:
        sys.stderr.write(f"logship: {text}\n")
    except (OSError, ValueError, AttributeError):  # closed, or there is none
        pass
