"""Refused documents on their second way: changed, queued again, and paid for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from logship.buffer import Buffer
from logship.interfaces import Clock
from logship.model import STAMP_BYTES, Document, Documents, Receipt, Refusal
from logship.sinks.elasticsearch.rescue import Rescuer, Step

__all__ = ["Rescued", "Rescues"]


@dataclass(slots=True)
class Rescued:
    """The receipt of one document that was changed: what is owed for the original.

    Attributes:
        original: As it was first sent, for the dead letter.
        refusals: All so far, the first one first.
        step: How it was changed.
        since: Monotonic seconds when it was read.
        kept_bytes: Of the original, counted by the buffer until it is settled.
    """

    original: Document
    refusals: tuple[Refusal, ...]
    step: Step
    since: float
    receipt: Receipt
    buffer: Buffer
    kept_bytes: int

    def settle(self, count: int) -> None:
        """Pay for the original, and give back its room; once, since it is one document."""
        self.receipt.settle(count)
        self.buffer.release(self.kept_bytes, 0)


class Rescues:
    """Puts refused documents back into the buffer, changed so that they may be taken.

    They go to the end of the queue and ride with what comes there: no request is made for one
    of them. Nothing of them is settled by that.
    """

    def __init__(self, buffer: Buffer, clock: Clock) -> None:
        self._buffer, self._clock = buffer, clock
        self._rescuer = Rescuer()

    def put_back(
        self, batch: Documents, refusals: Sequence[Refusal]
    ) -> list[tuple[Document, Refusal]]:
        """Queue what can be rescued of the refused documents of *batch*.

        Returns:
            What cannot, in order, each as it was first sent and with its first refusal; the
            refusal's position is the one in *batch*.
        """
        columns: tuple[list[bytes], ...] = ([], [], [], [], [])
        runs: list[tuple[Receipt, int]] = []
        hopeless: list[tuple[Document, Refusal]] = []
        before, since = 0, batch.read_at
        receipts = _receipts(batch, [refusal.position for refusal in refusals])
        for refusal, receipt in zip(refusals, receipts, strict=True):
            position = refusal.position
            if isinstance(receipt, Rescued):
                original, step = receipt.original, receipt.step
                all_refusals = (*receipt.refusals, refusal)
            else:
                original, step, all_refusals = batch.document(position), Step.AS_IT_WAS, (refusal,)
            found = self._rescuer.rescue(original, step, all_refusals)
            if found is None:
                hopeless.append((original, replace(all_refusals[0], position=position)))
                continue
            source, step = found
            size = STAMP_BYTES + sum(len(column[position]) for column in batch.columns)
            if isinstance(receipt, Rescued):
                before, since = before + size, min(since, receipt.since)
                receipt.step, receipt.refusals = step, all_refusals
            else:
                receipt = Rescued(
                    original, all_refusals, step, batch.read_at, receipt, self._buffer, size
                )
            row = (batch.heads[position], batch.ids[position], b"", b"", source[1:])
            for column, part in zip(columns, row, strict=True):
                column.append(part)
            runs.append((receipt, 1))
        if runs:
            heads, ids, contexts, offsets, bodies = columns
            changed = Documents.of(
                (heads, ids, contexts, offsets, bodies), self._clock.monotonic(), runs
            )
            self._buffer.charge(changed.size_bytes - before, 0)
            self._buffer.requeue(changed, since=since)
        return hopeless


def _receipts(batch: Documents, positions: Sequence[int]) -> list[Receipt]:
    """Return the receipts of the documents at *positions* (ascending)."""
    return [receipt for receipt, count in batch.select(positions).runs for _ in range(count)]
