"""``logship checkpoints``: up to where each file is confirmed, and moving that."""

from __future__ import annotations

import argparse
import os
import sys
from functools import partial
from pathlib import Path

from logship.cli.command import add_command
from logship.cli.state_options import add_state_options, load_state

__all__ = ["add_parser"]

DONE, NOTHING = 0, 1

DESCRIPTION = """\
Show up to where each file has been confirmed by Elasticsearch, and move that. "list" works
beside a running agent; what moves a checkpoint is refused while one runs.
"""
EPILOG = """\
examples:
  logship checkpoints list -c logship.yaml
  logship checkpoints list -o json | jq 'select(.behind > 0)'
  logship checkpoints reset /var/log/app.log              read it again, under the same ids
  logship checkpoints reset --as-new /var/log/app.log     ship it once more, as new records
  logship checkpoints seek /var/log/app.log end           leave out what is there now
  logship checkpoints import filebeat /var/lib/filebeat -c logship.yaml

Every "logship ship" target has a state folder of its own: name it with --state-dir.

exit status: 0 done, 1 nothing found, 2 error
"""
LIST = """\
List every file that is known: its path, the offset up to which all is confirmed, its size
now, the bytes behind, when it was confirmed last (local time), its source, the seed that the
ids of its records begin with, and since when it is gone.
"""
RESET = """\
Have a file read again from its beginning. Its records keep their ids, so what is stored
already is left as it is, and what is missing is added. With --as-new its records get new
ids: each is stored once more.
"""
SEEK = """\
Have a file read from another place: start, end, or an offset in bytes at which a line
begins. What lies between is not shipped, or read again under the same ids. Records without
a time of their own, right after that place, are stored by the time of reading.
"""
IMPORT = """\
Take over from another shipper, up to where it has read, so that nothing is stored twice or
left out. Stop it first. DIR is Filebeat's data folder, for example /var/lib/filebeat. Files
are taken that the settings name and that are what Filebeat knew them by; the others are
listed with the reason.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "checkpoints",
        "up to where each file is confirmed; read again, skip, import",
        DESCRIPTION,
        epilog=EPILOG,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    listing = add_command(verbs, "list", "show every known file", LIST, run_list)
    add_state_options(listing)
    listing.add_argument(
        "-o", "--output", choices=("table", "json"), default="table",
        help="a table for people, or one JSON object per line (default: table)",
    )  # fmt: skip

    reset = add_command(verbs, "reset", "have a file read again", RESET, run_reset)
    add_state_options(reset)
    reset.add_argument("path", metavar="PATH", help="the file")
    reset.add_argument(
        "--as-new", action="store_true", help="under new ids: its records are stored once more"
    )

    seek = add_command(verbs, "seek", "have a file read from another place", SEEK, run_seek)
    add_state_options(seek)
    seek.add_argument("path", metavar="PATH", help="the file")
    seek.add_argument(
        "place", metavar="PLACE", type=_place, help="start, end, or an offset in bytes"
    )

    importing = add_command(verbs, "import", "take over from another shipper", IMPORT, run_import)
    add_state_options(importing)
    importing.add_argument("shipper", choices=("filebeat",), help="whose registry it is")
    importing.add_argument("directory", metavar="DIR", type=Path, help="its data folder")


def run_list(arguments: argparse.Namespace) -> int:
    """Print every checkpoint; returns the exit status."""
    from logship.checkpoints.admin import read_rows

    directory = load_state(arguments).settings.state_dir
    rows = read_rows(directory)
    if not rows:
        print(f"logship: no checkpoints in {directory}", file=sys.stderr)
        return NOTHING
    from logship.cli.checkpoint_list import json_lines, table

    for line in json_lines(rows) if arguments.output == "json" else table(rows):
        print(line)
    return DONE


def run_reset(arguments: argparse.Namespace) -> int:
    """Move checkpoints to the beginning; returns the exit status."""
    from logship.cli.checkpoint_move import begin_anew, move, move_each

    directory = load_state(arguments).settings.state_dir
    change = begin_anew if arguments.as_new else partial(move, where="start")
    return move_each(directory, arguments.path, change)


def run_seek(arguments: argparse.Namespace) -> int:
    """Move checkpoints somewhere; returns the exit status."""
    from logship.cli.checkpoint_move import move, move_each

    directory = load_state(arguments).settings.state_dir
    return move_each(directory, arguments.path, partial(move, where=arguments.place))


def run_import(arguments: argparse.Namespace) -> int:
    """Take over another shipper's offsets; returns the exit status."""
    from logship.cli.checkpoint_import import import_filebeat
    from logship.cli.checkpoint_move import locked

    loaded = load_state(arguments)
    if not loaded.settings.sources:
        from logship.errors import LogshipError

        raise LogshipError(
            "which source a file belongs to is told by the settings: name them with -c FILE, "
            "LOGSHIP_CONFIG or LOGSHIP_PATHS"
        )
    with locked(loaded.settings.state_dir):
        return import_filebeat(arguments.directory, loaded.settings, os.environ)


def _place(text: str) -> str | int:
    if text in ("start", "end"):
        return text
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f'"{text}" is neither start nor end nor an offset in bytes')
