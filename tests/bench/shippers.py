"""The shippers that are compared: how each is set up and started."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LOGSHIP", "LOGSHIP_GZIP", "SYSLOG_NG", "Shipper", "environment", "logship_settings"]


@dataclass(frozen=True, slots=True)
class Shipper:
    """One shipper in one configuration.

    Attributes:
        name: As it stands in the table.
        command: From (work folder, input file, port of the endpoint) to the command line;
            writes the settings into the work folder, which also holds the state.
    """

    name: str
    command: Callable[[Path, Path, int], list[str]]


def logship_settings(work: Path, source: Path, port: int, *, compression: bool = False) -> Path:
    """Write the settings of one agent, defaults wherever there are some; return their path."""
    lines = [
        "elasticsearch:",
        f"  hosts: [http://127.0.0.1:{port}]",
        *(["  compression: true"] if compression else []),
        "sources:",
        "  - name: bench",
        f"    paths: [{source}]",
        f"state_dir: {work / 'state'}",
        "",
    ]
    path = work / "logship.yaml"
    path.write_text("\n".join(lines))
    return path


def logship_program() -> str:
    """Return the ``logship`` of the Python that runs this."""
    return str(Path(sys.executable).with_name("logship"))


def environment() -> Mapping[str, str]:
    """Return the environment without what would override the settings files.

    Bytecode may be kept, as in every installed package: else each start compiles all modules.
    """
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LOGSHIP_") and name != "PYTHONDONTWRITEBYTECODE"
    }


def _logship(work: Path, source: Path, port: int) -> list[str]:
    return [logship_program(), "run", "-c", str(logship_settings(work, source, port))]


def _logship_gzip(work: Path, source: Path, port: int) -> list[str]:
    settings = logship_settings(work, source, port, compression=True)
    return [logship_program(), "run", "-c", str(settings)]


# Batches of 5,000 as in logship's defaults, a window that holds several of them so that the one
# worker is never idle, and flow control, which makes it wait where it would drop.
SYSLOG_NG_SETTINGS = r"""@version: 3.35
source input {
  file("SOURCE" flags(no-parse) follow-freq(1) log-iw-size(100000) log-fetch-limit(10000));
};
parser json { json-parser(prefix(".json.")); };
destination bulk {
  http(
    url("http://127.0.0.1:PORT/_bulk")
    method("POST")
    headers("Content-Type: application/x-ndjson")
    workers(1)
    batch-lines(5000)
    batch-timeout(500)
    delimiter("\n")
    body-suffix("\n")
    body("ACTION\n$(format-json --subkeys .json.)")
  );
};
log { source(input); parser(json); destination(bulk); flags(flow-control); };
"""
SYSLOG_NG_ACTION = r"{\"index\":{\"_index\":\"logs-${YEAR}.${MONTH}.${DAY}\"}}"


def _syslog_ng(work: Path, source: Path, port: int) -> list[str]:
    settings = work / "syslog-ng.conf"
    values = {"SOURCE": str(source), "PORT": str(port), "ACTION": SYSLOG_NG_ACTION}
    text = SYSLOG_NG_SETTINGS
    for name, value in values.items():
        text = text.replace(name, value)
    settings.write_text(text)
    private = {"-R": "persist", "-p": "pid", "-c": "control"}
    options = [part for flag, name in private.items() for part in (flag, str(work / name))]
    program = shutil.which("syslog-ng") or "syslog-ng"
    return [program, "-F", "--no-caps", "-f", str(settings), *options]


LOGSHIP = Shipper("logship", _logship)
LOGSHIP_GZIP = Shipper("logship, gzip", _logship_gzip)
SYSLOG_NG = Shipper("syslog-ng", _syslog_ng)
