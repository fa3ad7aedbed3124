"""What every aggregation is while a search runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from logship.node.errors import NodeError
from logship.node.view import Doc

MAX_BUCKETS = 65_536


class Collector(Protocol):
    """Takes documents and gives a result."""

    def collect(self, doc: Doc) -> None:
        """Count *doc*."""

    def result(self) -> dict[str, Any]:
        """Return what is answered for the documents so far."""


MakeCollectors = Callable[[], dict[str, Collector]]


class Bucket:
    """A group of documents with the aggregations inside it."""

    __slots__ = ("collectors", "count")

    def __init__(self, collectors: dict[str, Collector]) -> None:
        self.count = 0
        self.collectors = collectors

    def collect(self, doc: Doc) -> None:
        """Count *doc*, here and below."""
        self.count += 1
        for collector in self.collectors.values():
            collector.collect(doc)

    def shown(self, head: dict[str, Any]) -> dict[str, Any]:
        """Return the bucket as answered, beginning with *head*."""
        shown = {**head, "doc_count": self.count}
        for name, collector in self.collectors.items():
            shown[name] = collector.result()
        return shown


class BucketBudget:
    """How many buckets one search may still make."""

    def __init__(self) -> None:
        self.used = 0

    def take(self, count: int = 1) -> None:
        """Use up *count*.

        Raises:
            NodeError: There are too many.
        """
        self.used += count
        if self.used > MAX_BUCKETS:
            raise NodeError(
                400,
                "too_many_buckets_exception",
                f"Trying to create too many buckets. Must be less than or equal to: "
                f"[{MAX_BUCKETS}] but was [{self.used}]. This limit can be set by changing the "
                "[search.max_buckets] cluster level setting.",
                extra={"max_buckets": MAX_BUCKETS},
            )
