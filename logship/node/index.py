"""One index, and how index expressions are read."""

from __future__ import annotations

from dataclasses import dataclass, field

from logship.node import settings as index_settings
from logship.node.errors import Json, NodeError
from logship.node.mapping import Mapping


@dataclass(slots=True)
class Index:
    """One index.

    Attributes:
        id: Number in the database; never used again.
        settings: Flat, without what the node itself adds.
        next_seq_no: Of its next document.
        documents: How many there are.
        stream: The data stream it backs, or None.
    """

    id: int
    name: str
    uuid: str
    created_millis: int
    settings: index_settings.Flat
    mapping: Mapping
    aliases: Json
    is_closed: bool = False
    next_seq_no: int = 0
    documents: int = 0
    stream: str | None = None

    @property
    def is_hidden(self) -> bool:
        """Whether wildcards leave it out unless asked."""
        return self.stream is not None or index_settings.is_on(self.settings, "hidden")

    @property
    def shards(self) -> int:
        """Primary shards, as the settings say."""
        return int(self.settings.get("index.number_of_shards", 1))

    @property
    def replicas(self) -> int:
        """Copies of each shard, none of which a single node has."""
        return int(self.settings.get("index.number_of_replicas", 1))

    @property
    def limits(self) -> tuple[int, int, bool, int]:
        """(fields, depth, whether fields beyond the limit are left out, characters of a name)."""
        return (
            int(self.settings.get("index.mapping.total_fields.limit", 1000)),
            int(self.settings.get("index.mapping.depth.limit", 20)),
            index_settings.is_on(self.settings, "mapping.total_fields.ignore_dynamic_beyond_limit"),
            int(self.settings.get("index.mapping.field_name_length.limit", 2**63)),
        )

    def closed_error(self) -> NodeError:
        """Return the 400 for using a closed index."""
        extra = {"index_uuid": self.uuid, "index": self.name}
        return NodeError(400, "index_closed_exception", "closed", extra=extra)


@dataclass(frozen=True, slots=True)
class Options:
    """How an index expression is read.

    Attributes:
        ignore_unavailable: Leave out missing and closed ones that were named.
        allow_no_indices: Whether a wildcard may match nothing.
        open, closed, hidden: What wildcards match.
    """

    ignore_unavailable: bool = False
    allow_no_indices: bool = True
    open: bool = True
    closed: bool = False
    hidden: bool = False


@dataclass
class Resolved:
    """One index of an expression, with the filters of the aliases that led to it."""

    index: Index
    filters: list[Json] = field(default_factory=list)
    is_filtered: bool = True
