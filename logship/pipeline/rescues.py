"""Refused documents on their second way: changed, queued again, and paid for once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from logship.buffer import Buffer
from logship.interfaces import Clock
from logship.model import STAMP_BYTES, Document, Documents, Receipt, Refusal
from logship.sinks.elasticsearch.rescue import Rescuer, Step

__all__ = ["Rescued", "Rescues"]

FORGET_SECONDS = 600.0  # what an index refuses may have been mended


@dataclass(slots=True)
class Rescued:
    """The receipt of one document that was changed: what is owed for the original.

    Attributes:
        original: As it was first sent, for the dead letter.
        refusals: All so far, the first one first; none when it was changed before it was sent.
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
        self._forget_at = clock.monotonic() + FORGET_SECONDS

    def ahead(self, batch: Documents) -> Documents:
        """Return *batch* with what would be refused changed already; itself where nothing would.

        The bytes of the changed documents come on top in the buffer, until they are settled.
        """
        if (now := self._clock.monotonic()) >= self._forget_at:
            self._rescuer.forget()
            self._forget_at = now + FORGET_SECONDS
        positions = self._rescuer.suspects(batch.heads, batch.bodies)
        if not positions:
            return batch
        receipts = _receipts(batch, positions)
        found: dict[int, tuple[Receipt, bytes]] = {}
        for position, receipt in zip(positions, receipts, strict=True):
            if isinstance(receipt, Rescued):
                continue
            original = batch.document(position)
            source = self._rescuer.before(original)
            if source is not None:
                size = STAMP_BYTES + sum(len(column[position]) for column in batch.columns)
                changed = Rescued(
                    original, (), Step.AS_IT_WAS, batch.read_at, receipt, self._buffer, size
                )
                found[position] = changed, source
        return self._replaced(batch, found) if found else batch

    def _replaced(self, batch: Documents, found: dict[int, tuple[Receipt, bytes]]) -> Documents:
        heads, ids = batch.heads, batch.ids
        contexts, offsets, bodies = (list(column) for column in batch.columns[2:])
        added = 0
        for position, (_, source) in found.items():
            contexts[position] = offsets[position] = b""
            bodies[position] = source[1:]
            added += STAMP_BYTES + len(heads[position]) + len(ids[position]) + len(source) - 1
        runs: list[tuple[Receipt, int]] = []
        start = 0
        for receipt, count in batch.runs:
            end = start + count
            for position in [position for position in found if start <= position < end]:
                if position > start:
                    runs.append((receipt, position - start))
                runs.append((found[position][0], 1))
                start = position + 1
            if start < end:
                runs.append((receipt, end - start))
            start = end
        self._buffer.charge(added, 0)
        columns = (heads, ids, contexts, offsets, bodies)
        return Documents.of(columns, batch.read_at, runs)

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
