"""What applications use to assert on what they would ship."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

from logship.testing import CollectingHandler, collect_logs, shipped

log = logging.getLogger("orders")

__all__ = ["shipped"]


def test_fixture(shipped: CollectingHandler) -> None:
    """The fixture collects documents at every level from DEBUG on."""
    log.debug("looked up", extra={"order_id": "o-17"})
    log.info("order placed", extra={"order_id": "o-17", "odd": object})
    assert shipped.messages == ["looked up", "order placed"]
    (found,) = shipped.find("placed", logger="orders", level="INFO", order_id="o-17")
    assert found["extra"]["odd"] == "<class 'object'>"
    shipped.clear()
    assert shipped.documents == []


def test_find(shipped: CollectingHandler) -> None:
    """What is looked for must all be there; dots are two underscores."""
    try:
        raise ValueError("boom")
    except ValueError:
        log.exception("failed")
    assert len(shipped.find(error__type="ValueError", level="ERROR")) == 1
    assert shipped.find(error__type="KeyError") == []
    assert shipped.find(order_id=None) == []


def test_afterwards() -> None:
    """Levels and handlers are as before, after an exception as well."""
    before = log.level, log.handlers[:]

    def fail() -> CollectingHandler:
        try:
            with collect_logs("orders", service="s") as collected:
                log.debug("inside")
                raise ValueError("boom")
        except ValueError:
            return collected

    collected = fail()
    assert (log.level, log.handlers) == before
    assert collected.documents[0]["service"] == "s"


def test_plugin_by_import_only(tmp_path: Path) -> None:
    """pytest knows the fixture where it is imported, and nowhere else."""
    (tmp_path / "test_without.py").write_text("def test_it(shipped): pass\n")
    (tmp_path / "test_with.py").write_text(
        "import logging\n"
        "from logship.testing import shipped\n"
        "def test_it(shipped):\n"
        "    logging.info('hello')\n"
        "    assert shipped.messages == ['hello']\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )
    assert "1 passed, 1 error" in done.stdout
    assert "fixture 'shipped' not found" in done.stdout
