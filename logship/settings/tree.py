"""The settings as a tree in which every value knows where it was written.

The YAML file, environment variables and flags all become this tree; whatever is wrong
with a value is then reported at its own place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

__all__ = [
    "Node",
    "Place",
    "Unreadable",
    "from_plain",
    "plain",
    "printable",
    "quote",
    "resolve_plain",
    "without_surrogates",
]

QUOTED_CHARACTERS = 80
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_WHOLE = re.compile(r"[-+]?[0-9]{1,30}\Z")
_DECIMAL = re.compile(r"[-+]?(?:[0-9]{1,30}\.[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][-+]?[0-9]{1,2})?\Z")

Plain = bool | int | float | str | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value comes from.

    Attributes:
        origin: The file as the user named it, or the name of a flag or environment variable.
        line: 1-based; 0 outside of files.
        column: 1-based; 0 outside of files.
    """

    origin: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.origin}:{self.line}:{self.column}" if self.line else self.origin

    @property
    def order(self) -> tuple[bool, int, int]:
        """Sorts places as they stand in the file, what comes from outside of it last."""
        return (not self.line, self.line, self.column)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands in a node for a value that could not be made out; reported when it is needed."""

    what: str


@dataclass(frozen=True, slots=True)
class Node:
    """A value and its place.

    Attributes:
        value: A scalar, a list of nodes, a dict from key to node, or `Unreadable`.
        place: Of the key when the node is a value in a mapping, else of the value itself.
        raw: The scalar as written, after variables; empty for lists and mappings.
        from_variable: Whether an environment variable is part of the scalar.
    """

    value: Plain | list[Node] | dict[str, Node] | Unreadable
    place: Place
    raw: str = ""
    from_variable: bool = False

    @property
    def description(self) -> str:
        """What was found, for messages; never the content."""
        value = self.value
        if value is None:
            return "nothing"
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float)):
            return "a number"
        if isinstance(value, str):
            return "a text"
        return "a list" if isinstance(value, list) else "a mapping"

    def at(self, place: Place) -> Node:
        """The same value at another place."""
        return replace(self, place=place)


def resolve_plain(raw: str) -> Plain:
    """Return what a scalar without quotes means: null, a boolean, a number, else text.

    Only what reads the same to everyone: ``no`` and ``on`` are texts, ``010`` is ten, and
    numbers too large for JSON stay texts.

    Source: YAML 1.2.2, "Core schema".
    """
    if raw in _NULLS:
        return None
    if raw in _TRUE:
        return True
    if raw in _FALSE:
        return False
    if _WHOLE.match(raw):
        return int(raw)
    if _DECIMAL.match(raw):
        return float(raw)
    return raw


def without_surrogates(text: str) -> str | None:
    """Return *text* with surrogate pairs joined; None when a lone one makes it no Unicode."""
    try:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    except UnicodeDecodeError:
        return None


def from_plain(value: Any, place: Place) -> Node:
    """Return *value* (scalars, lists, mappings; paths as text) as a tree, all at *place*."""
    if isinstance(value, Mapping):
        return Node({str(key): from_plain(item, place) for key, item in value.items()}, place)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return Node([from_plain(item, place) for item in value], place)
    if value is None or isinstance(value, (bool, int, float)):
        return Node(value, place, "" if value is None else str(value))
    text = without_surrogates(str(value))
    if text is None:
        return Node(Unreadable("is not valid UTF-8"), place)
    return Node(text, place, text)


def plain(node: Node) -> Any:
    """Return the values of *node* without places."""
    if isinstance(node.value, list):
        return [plain(item) for item in node.value]
    if isinstance(node.value, dict):
        return {key: plain(item) for key, item in node.value.items()}
    return node.value


def printable(text: str) -> str:
    """Return *text* on one line: what would not print is escaped, what is long is cut."""
    if len(text) > QUOTED_CHARACTERS:
        text = text[:QUOTED_CHARACTERS] + "…"
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def quote(text: str) -> str:
    """Return *text* for a message: printable and in double quotes."""
    return f'"{printable(text)}"'
