"""What ``logship check`` shows: the plan that the settings make, and what may not be meant."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from logship.host import host_name, known_host_id
from logship.settings.load import Loaded
from logship.settings.model import (
    ElasticsearchSettings,
    IndexSettings,
    ProcessorSettings,
    Settings,
    SourceSettings,
)
from logship.settings.texts import without_credentials
from logship.settings.units import format_duration, format_size
from logship.sinks.index_names import IndexNames
from logship.sources.file.discovery import scan_for
from logship.sources.spool import spool_files, spool_folders

__all__ = ["counted", "matching_files", "plan", "warnings"]


def plan(loaded: Loaded, now: datetime) -> Iterator[str]:
    """Yield what the settings mean, line by line, without secrets.

    Args:
        loaded: The settings.
        now: Which day's index is the example; aware.
    """
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
        counts = f"{counted(index.shards, 'shard')}, {counted(index.replicas, 'replica')}"
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
    if source.type == "spool":
        return {pattern: spool_files(pattern) for pattern in source.paths}
    return {
        pattern: [
            found.path for found in scan_for(replace(source, paths=(pattern,))).files.values()
        ]
        for pattern in source.paths
    }


def _tls_without_tls(settings: ElasticsearchSettings) -> Iterator[str]:
    """Whoever gives certificates means TLS, and a host without scheme is plain HTTP."""
    if settings.cloud_id is not None or any(host.startswith("https:") for host in settings.hosts):
        return
    given = [key for key in ("ca_certs", "ca_fingerprint", "client_cert") if getattr(settings, key)]
    if given:
        yield (
            f"elasticsearch.{given[0]} has no effect, and nothing is encrypted: write https:// in "
            "elasticsearch.hosts"
        )


def _elasticsearch(settings: ElasticsearchSettings) -> Iterator[str]:
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
    names = IndexNames(settings.index.name, settings.index.timezone)
    key = now.astimezone(UTC).isoformat()[: names.key_length]
    return names.name(key, {"host.name": host_name(os.environ), **settings.sources[0].fields})


def _host_id(settings: Settings) -> str:
    try:
        host = known_host_id(settings.agent.id, os.environ, settings.state_dir)
    except OSError as error:
        return f"unknown: {error}"
    if host is None:
        return "random, made and kept in the state folder at the first start; agent.id sets one"
    return f"{host.id} (from {host.origin})"


def _retention(index: IndexSettings) -> str:
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
        yield _line("", f"  {pattern}: {counted(len(files), 'file')} now")


def warnings(loaded: Loaded) -> Iterator[str]:
    """Yield what is no mistake and may not be meant, a sentence each."""
    for variable in loaded.unused:
        yield f"not used: {variable}"
    yield from _tls_without_tls(loaded.settings.elasticsearch)
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


def counted(count: int, noun: str) -> str:
    """Return ``1 file`` or ``2 files``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _line(label: str, text: str) -> str:
    return f"{label:<14} {text}"
