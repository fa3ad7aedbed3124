"""Options that the agent's commands share, and the settings that come of them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from logship.settings.load import Loaded, Override

__all__ = [
    "add_agent_flags",
    "add_agent_options",
    "load_from",
    "overrides_of",
    "positive_duration",
    "settings_file",
]

# Which setting each option gives.
SETTINGS = {
    "--state-dir": "state_dir",
    "--log-level": "log.level",
    "--log-format": "log.format",
}


def add_agent_options(parser: argparse.ArgumentParser) -> None:
    """Add ``-c/--config``, ``--state-dir``, ``--log-level`` and ``--log-format``."""
    parser.add_argument(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        help="the settings file (default: LOGSHIP_CONFIG; LOGSHIP_PATHS alone needs none)",
    )
    add_agent_flags(parser)


def add_agent_flags(parser: argparse.ArgumentParser) -> None:
    """Add ``--state-dir``, ``--log-level`` and ``--log-format``."""
    parser.add_argument(
        "--state-dir",
        metavar="DIR",
        help="where checkpoints and dead letters are kept, instead of the setting state_dir",
    )
    parser.add_argument(
        "--log-level",
        metavar="LEVEL",
        help="DEBUG, INFO, WARNING or ERROR, instead of the setting log.level",
    )
    parser.add_argument(
        "--log-format",
        choices=("text", "json"),
        help="how logship's own log is written, instead of the setting log.format",
    )


def positive_duration(text: str) -> float:
    """Return the seconds of a duration flag; argparse shows what is wrong with another text."""
    from logship.settings.units import parse_duration

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'"{text}" {error}') from None
    if seconds <= 0:
        raise argparse.ArgumentTypeError(f'"{text}" must be more than 0')
    return seconds


def load_from(
    arguments: argparse.Namespace,
    *,
    environment: Mapping[str, str] | None = None,
    working_dir: Path | None = None,
) -> Loaded:
    """Return the settings that the options of `add_agent_options` ask for.

    Args:
        arguments: The parsed command line.
        environment: Instead of the process's own.
        working_dir: Instead of the process's own.

    Raises:
        SettingsError: Something is wrong; it carries every mistake.
    """
    from logship.settings.load import load_settings

    environment = os.environ if environment is None else environment
    return load_settings(
        settings_file(arguments, environment),
        environment=environment,
        working_dir=working_dir or Path.cwd(),
        overrides=overrides_of(arguments, SETTINGS),
    )


def settings_file(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Path | None:
    """Return the settings file that ``--config`` or ``LOGSHIP_CONFIG`` names; None without one."""
    named: Path | None = arguments.config
    if named is None and environment.get("LOGSHIP_CONFIG"):
        return Path(environment["LOGSHIP_CONFIG"])
    return named


def overrides_of(arguments: argparse.Namespace, settings: Mapping[str, str]) -> list[Override]:
    """Return what the flags given set.

    Args:
        arguments: The parsed command line, of a command that need not have all of the flags.
        settings: Flag → setting, for example ``--state-dir`` → ``state_dir``.
    """
    from logship.settings.load import Override

    given = {flag: getattr(arguments, flag[2:].replace("-", "_"), None) for flag in settings}
    return [Override(settings[flag], value, flag) for flag, value in given.items() if value]
