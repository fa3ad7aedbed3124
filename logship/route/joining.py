"""Compiles what joins lines to events: a container's partial lines, multiline, or both."""

from __future__ import annotations

from logship.parsers.containers import Partials, Stacked
from logship.parsers.cri import CriJoiner
from logship.parsers.docker import DockerJoiner
from logship.parsers.events import Joiner, Limits
from logship.parsers.multiline import Grouping, Multiline
from logship.parsers.multiline_presets import (
    PRESETS,
    by_continuation,
    by_end,
    by_filebeat,
    by_start,
)
from logship.settings.model import MultilineSettings

__all__ = ["compile_joiner"]

CONTAINERS: dict[str, type[Partials]] = {"cri": CriJoiner, "docker": DockerJoiner}


def compile_joiner(
    format_: str, settings: MultilineSettings | None, max_bytes: int
) -> Joiner | None:
    """Return the joiner for a format; None where each line is a record.

    Args:
        max_bytes: Of one event that a container's runtime cut into several lines.
    """
    timeout_seconds = (settings or MultilineSettings()).timeout_seconds
    container = None
    if format_ in CONTAINERS:
        container = CONTAINERS[format_](max_bytes, timeout_seconds)
    if settings is None:
        return container
    limits = Limits(settings.max_lines, settings.max_bytes)
    multiline = Multiline(_grouping(settings), limits)
    return multiline if container is None else Stacked(container, multiline)


def _grouping(settings: MultilineSettings) -> Grouping:
    if settings.preset is not None:
        return PRESETS[settings.preset]
    if settings.start is not None:
        return by_start(settings.start)
    if settings.continuation is not None:
        return by_continuation(settings.continuation)
    if settings.end is not None:
        return by_end(settings.end)
    return by_filebeat(settings.pattern or "", negate=settings.negate, match=settings.match)
