"""How a run of the agent ended."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

from logship.pipeline import Totals

__all__ = ["Summary"]


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended.

    Attributes:
        totals: What became of the records.
        unconfirmed: Records read and neither delivered nor in a held file or dead letter; they
            are read again by the next run.
        held: Records in the held files, those of earlier runs included; they go when Elasticsearch
            takes them.
        unreadable: Files that are there and could not be read.
        put_aside_bytes: Size of what is in the spool still; the next run sends it.
    """

    totals: Totals
    unconfirmed: int
    held: int = 0
    unreadable: int = 0
    put_aside_bytes: int = 0

    def after(self, before: Summary) -> Summary:
        """Return how this run and the one *before* it ended together."""
        names = [field.name for field in fields(Totals)]
        both = {name: getattr(before.totals, name) + getattr(self.totals, name) for name in names}
        return replace(self, totals=Totals(**both))

    def __str__(self) -> str:
        t = self.totals
        aside = f", put aside {self.put_aside_bytes} bytes" if self.put_aside_bytes else ""
        return (
            f"delivered {t.delivered}, rescued {t.rescued}, held {self.held}, "
            f"dead letters {t.dead_letters}, dropped {t.dropped}, unconfirmed {self.unconfirmed}"
            f"{aside}"
        )
