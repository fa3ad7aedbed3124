"""The entry point: finds the command and turns its errors into one line and an exit status."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from logship import __version__

__all__ = ["build_parser", "main"]

# One module per command, in the order of the help. They import what is heavy when they run.
COMMANDS = (
    "run",
    "ship",
    "check",
    "schema",
    "search",
    "checkpoints",
    "dead-letters",
    "indices",
    "setup",
    "node",
    "demo",
)

DESCRIPTION = """\
Ships structured logs into Elasticsearch, each record exactly once, and finds them again.
"""
EPILOG = """\
to begin with:
  logship demo                           see it work, with nothing installed
  logship node                           an Elasticsearch-compatible node for this laptop
  logship ship app.log --once            ship a file to http://localhost:9200
  logship search level:error             find what was shipped

"logship COMMAND --help" tells more of each.
"""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the whole command line."""
    parser = argparse.ArgumentParser(
        prog="logship",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"logship {__version__}")
    subparsers = parser.add_subparsers(metavar="COMMAND", required=True)
    for name in COMMANDS:
        import_module(f"logship.cli.{name.replace('-', '_')}").add_parser(subparsers)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status. Never shows a traceback for a user's mistake."""
    from logship.errors import LogshipError

    parsed = build_parser().parse_args(arguments)
    try:
        status = int(parsed.run(parsed))
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader of our output is gone. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except LogshipError as error:
        print(f"logship: {error}" if "\n" not in str(error) else error, file=sys.stderr)
        return 2
    return status


if __name__ == "__main__":
    sys.exit(main())
