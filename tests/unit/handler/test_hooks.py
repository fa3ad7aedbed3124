"""Uncaught exceptions become records."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

import logship
from logship.handler.hooks import is_uncaught
from logship.testing import CollectingHandler, collect_logs


@pytest.fixture
def installed() -> Iterator[CollectingHandler]:
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    undo = logship.install_exception_hooks()
    with collect_logs() as collected:
        yield collected
    undo()
    assert (sys.excepthook, threading.excepthook, sys.unraisablehook) == hooks


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def test_program(installed: CollectingHandler, capsys: pytest.CaptureFixture[str]) -> None:
    """What ends the program is one record, and still shown on stderr."""
    error = raised(ValueError("boom"))
    sys.excepthook(type(error), error, error.__traceback__)
    (found,) = installed.documents
    assert (found["level"], found["logger"], found["tags"]) == (
        "CRITICAL",
        "uncaught",
        ["uncaught"],
    )
    assert (found["error.type"], found["error.message"]) == ("ValueError", "boom")
    assert "ValueError: boom" in capsys.readouterr().err


def test_interrupt(installed: CollectingHandler, capsys: pytest.CaptureFixture[str]) -> None:
    """Ctrl-C is no error."""
    error = raised(KeyboardInterrupt())
    sys.excepthook(type(error), error, error.__traceback__)
    assert installed.documents == []
    assert "KeyboardInterrupt" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread(installed: CollectingHandler) -> None:
    """What ends a thread is a record that names it."""

    def fail() -> None:
        raise ValueError("boom")

    thread = threading.Thread(target=fail, name="worker-7")
    thread.start()
    thread.join()
    (found,) = installed.find("uncaught exception in thread worker-7", level="ERROR")
    assert found["error.message"] == "boom"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread_that_exits(installed: CollectingHandler) -> None:
    """``sys.exit`` in a thread is no error."""
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    assert installed.documents == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_finalizer(installed: CollectingHandler) -> None:
    """What a finalizer raises is a record."""

    class Bad:
        def __del__(self) -> None:
            raise ValueError("boom")

    bad = Bad()
    del bad
    gc.collect()
    (found,) = installed.find(error__message="boom")
    assert "__del__" in found["message"]
    assert found["level"] == "ERROR"


def test_task(installed: CollectingHandler) -> None:
    """What asyncio reports of a task that nobody awaits gets the tag, once."""

    async def fail() -> None:
        raise ValueError("boom")

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])

    asyncio.run(main())
    gc.collect()
    (found,) = installed.find(error__message="boom")
    assert (found["logger"], found["tags"]) == ("asyncio", ["uncaught"])


def test_ordinary_errors(installed: CollectingHandler) -> None:
    """An exception that somebody caught and logged is none of these."""
    logging.getLogger("app").error("caught", exc_info=raised(ValueError("x")))
    logging.getLogger("asyncio").error("no exception")
    assert all("tags" not in document for document in installed.documents)


def test_twice(installed: CollectingHandler, capsys: pytest.CaptureFixture[str]) -> None:
    """Installed again, an exception is still one record."""
    logship.install_exception_hooks()
    error = raised(ValueError("boom"))
    sys.excepthook(type(error), error, error.__traceback__)
    assert len(installed.documents) == 1
    assert capsys.readouterr().err.count("ValueError: boom") == 1


def test_undone_under_a_later_hook(capsys: pytest.CaptureFixture[str]) -> None:
    """Put back under a hook that came later, ours stays silent and calls what was before it."""
    undo = logship.install_exception_hooks()
    ours = sys.excepthook
    sys.excepthook = lambda *args: ours(*args)
    try:
        with collect_logs() as collected:
            undo()
            error = raised(ValueError("boom"))
            sys.excepthook(type(error), error, error.__traceback__)
        assert collected.documents == []
        assert "ValueError: boom" in capsys.readouterr().err
    finally:
        sys.excepthook = sys.__excepthook__


def test_logging_that_fails(
    installed: CollectingHandler, capsys: pytest.CaptureFixture[str]
) -> None:
    """When logging itself fails, Python's own report still appears."""

    class Broken(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            raise RuntimeError("broken")

    broken = Broken()
    logging.getLogger("uncaught").addHandler(broken)
    try:
        error = raised(ValueError("boom"))
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        logging.getLogger("uncaught").removeHandler(broken)
    assert "ValueError: boom" in capsys.readouterr().err


def test_real_process() -> None:
    """A program that dies of an exception ends as ever, with its record written."""
    code = (
        "import logship; logship.configure_logging(service='s', console='json');"
        "raise ValueError('boom')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert '"error.message":"boom"' in done.stdout
    assert done.stderr.endswith("ValueError: boom\n")


def test_is_uncaught() -> None:
    """Records with other tags, or tags of another kind, are told apart."""
    record = logging.makeLogRecord({})
    assert not is_uncaught(record)
    record.tags = None
    assert not is_uncaught(record)
    record.tags = ["uncaught"]
    assert is_uncaught(record)
