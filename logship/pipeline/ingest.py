"""The first loop's step: route a chunk, owe its receipt, wait for room in the buffer."""

from __future__ import annotations

from logship.ids import TAIL_BYTES
from logship.interfaces import Content, Intake, Memory, Note, Route
from logship.model import Chunk, Documents

__all__ = ["Ingestion"]


class Ingestion:
    """The way from one source's chunks into *buffer*."""

    def __init__(self, route: Route, buffer: Intake) -> None:
        self._route, self._buffer = route, buffer

    async def __call__(self, chunk: Chunk, content: Content) -> None:
        """Route *chunk*. Cancelled, its documents are not owed to anyone and are read again."""
        memory = content.state
        documents, confirmed_end = self._route(chunk, memory)
        note = _note_at(confirmed_end, chunk, memory)
        await self._put(documents, confirmed_end, note, content)

    def pending_start(self, content: Content) -> int | None:
        """Where the oldest event under way begins, of which the end was not seen; None: none."""
        return self._route.pending_start(content.state)

    async def flush(self, content: Content, end: int, day: str) -> None:
        """Give out what is under way. Everything up to *end* was routed already."""
        memory = content.state
        documents = self._route.flush(memory, day)
        note = (memory.tail, memory.last_time)
        await self._put(documents, end, note, content)

    async def put(self, documents: Documents) -> None:
        """Put documents that need no route into the buffer when there is room."""
        await self._buffer.put(documents)

    async def _put(self, documents: Documents, end: int, note: Note, content: Content) -> None:
        receipt = content.tracker.issue(end, note, len(documents))
        if len(documents):
            documents.runs = [(receipt, len(documents))]
            await self._buffer.put(documents)


def _note_at(confirmed_end: int, chunk: Chunk, memory: Memory) -> Note:
    """Return what is to be saved with *confirmed_end*; remembers the end of the chunk."""
    before, memory.tail = memory.tail, chunk.tail
    if confirmed_end == chunk.end:
        tail = chunk.tail
    elif confirmed_end >= chunk.start:
        tail = (before + chunk.data[: confirmed_end - chunk.start])[-TAIL_BYTES:]
    else:
        return memory.confirmed_note
    memory.confirmed_note = (tail, memory.last_time)
    return memory.confirmed_note
