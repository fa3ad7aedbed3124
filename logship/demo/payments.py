"""The payment service: logs through ``LogshipHandler``, and writes no file.

``python -m logship.demo.payments URL DIRECTORY``; reads payments from standard input.
"""

from __future__ import annotations

import json
import logging
import random
import sys
from pathlib import Path

import logship

log = logging.getLogger("payments")


class CardDeclinedError(Exception):
    """The bank said no."""


class Numbers(logging.Filter):
    """Gives every record a number, so that the demo can tell them apart."""

    count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Number *record*."""
        self.count += 1
        record.demo_id = f"payments-{self.count}"
        return True


def pay(order: str, amount: int, dice: random.Random) -> None:
    """Take the money, or not."""
    log.info("charging %d for %s", amount, order, extra={"order_id": order, "amount": amount})
    try:
        if amount > 850 or dice.random() < 0.02:
            raise CardDeclinedError(f"card declined for {order}: insufficient funds")
        if dice.random() < 0.03:
            log.warning("gateway answered late for %s, tried again", order,
                        extra={"order_id": order, "duration_ms": 1200.5})  # fmt: skip
    except CardDeclinedError:
        log.exception("payment of %s failed", order, extra={"order_id": order})
    else:
        log.info("payment of %s captured", order, extra={"order_id": order})


def main() -> None:
    """Run the service until its input ends."""
    url, directory = sys.argv[1], Path(sys.argv[2])
    handler = logship.LogshipHandler(
        hosts=url, service="payments", extra_field=None, exit_deadline="15s"
    )
    numbers = Numbers()
    log.addFilter(numbers)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    dice = random.Random(7)
    log.info("payment service started")
    try:
        for line in sys.stdin:
            traceparent, order, user, amount = json.loads(line)
            with logship.trace(traceparent=traceparent), logship.bind(user_id=user):
                pay(order, amount, dice)
        log.info("payment service stopped")
    except KeyboardInterrupt:
        pass
    (directory / "payments.written").write_text(str(numbers.count))


if __name__ == "__main__":
    main()
