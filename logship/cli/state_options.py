"""Options of the commands that look into a state folder, with or without a settings file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from logship.cli.options import overrides_of, settings_file

if TYPE_CHECKING:
    from logship.settings.load import Loaded

__all__ = ["add_connection_options", "add_settings_option", "add_state_options", "load_state"]

# Which setting each option gives, where a command has it.
_FLAGS = {
    "--state-dir": "state_dir",
    "--url": "elasticsearch.hosts",
    "--api-key": "elasticsearch.api_key",
    "--index": "index.name",
}


def add_state_options(parser: argparse.ArgumentParser) -> None:
    """Add ``-c/--config`` and ``--state-dir``."""
    add_settings_option(parser)
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="the state folder, instead of the setting state_dir or its default",
    )


def add_settings_option(parser: argparse.ArgumentParser) -> None:
    """Add ``-c/--config``."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        help="the agent's settings file (default: LOGSHIP_CONFIG, if set)",
    )


def add_connection_options(parser: argparse._ActionsContainer) -> None:
    """Add ``--url``, which is also ``--to``, and ``--api-key``."""
    parser.add_argument(
        "--url",
        "--to",
        dest="url",
        metavar="URL",
        help="of Elasticsearch (default: the settings, LOGSHIP_ES_URL or http://localhost:9200)",
    )
    parser.add_argument("--api-key", metavar="KEY", help="better in LOGSHIP_ES_API_KEY")


def load_state(
    arguments: argparse.Namespace,
    *,
    environment: Mapping[str, str] | None = None,
    working_dir: Path | None = None,
) -> Loaded:
    """Return the settings that the options ask for; without any, the defaults, and no sources.

    Args:
        arguments: The parsed command line: ``config`` and ``state_dir``, perhaps ``url`` and
            ``api_key``.
        environment: Instead of the process's own.
        working_dir: Instead of the process's own.

    Raises:
        SettingsError: Something is wrong; it carries every mistake.
    """
    from logship.settings.load import Override, load_settings

    environment = os.environ if environment is None else environment
    path = settings_file(arguments, environment)
    overrides = overrides_of(arguments, _FLAGS)
    is_without = path is None and not environment.get("LOGSHIP_PATHS")
    if is_without:
        # Only the rest of the settings is wanted, and they need a source to be complete.
        overrides.append(Override("sources", [{"paths": ["/dev/null"]}], "settings"))
    loaded = load_settings(
        path,
        environment=environment,
        working_dir=working_dir or Path.cwd(),
        overrides=overrides,
    )
    if not is_without:
        return loaded
    return replace(loaded, settings=replace(loaded.settings, sources=()))
