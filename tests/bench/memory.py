"""``python -m tests.bench.memory``: how much memory an agent takes that cannot get rid of it.

An agent with the defaults is given far more than its buffer holds, and a server that takes it,
takes it slowly, hangs, refuses it, or is not there; without and with compression.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from tests.bench.endpoint import TROUBLES
from tests.bench.machine import BenchError, start
from tests.bench.measure import endpoint
from tests.bench.records import encode_record, input_file
from tests.bench.shippers import environment, logship_program, logship_settings
from tests.support.node import free_port

RECORDS = 500_000
ABSENT = "is not there"
SERVERS = ("takes all", *TROUBLES, ABSENT)
INPUT_BYTES = 150 << 20


def usual(_: Path) -> Path:
    """Return the input of the other benchmarks."""
    return input_file(RECORDS)


def many_fields(folder: Path) -> Path:
    """Return a file of records with fifty fields."""
    path = folder / "fields.log"
    with path.open("wb") as file:
        for number in range(INPUT_BYTES // 1400):
            fields = {f"field_{i}": f"value {i * number}" for i in range(50)}
            file.write(encode_record({"@timestamp": "2026-11-20T10:00:00Z", **fields}))
    return path


def long_lines(folder: Path) -> Path:
    """Return a file of lines of almost a mebibyte, which hardly can be compressed."""
    path, chance = folder / "long.log", random.Random(1)
    with path.open("wb") as file:
        for _ in range(INPUT_BYTES >> 20):
            file.write(b"2026-11-20 10:00:00 " + chance.randbytes(520_000).hex().encode() + b"\n")
    return path


def many_files(folder: Path) -> Path:
    """Return a pattern that names two hundred files."""
    with input_file(RECORDS).open("rb") as lines:
        for number in range(200):
            with (folder / f"many-{number}.log").open("wb") as file:
                file.writelines(next(lines) for _ in range(RECORDS // 200))
    return folder / "many-*.log"


INPUTS: dict[str, Callable[[Path], Path]] = {
    "usual": usual,
    "fields": many_fields,
    "lines": long_lines,
    "files": many_files,
}


def main() -> int:
    """Measure and print; 1 when an agent ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.memory", description=__doc__)
    parser.add_argument("--seconds", type=float, default=12.0, help="of each run")
    parser.add_argument("--inputs", nargs="*", choices=INPUTS, default=[*INPUTS])
    options = parser.parse_args()
    print(f"{'server':14}{'input':10}{'':8}{'peak RSS':>10}{'at the end':>12}")
    with tempfile.TemporaryDirectory(prefix="logship-bench-") as folder:
        for name in options.inputs:
            source = INPUTS[name](Path(folder))
            for server in SERVERS:
                for compression in (False, True):
                    try:
                        peak, last = run(server, source, options.seconds, compression=compression)
                    except BenchError as error:
                        print(f"no figures: {error}", file=sys.stderr)
                        return 1
                    how = "gzip" if compression else "plain"
                    figures = f"{peak / 1e6:>7.0f} MB{last / 1e6:>9.0f} MB"
                    print(f"{server:14}{name:10}{how:8}{figures}", flush=True)
    return 0


def run(server: str, source: Path, seconds: float, *, compression: bool) -> tuple[int, int]:
    """Return an agent's highest resident memory and its last, in bytes.

    Raises:
        BenchError: It ended by itself.
    """
    with tempfile.TemporaryDirectory(prefix="logship-bench-") as folder, ExitStack() as stack:
        work = Path(folder)
        if server == ABSENT:
            port = free_port()
        else:
            trouble = ("--trouble", server) if server in TROUBLES else ()
            port = stack.enter_context(endpoint(work, *trouble)).port
        settings = logship_settings(work, source, port, compression=compression)
        command = [logship_program(), "run", "-c", str(settings)]
        process = stack.enter_context(start(command, work / "log", env=environment()))
        time.sleep(seconds)  # so long it is to be measured
        if process.has_ended():
            raise BenchError(f"the agent ended\n{process.log_tail()}")
        found = process.peak_rss_bytes(), process.rss_bytes()
        process.popen.kill()  # what it cannot deliver would keep it for a while
        return found


if __name__ == "__main__":
    sys.exit(main())
