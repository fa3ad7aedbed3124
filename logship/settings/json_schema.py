"""The settings as a JSON Schema: editors complete keys and mark mistakes from it."""

from __future__ import annotations

from typing import Any

from logship.settings.tables import SETTINGS

__all__ = ["json_schema"]


def json_schema() -> dict[str, Any]:
    """Return the JSON Schema of a settings file, draft 2020-12.

    It knows keys, types, bounds and defaults. What settings mean together, and what is on
    this machine, only the loader checks.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Settings of logship",
        "$defs": {
            "variable": {
                "description": "A value from the environment: ${VAR} or ${VAR:-default}.",
                "type": "string",
                "pattern": r"\$\{",
            }
        },
        **SETTINGS.schema(),
        # LOGSHIP_PATHS can give the sources as well.
        "required": [],
    }
