"""``logship run``: the agent."""

from __future__ import annotations

import argparse
from functools import partial

from logship.cli.command import add_command
from logship.cli.options import add_agent_options, load_from, positive_duration

__all__ = ["add_parser", "run"]

DESCRIPTION = """\
Tail the files that the settings name and deliver every line to Elasticsearch exactly once,
until SIGTERM or SIGINT. What was read is delivered before it ends, within shutdown_timeout;
what could not be is read again by the next run. A second signal ends it at once.
SIGHUP reads the settings again: what was read is delivered under the old ones first. Where the
new ones have a mistake, it is said and the old ones stay.
"""
EPILOG = """\
examples:
  logship run -c /etc/logship/logship.yaml
  logship run -c logship.yaml --once             what is there, then end
  LOGSHIP_PATHS='/var/log/app/*.log' LOGSHIP_ES_URL=http://es:9200 logship run

exit status:
  0 ended in order; 2 the settings or the state folder are wrong; with --once also
  3 something went to dead letters, or stayed held or unconfirmed
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "run",
        "the agent: tail files, deliver what is in them",
        DESCRIPTION,
        run,
        epilog=EPILOG,
    )
    add_agent_options(parser)
    parser.add_argument(
        "--once",
        action="store_true",
        help="read what is there, deliver it, and end; waits for a server that is absent",
    )
    parser.add_argument(
        "--timeout",
        metavar="TIME",
        type=positive_duration,
        help="with --once: begin to stop after this time, for example 10m",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the agent and return the exit status."""
    from logship.cli.agent_process import run_agent

    read = partial(load_from, arguments)
    return run_agent(
        read(), once=arguments.once, timeout_seconds=arguments.timeout,
        read_again=None if arguments.once else read,
    )  # fmt: skip
