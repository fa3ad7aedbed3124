"""Options of the commands that look after indices, and the connection that they ask for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from logship.cli.state_options import add_connection_options, add_settings_option, load_state

if TYPE_CHECKING:
    from logship.elastic import Elastic
    from logship.settings.model import Settings

__all__ = ["add_index_options", "output_of", "with_elastic"]


def add_index_options(parser: argparse.ArgumentParser, *, output: bool) -> None:
    """Add ``-c/--config``, the connection, ``-i/--index``, and with *output* ``-o``."""
    add_settings_option(parser)
    parser.add_argument(
        "-i",
        "--index",
        metavar="NAME",
        help="names of the indices, instead of the setting index.name",
    )
    add_connection_options(parser)
    if output:
        parser.add_argument(
            "-o",
            "--output",
            choices=("table", "json"),
            help="a table for people, or one JSON object per line (default: a table on a terminal)",
        )


def output_of(arguments: argparse.Namespace) -> str:
    """Return ``table`` or ``json``."""
    return arguments.output or ("table" if sys.stdout.isatty() else "json")


def with_elastic(
    arguments: argparse.Namespace, work: Callable[[Elastic, Settings], Coroutine[None, None, int]]
) -> int:
    """Run *work* with the connection that the options ask for; returns its exit status.

    Raises:
        LogshipError: The settings are wrong, or the server cannot be reached or refuses.
    """
    import asyncio
    import logging

    from logship.elastic import Elastic
    from logship.errors import ConnectionFailed, ErrorReply, LogshipError

    settings = load_state(arguments).settings
    # The transport's own warnings would only repeat what is said at the end.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)

    async def run() -> int:
        elastic = Elastic(settings.elasticsearch)
        where = ", ".join(elastic.urls)
        try:
            return await work(elastic, settings)
        except ConnectionFailed as error:
            raise LogshipError(
                f"no reply from {where}: {error}; --url, LOGSHIP_ES_URL or elasticsearch.hosts "
                "says where it is"
            ) from error
        except ErrorReply as error:
            more = ""
            if error.status in (401, 403):
                more = "; the key or user needs the privileges that the README names"
            raise LogshipError(f"{where} refuses: {error}{more}") from error
        finally:
            await elastic.close()

    return asyncio.run(run())
