"""``logship ship``: the agent without a settings file."""

from __future__ import annotations

import argparse
import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from logship.cli.command import add_command
from logship.cli.options import add_agent_flags, positive_duration

if TYPE_CHECKING:
    from logship.errors import Mistake
    from logship.settings.layers import Override
    from logship.settings.load import Loaded

__all__ = ["add_parser", "run"]

SOURCE_FLAGS = {
    "format": "--format",
    "encoding": "--encoding",
    "start_at": "--start-at",
    "service": "--service",
}

DESCRIPTION = """\
Tail files and deliver every line to Elasticsearch exactly once, without a settings file.
Run again, it goes on where it ended: its state is kept per target, so it works beside a
running agent.
"""
EPILOG = """\
examples:
  logship ship app.log --once                    what is in it now, to http://localhost:9200
  logship ship /var/log/app/*.log --to https://es.example:9200 --api-key "$KEY"
  logship ship app.log --service checkout --field environment=production
  LOGSHIP_ES_URL=http://es:9200 logship ship app.log

exit status:
  0 ended in order; 2 an argument or the state folder is wrong; with --once also
  3 something went to dead letters, or stayed held or unconfirmed
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "ship",
        "ship files without a settings file",
        DESCRIPTION,
        run,
        epilog=EPILOG,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="files or quoted globs")
    parser.add_argument(
        "--to",
        "--url",
        dest="to",
        metavar="URL",
        help="where Elasticsearch is (default: LOGSHIP_ES_URL or http://localhost:9200)",
    )
    parser.add_argument("--api-key", metavar="KEY", help="API key (default: LOGSHIP_ES_API_KEY)")
    parser.add_argument("--service", metavar="NAME", help="service of records that name none")
    parser.add_argument(
        "--format",
        metavar="FORMAT",
        help="json, text, logfmt, syslog, cri or docker (default: auto, by the first lines)",
    )
    parser.add_argument("--encoding", metavar="NAME", help="of the files (default: utf-8)")
    parser.add_argument("--index", metavar="NAME", help="index pattern (default: logs-%%Y.%%m.%%d)")
    parser.add_argument(
        "--field",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a field for records that do not have it; may be repeated",
    )
    parser.add_argument(
        "--start-at",
        metavar="WHERE",
        help="beginning (default) or end, for files seen the first time",
    )
    parser.add_argument(
        "--once", action="store_true", help="read what is there, deliver it, and end"
    )
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=positive_duration,
        help="with --once: begin to stop after this time, for example 10m",
    )
    add_agent_flags(parser)


def run(arguments: argparse.Namespace) -> int:
    """Ship, and return the exit status."""
    from logship.cli.agent_process import run_agent

    loaded = load(arguments, os.environ, Path.cwd())
    return run_agent(loaded, once=arguments.once, timeout_seconds=arguments.timeout)


def load(
    arguments: argparse.Namespace, environment: Mapping[str, str], working_dir: Path
) -> Loaded:
    """Return the settings that the flags and the environment make.

    Raises:
        SettingsError: With every mistake in them.
    """
    from dataclasses import replace

    from logship.errors import SettingsError
    from logship.settings.load import load_settings

    environment = {k: v for k, v in environment.items() if k != "LOGSHIP_PATHS"}
    overrides = _overrides(arguments)
    try:
        loaded = load_settings(
            None, environment=environment, working_dir=working_dir, overrides=overrides
        )
    except SettingsError as error:
        raise SettingsError([_by_flag(mistake) for mistake in error.mistakes]) from error
    if arguments.state_dir or environment.get("LOGSHIP_STATE_DIR"):
        return loaded
    settings = loaded.settings
    own = (
        settings.state_dir
        / "ship"
        / _target_name(settings.elasticsearch.hosts, settings.index.name)
    )
    return replace(loaded, settings=replace(settings, state_dir=own))


def _overrides(arguments: argparse.Namespace) -> list[Override]:
    from logship.errors import Mistake, SettingsError
    from logship.settings.load import Override

    mistakes = [
        Mistake(path.encode("utf-8", "backslashreplace").decode(), what)
        for path in arguments.paths
        if (what := _why_not(path, once=arguments.once))
    ]
    if mistakes:
        raise SettingsError(mistakes)
    if "-" in arguments.paths:
        what = "standard input is not available in this version of logship; give a file"
        raise SettingsError([Mistake("PATH", what)])
    source: dict[str, Any] = {"name": "ship", "paths": [_literal(p) for p in arguments.paths]}
    for key in SOURCE_FLAGS:
        if getattr(arguments, key):
            source[key] = getattr(arguments, key)
    if arguments.field:
        source["fields"] = _fields(arguments.field)
    given = [
        Override("sources", [source], "PATH"),
        Override("elasticsearch.hosts", arguments.to, "--to"),
        Override("elasticsearch.api_key", arguments.api_key, "--api-key"),
        Override("index.name", arguments.index, "--index"),
        Override("state_dir", arguments.state_dir, "--state-dir"),
        Override("log.level", arguments.log_level, "--log-level"),
        Override("log.format", arguments.log_format, "--log-format"),
    ]
    return [override for override in given if override.value]


def _by_flag(mistake: Mistake) -> Mistake:
    """Name the flag that gave a part of the source, instead of the path that began it."""
    from dataclasses import replace

    for part, flag in SOURCE_FLAGS.items():
        prefix = f"sources[0].{part}: "
        if mistake.where == "PATH" and mistake.what.startswith(prefix):
            return replace(mistake, where=flag, what=mistake.what.removeprefix(prefix))
    return mistake


def _why_not(path: str, *, once: bool) -> str:
    """Return why *path* cannot be shipped; empty when it may."""
    if any("\udc80" <= character <= "\udcff" for character in path):
        return "is not valid UTF-8; give a glob that matches it, in quotes: '*.log'"
    if not once or path == "-" or glob.has_magic(path):
        return ""
    try:
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return "does not exist; without --once it is waited for"
    except OSError as error:
        return f"cannot be reached: {error.strerror}"
    return ""


def _literal(path: str) -> str:
    """A file that is there is meant, whatever characters its name has."""
    return glob.escape(path) if os.path.lexists(path) else path


def _fields(pairs: Sequence[str]) -> dict[str, str]:
    from logship.errors import Mistake, SettingsError

    fields = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise SettingsError([Mistake("--field", f'"{pair}" is not KEY=VALUE')])
        fields[key] = value
    return fields


def _target_name(hosts: Sequence[str], index: str) -> str:
    import hashlib
    import re

    text = "\n".join((*sorted(hosts), index))
    host = (
        re.sub(r"[^A-Za-z0-9.-]+", "-", hosts[0].split("@")[-1].split("://")[-1]) if hosts else ""
    )
    return f"{host or 'cloud'}-{hashlib.blake2b(text.encode(), digest_size=4).hexdigest()}"
