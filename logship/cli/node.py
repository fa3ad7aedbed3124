"""``logship node``: the embedded node as a command."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from logship.cli.command import add_command

__all__ = ["add_parser", "run"]

_DEFAULT_LISTEN = "127.0.0.1:9200"
DESCRIPTION = """\
Run a small Elasticsearch-compatible server on SQLite: for laptops, demos and tests. Clients,
curl and other shippers work against it; a real cluster is a change of URL.
"""
EPILOG = """\
examples:
  logship node                              on 127.0.0.1:9200, data in your home folder
  logship node --data ./demo --listen :0    another folder, any free port
  curl localhost:9200/_cat/indices?v        what is in it

It keeps everything it has acknowledged, also through a crash. It has no users and no
encryption: it listens on this machine only unless --listen says otherwise.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to *subparsers*."""
    parser = add_command(
        subparsers,
        "node",
        "an Elasticsearch-compatible node for laptops and tests",
        DESCRIPTION,
        run,
        epilog=EPILOG,
    )
    parser.add_argument(
        "--data",
        metavar="DIR",
        type=Path,
        default=None,
        help="folder of the data; made when missing (default: $XDG_DATA_HOME/logship/node)",
    )
    parser.add_argument(
        "--listen",
        metavar="HOST:PORT",
        default=_DEFAULT_LISTEN,
        help=f"where to listen; port 0 takes a free one (default: {_DEFAULT_LISTEN})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run a node until a signal; 0 after a clean stop, 2 when it could not start."""
    import asyncio

    from logship.errors import StateError

    try:
        host, port = _address(arguments.listen)
    except ValueError as error:
        print(f"logship node: --listen: {error}", file=sys.stderr)
        return 2
    data_dir = arguments.data if arguments.data is not None else _default_data_dir()
    try:
        asyncio.run(_serve(data_dir, host, port))
    except StateError as error:
        print(f"logship node: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        reason = error.strerror or str(error)
        print(
            f"logship node: cannot listen on {host}:{port} ({reason}); stop what uses the port, "
            "or give another with --listen",
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


async def _serve(data_dir: Path, host: str, port: int) -> None:
    import asyncio
    import gc
    import signal

    from logship.node.server import Node

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    node = Node(data_dir, host, port)
    await node.start()
    # Bulk requests make many objects and no cycles: frequent collections cost a fifth of the time.
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    print(
        f"logship node: Elasticsearch-compatible, for laptops and tests; {node.url}, "
        f"data in {data_dir}",
        file=sys.stderr,
        flush=True,
    )
    await stopping.wait()
    await node.stop()


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = ("", text) if text.isdigit() else (text, "9200")
    if not port.isdigit() or int(port) > 65535:
        raise ValueError(f'"{text}" is not HOST:PORT, such as {_DEFAULT_LISTEN}')
    return host.strip("[]") or "127.0.0.1", int(port)


def _default_data_dir() -> Path:
    base = os.environ.get("XDG_DATA_HOME") or str(Path.home() / ".local" / "share")
    return Path(base) / "logship" / "node"
