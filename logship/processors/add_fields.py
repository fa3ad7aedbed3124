"""``add_fields``: sets fields at the root of every record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from logship.interfaces import Record

__all__ = ["AddFields"]


class AddFields:
    """A processor that sets fields on every record.

    Attributes:
        fields: What is set. A route may add them to untouched bytes when a record has none.
        overwrites: Whether what a record has under these names gives way.
    """

    def __init__(self, fields: Mapping[str, Any], *, overwrites: bool = True) -> None:
        self.fields = dict(fields)
        self.overwrites = overwrites

    def __call__(self, record: Record) -> Record:
        """Set the fields on *record* and return it."""
        if self.overwrites:
            record.update(self.fields)
        else:
            for name, value in self.fields.items():
                record.setdefault(name, value)
        return record
