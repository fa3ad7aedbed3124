"""What a query is once it has been read.

Every node carries ``position``, the 0-based index into the text where it begins. A *field*
of None stands for the default fields (the message).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = [
    "And",
    "Bound",
    "Everything",
    "Exists",
    "Node",
    "Not",
    "Nothing",
    "Or",
    "Phrase",
    "Query",
    "Range",
    "Regexp",
    "Wildcard",
    "Word",
    "walk",
]


@dataclass(frozen=True, slots=True)
class Everything:
    """Matches every record: an empty query, ``*`` or ``*:*``."""

    position: int


@dataclass(frozen=True, slots=True)
class Nothing:
    """Matches no record: only punctuation was given, which no word of a text equals."""

    position: int


@dataclass(frozen=True, slots=True)
class Word:
    """``field:value`` or a bare word: all words of *text* occur, or the value equals it."""

    field: str | None
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Phrase:
    """``"some words"``: they occur side by side, or the value equals them."""

    field: str | None
    text: str
    position: int


@dataclass(frozen=True, slots=True)
class Wildcard:
    r"""``pay*``: *pattern* has ``*`` and ``?``; literal ones, and ``\``, follow a backslash."""

    field: str | None
    pattern: str
    position: int


@dataclass(frozen=True, slots=True)
class Regexp:
    """``/re/``: the whole value (or one word of a text) matches."""

    field: str | None
    pattern: str
    position: int


@dataclass(frozen=True, slots=True)
class Exists:
    """``field:*`` or ``_exists_:field``: the record has a value there."""

    field: str
    position: int


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range, as text."""

    text: str
    inclusive: bool


@dataclass(frozen=True, slots=True)
class Range:
    """``[a TO b]``, ``{a TO b}``, ``>a``; None is an open end, and at most one end is open."""

    field: str
    lower: Bound | None
    upper: Bound | None
    position: int


@dataclass(frozen=True, slots=True)
class Not:
    """The operand does not match."""

    operand: Node
    position: int


@dataclass(frozen=True, slots=True)
class And:
    """All of two or more operands match."""

    operands: tuple[Node, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Or:
    """One of two or more operands matches."""

    operands: tuple[Node, ...]
    position: int


Node: TypeAlias = (
    Everything | Nothing | Word | Phrase | Wildcard | Regexp | Exists | Range | Not | And | Or
)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that has been read.

    Attributes:
        text: As given.
        root: The outermost node.
        default_operator: What stands between two words with nothing between them; also
            whether all or any of the parts of a word like ``order-7`` must occur in a text.
    """

    text: str
    root: Node
    default_operator: Literal["and", "or"] = "and"


def walk(node: Node) -> list[Node]:
    """Return *node* and everything below it, outermost first, in the order of the text."""
    found: list[Node] = [node]
    if isinstance(node, And | Or):
        for operand in node.operands:
            found.extend(walk(operand))
    elif isinstance(node, Not):
        found.extend(walk(node.operand))
    return found
