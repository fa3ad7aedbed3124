"""Sends batches as bulk requests and says what became of every document."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import replace

from logship.elastic import NDJSON, Elastic, Pieces
from logship.errors import BadReply, ConnectionFailed, ErrorReply
from logship.interfaces import Clock
from logship.model import BatchResult, Documents, Refusal
from logship.sinks.elasticsearch.gate import Gate, Sorted
from logship.sinks.elasticsearch.reply import FILTER_PATH, classify_failure, classify_reply
from logship.sinks.elasticsearch.request import INGESTED, BulkBody

__all__ = ["ElasticsearchSink"]


class ElasticsearchSink:
    """One ``_bulk`` request per batch. Classifies, never retries.

    Args:
        gate: What it refuses is not sent; None sends everything.
        ingested: The field for the time of each attempt.

    Attributes:
        requests: Bulk requests so far.
        request_bytes: Bytes of their bodies so far, as sent.
    """

    def __init__(
        self,
        elastic: Elastic,
        *,
        clock: Clock,
        pool: Executor | None = None,
        gate: Gate | None = None,
        ingested: str = INGESTED["flat"],
    ) -> None:
        self._elastic, self._clock, self._pool = elastic, clock, pool
        self._gate, self._ingested = gate, ingested
        # Half of the client's patience: one index without its primary must not time out
        # the documents of all others.
        self._params = {
            "filter_path": FILTER_PATH,
            "timeout": f"{max(1, int(elastic.settings.timeout_seconds / 2))}s",
        }
        self.requests = self.request_bytes = 0

    async def write(self, documents: Documents) -> BatchResult:
        """Send one batch; whatever the server does comes back as a result.

        Cancelled, the request may have been applied: the documents are to be sent again, and
        their ids make that harmless.
        """
        found = None if self._gate is None else self._gate.sort(documents)
        if found is None:
            return await self._send(documents)
        if not found.sent:
            return _joined(found, BatchResult(was_sent=False))
        result = await self._send(documents.select(found.sent))
        if result.verdict != "items":  # then nothing is settled, and it is sorted once more
            return replace(result, retryable=range(len(documents)))
        return _joined(found, result)

    async def _send(self, documents: Documents) -> BatchResult:
        body: Pieces = BulkBody(documents, self._clock.time(), self._ingested)
        encoding = None
        if self._elastic.compresses:
            body, encoding = await self._compressed(body), "gzip"
        self.requests += 1
        self.request_bytes += len(body)
        count = len(documents)
        try:
            reply = await self._elastic.request(
                "POST",
                "/_bulk",
                body,
                params=self._params,
                content_type=NDJSON,
                content_encoding=encoding,
            )
            return classify_reply(count, reply.body)
        except ErrorReply as error:
            return classify_failure(count, error)
        except (ConnectionFailed, BadReply) as error:
            return BatchResult(retryable=range(count), verdict="retry", cause=str(error))

    async def _compressed(self, body: Pieces) -> Pieces:
        if self._pool is None:
            return self._elastic.compress(body)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._elastic.compress, body)

    async def close(self) -> None:
        """Close the connections."""
        await self._elastic.close()


def _joined(found: Sorted, result: BatchResult) -> BatchResult:
    """Return *result*, which counts from the first document that was sent, with the others."""

    def placed(refusals: Sequence[Refusal], more: Sequence[Refusal]) -> list[Refusal]:
        moved = [replace(one, position=found.sent[one.position]) for one in refusals]
        return sorted((*moved, *more), key=lambda one: one.position)

    held, rejected = placed(result.held, found.held), placed(result.rejected, found.rejected)
    first = next(iter((*found.held, *found.rejected)))
    return replace(
        result,
        delivered=[found.sent[position] for position in result.delivered],
        retryable=[found.sent[position] for position in result.retryable],
        held=held,
        rejected=rejected,
        cause=result.cause or f"{first.type}: {first.reason}",
    )
