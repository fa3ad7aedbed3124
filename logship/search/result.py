"""What a search found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from logship.errors import BadReply

__all__ = ["FoundRecord", "Page", "SearchResult", "read_page"]


class FoundRecord(dict[str, Any]):
    """A record as it is stored, with where it is stored.

    Attributes:
        index: The index that holds it.
        id: Its ``_id`` there; unique together with *index*.
    """

    __slots__ = ("id", "index")

    def __init__(self, source: Mapping[str, Any], index: str, id_: str) -> None:
        super().__init__(source)
        self.index = index
        self.id = id_


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What a search found.

    Attributes:
        records: Oldest first, or newest first when that was asked for.
        total: How many there are, also beyond the limit.
        total_is_exact: False when there are more than *total*.
        took_ms: Time the server spent, in milliseconds.
        timed_out: Whether the server gave up early, so that records may be missing.
        failed_shards: Parts of the indices that could not be searched.
        total_shards: Parts that were asked; 0 when no index goes by the pattern.
        failure: Elasticsearch's reason for the first failed shard, else empty.
    """

    records: list[FoundRecord]
    total: int
    total_is_exact: bool = True
    took_ms: int = 0
    timed_out: bool = False
    failed_shards: int = 0
    total_shards: int = 0
    failure: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether records may be missing."""
        return self.timed_out or self.failed_shards > 0


@dataclass(frozen=True, slots=True)
class Page:
    """One reply to ``_search``: its records newest first, and where the next page begins."""

    result: SearchResult
    last_sort: list[Any] | None
    pit_id: str | None


def read_page(reply: Any) -> Page:
    """Return what the parsed *reply* to a ``_search`` says.

    Raises:
        BadReply: It is no such reply.
    """
    try:
        hits = reply["hits"]
        records = [
            FoundRecord(hit.get("_source") or {}, hit["_index"], hit["_id"]) for hit in hits["hits"]
        ]
        total = hits.get("total") or {"value": len(records), "relation": "gte"}
        shards = reply.get("_shards") or {}
        failures = shards.get("failures") or []
        result = SearchResult(
            records=records,
            total=total["value"],
            total_is_exact=total["relation"] == "eq",
            took_ms=int(reply.get("took") or 0),
            timed_out=bool(reply.get("timed_out")),
            failed_shards=int(shards.get("failed") or 0),
            total_shards=int(shards.get("total") or 0),
            failure=str(failures[0]["reason"].get("reason") or "") if failures else "",
        )
        last_sort = hits["hits"][-1].get("sort") if records else None
        return Page(result, last_sort, reply.get("pit_id"))
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise BadReply(f"this is no reply to a search: {error!r}") from error
