"""Collects what a route makes of single records into columns."""

from __future__ import annotations

from logship.ids import event_ids
from logship.model import Documents

__all__ = ["Columns"]


class Columns:
    """The columns of documents under way."""

    def __init__(self, *, stable_ids: bool) -> None:
        self._stable_ids = stable_ids
        self._heads: list[bytes] = []
        self._contexts: list[bytes] = []
        self._bodies: list[bytes] = []
        self._offsets: list[int] = []
        self._checksums: list[int] = []

    def add(self, made: tuple[bytes, bytes, bytes], offset: int, checksum: int) -> None:
        """Append one document: (head, context, body), and what its id is made of."""
        head, context, body = made
        self._heads.append(head)
        self._contexts.append(context)
        self._bodies.append(body)
        self._offsets.append(offset)
        self._checksums.append(checksum)

    def documents(self, read_at: float) -> Documents:
        """Return the documents, without receipts."""
        ids = [b""] * len(self._bodies)
        if self._stable_ids:
            ids = event_ids(self._offsets, self._checksums)
        numbers = [b"%d," % offset for offset in self._offsets]
        columns = (self._heads, ids, self._contexts, numbers, self._bodies)
        return Documents.of(columns, read_at)
