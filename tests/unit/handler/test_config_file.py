"""``config/handler.yaml`` names every argument of the handler, with its default."""

from __future__ import annotations

import inspect
import logging.config
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from logship.handler import LogshipHandler
from logship.settings.units import parse_duration, parse_size

FILE = Path(__file__).parents[3] / "config" / "handler.yaml"
CONFIG = yaml.safe_load(FILE.read_text())
SECTION = CONFIG["handlers"]["elasticsearch"]
PARAMETERS = inspect.signature(LogshipHandler).parameters
EXAMPLES = {"hosts", "service", "environment"}


@pytest.fixture
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    root.handlers[:] = handlers
    root.setLevel(level)


def plain(value: Any) -> Any:
    """A size or time as a number; NOTSET as 0."""
    for parse in (parse_size, parse_duration, logging.getLevelNamesMapping().__getitem__):
        try:
            return parse(value)
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
    return value


def test_every_argument_is_named() -> None:
    """And nothing that is none."""
    assert SECTION.keys() - {"class"} == PARAMETERS.keys()


@pytest.mark.parametrize("name", sorted(PARAMETERS.keys() - EXAMPLES))
def test_defaults(name: str) -> None:
    """What is written there is what holds without it."""
    assert plain(SECTION[name]) == plain(PARAMETERS[name].default)


@pytest.mark.usefixtures("_restored")
def test_it_works() -> None:
    """dictConfig takes it as it stands."""
    logging.config.dictConfig(CONFIG)
    handler = logging.getLogger().handlers[-1]
    assert isinstance(handler, LogshipHandler)
    assert handler.stats().emitted == 0
