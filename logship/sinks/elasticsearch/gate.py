"""Which documents are not sent at all: what is too old, and names beyond their bound. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from logship.model import EXPIRED_HEAD, Documents, Refusal
from logship.settings.model import IndexSettings
from logship.settings.units import format_duration
from logship.sinks.index_names import IndexNames, NameBound

__all__ = ["MOST_NAMES", "Gate", "Sorted"]

# An Elasticsearch node takes 1,000 shards unless told otherwise.
MOST_NAMES = 500


@dataclass(frozen=True, slots=True)
class Sorted:
    """Every position of a batch in exactly one of three groups, in order."""

    sent: Sequence[int]
    held: Sequence[Refusal]
    rejected: Sequence[Refusal]


class Gate:
    """Sorts out what may not be sent, before each attempt.

    Documents that the route marked as older than ``index.retention`` are rejected. Where index
    names hold fields, documents that would go beyond so many different names are held.
    """

    def __init__(self, index: IndexSettings, most_names: int = MOST_NAMES) -> None:
        names = IndexNames.of(index)
        self._bound = NameBound(names, most_names) if names.has_fields else None
        retention = index.retention_seconds
        self._age = "" if retention is None else format_duration(retention)
        self._is_open = self._bound is None and (retention is None or index.data_stream is not None)

    def sort(self, documents: Documents) -> Sorted | None:
        """Return the positions of *documents* by what is to become of them; None: send all."""
        if self._is_open:
            return None
        refusals = {head: self._refusal(head) for head in dict.fromkeys(documents.heads)}
        if not any(refusals.values()):
            return None
        sent: list[int] = []
        held: list[Refusal] = []
        rejected: list[Refusal] = []
        for position, head in enumerate(documents.heads):
            known = refusals[head]
            if known is None:
                sent.append(position)
                continue
            refusal = Refusal(position, known.status, known.type, known.reason)
            (rejected if head.startswith(EXPIRED_HEAD) else held).append(refusal)
        return Sorted(sent, held, rejected)

    def _refusal(self, head: bytes) -> Refusal | None:
        if head.startswith(EXPIRED_HEAD):
            reason = f"older than index.retention ({self._age}) when it was read"
            return Refusal(0, 0, "older_than_retention", reason)
        if self._bound is None:
            return None
        index = orjson.loads(head + b'"}}')["create"]["_index"]
        if self._bound.lets(index):
            return None
        reason = (
            f"{index} would be one more than {self._bound.most} different index names; "
            "index.name has a field with too many values"
        )
        return Refusal(0, 0, "too_many_index_names", reason)
