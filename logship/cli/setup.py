"""``logship setup``: the index template, and what retention needs."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from logship.cli.command import add_command
from logship.cli.index_options import add_index_options, with_elastic

if TYPE_CHECKING:
    from logship.elastic import Elastic
    from logship.settings.model import Settings

__all__ = ["add_parser", "run"]

DONE, PARTIAL = 0, 3

DESCRIPTION = """\
Put the index template that the settings ask for, and set what retention needs. Done again,
it changes nothing. The agent does the same at its start, when its key may: this is for
administrators whose agents may not, and to see what would be put.
"""
EPILOG = """\
examples:
  logship setup -c logship.yaml --dry-run       what would be sent, without a server
  logship setup -c logship.yaml                 do it
  logship setup -i 'app-%Y.%m.%d' --url http://localhost:9200

exit status:
  0 done, 2 error, 3 done but for what is said on stderr, as another template that wins
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "setup",
        "put the index template, and set what retention needs",
        DESCRIPTION,
        run,
        epilog=EPILOG,
    )
    add_index_options(parser, output=False)
    parser.add_argument(
        "--dry-run", action="store_true", help="print the requests and do not send them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Set up, print what was done, and return the exit status."""
    return with_elastic(arguments, _print_plan if arguments.dry_run else _set_up)


async def _set_up(elastic: Elastic, settings: Settings) -> int:
    from datetime import UTC, datetime

    from logship.indices.setup import set_up

    has_trouble = False
    async for step in set_up(elastic, settings, datetime.now(UTC)):
        has_trouble = has_trouble or step.is_trouble
        if step.is_trouble:
            print(f"logship: {step.text}", file=sys.stderr)
        else:
            print(step.text, flush=True)
    return PARTIAL if has_trouble else DONE


async def _print_plan(elastic: Elastic, settings: Settings) -> int:
    import json

    from logship.indices.setup import plan

    known = settings.elasticsearch
    has_secret = known.api_key or known.username or known.bearer_token
    planned = plan(settings)
    for request in planned:
        print(f"{request.method} {elastic.urls[0]}{request.path}")
        if has_secret:
            print("Authorization: ***")
        print(json.dumps(request.body, indent=2, ensure_ascii=False))
    if not planned:
        print("logship: nothing to do: index.template is false", file=sys.stderr)
    if settings.index.retention_seconds is not None and settings.index.data_stream is None:
        print("logship: the agent itself deletes indices older than retention", file=sys.stderr)
    return DONE
