"""The demo from beginning to end, as it is told on the screen."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from logship.demo.check import Outcome, compare, stored_ids
from logship.demo.stage import DemoError, Stage

__all__ = ["play"]

ORDERS, PER_SECOND = 300, 50.0
BAR = 44
LEVELS = (("ERROR", "█", "31"), ("WARNING", "▓", "33"), ("INFO", "░", "36"))


class Screen:
    """Prints: in colour on a terminal, plainly in a pipe."""

    def __init__(self) -> None:
        self._is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def paint(self, text: str, code: str) -> str:
        """Return *text* in a colour, where there are any."""
        return f"\x1b[{code}m{text}\x1b[0m" if self._is_coloured else text

    def title(self, text: str) -> None:
        """Begin a part."""
        print(f"\n{self.paint(text, '1')}", flush=True)

    def step(self, text: str) -> None:
        """Tell what happens."""
        print(f"  {text}", flush=True)

    def command(self, arguments: Sequence[str], output: str) -> None:
        """Show a command as typed, and its answer."""
        print(f"\n  {self.paint('$ logship ' + _typed(arguments), '1;32')}")
        for line in output.splitlines() or ["(nothing)"]:
            print(f"  {line}")
        sys.stdout.flush()

    @property
    def color_option(self) -> str:
        """For commands whose output is shown."""
        return "always" if self._is_coloured else "never"


def play(*, keep: bool) -> int:
    """Play the demo.

    Args:
        keep: Leave everything running at the end, until Ctrl-C.

    Returns:
        0 when every record written arrived exactly once, else 1.
    """
    screen = Screen()
    directory = Path(tempfile.mkdtemp(prefix="logship-demo-"))
    stage = Stage(directory)
    try:
        outcome = _play(stage, screen)
        if keep:
            _keep(stage, screen)
        return 0 if outcome.is_exact else 1
    except DemoError as error:
        print(f"logship demo: {error}", file=sys.stderr)
        return 1
    finally:
        stage.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _play(stage: Stage, screen: Screen) -> Outcome:
    began = time.monotonic()
    screen.title("logship demo: two services, one pipeline, nothing lost")
    stage.start_node()
    screen.step(f"node             {stage.url}  (embedded, speaks Elasticsearch)")
    stage.start_agent()
    screen.step(f"agent            tails {stage.directory / 'logs' / 'orders.log'}")
    stage.start_services(ORDERS, PER_SECOND)
    screen.step("order service    writes that JSON log, which rotates meanwhile")
    screen.step("payment service  logs through logship.LogshipHandler, no file at all")
    written = stage.wait_for_services(30)
    total = sum(written.values())
    rotated = len(list((stage.directory / "logs").glob("orders.log.*")))
    screen.step(
        f"{written['orders']} lines written to {rotated + 1} files, "
        f"{written['payments']} records handed to the handler"
    )
    stage.wait_until(lambda: _count(stage) >= total, 20, "all records", "arrived")
    _show_answers(stage, screen)
    return _check(stage, screen, written, time.monotonic() - began)


def _count(stage: Stage) -> int:
    answer = stage.get("/logs-*/_count", {"query": {"exists": {"field": "demo_id"}}})
    return int(answer["count"]) if answer else 0


def _show_answers(stage: Stage, screen: Screen) -> None:
    screen.title("What went wrong? The newest errors of the last five minutes:")
    _show(stage, screen, "search", "level:ERROR", "-S", "5m", "-n", "2", "-q")
    trace = _failed_trace(stage)
    if trace:
        screen.title("One of them, across both services, by its trace id:")
        _show(stage, screen, "search", "--trace", trace, "-o", "short", "-q")
    screen.title("Slow requests:")
    _show(stage, screen, "search", "duration_ms:>1000", "-S", "5m", "-n", "4", "-o", "short", "-q")
    screen.title("Counts over time:")
    for line in _histogram(stage, screen):
        screen.step(line)


def _show(stage: Stage, screen: Screen, *arguments: str) -> None:
    output = stage.logship(*arguments, "--color", screen.color_option)
    screen.command([argument for argument in arguments if argument != "-q"], output)


def _failed_trace(stage: Stage) -> str:
    body = {
        "size": 1,
        "query": {"term": {"level": "error"}},
        "sort": [{"@timestamp": "desc"}],
    }
    hits = stage.get("/logs-*/_search", body)["hits"]["hits"]
    return str(hits[0]["_source"].get("trace_id", "")) if hits else ""


def _histogram(stage: Stage, screen: Screen) -> list[str]:
    body = {
        "size": 0,
        "query": {"exists": {"field": "demo_id"}},
        "aggs": {
            "time": {
                "date_histogram": {"field": "@timestamp", "fixed_interval": "1s"},
                "aggs": {"level": {"terms": {"field": "level"}}},
            }
        },
    }
    buckets = stage.get("/logs-*/_search", body)["aggregations"]["time"]["buckets"]
    most = max((bucket["doc_count"] for bucket in buckets), default=1)
    lines = [_bar(bucket, most, screen) for bucket in buckets]
    legend = "   ".join(f"{screen.paint(sign, color)} {level}" for level, sign, color in LEVELS)
    return [*lines, f"{'':16}{legend}"]


def _bar(bucket: dict[str, Any], most: int, screen: Screen) -> str:
    counts = {entry["key"].upper(): entry["doc_count"] for entry in bucket["level"]["buckets"]}
    time_ = datetime.fromtimestamp(bucket["key"] / 1000).astimezone().strftime("%H:%M:%S")
    parts = []
    for level, sign, color in LEVELS:
        count = counts.get(level, 0)
        width = max(1, round(BAR * count / most)) if count else 0
        parts.append(screen.paint(sign * width, color))
    return f"{time_} {bucket['doc_count']:>5}  {''.join(parts)}"


def _check(stage: Stage, screen: Screen, written: dict[str, int], seconds: float) -> Outcome:
    outcome = compare(written, stored_ids(stage))
    screen.title("Did everything arrive exactly once?")
    if outcome.is_exact:
        mark = screen.paint("✔", "1;32")
        screen.step(
            f"{mark} {outcome.written} records written, {outcome.written} stored: none lost, "
            f"none doubled ({seconds:.1f} s)"
        )
        return outcome
    screen.step(f"{screen.paint('✘', '1;31')} {outcome.written} records written, but:")
    for name in ("missing", "doubled", "unexpected"):
        numbers = getattr(outcome, name)
        if numbers:
            shown = ", ".join(numbers[:10]) + (" …" if len(numbers) > 10 else "")
            screen.step(f"  {len(numbers)} {name}: {shown}")
    return outcome


def _keep(stage: Stage, screen: Screen) -> None:
    stage.start_services(0, 3.0)
    screen.title("It all goes on, three orders a second. To try, in another terminal:")
    for line in (
        f"export LOGSHIP_ES_URL={stage.url}",
        "logship search",
        "logship search level:error -S 1h",
        "logship search 'service:payments and duration_ms:>1000'",
        "logship search espresso -o json -n 3",
        f"curl '{stage.url}/_cat/indices?v'",
        f"tail -f {stage.directory}/logs/orders.log",
    ):
        screen.step(line)
    screen.step("")
    screen.step("Ctrl-C ends it and removes its folder.")
    try:
        while True:
            stage.check_alive()
            time.sleep(1)  # Ctrl-C ends it at once; in between there is nothing to do but look
    except KeyboardInterrupt:
        screen.step("\n  ending ...")


def _typed(arguments: Sequence[str]) -> str:
    return " ".join(f"'{a}'" if set(a) & set(" <>:*()") else a for a in arguments)
