"""The input of the benchmarks: JSON lines of about 283 bytes, the same for one count and day."""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import orjson

__all__ = ["LINE_NUMBER", "encode_record", "input_file", "records"]

SEED = 20_240_229
MEAN_STEP_MS = 25  # a million records then span seven hours
LINE_NUMBER = re.compile(rb"#(\d+) ")  # every message holds its line number once, in this form

LEVELS = ("INFO", "INFO", "INFO", "DEBUG", "WARNING", "ERROR")
SERVICES = ("gateway", "checkout", "catalogue", "accounts", "mailer")
MESSAGES = (
    "order #%d from 10.0.%d.%d",
    "GET /orders/#%d took %d ms, %d bytes",
    "item #%d reserved in hall %d row %d",
    "job #%d retried on node %d, try %d",
)


def records(count: int, day: date) -> Iterator[dict[str, object]]:
    """Yield *count* records in the order of their times, which begin at midnight UTC of *day*.

    Seeded: the same arguments give the same records.
    """
    chance = random.Random(SEED)
    pick, number, bits, part = chance.choice, chance.randint, chance.getrandbits, chance.random
    step = min(2 * MEAN_STEP_MS, 2 * 20 * 3600 * 1000 // max(count, 1))
    start, milliseconds = datetime(day.year, day.month, day.day, tzinfo=UTC), 0
    for line in range(count):
        milliseconds += number(0, step)
        yield {
            "@timestamp": (start + timedelta(milliseconds=milliseconds)).isoformat(
                timespec="milliseconds"
            ),
            "level": pick(LEVELS),
            "service": pick(SERVICES),
            "logger": "shop.core",
            "message": pick(MESSAGES) % (line, number(1, 255), number(1, 255)),
            "trace_id": f"{bits(128):032x}",
            "span_id": f"{bits(64):016x}",
            "user_id": f"u{number(1, 99_999)}",
            "duration_ms": part() * 100,
        }


def encode_record(record: dict[str, object]) -> bytes:
    """Return *record* as one line, newline included."""
    return orjson.dumps(record) + b"\n"


def input_file(count: int) -> Path:
    """Return the file of *count* records of yesterday (UTC), made when it is not there yet.

    Lies in the user's cache folder. Files of earlier days are removed.
    """
    day = datetime.now(UTC).date() - timedelta(days=1)
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "logship-bench"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"records-{day}-{count}.jsonl"
    for old in folder.glob("records-*.jsonl"):
        if not old.name.startswith(f"records-{day}-"):
            old.unlink(missing_ok=True)
    if not path.exists():
        with tempfile.NamedTemporaryFile("wb", dir=folder, delete=False) as file:
            file.writelines(map(encode_record, records(count, day)))
        Path(file.name).rename(path)
    return path
