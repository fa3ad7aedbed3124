"""``logship demo``: everything at work, with nothing installed."""

from __future__ import annotations

import argparse

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
    parser = subparsers.add_parser(
        "demo",
        help="see it work: node, services, agent, search, and a self-check",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="leave it running at the end, and print commands to try, until Ctrl-C",
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Play the demo and return the exit status."""
    from logship.demo.play import play

    return play(keep=arguments.keep)
