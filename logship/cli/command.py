"""Declares a command, or a verb of one, so that all of them take arguments and show help alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["add_command"]


def add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    help_text: str,
    description: str,
    run: Callable[[argparse.Namespace], int] | None = None,
    *,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    """Add a command, or a verb of one, and return its parser, which has no options yet.

    Args:
        commands: What the commands or the verbs are added to.
        help_text: One line for the list of them.
        description: What its own help begins with, laid out as it is to be shown.
        run: Does it, and returns the exit status; None where that is left to verbs.
        epilog: What its own help ends with, laid out likewise.
    """
    parser = commands.add_parser(
        name,
        help=help_text,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if run is not None:
        parser.set_defaults(run=run)
    return parser
