"""``logship demo``: everything at work, with nothing installed."""

from __future__ import annotations

import argparse

from logship.cli.command import add_command

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Run a node, the agent and two small services for a few seconds, look at what they logged,
and check that every record arrived exactly once. Uses a free port of this machine and a
temporary folder, which is removed at the end.
"""
EPILOG = """\
exit status: 0 everything arrived exactly once, 1 not
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "demo",
        "see it work: node, services, agent, search, and a self-check",
        DESCRIPTION,
        run,
        epilog=EPILOG,
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave it running at the end, and print commands to try, until Ctrl-C",
    )


def run(arguments: argparse.Namespace) -> int:
    """Play the demo and return the exit status."""
    from logship.demo.play import play

    return play(keep=arguments.keep)
