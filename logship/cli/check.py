"""``logship check``: every mistake in the settings, or the plan that they make."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime

from logship.cli.command import add_command
from logship.cli.options import add_agent_options, load_from
from logship.errors import SettingsError

__all__ = ["add_parser", "run"]

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
    from logship.cli.check_plan import counted, plan, warnings

    try:
        loaded = load_from(arguments)
    except SettingsError as error:
        print(error, file=sys.stderr)
        print(counted(len(error.mistakes), "mistake"), file=sys.stderr)
        return 2
    for line in plan(loaded, datetime.now(UTC)):
        print(line)
    for warning in warnings(loaded):
        print(f"warning: {warning}", file=sys.stderr)
    if not arguments.live:
        return 0
    from logship.cli.live_check import check_live

    return 0 if check_live(loaded.settings) else 2
