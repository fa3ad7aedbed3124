"""Bulk bodies. Hot: joins what the route has encoded, with the ingest time spliced in.

Guarded by ``make bench`` and its steps.
"""

from __future__ import annotations

from collections.abc import Iterator

from logship.model import STAMP_BYTES, Documents
from logship.schema.times import utc_text
from logship.settings.model import Schema

__all__ = ["INGESTED", "BulkBody"]

# What the processor's cache holds; the connection keeps no more than one of them.
PIECE_BYTES = 256 << 10

# The field for the time of an attempt, by schema.
INGESTED: dict[Schema, str] = {"flat": "@ingested", "ecs": "event.ingested"}


class BulkBody:
    """The body of one ``_bulk`` request, made piece by piece while it is sent.

    NDJSON: an action line and a source line per document, newline at the end. In one piece it
    would cost a batch's size once more, for as long as the server does not answer.

    Iterating gives the pieces in order, every time the same; ``len`` is the size of all of them
    in bytes.

    Args:
        documents: At least one; not to be changed before the body was sent.
        seconds: Epoch time of this attempt.
        ingested: The field that says it.
        piece_bytes: Size of a piece, as far as documents are of one size.

    Source: Elasticsearch 8 reference, "Bulk API", request body.
    """

    def __init__(
        self,
        documents: Documents,
        seconds: float,
        ingested: str = INGESTED["flat"],
        *,
        piece_bytes: int = PIECE_BYTES,
    ) -> None:
        self._documents = documents
        self._stamp = f'"}}}}\n{{"{ingested}":"{utc_text(seconds)}",'.encode()
        count = len(documents)
        self._size_bytes = documents.size_bytes + count * (len(self._stamp) - STAMP_BYTES)
        self._count_of_piece = max(1, count * piece_bytes // self._size_bytes)

    def __len__(self) -> int:
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes]:
        count, step = len(self._documents), self._count_of_piece
        for start in range(0, count, step):
            columns = [column[start : start + step] for column in self._documents.columns]
            heads, ids, contexts, offsets, bodies = columns
            parts = [self._stamp] * (6 * len(heads))
            parts[0::6] = heads
            parts[1::6] = ids
            parts[3::6] = contexts
            parts[4::6] = offsets
            parts[5::6] = bodies
            if start == 0:
                parts[0] = parts[0][1:]  # heads begin with what ends the document before
            if start + step >= count:
                parts.append(b"\n")
            yield b"".join(parts)
