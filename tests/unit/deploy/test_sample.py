"""The sample application writes what the example promises."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

SHOP = Path(__file__).parents[3] / "deploy" / "sample" / "shop.py"


def run_shop(path: Path, *options: str) -> None:
    subprocess.run([sys.executable, SHOP, path, *options], check=True, timeout=60)


def lines_of(folder: Path) -> list[dict[str, Any]]:
    """All lines of all files, oldest first."""
    files = sorted(folder.iterdir(), key=lambda path: (len(path.name), path.name), reverse=True)
    return [json.loads(line) for path in files for line in path.read_text().splitlines()]


def test_rotates_without_losing_a_line(tmp_path: Path) -> None:
    """Several files together hold every request, in order, each line one JSON object."""
    run_shop(
        tmp_path / "shop.log",
        *("--rate", "5000", "--requests", "60", "--max-bytes", "8000", "--backups", "9"),
    )
    assert len(list(tmp_path.iterdir())) > 1
    begun = [line["message"] for line in lines_of(tmp_path) if line["message"].endswith("begins")]
    assert begun == [f"request {number} begins" for number in range(1, 61)]


def test_lines_of_one_request_share_a_trace(tmp_path: Path) -> None:
    """The first and the last line of each request carry one trace id, and no other request's."""
    run_shop(tmp_path / "shop.log", "--rate", "5000", "--requests", "40")
    traces: dict[str, list[str]] = {}
    for line in lines_of(tmp_path):
        if "trace_id" in line:
            traces.setdefault(line["trace_id"], []).append(line["message"])
    assert len(traces) == 40
    for messages in traces.values():
        assert messages[0].endswith("begins")
        assert " answered with " in messages[-1]
