"""A record is the same document by every road, and the files suit a sidecar."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import logship
from logship.handler import hooks
from logship.testing import collect_logs
from tests.support.agent import AgentThread, World, quick_settings
from tests.support.elastic_fake import ElasticFake

log = logging.getLogger("orders")


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    logship.configure_logging(console=None, level="INFO")
    hooks.install_exception_hooks()()
    root.setLevel(level)
    assert root.handlers == handlers


def say_everything() -> None:
    """Log records of every kind, each with a message of its own."""
    log.info("plain")
    log.warning("arguments %d %s", 7, "x", extra={"order_id": "o-17", "total": Decimal("1.50")})
    log.log(logship.HTTP, "level of its own")
    log.info("odd", extra={"set": {1}, "nan": float("nan"), "big": 1 << 80, "time_": time.time})
    log.info("reserved", extra={"timestamp": "yesterday", "host": "h", "error": "e", "level": "x"})
    log.info("ids", extra={"trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "user_id": 7})
    log.info("lines\nand\ttabs “quoted” \ud800 \x00")
    with logship.trace(), logship.bind(tenant="a", request_id="r-1"):
        log.info("bound", extra={"tags": ["a"]})
        try:
            try:
                raise KeyError("inner")
            except KeyError as error:
                raise ValueError("outer") from error
        except ValueError:
            log.exception("failed")
    log.info("stack", stack_info=True)


def by_message(documents: Any, *without: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for document in documents:
        assert document["message"] not in found
        found[document["message"]] = {
            name: value
            for name, value in document.items()
            if name not in ("@ingested", "log.file.path", "log.offset", *without)
        }
    return found


def test_same_by_every_road(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Straight to Elasticsearch, from stdout, from a file through the sidecar: the same fields."""
    with ElasticFake() as direct, ElasticFake() as tailed:
        handler = logship.configure_logging(
            service="shop",
            environment="test",
            level="DEBUG",
            console="json",
            directory=tmp_path / "logs",
            hosts=direct.url,
            batch_age="50ms",
        )
        assert handler is not None
        logging.getLogger("asyncio").setLevel("WARNING")
        with collect_logs("orders", service="shop", level="NOTSET") as collected:
            say_everything()
        assert handler.flush(timeout=10)
        settings = quick_settings(
            tailed.url, [tmp_path / "logs" / "combined-*.log"], tmp_path / "state"
        )
        AgentThread(settings, once=True).join()
        logging.getLogger("asyncio").setLevel("NOTSET")
        logship.configure_logging(console=None, level="INFO")
        shipped = by_message(direct.documents.values())
        from_sidecar = by_message(tailed.documents.values())
    printed = by_message(map(json.loads, capsys.readouterr().out.splitlines()))
    in_tests = by_message(collected.documents)
    assert len(in_tests) == 10
    for message, document in in_tests.items():
        expected = {**document, "environment": "test"}
        assert shipped[message] == expected
        assert printed[message] == expected
        assert from_sidecar[message] == expected


def test_sidecar_follows_the_rotation(tmp_path: Path) -> None:
    """While files become full and the day changes, every line arrives once."""
    day = [time.mktime((2026, 11, 21, 12, 0, 0, 0, 0, -1))]
    with World(tmp_path, "combined-*.log") as world:
        handler = logship.DailyFileHandler(
            world.logs, "combined", max_bytes=20_000, now=lambda: day[0]
        )
        handler.setFormatter(logship.JsonFormatter(service="shop"))
        world.up()
        for number in range(1200):
            if number == 700:
                day[0] += 86_400
            message = f"m{number}"
            handler.handle(logging.LogRecord("a", logging.INFO, "", 0, message, None, None))
            world.expect(message)
        handler.close()
        world.arrive()
        names = {path.name for path in world.logs.iterdir()}
        assert {"combined-2026-11-21.log", "combined-2026-11-22.log"} < names
        assert len(names) > 8


def test_uncaught_exceptions_arrive(tmp_path: Path) -> None:
    """What ends a program is in all files and in Elasticsearch."""
    with ElasticFake() as fake:
        code = (
            "import logship\n"
            f"logship.configure_logging(console=None, directory={str(tmp_path)!r},"
            f" hosts={fake.url!r})\n"
            "raise ValueError('boom')\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 1
        assert "ValueError: boom" in done.stderr
        (found,) = fake.documents.values()
        assert (found["error.message"], found["tags"]) == ("boom", ["uncaught"])
    for path in tmp_path.iterdir():
        (line,) = path.read_text().splitlines()
        assert json.loads(line)["error.message"] == "boom"
    assert len(list(tmp_path.iterdir())) == 3
