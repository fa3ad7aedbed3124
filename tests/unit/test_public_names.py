"""The public names of the package."""

from __future__ import annotations

import subprocess
import sys

import pytest

import logship

NAMES = [
    "ASGIMiddleware",
    "Agent",
    "AsyncLogSearch",
    "DailyFileHandler",
    "HTTP",
    "JsonFormatter",
    "LogCollector",
    "LogSearch",
    "LogshipHandler",
    "WSGIMiddleware",
    "__version__",
    "bind",
    "configure_logging",
    "current_trace",
    "install_exception_hooks",
    "loguru_sink",
    "structlog_processor",
    "trace",
    "traceparent",
    "wrap",
]


def test_all() -> None:
    """``__all__`` is exactly what is promised."""
    assert sorted(logship.__all__) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_loads(name: str) -> None:
    """Every public name is there, in ``dir``, and is the one that its module calls public."""
    value = getattr(logship, name)
    assert name in dir(logship)
    if name in logship._HOMES:
        module = sys.modules[logship._HOMES[name]]
        assert name in module.__all__
        assert getattr(module, name) is value


def test_unknown_name() -> None:
    """A name that is not there is an AttributeError that says so."""
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        logship.Nothing


def test_import_is_light() -> None:
    """``import logship`` brings nothing of what the names need."""
    code = (
        "import sys; before = set(sys.modules); import logship; print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"asyncio", "logging", "aiohttp", "orjson", "elastic_transport"} & set(
        done.stdout.split()
    )
