"""The demo's self-check: every record written arrived exactly once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from logship.demo.stage import Stage

__all__ = ["Outcome", "compare", "stored_ids"]

PAGE = 2000


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written against what is stored, by the records' own numbers.

    Attributes:
        written: How many were written.
        missing: Numbers that are not stored.
        doubled: Numbers that are stored more than once.
        unexpected: Numbers that nobody wrote.
    """

    written: int
    missing: list[str]
    doubled: list[str]
    unexpected: list[str]

    @property
    def is_exact(self) -> bool:
        """Whether everything arrived exactly once."""
        return not (self.missing or self.doubled or self.unexpected)


def compare(written: dict[str, int], stored: Counter[str]) -> Outcome:
    """Compare counts per service with the numbers found."""
    expected = {f"{service}-{n}" for service, count in written.items() for n in range(1, count + 1)}
    return Outcome(
        written=len(expected),
        missing=sorted(expected - stored.keys()),
        doubled=sorted(number for number, count in stored.items() if count > 1),
        unexpected=sorted(stored.keys() - expected),
    )


def stored_ids(stage: Stage) -> Counter[str]:
    """Return every ``demo_id`` that is stored, and how often; read page by page."""
    found: Counter[str] = Counter()
    pit = stage.get("/logs-*/_pit?keep_alive=1m", {})["id"]
    after = None
    while True:
        body = {
            "size": PAGE,
            "pit": {"id": pit, "keep_alive": "1m"},
            "query": {"exists": {"field": "demo_id"}},
            "sort": [{"@timestamp": "asc"}, {"_shard_doc": "asc"}],
            "_source": ["demo_id"],
            "track_total_hits": False,
            **({"search_after": after} if after else {}),
        }
        hits = stage.get("/_search", body)["hits"]["hits"]
        if not hits:
            return found
        found.update(hit["_source"]["demo_id"] for hit in hits)
        after = hits[-1]["sort"]
