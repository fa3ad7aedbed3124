"""The seams: what the stages know of one another. They meet here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from logship.model import BatchResult, Chunk, Document, Documents, Receipt, Refusal

__all__ = [
    "ChooseFormat",
    "Clock",
    "Content",
    "DeadLetters",
    "Ingest",
    "Intake",
    "MakeMemory",
    "Memory",
    "Note",
    "Processor",
    "Record",
    "Route",
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
    """What a source's route remembers of one content.

    Attributes:
        last_time: The last usable time so far, as UTC text.
        tail: The last bytes that were routed.
        confirmed_note: What belongs to the last offset that was given as confirmed.
    """

    last_time: str | None
    tail: bytes
    confirmed_note: Note

    def begin_at(self, offset: int, tail: bytes) -> None:
        """Reading begins at *offset*, which is confirmed; *tail* are the bytes before it."""

    def moved(self, path: str) -> None:
        """The content lies at *path* now."""


# (seed, path, last usable time before the first chunk, format) → what the route remembers.
MakeMemory = Callable[[bytes, str, str | None, str], Memory]

# The beginning of a content → the format that it has; empty when that does not matter.
ChooseFormat = Callable[[bytes], str]


class Content(Protocol):
    """One file content on its way: what its route remembers, and who issues its receipts."""

    @property
    def tracker(self) -> Tracker:
        """Issues the receipts of this content."""

    @property
    def state(self) -> Memory:
        """What the source's route remembers of this content."""


class Route(Protocol):
    """A source's compiled way from chunk to documents; the memory is of its own making."""

    def __call__(self, chunk: Chunk, state: Any, /) -> tuple[Documents, int]:
        """Return the documents of *chunk*, and up to where they confirm the content."""

    def pending_start(self, state: Any, /) -> int | None:
        """Where the oldest event under way begins, of which the end was not seen; None: none."""

    def flush(self, state: Any, day: str, /) -> Documents:
        """Return what is under way as if it ended here; *day* is the mark that holds there."""


class Ingest(Protocol):
    """The way from a source's chunks into the buffer."""

    async def __call__(self, chunk: Chunk, content: Content) -> None:
        """Route *chunk* and put its documents into the buffer; returns when there was room."""

    def pending_start(self, content: Content) -> int | None:
        """Where the oldest event under way begins, of which the end was not seen; None: none."""

    async def flush(self, content: Content, end: int, day: str) -> None:
        """Give out what is under way, as if it ended at *end*, up to where *content* was read.

        That there is an end must be durable before: a split mark.
        """


class Intake(Protocol):
    """The way into the buffer for documents that were made elsewhere."""

    async def put(self, documents: Documents) -> None:
        """Put *documents*, which have their receipts, into the buffer when there is room."""


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
