"""A routing: the resolved settings that decide ids and indices of what one source reads.

As JSON it is kept beside the checkpoints, so that a later run can route again exactly as the
run before did, whatever its own settings say.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from logship.interfaces import Clock
from logship.route.auto import AutoRoute
from logship.route.compile import Route
from logship.route.source import compile_route
from logship.settings.model import (
    IndexSettings,
    MultilineSettings,
    ProcessorSettings,
    Schema,
    Settings,
    SourceSettings,
)

__all__ = ["VERSION", "Routing", "RoutingError"]

# Of how ids and indices are made of the same settings and bytes.
VERSION = 1

_OF_SOURCE = (
    "format", "timezone", "encoding", "delimiter", "max_line_bytes", "long_lines", "fields",
)  # fmt: skip
_OF_MULTILINE = (
    "preset", "start", "continuation", "end", "pattern", "negate", "match", "max_lines",
    "max_bytes",
)  # fmt: skip
_OF_INDEX = (
    "name", "data_stream", "timezone", "retention_seconds", "accept_past_seconds",
    "accept_future_seconds",
)  # fmt: skip


class RoutingError(Exception):
    """What was kept of a routing is of another version of logship, or no routing at all."""


@dataclass(frozen=True, slots=True)
class Routing:
    """Everything but the marks and the bytes that decides ids and indices.

    Attributes:
        source: The source; only some of it decides, but files are looked for with the rest.
        index: Where its records go; likewise.
        processors: Of all sources; the source's own come first.
        schema: How fields are named where they are stored.
        ids: Whether ids are stable.
        host_name: What records that name no host get; None when that was not kept.
    """

    source: SourceSettings
    index: IndexSettings
    processors: tuple[ProcessorSettings, ...]
    schema: Schema
    ids: Literal["stable", "none"]
    host_name: str | None

    @classmethod
    def of(cls, settings: Settings, source: SourceSettings, host_name: str) -> Routing:
        """Return the routing of *source*, which is one of *settings*."""
        return cls(
            source,
            settings.index,
            settings.processors,
            settings.schema,
            settings.delivery.ids,
            host_name,
        )

    @classmethod
    def from_json(cls, kept: Any) -> Routing:
        """Return the routing that :meth:`as_json` was called on.

        Raises:
            RoutingError: It cannot be told any more how it made ids and indices.
        """
        try:
            if kept["version"] != VERSION:
                raise RoutingError(f"version {kept['version']}; this one is {VERSION}")
            source = dict(kept["source"])
            if source["multiline"] is not None:
                source["multiline"] = MultilineSettings(**source["multiline"])
            source["processors"] = _processors(source["processors"])
            for name in ("paths", "exclude", "rotated"):
                source[name] = tuple(source[name])
            return cls(
                SourceSettings(**source),
                IndexSettings(**kept["index"]),
                _processors(kept["processors"]),
                kept["schema"],
                kept["ids"],
                kept.get("host_name"),
            )
        except (LookupError, TypeError, ValueError) as error:
            raise RoutingError(f"it is not readable ({error!r})") from error

    def as_json(self) -> dict[str, Any]:
        """Return everything, as objects that JSON has."""
        text = json.dumps(  # paths need not be UTF-8, which others insist on
            {
                "version": VERSION,
                "source": asdict(self.source),
                "index": asdict(self.index),
                "processors": [asdict(one) for one in self.processors],
                "schema": self.schema,
                "ids": self.ids,
                "host_name": self.host_name,
            },
            default=_plain,
        )
        made: dict[str, Any] = json.loads(text)
        return made

    def changes(self, other: Routing) -> list[str]:
        """Return the settings by which *other* decides otherwise, as they are called."""
        mine, theirs = dict(self._deciding()), dict(other._deciding())
        return [name for name, value in mine.items() if value != theirs[name]]

    def named(self, name: str) -> Routing:
        """Return the same routing for a source that is called *name*."""
        return replace(self, source=replace(self.source, name=name))

    def compiled(self, *, host_name: str, clock: Clock) -> Route | AutoRoute:
        """Return the route.

        Args:
            host_name: Stands in where that of the routing was not kept.

        Raises:
            RoutingError: There are settings of which no route can be made.
        """
        try:
            return compile_route(
                self.source,
                self.index,
                self.processors,
                host_name=host_name if self.host_name is None else self.host_name,
                clock=clock,
                stable_ids=self.ids == "stable",
                schema=self.schema,
            )
        except (LookupError, TypeError, ValueError) as error:
            raise RoutingError(f"no route can be made of it ({error!r})") from error

    def _deciding(self) -> Iterator[tuple[str, Any]]:
        kept = self.as_json()
        source, index = kept["source"], kept["index"]
        for name in _OF_INDEX:
            yield f"index.{name.removesuffix('_seconds')}", index[name]
        yield "schema", kept["schema"]
        yield "delivery.ids", kept["ids"]
        is_named = "{" in index["name"] and index["data_stream"] is None
        yield "host name", kept["host_name"] if is_named else None
        for name in _OF_SOURCE:
            yield name, source[name]
        multiline = source["multiline"]
        yield "multiline", multiline and [multiline[name] for name in _OF_MULTILINE]
        steps = (*source["processors"], *kept["processors"])
        yield "processors", [(step["verb"], step["options"]) for step in steps]


def _processors(kept: list[dict[str, Any]]) -> tuple[ProcessorSettings, ...]:
    return tuple(ProcessorSettings(**one) for one in kept)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    return str(value)
