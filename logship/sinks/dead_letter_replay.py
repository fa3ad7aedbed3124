"""Sends dead letters once more, under the same index and id."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import orjson

from logship.elastic import NDJSON, Elastic, Pieces
from logship.errors import BadReply, ConnectionFailed, ErrorReply
from logship.interfaces import Clock
from logship.model import BatchResult, Documents, Refusal, action_head
from logship.sinks.dead_letter import DeadLetter
from logship.sinks.dead_letter_box import DeadLetterBox
from logship.sinks.elasticsearch.reply import (
    FILTER_PATH,
    classify_failure,
    classify_reply,
    items_of,
)
from logship.sinks.elasticsearch.request import INGESTED, BulkBody

__all__ = ["Reasons", "Replay", "Replayed"]

BATCH_RECORDS, BATCH_BYTES = 500, 5 << 20
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
MOST_REASONS = 100
NOT_A_DOCUMENT = Refusal(0, 0, "not_a_document", "what was sent is no JSON object")


class Reasons:
    """Why documents were refused: how often each reason came, and one document as an example.

    Attributes:
        total: How many documents.
        kinds: (type, reason) → how many, and ``index/id`` of one; further kinds than the first
            hundred are counted in the total only.
    """

    def __init__(self) -> None:
        self.total = 0
        self.kinds: dict[tuple[str, str], tuple[int, str]] = {}

    def add(self, letter: DeadLetter, refusal: Refusal) -> None:
        """Count one document."""
        self.total += 1
        kind = (refusal.type, refusal.reason)
        if kind in self.kinds or len(self.kinds) < MOST_REASONS:
            count, example = self.kinds.get(kind, (0, f"{letter.index}/{letter.id}"))
            self.kinds[kind] = (count + 1, example)


@dataclass(slots=True)
class Replayed:
    """What became of a replay.

    Attributes:
        delivered: Stored now, and cleared.
        already_there: Stored before, and cleared.
        refused: Refused once more; they stay.
        held: Not taken for a reason that is not the document's; they stay.
        left: Not sent, or not answered; they stay.
        trouble: What ended it early; empty when all were answered.
    """

    delivered: int = 0
    already_there: int = 0
    refused: Reasons = field(default_factory=Reasons)
    held: Reasons = field(default_factory=Reasons)
    left: int = 0
    trouble: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether no dead letter stays of those that were to be replayed."""
        return not (self.refused.total or self.held.total or self.left)


class _EndedError(Exception):
    """There is no use in going on: (why, how many documents of the batch have no answer)."""


class Replay:
    """One replay; the caller holds the box's lock.

    Args:
        repair: Document → document to send; the same when there is nothing to repair.
        patience_seconds: How long a server may make no progress before it is given up.
        ingested: The field for the time of each attempt.
        pause: Waits for that many seconds.
    """

    def __init__(
        self,
        elastic: Elastic,
        box: DeadLetterBox,
        *,
        clock: Clock,
        repair: Callable[[bytes], bytes],
        patience_seconds: float,
        ingested: str = INGESTED["flat"],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._elastic, self._box, self._clock = elastic, box, clock
        self._repair, self._patience, self._pause = repair, patience_seconds, pause
        self._ingested = ingested
        self._params = {
            "filter_path": FILTER_PATH,
            "timeout": f"{max(1, int(elastic.settings.timeout_seconds / 2))}s",
        }
        self._progress_at = clock.monotonic()
        self.result = Replayed()

    async def run(self, letters: Iterable[DeadLetter]) -> Replayed:
        """Send all of *letters* and clear what is stored then.

        What is cleared is noted durably after each answer. Cancelled, or after a crash, the
        rest stays; sending again what was stored changes nothing.

        Raises:
            OSError: What is stored cannot be noted; it stays listed.
        """
        self._progress_at = self._clock.monotonic()
        batches = self._batches(letters)
        for batch in batches:
            try:
                await self._settle(batch)
            except _EndedError as ended:
                self.result.trouble, unanswered = ended.args
                self.result.left += unanswered + sum(map(len, batches))
                break
        return self.result

    def _batches(self, letters: Iterable[DeadLetter]) -> Iterator[list[DeadLetter]]:
        """Letters as they are to be sent, repaired; what cannot be sent is counted."""
        batch: list[DeadLetter] = []
        size = 0
        for letter in letters:
            if not letter.document or letter.document == b"{}":
                self.result.refused.add(letter, NOT_A_DOCUMENT)
                continue
            repaired = replace(letter, document=self._repair(letter.document))
            if repaired.document == b"{}":
                self.result.refused.add(letter, NOT_A_DOCUMENT)
                continue
            if batch and size + len(repaired.document) > BATCH_BYTES:
                yield batch
                batch, size = [], 0
            batch.append(repaired)
            size += len(repaired.document)
            if len(batch) == BATCH_RECORDS:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch

    async def _settle(self, batch: list[DeadLetter]) -> None:
        """Send until every document has an answer.

        Raises:
            _EndedError: Some have none; with the cause, and how many.
        """
        waiting = [batch]
        wait_seconds = FIRST_PAUSE_SECONDS
        while waiting:
            part = waiting.pop()
            answer, stored_before = await self._send(part)
            self._count(part, answer, stored_before)
            again = [part[position] for position in answer.retryable]
            if len(again) < len(part):
                self._progress_at = self._clock.monotonic()
                wait_seconds = FIRST_PAUSE_SECONDS
            if answer.verdict == "split":
                middle = (len(again) + 1) // 2
                waiting += [again[middle:], again[:middle]]
                continue
            if not again:
                continue
            waiting.append(again)
            left = sum(map(len, waiting))
            if answer.verdict == "pause":
                raise _EndedError(answer.cause, left)
            if self._clock.monotonic() - self._progress_at >= self._patience:
                raise _EndedError(answer.cause or "the server is overloaded", left)
            await self._pause(min(answer.retry_after_seconds or wait_seconds, self._patience))
            wait_seconds = min(2 * wait_seconds, LONGEST_PAUSE_SECONDS)

    def _count(
        self, part: Sequence[DeadLetter], answer: BatchResult, stored_before: frozenset[int]
    ) -> None:
        for refusal in answer.rejected:
            self.result.refused.add(part[refusal.position], refusal)
        for refusal in answer.held:
            self.result.held.add(part[refusal.position], refusal)
        new = [part[i] for i in answer.delivered if i not in stored_before]
        old = [part[i] for i in answer.delivered if i in stored_before]
        self._box.clear(new, "delivered")
        self._box.clear(old, "already there")
        self.result.delivered += len(new)
        self.result.already_there += len(old)

    async def _send(self, part: Sequence[DeadLetter]) -> tuple[BatchResult, frozenset[int]]:
        """What became of every document, and which positions were stored before."""
        body: Pieces = BulkBody(_documents(part), self._clock.time(), self._ingested)
        encoding = None
        if self._elastic.compresses:
            body, encoding = self._elastic.compress(body), "gzip"
        count = len(part)
        try:
            reply = await self._elastic.request(
                "POST",
                "/_bulk",
                body,
                params=self._params,
                content_type=NDJSON,
                content_encoding=encoding,
            )
            return classify_reply(count, reply.body), _conflicts(reply.body)
        except ErrorReply as error:
            return classify_failure(count, error), frozenset()
        except (ConnectionFailed, BadReply) as error:
            everything = range(count)
            return BatchResult(retryable=everything, verdict="retry", cause=str(error)), frozenset()


def _conflicts(reply: bytes) -> frozenset[int]:
    statuses = (next(iter(item.values()))["status"] for item in items_of(reply))
    return frozenset(i for i, status in enumerate(statuses) if status == 409)


def _documents(letters: Sequence[DeadLetter]) -> Documents:
    """The columns of the wire; ids come from files here, so they are encoded like any text."""
    nothing = [b""] * len(letters)
    heads = [action_head(letter.index, b"", with_id=True) for letter in letters]
    ids = [orjson.dumps(letter.id)[1:-1] for letter in letters]
    bodies = [letter.document.lstrip()[1:] for letter in letters]
    return Documents.of((heads, ids, nothing, nothing, bodies), 0.0)
