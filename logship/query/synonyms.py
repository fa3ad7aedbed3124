"""Fields that go by several names: logship's own, those of ECS, and what applications write."""

from __future__ import annotations

from dataclasses import replace

from logship.query.tree import (
    And,
    Exists,
    Node,
    Not,
    Or,
    Phrase,
    Range,
    Regexp,
    Wildcard,
    Word,
)

__all__ = ["spellings", "spread"]

# The name that logship stores comes first, then that of the Elastic Common Schema.
_GROUPS = (
    ("level", "log.level"),
    ("service", "service.name"),
    ("environment", "service.environment"),
    ("logger", "log.logger"),
    ("trace_id", "trace.id"),
    ("span_id", "span.id"),
    ("user_id", "user.id", "userId"),
    ("request_id", "http.request.id", "requestId"),
    ("method", "http.request.method"),
    ("duration_ms", "responseTime"),
    ("@ingested", "event.ingested"),
)
_GROUP_OF = {name: group for group in _GROUPS for name in group}


def spellings(field: str) -> tuple[str, ...]:
    """Return every name of *field*, itself first."""
    others = _GROUP_OF.get(field, ())
    return (field, *(name for name in others if name != field))


def spread(node: Node) -> Node:
    """Return *node* with every field looked for under each of its names; one hit is enough."""
    match node:
        case And() | Or():
            return replace(node, operands=tuple(map(spread, node.operands)))
        case Not():
            return replace(node, operand=spread(node.operand))
        case Word() | Phrase() | Wildcard() | Regexp() | Exists() | Range():
            names = spellings(node.field) if node.field else ()
            if len(names) > 1:
                return Or(tuple(replace(node, field=name) for name in names), node.position)
    return node
