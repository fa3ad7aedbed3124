"""A small web shop that does nothing but write logs: one JSON object per line, rotated by size.

``python shop.py PATH [--rate REQUESTS] [--max-bytes N] [--backups N] [--requests N]``

Each request leaves two to four lines that share a trace id, from two services. Some are slow, some
fail. The standard library is enough; this is what an application looks like that knows nothing of
the agent beside it.
"""

import argparse
import json
import logging
import random
import signal
import threading
import traceback
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

ROUTES = ("/", "/items", "/items/{id}", "/cart", "/orders")


class JsonLines(logging.Formatter):
    """Writes a record and its ``fields`` as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its newline."""
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line = {
            "@timestamp": moment.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **record.__dict__.get("fields", {}),
        }
        if record.exc_info and record.exc_info[0]:
            line["error"] = {
                "type": record.exc_info[0].__name__,
                "message": str(record.exc_info[1]),
                "stack_trace": "".join(traceback.format_exception(*record.exc_info)),
            }
        return json.dumps(line)


def charge(order: int, chance: random.Random) -> None:
    """Charge an order; one in ten fails."""
    if chance.random() < 0.1:
        raise TimeoutError(f"the bank did not answer for order {order}")


def handle_request(number: int, chance: random.Random) -> None:
    """Write the lines of one request."""
    web, payments = logging.getLogger("shop.web"), logging.getLogger("shop.payments")
    route = chance.choice(ROUTES)
    shared = {"trace_id": f"{chance.getrandbits(128):032x}", "user_id": f"u{number % 500}"}

    def fields(service: str, **more: object) -> dict[str, object]:
        span = f"{chance.getrandbits(64):016x}"
        return {"fields": {"service": service, "span_id": span, **shared, **more}}

    web.debug("request %d begins", number, extra=fields("shop", path=route))
    status = 200
    if route == "/orders":
        try:
            charge(number, chance)
            payments.info("order %d charged", number, extra=fields("payments", order=number))
        except TimeoutError:
            payments.exception("order %d not charged", number, extra=fields("payments"))
            status = 502
    took = round(chance.lognormvariate(3, 1), 1)
    if took > 150:
        web.warning("slow: %s took %.0f ms", route, took, extra=fields("shop", path=route))
    done = fields("shop", path=route, status=status, duration_ms=took)
    level = logging.ERROR if status >= 500 else logging.INFO
    web.log(level, "%s answered with %d", route, status, extra=done)


def main() -> None:
    """Write until SIGTERM or SIGINT, or until the requests are done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--rate", type=float, default=20.0, help="requests per second")
    parser.add_argument("--max-bytes", type=int, default=5_000_000, help="size of one file")
    parser.add_argument("--backups", type=int, default=4, help="rotated files that are kept")
    parser.add_argument("--requests", type=int, help="end after so many; without: never")
    options = parser.parse_args()
    handler = RotatingFileHandler(
        options.path, maxBytes=options.max_bytes, backupCount=options.backups, encoding="utf-8"
    )
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.DEBUG, handlers=[handler])
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    chance, done = random.Random(), 0
    while done != options.requests and not is_over.wait(1 / options.rate):
        done += 1
        handle_request(done, chance)
    logging.getLogger("shop").info("closed after %d requests", done)
    logging.shutdown()


if __name__ == "__main__":
    main()
