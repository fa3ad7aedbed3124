"""The order service: writes a JSON log that rotates, and sends payments to its standard output.

``python -m logship.demo.orders DIRECTORY COUNT PER_SECOND``; COUNT 0 goes on until stopped.
Knows nothing of logship but the trace ids: any service's log file would do.
"""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import logship
from logship.schema.times import utc_text

LINES_PER_FILE = 150
ITEMS = ("espresso machine", "grinder", "kettle", "scale", "filter papers", "beans 1 kg")


class RotatingLog:
    """A JSON log that is renamed to ``orders.log.1``, ``.2``, … as it grows."""

    def __init__(self, directory: Path) -> None:
        self._path, self._written = directory / "orders.log", 0
        self._rotations = 0
        self._file: TextIO = self._path.open("a", buffering=1, encoding="utf-8")

    def write(self, level: str, message: str, **fields: Any) -> None:
        """Append one line."""
        if self._written and self._written % LINES_PER_FILE == 0:
            self._rotate()
        self._written += 1
        here = logship.current_trace()
        record = {
            "@timestamp": utc_text(time.time()),
            "level": level,
            "service": "orders",
            "message": message,
            **({"trace_id": here.trace_id, "span_id": here.span_id} if here else {}),
            **fields,
            "demo_id": f"orders-{self._written}",
        }
        self._file.write(json.dumps(record) + "\n")

    def _rotate(self) -> None:
        self._file.close()
        self._rotations += 1
        self._path.rename(self._path.with_name(f"orders.log.{self._rotations}"))
        self._file = self._path.open("a", buffering=1, encoding="utf-8")

    def close(self) -> int:
        """Close the log and return how many lines were written to it."""
        self._file.close()
        return self._written


def serve(log: RotatingLog, number: int, dice: random.Random) -> None:
    """Serve one order: a trace of a few records here, and some in the payment service."""
    with logship.trace():
        order, item = f"o-{1000 + number}", dice.choice(ITEMS)
        user = f"u{dice.randint(1, 40)}"
        amount = dice.randint(5, 900)
        duration = dice.lognormvariate(4, 0.7)
        log.write("INFO", f"order {order} received: {item}", order_id=order, user_id=user)
        print(json.dumps([logship.traceparent(), order, user, amount]), flush=True)
        if dice.random() < 0.05:
            log.write("WARNING", f"stock of {item} is low", order_id=order, left=dice.randint(0, 3))
        if dice.random() < 0.03:
            duration += 1500
            log.write("WARNING", "slow request", order_id=order, duration_ms=round(duration, 1),
                      method="POST", path="/orders", tags=["slow_request"])  # fmt: skip
        log.write("INFO", f"POST /orders 201 {order}", order_id=order, user_id=user, status=201,
                  method="POST", path="/orders", duration_ms=round(duration, 1))  # fmt: skip


def main() -> None:
    """Run the service."""
    directory, count, per_second = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    dice = random.Random(count)
    log = RotatingLog(directory)
    log.write("INFO", "order service started")
    number = 0
    try:
        while not count or number < count:
            serve(log, number, dice)
            number += 1
            # Customers come when they come.
            time.sleep(dice.uniform(0.5, 1.5) / per_second)
        log.write("INFO", "order service stopped")
    except (KeyboardInterrupt, BrokenPipeError):
        pass
    written = log.close()
    (directory / "orders.written").write_text(str(written))


if __name__ == "__main__":
    main()
