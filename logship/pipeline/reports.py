"""The documents that say what was dropped. They are no records: nothing is owed for them."""

from __future__ import annotations

from collections.abc import Mapping

from logship.ids import counter_id, handler_prefix
from logship.interfaces import Clock
from logship.model import Documents, action_head
from logship.schema.drop_report import REPORTS_LOGGER, drop_report
from logship.schema.ecs import to_ecs
from logship.schema.encode import encode_record
from logship.schema.times import utc_text
from logship.settings.model import IndexSettings, Schema
from logship.sinks.index_names import IndexNames

__all__ = ["Nobody", "Reports"]


class Reports:
    """Makes the documents that say what was dropped."""

    def __init__(
        self, index: IndexSettings, schema: Schema, *, host_name: str, clock: Clock
    ) -> None:
        self._names, self._schema = IndexNames.of(index), schema
        self._host_name, self._clock = host_name, clock
        self._prefix, self._count = handler_prefix(), 0

    def make(self, by_reason: Mapping[str, int], first: float, last: float) -> Documents:
        """Return the report of what was dropped between *first* and *last*, epoch seconds."""
        now = utc_text(self._clock.time())
        text, fields = drop_report(by_reason, first, last)
        record = {
            "@timestamp": now,
            "level": "WARNING",
            "logger": REPORTS_LOGGER,
            "message": text,
            "host.name": self._host_name,
            "extra": fields,
        }
        index = self._names.name(now[: self._names.key_length], record)
        if self._schema == "ecs":
            to_ecs(record)
        id_ = counter_id(self._count)
        self._count += 1
        head = action_head(index, self._prefix.encode(), with_id=True)
        columns = ([head], [id_], [b""], [b""], [encode_record(record)[1:]])
        return Documents.of(columns, self._clock.monotonic(), [(Nobody(), 1)])


class Nobody:
    """The receipt of what is no record of a source: nobody reads it again, nothing is owed."""

    def settle(self, count: int) -> None:
        """Nothing to be done."""
