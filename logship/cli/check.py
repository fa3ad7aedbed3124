"""``logship check``: every mistake in the settings, or the plan that they make."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from logship.cli.command import add_command
from logship.cli.options import add_agent_options, load_from
from logship.errors import SettingsError

if TYPE_CHECKING:
    from logship.settings.load import Loaded
    from logship.settings.model import (
        ElasticsearchSettings,
        IndexSettings,
        ProcessorSettings,
        Settings,
        SourceSettings,
    )

__all__ = ["add_parser", "matching_files", "plan", "run"]

DESCRIPTION = """\
Check the settings. What is wrong is listed on stderr as file:line:column, all of it at
once; when nothing is, the plan is printed: where records go, and which files are read.
"""
EPILOG = """\
examples:
  logship check -c logship.yaml            the mistakes, or the plan
  logship check -c logship.yaml --live     and whether the server and the files are within reach
  LOGSHIP_PATHS='/var/log/app/*.log' logship check

exit status: 0 all is well, 2 something is wrong
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "check",
        "check the settings and show what they mean",
        DESCRIPTION,
        run,
        epilog=EPILOG,
    )
    add_agent_options(parser)
    parser.add_argument(
        "--live",
        action="store_true",
        help="also ask every server, and try to open every file and the state folder",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check, print, and return the exit status."""
    try:
        loaded = load_from(arguments)
    except SettingsError as error:
        print(error, file=sys.stderr)
        print(_counted(len(error.mistakes), "mistake"), file=sys.stderr)
        return 2
    for line in plan(loaded, datetime.now(UTC)):
        print(line)
    for warning in _warnings(loaded):
        print(f"warning: {warning}", file=sys.stderr)
    if not arguments.live:
        return 0
    from logship.cli.live_check import check_live

    return 0 if check_live(loaded.settings) else 2


def plan(loaded: Loaded, now: datetime) -> Iterator[str]:
    """Yield what the settings mean, line by line, without secrets.

    Args:
        loaded: The settings.
        now: Which day's index is the example; aware.
    """
    from logship.settings.units import format_duration, format_size

    settings = loaded.settings
    index, delivery = settings.index, settings.delivery
    yield _line("settings", str(loaded.path or "the environment, no file"))
    for override in loaded.overridden:
        yield _line("", override)
    yield from _elasticsearch(settings.elasticsearch)
    if index.data_stream is not None:
        yield _line("data stream", index.data_stream)
    else:
        today = _example_index(settings, now)
        yield _line("index", f"{index.name}, today {today} ({index.timezone})")
    yield _line("retention", _retention(index))
    yield _line("schema", settings.schema)
    if index.template:
        counts = f"{_counted(index.shards, 'shard')}, {_counted(index.replicas, 'replica')}"
        refresh = format_duration(index.refresh_interval_seconds)
        yield _line("template", f"kept up to date: {counts}, refresh every {refresh}")
    else:
        yield _line("template", "left alone")
    for source in settings.sources:
        yield from _source(source)
    yield _line("processors", _verbs(settings.processors) or "none")
    limits = f"{format_size(delivery.batch_bytes)}, {delivery.batch_records} records"
    yield _line("batches", f"{limits} or {format_duration(delivery.batch_age_seconds)}")
    buffer = format_size(delivery.buffer_bytes)
    yield _line("delivery", f"up to {delivery.max_in_flight} requests at once, buffer {buffer}")
    if delivery.rejected == "dead_letter":
        yield _line(
            "rejected", f"to dead letters, up to {format_size(settings.dead_letters.max_bytes)}"
        )
    else:
        yield _line("rejected", "dropped and counted")
    yield _line("state", str(settings.state_dir))
    yield _line("host id", _host_id(settings))


def matching_files(source: SourceSettings) -> dict[str, list[str]]:
    """Return the files that each glob of *source* names now, without excluded ones."""
    from logship.sources.file.discovery import scan_for
    from logship.sources.spool import spool_files

    if source.type == "spool":
        return {pattern: spool_files(pattern) for pattern in source.paths}
    return {
        pattern: [
            found.path for found in scan_for(replace(source, paths=(pattern,))).files.values()
        ]
        for pattern in source.paths
    }


def _elasticsearch(settings: ElasticsearchSettings) -> Iterator[str]:
    from logship.settings.texts import without_credentials
    from logship.settings.units import format_duration

    places = settings.hosts or (f"cloud {settings.cloud_id}",)
    label = "elasticsearch"
    for place in places:
        yield _line(label, place)
        label = ""
    how = {"auto": "compressed unless local", True: "compressed", False: "not compressed"}
    parts = [_authentication(settings), how[settings.compression]]
    parts.append(f"timeout {format_duration(settings.timeout_seconds)}")
    if not settings.verify:
        parts.append("certificates not verified")
    if settings.proxy is not None:
        parts.append(f"proxy {without_credentials(settings.proxy)}")
    yield _line("", ", ".join(parts))


def _authentication(settings: ElasticsearchSettings) -> str:
    if settings.api_key is not None:
        return "API key"
    if settings.bearer_token is not None:
        return "bearer token"
    if settings.username is not None:
        return f"user {settings.username}"
    return "no authentication"


def _example_index(settings: Settings, now: datetime) -> str:
    from logship.sinks.index_names import IndexNames

    names = IndexNames(settings.index.name, settings.index.timezone)
    key = now.astimezone(UTC).isoformat()[: names.key_length]
    return names.name(key, settings.sources[0].fields)


def _host_id(settings: Settings) -> str:
    from logship.host import known_host_id

    try:
        host = known_host_id(settings.agent.id, os.environ, settings.state_dir)
    except OSError as error:
        return f"unknown: {error}"
    if host is None:
        return "random, made and kept in the state folder at the first start; agent.id sets one"
    return f"{host.id} (from {host.origin})"


def _retention(index: IndexSettings) -> str:
    from logship.settings.units import format_duration

    if index.retention_seconds is None:
        return "none, nothing is deleted"
    age = format_duration(index.retention_seconds)
    if index.data_stream is not None:
        return f"{age}, by the stream's lifecycle"
    return f"{age}, then the agent deletes an index"


def _source(source: SourceSettings) -> Iterator[str]:
    details: list[str] = [source.type]
    if source.type != "spool":
        details += [f"format {source.format}", f"from the {source.start_at}"]
    if source.encoding != "utf-8":
        details.append(f"encoding {source.encoding}")
    if source.delimiter != "\n":
        details.append(f"lines end with {source.delimiter!r}")
    if source.fields:
        details.append("fields " + ", ".join(source.fields))
    if source.processors:
        details.append(f"processors {_verbs(source.processors)}")
    yield _line("source", f"{source.name}: {', '.join(details)}")
    for pattern, files in matching_files(source).items():
        yield _line("", f"  {pattern}: {_counted(len(files), 'file')} now")


def _warnings(loaded: Loaded) -> Iterator[str]:
    from logship.sources.file.discovery import scan_for
    from logship.sources.spool import spool_folders

    for variable in loaded.unused:
        yield f"not used: {variable}"
    owners: dict[tuple[int, int], str] = {}
    for source in loaded.settings.sources:
        if source.type == "spool":
            if not any(spool_folders(source.paths)):
                paths = ", ".join(source.paths)
                yield f"no folder matches the source {source.name} now: {paths}"
            continue
        found = scan_for(source)
        for path, reason in found.skipped.items():
            yield f"{path} is left out by the source {source.name}: {reason}"
        if not found.files:
            paths = ", ".join(source.paths)
            yield f"no file matches the source {source.name} now: {paths}"
        for key, file in found.files.items():
            owner = owners.setdefault(key, source.name)
            if owner != source.name:
                yield (
                    f"{file.path} belongs to the sources {owner} and {source.name}: its lines are "
                    "stored once for each of them; exclude it from one"
                )


def _verbs(processors: Sequence[ProcessorSettings]) -> str:
    return ", ".join(processor.verb for processor in processors)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _line(label: str, text: str) -> str:
    return f"{label:<14} {text}"
