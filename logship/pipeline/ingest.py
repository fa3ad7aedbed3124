"""The first loop's step: route a chunk, owe its receipt, wait for room in the buffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logship.buffer import Buffer
from logship.interfaces import Content, Ingest
from logship.model import Chunk, Documents

__all__ = ["make_ingest"]


def make_ingest(route: Callable[[Chunk, Any], tuple[Documents, int]], buffer: Buffer) -> Ingest:
    """Return the way from one source's chunks into *buffer*."""

    async def ingest(chunk: Chunk, content: Content) -> None:
        """Route *chunk*. Cancelled, its documents are not owed to anyone and are read again."""
        documents, confirmed_end = route(chunk, content.state)
        note = (chunk.tail, content.state.last_time)
        receipt = content.tracker.issue(confirmed_end, note, len(documents))
        if len(documents):
            documents.runs = [(receipt, len(documents))]
            await buffer.put(documents)

    return ingest
