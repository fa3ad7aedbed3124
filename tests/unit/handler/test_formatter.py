"""A line of JSON, or a line for people, for every record."""

from __future__ import annotations

import io
import json
import logging
import logging.config
import os
import sys
from decimal import Decimal
from typing import Any

import pytest
from pythonjsonlogger.core import BaseJsonFormatter

import logship
from logship.handler.console import ConsoleHandler, TextFormatter
from logship.handler.formatter import time_of
from logship.schema.flat import lift


def record(message: object = "hello", *args: object, **extra: Any) -> logging.LogRecord:
    level = extra.pop("level", logging.INFO)
    info = extra.pop("exc_info", None)
    made = logging.LogRecord("orders", level, __file__, 1, message, args, info)
    made.__dict__.update(extra)
    return made


def line(made: logging.LogRecord, **options: Any) -> dict[str, Any]:
    text = logship.JsonFormatter(**options).format(made)
    assert "\n" not in text
    found: dict[str, Any] = json.loads(text)
    return found


class TestJson:
    def test_document(self) -> None:
        """A line has the flat schema's fields, extras under ``extra``."""
        made = record("order %s placed", "o-17", order_id="o-17")
        found = line(made, service="shop", environment="production")
        assert found["@timestamp"] == time_of(made.created)
        assert {
            "level": "INFO",
            "service": "shop",
            "environment": "production",
            "logger": "orders",
            "message": "order o-17 placed",
            "process.pid": os.getpid(),
            "extra": {"order_id": "o-17"},
        }.items() <= found.items()
        assert list(found)[:5] == ["@timestamp", "level", "service", "logger", "message"]

    def test_is_in_the_schema(self) -> None:
        """A sidecar has nothing to change in a line."""
        with logship.trace(), logship.bind(user_id="u1", tenant="a"):
            found = line(record(order_id="o-17"), service="shop")
        lifted = json.loads(json.dumps(found))
        lift(lifted, None)
        assert lifted == found

    def test_error(self) -> None:
        """An exception has type, message and traceback."""
        try:
            raise ValueError("no\nluck")
        except ValueError:
            found = line(record(exc_info=sys.exc_info()))
        assert found["error.type"] == "ValueError"
        assert found["error.message"] == "no\nluck"
        assert found["error.stack_trace"].startswith("Traceback")

    @pytest.mark.parametrize(
        "value",
        [object(), {1, 2}, {("a", 1): 1}, 1 << 70, float("nan"), Decimal("1.5"), "\ud800", b"\xff"],
    )
    def test_odd_values(self, value: object) -> None:
        """What JSON cannot carry costs no record."""
        assert "odd" in line(record(odd=value))["extra"]

    def test_wrong_format_string(self) -> None:
        """A message whose arguments do not fit is kept, and the record is not changed."""
        made = record("%d things", "no")
        before = dict(made.__dict__)
        assert "%d things" in line(made)["message"]
        assert made.__dict__ == before

    def test_options(self) -> None:
        """python-json-logger's static and renamed fields and prefix work."""
        formatter = logship.JsonFormatter(
            static_fields={"region": "eu"}, rename_fields={"message": "msg"}, prefix="@cee: "
        )
        assert isinstance(formatter, BaseJsonFormatter)
        text = formatter.format(record())
        found = json.loads(text.removeprefix("@cee: "))
        assert text.startswith("@cee: ")
        assert (found["region"], found["msg"]) == ("eu", "hello")

    def test_merged_extras(self) -> None:
        """With ``extra_field=None`` extras are at the root, and cannot overwrite what is there."""
        found = line(record(order_id="o-17", level=logging.INFO), extra_field=None)
        assert found["order_id"] == "o-17"
        assert found["message"] == "hello"

    @pytest.mark.parametrize("key", ["()", "class"])
    def test_dict_config(self, key: str) -> None:
        """It works from ``dictConfig`` in both spellings."""
        stream = io.StringIO()
        logging.config.dictConfig(
            {
                "version": 1,
                "disable_existing_loggers": False,
                "formatters": {"json": {key: "logship.JsonFormatter"}},
                "handlers": {
                    "out": {
                        "class": "logging.StreamHandler",
                        "stream": stream,
                        "formatter": "json",
                    }
                },
                "loggers": {"test.dict_config": {"handlers": ["out"], "level": "INFO"}},
            }
        )
        logger = logging.getLogger("test.dict_config")
        logger.info("hello")
        logger.handlers.clear()
        assert json.loads(stream.getvalue())["message"] == "hello"

    def test_time(self) -> None:
        """Times are UTC, with microseconds."""
        assert time_of(1795257000.0) == "2026-11-21T10:30:00.000000Z"
        assert time_of(1795257000.25) == "2026-11-21T10:30:00.250000Z"


class TestText:
    def test_line(self) -> None:
        """People see time, level, logger, message and fields."""
        text = TextFormatter().format(record("placed", order_id="o-17", note='a "b" c', n=3))
        assert text[4] == "-"
        assert text[24:] == 'INFO     orders: placed  order_id=o-17 note="a \\"b\\" c" n=3'

    def test_error(self) -> None:
        """A traceback follows on lines of its own."""
        try:
            raise ValueError("no luck")
        except ValueError:
            text = TextFormatter().format(record("bad", exc_info=sys.exc_info()))
        first, second, *_, last = text.split("\n")
        assert first.endswith("orders: bad")
        assert second.startswith("Traceback")
        assert last == "ValueError: no luck"

    def test_terminal_is_safe(self) -> None:
        """What an attacker puts into a message cannot steer the terminal."""
        text = TextFormatter().format(record("\x1b[2J\rgone", field="\x1b]0;x"))
        assert "\x1b" not in text
        assert "\r" not in text

    def test_color(self) -> None:
        """Colours are around the level only."""
        text = TextFormatter(color=True).format(record(level=logging.ERROR))
        assert "\x1b[31mERROR   \x1b[0m orders: hello" in text

    def test_console_follows_stdout(self, capsys: pytest.CaptureFixture[str]) -> None:
        """The console writes to what ``sys.stdout`` is at the moment."""
        handler = ConsoleHandler()
        handler.handle(record("one"))
        stream, before = io.StringIO(), sys.stdout
        sys.stdout = stream
        try:
            handler.handle(record("two"))
        finally:
            sys.stdout = before
        sys.stdout, without = None, sys.stdout  # type: ignore[assignment]
        try:
            handler.handle(record("three"))
        finally:
            sys.stdout = without
        assert capsys.readouterr().out == "one\n"
        assert stream.getvalue() == "two\n"

    def test_narrow_terminal(self) -> None:
        """What a terminal cannot show is escaped, and not lost."""
        raw = io.BytesIO()
        narrow = io.TextIOWrapper(raw, "ascii")
        sys.stdout, before = narrow, sys.stdout
        try:
            ConsoleHandler().handle(record("caf\u00e9 \u201cx\u201d"))
            narrow.flush()
        finally:
            sys.stdout = before
        assert raw.getvalue() == b"caf\\xe9 \\u201cx\\u201d\n"
