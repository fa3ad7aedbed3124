"""Options of the commands that look into a state folder, with or without a settings file."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logship.settings.load import Loaded

__all__ = ["add_state_options", "as_table", "load_state"]

# Which setting each option gives, where a command has it.
_FLAGS = {
    "--state-dir": "state_dir",
    "--url": "elasticsearch.hosts",
    "--api-key": "elasticsearch.api_key",
    "--index": "index.name",
}


def add_state_options(parser: argparse.ArgumentParser) -> None:
    """Add ``-c/--config`` and ``--state-dir``."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        help="the agent's settings file (default: LOGSHIP_CONFIG, if set)",
    )
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="the state folder, instead of the setting state_dir or its default",
    )


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
    path: Path | None = arguments.config
    if path is None and environment.get("LOGSHIP_CONFIG"):
        path = Path(environment["LOGSHIP_CONFIG"])
    given = {flag: getattr(arguments, flag[2:].replace("-", "_"), None) for flag in _FLAGS}
    overrides = [Override(_FLAGS[flag], value, flag) for flag, value in given.items() if value]
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


def as_table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: str = "") -> list[str]:
    """Return the lines of a table; the last column is as wide as it likes.

    Args:
        head: Names of the columns.
        rows: Texts, harmless on a terminal and of one line each.
        numbers: The columns, by letter from ``a`` on, that are aligned at their right.
    """
    from logship.search.terminal import columns_of

    widths = [max(columns_of(row[i]) for row in (head, *rows)) for i in range(len(head))]
    is_number = [chr(ord("a") + i) in numbers for i in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = []
        for text, width, right in zip(row, widths, is_number, strict=True):
            room = " " * (width - columns_of(text))
            cells.append(room + text if right else text + room)
        return "  ".join(cells).rstrip()

    return [line(row) for row in (head, *rows)]
