"""``add_fields``: sets fields at the root of every record."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC
from typing import Any

from logship.interfaces import Record
from logship.schema.flat import lift

__all__ = ["AddFields"]


class AddFields:
    """A processor that sets fields on every record.

    Attributes:
        fields: What is set, in the flat schema: ``host: a`` is ``host.name: a`` here, as it
            would be in a record. A route may add them to untouched bytes when a record has none.
        overwrites: Whether what a record has under these names gives way.
    """

    def __init__(self, fields: Mapping[str, Any], *, overwrites: bool = True) -> None:
        self.fields = dict(fields)
        lift(self.fields, UTC)
        self.overwrites = overwrites
        self._can_be_shared = not any(isinstance(v, (dict, list)) for v in self.fields.values())

    def __call__(self, record: Record) -> Record:
        """Set the fields on *record* and return it."""
        fields = self.fields if self._can_be_shared else deepcopy(self.fields)
        if self.overwrites:
            record.update(fields)
        else:
            for name, value in fields.items():
                record.setdefault(name, value)
        return record
