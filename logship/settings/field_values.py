"""Fields that settings put on records: free mappings, within what a document can hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from logship.settings.reading import INVALID, Reading
from logship.settings.tree import Node, Unreadable, plain, printable

__all__ = ["RESERVED", "Fields"]

RESERVED = ("@timestamp", "@ingested", "log.offset", "log.file.path")
LONG_MINIMUM, LONG_MAXIMUM = -(1 << 63), (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Fields:
    """A mapping from field names to scalars, lists or mappings.

    Attributes:
        at_least_one: Whether it may not be empty.
    """

    at_least_one: bool = False

    def read(self, node: Node, path: str, reading: Reading) -> Any:
        """Return a dict of plain values; `INVALID` when something is wrong."""
        value = {} if node.value is None else node.value
        if isinstance(value, Unreadable):
            reading.wrong(node.place, path, value.what)
            return INVALID
        if not isinstance(value, dict):
            reading.wrong(node.place, path, f"expected a mapping, found {node.description}")
            return INVALID
        if self.at_least_one and not value:
            reading.wrong(node.place, path, "is empty; at least one field is needed")
            return INVALID
        found = False
        for child, where, field in _walk(value, path, ""):
            what = _mistake(child, field)
            if what:
                reading.wrong(child.place, where, what)
                found = True
        return INVALID if found else plain(Node(value, node.place))

    def schema(self) -> dict[str, Any]:
        """Any object without the reserved names."""
        schema: dict[str, Any] = {
            "type": "object" if self.at_least_one else ["object", "null"],
            "propertyNames": {"not": {"enum": [*RESERVED]}},
        }
        return {**schema, "minProperties": 1} if self.at_least_one else schema


def _mistake(node: Node, field: str) -> str:
    if field in RESERVED:
        return "is set by logship itself; choose another name"
    if not all(field.split(".")):
        return "is no field name; names are texts with single dots between them"
    value = node.value
    if isinstance(value, Unreadable):
        return value.what
    if isinstance(value, int) and not LONG_MINIMUM <= value <= LONG_MAXIMUM:
        return "is a number that Elasticsearch cannot hold; write it in quotes"
    return ""


def _walk(children: Mapping[str, Node], path: str, field: str) -> Iterator[tuple[Node, str, str]]:
    """Every value below, with its path in the settings and its field in the record."""
    for name, child in children.items():
        where = f"{path}.{printable(name)}"
        child_field = f"{field}.{name}" if field else name
        yield child, where, child_field
        yield from _walk_value(child, where, child_field)


def _walk_value(node: Node, path: str, field: str) -> Iterator[tuple[Node, str, str]]:
    if isinstance(node.value, dict):
        yield from _walk(node.value, path, field)
    elif isinstance(node.value, list):
        for index, item in enumerate(node.value):
            where = f"{path}[{index}]"
            if isinstance(item.value, (dict, list)):
                yield from _walk_value(item, where, field)
            else:
                yield item, where, field
