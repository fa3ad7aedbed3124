"""Console, files and levels in one call."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import logship
from logship.handler import configure, hooks
from logship.handler.levels import level_number
from tests.support.elastic_fake import ElasticFake


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("LOG_LEVEL", raising=False)
    monkeypatch.delenv("LOGSHIP_SERVICE", raising=False)
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    logship.configure_logging(console=None, level="INFO")
    hooks.install_exception_hooks()()
    root.setLevel(level)
    assert root.handlers == handlers


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def ours() -> list[logging.Handler]:
    return configure._installed


class TestConsole:
    def test_json(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Not on a terminal, ``auto`` is JSON on stdout, INFO and above."""
        logship.configure_logging(service="shop", environment="test")
        logging.getLogger("orders").info("placed", extra={"order_id": "o-17"})
        logging.getLogger("orders").debug("not shown")
        out, err = capsys.readouterr()
        (found,) = lines(out)
        assert err == ""
        assert (found["service"], found["environment"]) == ("shop", "test")
        assert found["extra"] == {"order_id": "o-17"}

    def test_text(self, capsys: pytest.CaptureFixture[str]) -> None:
        """``text`` is for people."""
        logship.configure_logging(console="text")
        logging.getLogger("orders").info("placed")
        assert capsys.readouterr().out.endswith("INFO     orders: placed\n")

    def test_terminal(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On a terminal ``auto`` is text, in colour unless ``NO_COLOR`` says otherwise."""
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.delenv("NO_COLOR", raising=False)
        logship.configure_logging()
        logging.getLogger("orders").error("failed")
        monkeypatch.setenv("NO_COLOR", "1")
        logship.configure_logging()
        logging.getLogger("orders").error("failed")
        colored, plain = capsys.readouterr().out.splitlines()
        assert "\x1b[31m" in colored
        assert plain.endswith("ERROR    orders: failed")

    def test_none(self, capsys: pytest.CaptureFixture[str]) -> None:
        """``None`` shows nothing."""
        logship.configure_logging(console=None)
        logging.getLogger("orders").info("placed")
        assert capsys.readouterr() == ("", "")


class TestLevel:
    @pytest.mark.parametrize(
        ("argument", "variable", "number"),
        [
            (None, None, logging.INFO),
            (None, "", logging.INFO),
            (None, "debug", logging.DEBUG),
            ("warning", "debug", logging.WARNING),
            (None, "http", 15),
            ("warn", None, logging.WARNING),
            ("fatal", None, logging.CRITICAL),
            ("verbose", None, logging.DEBUG),
            ("trace", None, 5),
            (logging.ERROR, None, logging.ERROR),
            ("35", None, 35),
        ],
    )
    def test_root(
        self,
        argument: int | str | None,
        variable: str | None,
        number: int,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """The argument beats ``LOG_LEVEL``, which beats INFO; usual spellings work."""
        if variable is not None:
            monkeypatch.setenv("LOG_LEVEL", variable)
        logship.configure_logging(level=argument, console=None)
        assert logging.getLogger().level == number

    def test_http(self, capsys: pytest.CaptureFixture[str]) -> None:
        """HTTP is more than DEBUG and less than INFO."""
        logship.configure_logging(level="HTTP")
        logging.getLogger("a").log(logship.HTTP, "request")
        logging.getLogger("a").debug("detail")
        (found,) = lines(capsys.readouterr().out)
        assert (found["level"], found["message"]) == ("HTTP", "request")
        assert logging.DEBUG < logship.HTTP < logging.INFO

    def test_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """An unknown level is said with where it came from, and nothing is changed."""
        before = logging.getLogger().handlers[:]
        with pytest.raises(ValueError, match='level: unknown level "inof"; did you mean "INFO"'):
            logship.configure_logging(level="inof")
        monkeypatch.setenv("LOG_LEVEL", "loud")
        with pytest.raises(ValueError, match='LOG_LEVEL: unknown level "loud"; use one of'):
            logship.configure_logging()
        assert logging.getLogger().handlers == before

    def test_number(self) -> None:
        """Numbers pass."""
        assert level_number(7) == 7


class TestDirectory:
    def files(self, directory: Path) -> dict[str, list[dict[str, Any]]]:
        return {
            path.name: lines(path.read_text()) for path in directory.iterdir() if path.is_file()
        }

    def test_files(self, tmp_path: Path) -> None:
        """Everything, errors and uncaught exceptions have files of their own, in JSON."""
        logship.configure_logging(service="shop", console=None, directory=tmp_path / "logs")
        before = _today()
        logging.getLogger("a").info("one")
        logging.getLogger("a").error("two")
        sys.excepthook(ValueError, ValueError("boom"), None)
        today = _today()
        found = self.files(tmp_path / "logs")
        if before != today:
            pytest.skip("midnight")
        assert {
            name: [entry["message"] for entry in entries] for name, entries in found.items()
        } == {
            f"combined-{today}.log": ["one", "two", "uncaught exception"],
            f"error-{today}.log": ["two", "uncaught exception"],
            "exceptions.log": ["uncaught exception"],
        }
        assert found["exceptions.log"][0]["error.message"] == "boom"
        assert {entry["service"] for entries in found.values() for entry in entries} == {"shop"}

    def test_not_a_directory(self, tmp_path: Path) -> None:
        """What is no directory is an error, and nothing is changed."""
        (tmp_path / "file").write_text("")
        before = logging.getLogger().handlers[:]
        with pytest.raises(OSError, match="file"):
            logship.configure_logging(directory=tmp_path / "file")
        assert logging.getLogger().handlers == before


class TestAgain:
    def test_handlers(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """Called again, a record is still written once, and descriptors are given back."""
        descriptors = None
        for _ in range(5):
            logship.configure_logging(console="json", directory=tmp_path)
            logging.getLogger("a").info("hello")
            now = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
            descriptors = now if descriptors is None else descriptors
            assert now == descriptors
        assert len(ours()) == 4
        assert len(capsys.readouterr().out.splitlines()) == 5

    def test_others_stay(self) -> None:
        """Handlers of others stay."""
        other = logging.NullHandler()
        logging.getLogger().addHandler(other)
        logship.configure_logging()
        logship.configure_logging()
        assert other in logging.getLogger().handlers
        logging.getLogger().removeHandler(other)


class TestHosts:
    def test_ships(self, capsys: pytest.CaptureFixture[str]) -> None:
        """With hosts records go to Elasticsearch as well; called again, no thread is left.

        What the HTTP client says of the requests that ship them is not on the console.
        """
        with ElasticFake() as fake:
            threads = threading.active_count()
            for _ in range(2):
                handler = logship.configure_logging(
                    service="shop", console="json", hosts=fake.url, batch_age="50ms"
                )
                assert handler is not None
                logging.getLogger("a").warning("hello")
                assert handler.flush(timeout=10)
            assert logship.configure_logging(console=None) is None
            assert threading.active_count() == threads
            assert fake.found()["hello"] == 2
        assert [one["message"] for one in lines(capsys.readouterr().out)] == ["hello", "hello"]

    def test_options_without_hosts(self) -> None:
        """Options of the handler without a host are a mistake."""
        with pytest.raises(ValueError, match="spool_dir: of use only together with hosts"):
            logship.configure_logging(spool_dir="/tmp/x")

    def test_wrong_option(self) -> None:
        """What the handler does not take leaves everything as it was."""
        before = logging.getLogger().handlers[:]
        with pytest.raises(TypeError):
            logship.configure_logging(hosts="http://127.0.0.1:1", nonsense=1)
        with pytest.raises(ValueError, match="console must be"):
            logship.configure_logging(console="loud")  # type: ignore[arg-type]
        assert logging.getLogger().handlers == before


def _today() -> str:
    return time.strftime("%Y-%m-%d")
