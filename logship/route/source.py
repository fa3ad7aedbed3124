"""From a source's settings to its route."""

from __future__ import annotations

from collections.abc import Sequence

from logship.interfaces import Clock, Processor
from logship.parsers import PARSERS
from logship.processors import AddFields, compile_processors
from logship.route.auto import AutoRoute
from logship.route.compile import Route
from logship.route.joining import compile_joiner
from logship.route.state import AcceptWindow
from logship.settings.model import IndexSettings, ProcessorSettings, Schema, SourceSettings
from logship.sinks.index_names import IndexNames

__all__ = ["compile_route"]


def compile_route(
    source: SourceSettings,
    index: IndexSettings,
    processors: Sequence[ProcessorSettings],
    *,
    host_name: str,
    clock: Clock,
    stable_ids: bool = True,
    schema: Schema = "flat",
) -> Route | AutoRoute:
    """Return the route of *source*.

    Args:
        processors: Of all sources; the source's own come first.
        host_name: What records that name no host get as ``host.name``.
        clock: For records without any time.
        stable_ids: False leaves ids to Elasticsearch.
        schema: How fields are named where they are stored.
    """
    steps: list[Processor] = []
    if source.fields:
        steps.append(AddFields(source.fields, overwrites=False))
    steps += compile_processors((*source.processors, *processors))

    def compile_for(format_: str) -> Route:
        return Route(
            PARSERS[format_],
            steps,
            IndexNames.of(index),
            _window(index),
            zone_name=source.timezone,
            host_name=host_name,
            clock=clock,
            stable_ids=stable_ids,
            reads_json=format_ in ("auto", "json"),
            joiner=compile_joiner(format_, source.multiline, source.max_line_bytes),
            schema=schema,
        )

    return AutoRoute(compile_for) if source.format == "auto" else compile_for(source.format)


def _window(index: IndexSettings) -> AcceptWindow:
    # What is written to a data stream is as old as its index, whatever its time.
    retention = None if index.data_stream else index.retention_seconds
    return AcceptWindow(index.accept_past_seconds, index.accept_future_seconds, retention)
