"""structlog and loguru, the real ones, hand their records over."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import loguru
import pytest
import structlog

import logship
from logship.testing import CollectingHandler, collect_logs


@pytest.fixture
def handler() -> CollectingHandler:
    return CollectingHandler(service="shop")


class TestStructlog:
    @pytest.fixture
    def logger(self, handler: CollectingHandler) -> Any:
        return structlog.wrap_logger(
            structlog.PrintLogger(),
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                logship.structlog_processor(handler),
                structlog.processors.JSONRenderer(),
            ],
        )

    def test_event(
        self, logger: Any, handler: CollectingHandler, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """An event is shipped with its fields, and rendered as before."""
        with logship.trace() as here, structlog.contextvars.bound_contextvars(tenant="a"):
            logger.warning("order placed", order_id="o-17", name="n", msg="m")
        (found,) = handler.documents
        assert {
            "message": "order placed",
            "level": "WARNING",
            "logger": "structlog",
            "service": "shop",
            "trace_id": here.trace_id,
            "extra": {"tenant": "a", "order_id": "o-17", "name_": "n", "msg_": "m"},
        }.items() <= found.items()
        assert '"event": "order placed"' in capsys.readouterr().out

    def test_exception(self, logger: Any, handler: CollectingHandler) -> None:
        """``exception`` ships type, message and traceback."""
        try:
            raise ValueError("boom")
        except ValueError as error:
            logger.exception("failed")
            logger.error("failed", exc_info=error)
            logger.error("failed", exc_info=(type(error), error, error.__traceback__))
        logger.error("no exception", exc_info=True)
        for found in handler.documents[:3]:
            assert (found["level"], found["error.type"]) == ("ERROR", "ValueError")
            assert "boom" in found["error.stack_trace"]
        assert "error.type" not in handler.documents[3]

    def test_level(self, logger: Any, handler: CollectingHandler) -> None:
        """The handler's level holds."""
        handler.setLevel("ERROR")
        logger.warning("less")
        logger.critical("more")
        assert handler.messages == ["more"]

    def test_formatted_exception(self, handler: CollectingHandler) -> None:
        """A traceback that was already made into text is kept as the error's."""
        process = logship.structlog_processor(handler)
        event = {"event": "failed", "exception": "Traceback …", "logger": "a.b"}
        assert process(None, "error", event) is event
        (found,) = handler.documents
        assert (found["logger"], found["error.stack_trace"].strip()) == ("a.b", "Traceback …")

    def test_odd_events(self, handler: CollectingHandler) -> None:
        """An event without text, or with keys and levels of its own kind, is shipped as well."""
        process = logship.structlog_processor(handler)
        process(None, "success", {"event": {"a": 1}, 3: "x"})  # type: ignore[dict-item]
        process(None, "info", {})
        first, second = handler.documents
        assert first["level"] == "SUCCESS"
        assert first["extra"] == {"3": "x"}
        assert second["message"] == ""

    def test_through_logging(self) -> None:
        """structlog over Python's logging needs nothing of ours: fields come as extras."""
        logger = structlog.wrap_logger(
            logging.getLogger("orders"),
            wrapper_class=structlog.stdlib.BoundLogger,
            processors=[structlog.stdlib.render_to_log_kwargs],
        )
        with collect_logs() as collected:
            logger.info("order placed", order_id="o-17")
        (found,) = collected.documents
        assert (found["message"], found["logger"]) == ("order placed", "orders")
        assert found["extra"] == {"order_id": "o-17"}


class TestLoguru:
    @pytest.fixture
    def logger(self, handler: CollectingHandler) -> Iterator[Any]:
        logger = loguru.logger
        logger.remove()
        number = logger.add(logship.loguru_sink(handler), level="DEBUG")
        yield logger
        logger.remove(number)

    def test_record(self, logger: Any, handler: CollectingHandler) -> None:
        """A record is shipped with what was bound, and loguru's own time."""
        with logship.trace() as here:
            logger.bind(order_id="o-17").success("order {} placed", 17)
        (found,) = handler.documents
        assert {
            "message": "order 17 placed",
            "level": "SUCCESS",
            "logger": __name__,
            "trace_id": here.trace_id,
            "extra": {"order_id": "o-17"},
        }.items() <= found.items()

    def test_exception(self, logger: Any, handler: CollectingHandler) -> None:
        """``exception`` and ``catch`` ship type, message and traceback."""
        with logger.catch():
            raise ValueError("boom")
        (found,) = handler.documents
        assert (found["level"], found["error.type"]) == ("ERROR", "ValueError")
        assert "boom" in found["error.stack_trace"]

    def test_level(self, logger: Any, handler: CollectingHandler) -> None:
        """The handler's level holds."""
        handler.setLevel("ERROR")
        logger.info("less")
        logger.error("more")
        assert handler.messages == ["more"]
