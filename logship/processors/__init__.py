"""Records become other records, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from logship.interfaces import Processor
from logship.processors.add_fields import AddFields
from logship.processors.add_host import add_host
from logship.settings.model import ProcessorSettings

__all__ = ["VERBS", "AddFields", "compile_processors"]

VERBS: dict[str, Callable[[Mapping[str, Any]], Processor]] = {
    "add_fields": AddFields,
    "add_host": add_host,
}


def compile_processors(settings: Sequence[ProcessorSettings]) -> list[Processor]:
    """Return the processors in the order of the settings."""
    return [VERBS[entry.verb](entry.options) for entry in settings]
