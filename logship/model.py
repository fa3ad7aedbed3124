"""What flows: chunks of lines in, documents in columns out, and what became of them.

Nothing here is per record: a chunk holds what one read gave, and documents are kept as
columns of equal length, because an object for every record would cost more than its JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import orjson

from logship.lines import PLAIN, LineForm

__all__ = [
    "EXPIRED_HEAD",
    "BatchResult",
    "Chunk",
    "Document",
    "Documents",
    "Receipt",
    "Refusal",
    "action_head",
    "merge",
]


class Receipt(Protocol):
    """What is owed to a source for one chunk; shared by all documents of the chunk."""

    def settle(self, count: int) -> None:
        """Pay for *count* documents: delivered, or safe in a synced dead-letter file."""


@dataclass(slots=True)
class Chunk:
    """Complete lines of one file content, as one read gave them.

    Attributes:
        data: The lines, as in the file; each ends with the delimiter of *form*, except the last
            of a forced split.
        start: Offset in the content of the first byte of *data*.
        end: Offset after what *data* stands for; more than ``start + len(data)`` after a cut.
        day: The day mark that holds for these lines: ``YYYY-MM-DD``, or ``first/last`` when
            they were written between these days while no agent ran.
        read_at: Monotonic seconds when the first of these bytes was read.
        tail: The last bytes (up to 256) that end at *end*, as in the file.
        is_cut: The one line in *data* was longer than allowed; *crc* is over all of it.
        is_continued: The first line is the rest of one whose beginning was shipped already.
        is_split: An event ends with this chunk, whatever follows: a split mark says so.
        crc: CRC-32 of the whole line; only with *is_cut*.
        form: Encoding and delimiter.
    """

    data: bytes
    start: int
    end: int
    day: str
    read_at: float
    tail: bytes = b""
    is_cut: bool = False
    is_continued: bool = False
    is_split: bool = False
    crc: int = 0
    form: LineForm = PLAIN


@dataclass(frozen=True, slots=True)
class Document:
    """One document as Elasticsearch will see it, for the paths that are not hot.

    Attributes:
        index: Name of the index or data stream.
        id: The ``_id``; empty when Elasticsearch is to choose.
        source: The JSON object, without the ingest stamp.
    """

    index: str
    id: str
    source: bytes


@dataclass(slots=True)
class Documents:
    """Encoded documents in columns of equal length: of one chunk, or of one batch.

    The wire form of document *i* is ``heads[i] + ids[i] + stamp + contexts[i] + offsets[i] +
    bodies[i]``: the stamp is the ingest time, spliced in for every attempt without encoding
    anything again. Whatever many documents have in common is one shared object.

    Attributes:
        heads: A newline, and the action line up to the id.
        ids: What follows of the id.
        contexts: What logship adds to the source, up to the offset's number.
        offsets: That number and a comma.
        bodies: What follows of the JSON object, up to and with its closing brace.
        runs: Which receipt the documents belong to, in order, as (receipt, how many).
        size_bytes: On the wire.
        read_at: Monotonic seconds when the oldest of them was read.
    """

    heads: list[bytes]
    ids: list[bytes]
    contexts: list[bytes]
    offsets: list[bytes]
    bodies: list[bytes]
    runs: list[tuple[Receipt, int]]
    size_bytes: int
    read_at: float

    @classmethod
    def of(
        cls,
        columns: tuple[list[bytes], list[bytes], list[bytes], list[bytes], list[bytes]],
        read_at: float,
        runs: Sequence[tuple[Receipt, int]] = (),
    ) -> Documents:
        """Return documents of the five columns, measured."""
        size = sum([sum(map(len, column)) for column in columns]) + STAMP_BYTES * len(columns[0])
        return cls(*columns, list(runs), size, read_at)

    @property
    def columns(self) -> tuple[list[bytes], list[bytes], list[bytes], list[bytes], list[bytes]]:
        """The five columns, in the order of the wire."""
        return self.heads, self.ids, self.contexts, self.offsets, self.bodies

    def __len__(self) -> int:
        return len(self.bodies)

    def settle(self) -> None:
        """Settle every document."""
        for receipt, count in self.runs:
            receipt.settle(count)

    def document(self, position: int) -> Document:
        """Return one document, parsed out of the columns."""
        action = orjson.loads(self.heads[position] + self.ids[position] + b'"}}')["create"]
        parts = (b"{", self.contexts[position], self.offsets[position], self.bodies[position])
        source = b"".join(parts)
        return Document(action["_index"], action.get("_id", ""), source)

    def select(self, positions: Sequence[int]) -> Documents:
        """Return the documents at *positions* (ascending) as columns of their own."""
        heads, ids, contexts, offsets, bodies = (
            [column[i] for i in positions] for column in self.columns
        )
        columns = (heads, ids, contexts, offsets, bodies)
        return Documents.of(columns, self.read_at, self._runs_of(positions))

    def part(self, start: int, stop: int) -> Documents:
        """Return the documents from *start* up to *stop*."""
        return self.select(range(start, min(stop, len(self))))

    def _runs_of(self, positions: Sequence[int]) -> list[tuple[Receipt, int]]:
        runs: list[tuple[Receipt, int]] = []
        waiting = iter(positions)
        position = next(waiting, None)
        start = 0
        for receipt, count in self.runs:
            taken = 0
            while position is not None and position < start + count:
                taken += 1
                position = next(waiting, None)
            if taken:
                runs.append((receipt, taken))
            start += count
        return runs


# What the head begins with of a document that may not be sent any more; the space tells it
# from all others, and changes nothing of what it means.
EXPIRED_HEAD = b'\n{"create": '


def action_head(index: str, seed: bytes, *, with_id: bool, is_expired: bool = False) -> bytes:
    """Return a newline and an action line up to where the id, or what is left of it, follows.

    The one place where action lines are made: a malformed one would fail the whole bulk, so
    the name goes through a JSON encoder.

    Args:
        is_expired: The document is older than the retention: a sink refuses it.
    """
    name = orjson.dumps(index)
    if is_expired:
        head = EXPIRED_HEAD + b'{"_index":' + name
        return head + b',"_id":"' + seed if with_id else head[:-1]
    if with_id:
        return b'\n{"create":{"_index":' + name + b',"_id":"' + seed
    return b'\n{"create":{"_index":' + name[:-1]


STAMP_BYTES = len('"}}\n{"@ingested":"2026-11-21T00:00:00.000Z",')


def merge(parts: Sequence[Documents]) -> Documents:
    """Return the documents of all *parts*, in order; one part is returned as it is."""
    if len(parts) == 1:
        return parts[0]
    merged = Documents([], [], [], [], [], [], 0, min(part.read_at for part in parts))
    for part in parts:
        for column, more in zip(merged.columns, part.columns, strict=True):
            column += more
        merged.runs += part.runs
        merged.size_bytes += part.size_bytes
    return merged


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why Elasticsearch did not take one document.

    Attributes:
        position: In the batch as sent.
        status: Of the item, or of the whole request.
        type: Elasticsearch's error type.
        reason: Elasticsearch's reason, cut to a readable length.
    """

    position: int
    status: int
    type: str
    reason: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of one bulk request. Every position is in exactly one of the four groups.

    Attributes:
        delivered: Positions that are stored (2xx, or 409: stored before).
        retryable: Positions to send again.
        held: What the cluster and not the document is to blame for; to be sent again later.
        rejected: What no retry can help.
        verdict: ``items`` when the server answered per document; ``retry`` when the whole
            request is to be sent again; ``pause`` when it is refused for a reason that a person
            must mend; ``split`` when it must be sent in halves.
        cause: Of anything but success, one line for people.
        retry_after_seconds: The server's wish, None without one.
        is_too_large: The verdict is ``split``, and the size is why.
        is_internal: The verdict is ``retry``, and it is the server that failed on the request,
            maybe on one document of it.
        was_sent: There was a request, so that the server is known to answer.
    """

    delivered: Sequence[int] = ()
    retryable: Sequence[int] = ()
    held: Sequence[Refusal] = ()
    rejected: Sequence[Refusal] = ()
    verdict: Literal["items", "retry", "pause", "split"] = "items"
    cause: str = ""
    retry_after_seconds: float | None = field(default=None)
    is_too_large: bool = False
    is_internal: bool = False
    was_sent: bool = True
