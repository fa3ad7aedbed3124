"""Options of the commands that look after indices, and the connection that they ask for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING

from logship.cli.state_options import load_state

if TYPE_CHECKING:
    from logship.elastic import Elastic
    from logship.settings.model import Settings

__all__ = ["add_index_options", "human_size", "output_of", "with_elastic"]


def add_index_options(parser: argparse.ArgumentParser, *, output: bool) -> None:
    """Add ``-c/--config``, the connection, ``-i/--index``, and with *output* ``-o``."""
    add = parser.add_argument
    add(
        "-c",
        "--config",
        metavar="FILE",
        type=Path,
        help="the agent's settings file (default: LOGSHIP_CONFIG, if set)",
    )
    add(
        "-i",
        "--index",
        metavar="NAME",
        help="names of the indices, instead of the setting index.name",
    )
    add(
        "--url",
        "--to",
        dest="url",
        metavar="URL",
        help="of Elasticsearch (default: the settings, LOGSHIP_ES_URL or http://localhost:9200)",
    )
    add("--api-key", metavar="KEY", help="better in LOGSHIP_ES_API_KEY")
    if output:
        add(
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


def human_size(size: int | None) -> str:
    """Return a number of bytes as people read it: ``3.4 GiB``; ``-`` for None."""
    if size is None:
        return "-"
    amount = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"
