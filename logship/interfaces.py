"""The seams: what the stages know of one another. They meet here and nowhere else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from logship.model import BatchResult, Chunk, Document, Documents, Receipt, Refusal

__all__ = [
    "Clock",
    "Content",
    "DeadLetters",
    "Ingest",
    "MakeMemory",
    "Memory",
    "Note",
    "Processor",
    "Record",
    "Sink",
    "Source",
    "Tracker",
]

Record = dict[str, Any]

# A processor changes its record in place or returns another; None drops it on purpose.
Processor = Callable[[Record], Record | None]

# Beside a confirmed offset: the last 256 bytes before it, and the last time read before it.
Note = tuple[bytes, str | None]


class Clock(Protocol):
    """Time, as an argument, so that tests own it."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""

    def time(self) -> float:
        """Seconds since 1970."""


class Tracker(Protocol):
    """Knows up to where one content is confirmed."""

    def issue(self, end: int, note: Note, owed: int) -> Receipt:
        """Owe one chunk; chunks come in order and without gaps."""


class Memory(Protocol):
    """What a source's route remembers of one content; only the route looks inside."""

    last_time: str | None

    def moved(self, path: str) -> None:
        """The content lies at *path* now."""


# (seed, path, last usable time before the first chunk) → what the route remembers.
MakeMemory = Callable[[bytes, str, str | None], Memory]


class Content(Protocol):
    """One file content on its way: what its route remembers, and who issues its receipts."""

    @property
    def tracker(self) -> Tracker:
        """Issues the receipts of this content."""

    @property
    def state(self) -> Memory:
        """What the source's route remembers of this content."""


# Routes a chunk and puts its documents into the buffer; returns when there was room.
Ingest = Callable[[Chunk, Content], Awaitable[None]]


class Source(Protocol):
    """Where records come from."""

    async def run(self, ingest: Ingest) -> None:
        """Read until told to stop. Raises SourceError when it cannot go on for now."""

    def stop(self) -> None:
        """Read on until quiet or out of time, then end ``run``."""


class Sink(Protocol):
    """Where documents go. Classifies, never retries."""

    async def write(self, documents: Documents) -> BatchResult:
        """Send one batch and say what became of every document. Does not raise for replies."""

    async def close(self) -> None:
        """Give back the connections."""


class DeadLetters(Protocol):
    """The last resort: what Elasticsearch refuses for good, with its reason."""

    async def write(self, documents: Sequence[tuple[Document, Refusal]]) -> None:
        """Return when all of *documents* are synced to disk.

        Raises:
            OSError: They are not; nothing may be settled.
        """
