"""Arguments of the handler, and what it says when they cannot be used."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import pytest

from logship.handler import LogshipHandler
from logship.handler.options import elasticsearch_settings, seconds_of, size_of


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"max_bytes": "many"}, "max_bytes: 'many' is no size; write for example 64KiB"),
        ({"max_bytes": 0}, "max_bytes: 0 is not above zero"),
        ({"max_records": 0}, "max_records: 0 is not above zero"),
        ({"batch_age": "5"}, "batch_age: '5' has no unit; add a unit, for example 5s"),
        ({"exit_deadline": -1}, "exit_deadline: -1 is no number of seconds"),
        ({"overflow": "explode"}, "overflow: 'explode' is none of drop_oldest, drop_newest"),
        ({"overflow": "spool"}, "overflow: 'spool' needs spool_dir"),
        ({"hosts": "htp://localhost"}, 'hosts: "htp://localhost" has the unknown scheme "htp"'),
        ({"hosts": []}, "hosts: is empty"),
        ({"spool_max_bytes": "1 cake", "spool_dir": "x"}, "spool_max_bytes: '1 cake' is no size"),
        ({"index": "Logs-%Y"}, 'index: "Logs-%Y" has upper-case letters'),
        ({"ca_certs": "/nowhere/ca.pem"}, "ca_certs: '/nowhere/ca.pem' is not there"),
        ({"level": "INF0"}, 'unknown level "INF0"; did you mean "INFO"?'),
    ],
)
def test_wrong_arguments_are_said(arguments: dict[str, Any], text: str) -> None:
    """Which one, what is wrong, and what to write."""
    with pytest.raises(ValueError, match=f"^{re.escape(text)}"):
        LogshipHandler(**arguments)


def test_a_refused_handler_is_none_of_loggings() -> None:
    """Else the end of the process would meet half a handler, and say so beside the mistake."""
    with pytest.raises(ValueError, match="overflow") as refused:
        LogshipHandler(overflow="explode")
    known = [reference() for reference in logging._handlerList]  # type: ignore[attr-defined]
    assert not any(isinstance(handler, LogshipHandler) for handler in known)
    assert refused.value.__traceback__ is not None  # which holds on to it


def test_units_and_numbers() -> None:
    """Both are read."""
    assert size_of("x", "64KiB") == 65536
    assert size_of("x", 5) == 5
    assert seconds_of("x", "1m30s") == 90
    assert seconds_of("x", 0.5) == 0.5


def test_hosts_in_every_form() -> None:
    """One, several, as text or list, with or without scheme."""

    def hosts(value: Any) -> tuple[str, ...]:
        return elasticsearch_settings(value, None, None, None, None, verify=True).hosts

    assert hosts("localhost:9200") == ("http://localhost:9200",)
    assert hosts("http://a:9200, http://b:9200/") == ("http://a:9200", "http://b:9200")
    assert hosts(["https://a"]) == ("https://a",)


def test_nothing_starts_before_the_first_record(tmp_path: Path) -> None:
    """No thread, no folder, no request; and nothing to wait for."""
    handler = LogshipHandler("http://127.0.0.1:9", spool_dir=tmp_path / "spool")
    assert handler.flush(timeout=0.0)
    assert handler.stats().emitted == 0
    handler.close()
    handler.close()
    assert list(tmp_path.iterdir()) == []


def test_filters_may_replace_records() -> None:
    """What a filter returns is what is emitted."""
    seen: list[str] = []

    class Seeing(LogshipHandler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(record.getMessage())

    handler = Seeing("http://127.0.0.1:9")
    handler.addFilter(lambda record: record.getMessage() != "no")
    for text in ("yes", "no"):
        handler.handle(logging.LogRecord("a", 20, "", 0, text, (), None))
    handler.close()
    assert seen == ["yes"]
