"""``logship indices``: which there are, deleting old ones, merging past ones."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from logship.cli.command import add_command
from logship.cli.index_options import add_index_options, with_elastic
from logship.cli.options import positive_duration

if TYPE_CHECKING:
    from logship.elastic import Elastic
    from logship.settings.model import Settings

__all__ = ["add_parser"]

DESCRIPTION = """\
Look after the indices whose names the setting index.name (or LOGSHIP_INDEX, or -i) can
produce. No other index is ever listed, deleted or merged.
"""
EPILOG = """\
examples:
  logship indices list -c logship.yaml
  logship indices list -o json | jq 'select(.health == "red") | .index'
  logship indices prune --older-than 90d --dry-run
  logship indices prune --older-than 90d --archive /backup/logs
  logship indices optimize -i 'app-%Y.%m.%d'

exit status:
  0 done, 1 nothing found, 2 error, 3 done in part
"""
LIST = """\
List the indices, oldest first: the day (or month, …) in the name, documents, size on disk
with copies, and health. For a data stream the indices that it is made of, with the day on
which each was begun.
"""
PRUNE = """\
Delete indices in which everything is older, by the date in the name; never the newest. With
--archive each is first written to DIR/INDEX.jsonl.gz, one {"_index", "_id", "_source"} a line,
read back and counted; it is deleted only when every document is there.
"""
OPTIMIZE = """\
Merge each index of a past day to one segment per shard: smaller, and faster to search. Those
that are merged already are left out. It takes the server a while and much reading and writing.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "indices",
        "list indices, delete or archive old ones, merge past ones",
        DESCRIPTION,
        epilog=EPILOG,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    listing = add_command(verbs, "list", "show every index", LIST, run_list)
    add_index_options(listing, output=True)

    prune = add_command(verbs, "prune", "delete old indices", PRUNE, run_prune)
    add_index_options(prune, output=True)
    prune.add_argument(
        "--older-than",
        metavar="TIME",
        type=positive_duration,
        help="for example 90d (default: the setting index.retention)",
    )
    prune.add_argument(
        "--archive", metavar="DIR", type=Path, help="write each index to a file there first"
    )
    prune.add_argument("--dry-run", action="store_true", help="only say what would be deleted")

    optimize = add_command(
        verbs, "optimize", "merge the indices of past days", OPTIMIZE, run_optimize
    )
    add_index_options(optimize, output=True)
    optimize.add_argument("--dry-run", action="store_true", help="only say what would be merged")


def run_list(arguments: argparse.Namespace) -> int:
    """Print the indices; returns the exit status."""

    async def work(elastic: Elastic, settings: Settings) -> int:
        from logship.cli.index_run import show

        return await show(elastic, settings, arguments)

    return with_elastic(arguments, work)


def run_prune(arguments: argparse.Namespace) -> int:
    """Delete old indices and print which; returns the exit status."""

    async def work(elastic: Elastic, settings: Settings) -> int:
        from logship.cli.index_run import prune

        return await prune(elastic, settings, arguments)

    return with_elastic(arguments, work)


def run_optimize(arguments: argparse.Namespace) -> int:
    """Merge past indices and print which; returns the exit status."""

    async def work(elastic: Elastic, settings: Settings) -> int:
        from logship.cli.index_run import optimize

        return await optimize(elastic, settings, arguments)

    return with_elastic(arguments, work)
