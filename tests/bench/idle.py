"""``python -m tests.bench.idle``: what thousands of files cost in which nothing happens."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from tests.bench.machine import PROC, BenchError, start
from tests.bench.measure import EndpointClient, endpoint, wait_for_documents
from tests.bench.records import encode_record, records
from tests.bench.shippers import LOGSHIP, environment

FEW = 10  # what the agent itself needs is measured with these
LINES = 4  # in each file: more than the first KiB, by which it is recognised
SETTLE_SECONDS = 45.0  # files that grew are polled for 30 s; then one scan at the least


@dataclass(frozen=True, slots=True)
class Idle:
    """One agent beside files that do not grow.

    Attributes:
        start_seconds: From the start of the process to the last document.
        cpu_share: CPU time over the idle time; 1.0 is one core.
        rss_bytes: Resident memory at its end.
        open_files: Descriptors at its end, of every kind.
    """

    start_seconds: float
    cpu_share: float
    rss_bytes: int
    open_files: int


def measure(count: int, seconds: float) -> tuple[Idle, Idle]:
    """Return the figures of an agent that meets *count* files, and of one that knows them.

    Raises:
        BenchError: An agent ended early, or did not deliver what it had to.
    """
    with tempfile.TemporaryDirectory(prefix="logship-bench-") as folder:
        work = Path(folder)
        logs = work / "logs"
        logs.mkdir()
        written = records(count * LINES + 1, datetime.now(UTC).date())
        for number in range(count):
            lines = b"".join(map(encode_record, islice(written, LINES)))
            (logs / f"app-{number}.log").write_bytes(lines)
        with endpoint(work) as client:
            first = _run(work, client, count * LINES, seconds)
            with (logs / f"app-{count - 1}.log").open("ab") as file:
                file.write(encode_record(next(written)))
            return first, _run(work, client, count * LINES + 1, seconds)


def _run(work: Path, client: EndpointClient, documents: int, seconds: float) -> Idle:
    command = LOGSHIP.command(work, work / "logs" / "*.log", client.port)
    began = time.monotonic()
    with start(command, work / "shipper.log", env=environment()) as process:
        wait_for_documents(client, process, documents)
        started = time.monotonic() - began
        time.sleep(SETTLE_SECONDS)
        cpu, began = process.cpu_seconds(), time.monotonic()
        time.sleep(seconds)  # so long it is to be measured
        share = (process.cpu_seconds() - cpu) / (time.monotonic() - began)
        if client.get("/_stats")["docs"] != documents:
            raise BenchError(f"not {documents:,} documents came, as there are records")
        pid = PROC / str(process.popen.pid)
        return Idle(started, share, process.rss_bytes(), len(list((pid / "fd").iterdir())))


def main() -> int:
    """Measure and print; 1 when a run failed or delivered anything but each record once."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.idle", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="how many files")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long CPU is measured")
    options = parser.parse_args()
    print(f"{'':26}{'start-up':>10}{'CPU':>9}{'RSS':>11}{'per file':>11}{'descriptors':>13}")
    try:
        few = measure(FEW, options.seconds)
        many = measure(options.files, options.seconds)
    except BenchError as error:
        print(f"no figures: {error}", file=sys.stderr)
        return 1
    for count, runs in ((FEW, few), (options.files, many)):
        for name, run, base in zip(("new", "known"), runs, few, strict=True):
            each = (run.rss_bytes - base.rss_bytes) / count / 1024
            print(
                f"{f'{count:,} files, {name}':26}{run.start_seconds:>8.1f} s"
                f"{run.cpu_share:>9.2%}{run.rss_bytes / 2**20:>7.1f} MiB"
                f"{each:>7.1f} KiB{run.open_files:>13}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
