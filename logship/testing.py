"""For tests of applications: what would they ship?

In a ``conftest.py``, or in the test module itself::

    from logship.testing import shipped

    def test_order_is_logged(shipped):
        place_order()
        (record,) = shipped.find(logger="orders", level="INFO")
        assert record["extra"]["order_id"] == "o-17"

Nothing is contacted. Without pytest use :func:`collect_logs`.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from logship.handler.formatter import JsonFormatter

__all__ = ["CollectingHandler", "collect_logs"]

_MISSING = object()


class CollectingHandler(logging.Handler):
    """Keeps the documents that a ``LogshipHandler`` would ship.

    Args:
        service: Service of every record.
        environment: ``environment`` of every record.
        extra_field: Where what came by ``extra=`` goes; None merges it at the root.

    Attributes:
        documents: In the order they were logged, as Elasticsearch would get them: times are
            text, and what JSON cannot carry became text, too.
    """

    def __init__(
        self,
        service: str | None = None,
        environment: str | None = None,
        extra_field: str | None = "extra",
        level: int | str = logging.NOTSET,
    ) -> None:
        super().__init__(level)
        self.documents: list[dict[str, Any]] = []
        self.setFormatter(
            JsonFormatter(service=service, environment=environment, extra_field=extra_field)
        )

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the document of *record*."""
        self.documents.append(json.loads(self.format(record)))

    @property
    def messages(self) -> list[str]:
        """The messages, in the order they were logged."""
        return [document["message"] for document in self.documents]

    def find(self, message: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Return the documents that hold *message* in theirs and have all of *fields*.

        Args:
            message: Part of the message.
            fields: Names and values at the root, else under ``extra``. A dot in a name is
                written as two underscores: ``error__type="ValueError"``.
        """
        return [
            document
            for document in self.documents
            if (message is None or message in document["message"])
            and all(_value(document, name) == value for name, value in fields.items())
        ]

    def clear(self) -> None:
        """Forget what was logged so far."""
        self.documents.clear()


@contextmanager
def collect_logs(
    logger: str = "", *, level: int | str = logging.DEBUG, service: str | None = None
) -> Iterator[CollectingHandler]:
    """Collect what *logger* (by default the root logger) and those below it log inside.

    Args:
        level: That the logger has meanwhile.
    """
    collected, target = CollectingHandler(service), logging.getLogger(logger)
    before = target.level
    target.addHandler(collected)
    target.setLevel(level)
    try:
        yield collected
    finally:
        target.setLevel(before)
        target.removeHandler(collected)
        collected.close()


def _value(document: dict[str, Any], name: str) -> Any:
    name = name.replace("__", ".")
    value = document.get(name, _MISSING)
    extra = document.get("extra")
    if value is _MISSING and isinstance(extra, dict):
        value = extra.get(name, _MISSING)
    return value


try:
    import pytest
except ImportError:  # unittest needs no fixture
    pass
else:

    @pytest.fixture
    def shipped() -> Iterator[CollectingHandler]:
        """Collect what the test logs, at every level from DEBUG on."""
        with collect_logs() as collected:
            yield collected

    __all__ += ["shipped"]
