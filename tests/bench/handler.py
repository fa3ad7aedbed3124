"""What one logging call costs its caller: ``make bench-handler``.

Beside it, in the same run, what the usual alternatives cost: the standard library's
``QueueHandler`` with JSON made in the caller, and python-logstash-async. Each gets the same
records with five extras; a sink on loopback accepts what is sent. The figures are microseconds.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import logging.handlers
import os
import queue
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from logship.handler import LogshipHandler
from tests.support.elastic_fake import ElasticFake

CALLS = 20_000
WARM_UP = 2_000
EXTRA = {"order_id": "o-1234567", "amount": 12.5, "items": 3, "country": "DE", "ok": True}


class JsonFormatter(logging.Formatter):
    """The least that makes structured records with the standard library."""

    def format(self, record: logging.LogRecord) -> str:
        document = {
            "@timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        document["extra"] = {key: getattr(record, key) for key in EXTRA}
        return json.dumps(document)


def logship_handler(url: str) -> logging.Handler:
    return LogshipHandler(url, service="bench", environment="test", max_records=1_000_000)


def standard_handler(url: str) -> logging.Handler:
    records: queue.Queue[Any] = queue.Queue()
    handler = logging.handlers.QueueHandler(records)
    handler.setFormatter(JsonFormatter())
    listener = logging.handlers.QueueListener(records, logging.NullHandler())
    listener.start()
    handler.close = listener.stop  # type: ignore[method-assign]
    return handler


def logstash_handler(url: str) -> logging.Handler:
    from logstash_async.formatter import LogstashFormatter
    from logstash_async.handler import AsynchronousLogstashHandler

    sink = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=drain, args=(sink,), daemon=True).start()
    handler = AsynchronousLogstashHandler("127.0.0.1", sink.getsockname()[1], database_path=None)
    handler.setFormatter(LogstashFormatter())
    return handler  # type: ignore[no-any-return]


def drain(server: socket.socket) -> None:
    while True:
        connection, _ = server.accept()
        with connection:
            while connection.recv(1 << 20):
                pass


def measure(handler: logging.Handler, calls: int, pause_every: int) -> tuple[list[int], list[int]]:
    """Return the nanoseconds of each ``handle``, and of each whole ``log.info``."""
    log = logging.getLogger(f"bench.{id(handler)}")
    log.setLevel(logging.INFO)
    log.propagate = False
    clock = time.perf_counter_ns
    handled = []
    for number in range(WARM_UP + calls):
        record = log.makeRecord(
            log.name, logging.INFO, __file__, 1, "order %s took %d ms", ("abc", number), None,
            "measure", EXTRA,
        )  # fmt: skip
        began = clock()
        handler.handle(record)
        handled.append(clock() - began)
        if number % pause_every == 0:
            time.sleep(0.001)  # as an application that has other work, and lets threads run
    log.addHandler(handler)
    called = []
    for number in range(calls):
        began = clock()
        log.info("order %s took %d ms", "abc", number, extra=EXTRA)
        called.append(clock() - began)
        if number % pause_every == 0:
            time.sleep(0.001)
    log.removeHandler(handler)
    return handled[WARM_UP:], called


def row(name: str, handled: list[int], called: list[int]) -> str:
    def at(values: list[int], share: float) -> float:
        return sorted(values)[min(len(values) - 1, int(share * len(values)))] / 1000

    cells = [at(handled, 0.5), at(handled, 0.99), at(called, 0.5), at(called, 0.99)]
    return f"{name:<34}" + "".join(f"{cell:>12.1f}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=CALLS)
    parser.add_argument("--pause-every", type=int, default=20, help="a millisecond's rest then")
    arguments = parser.parse_args()
    makers: dict[str, Callable[[str], logging.Handler]] = {
        "logship": logship_handler,
        "QueueHandler + json": standard_handler,
        "python-logstash-async": logstash_handler,
    }
    print(f"{arguments.calls} calls with five extras, load {os.getloadavg()[0]:.1f}, microseconds")
    print(f"{'':<34}{'emit p50':>12}{'emit p99':>12}{'call p50':>12}{'call p99':>12}")
    with ElasticFake() as server:
        for name, make in makers.items():
            try:
                handler = make(server.url)
            except ImportError:
                print(f"{name:<34}  not installed")
                continue
            gc.collect()
            print(row(name, *measure(handler, arguments.calls, arguments.pause_every)), flush=True)
            handler.close()


if __name__ == "__main__":
    main()
