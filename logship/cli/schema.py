"""``logship schema``: the JSON Schema of the settings, for editors."""

from __future__ import annotations

import argparse

from logship.cli.command import add_command

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Print the JSON Schema of the settings file, from which editors complete keys and mark
mistakes while you type.
"""
EPILOG = """\
examples:
  logship schema > logship.schema.json

  then, as the first line of logship.yaml, for editors with a YAML language server:
  # yaml-language-server: $schema=logship.schema.json
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    add_command(
        subparsers,
        "schema",
        "print the JSON Schema of the settings",
        DESCRIPTION,
        run,
        epilog=EPILOG,
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the schema on stdout."""
    import json

    from logship.settings.json_schema import json_schema

    print(json.dumps(json_schema(), indent=2))
    return 0
