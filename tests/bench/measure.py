"""One run of one shipper against a fresh endpoint: how much it moves, and how soon."""

from __future__ import annotations

import http.client
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import FileIO
from pathlib import Path
from typing import Any

from tests.bench.machine import (
    BenchError,
    Cores,
    Process,
    busy_seconds,
    own_cpu_seconds,
    start,
)
from tests.bench.records import encode_record, records
from tests.bench.shippers import Shipper, environment

__all__ = [
    "EndpointClient",
    "Latency",
    "Throughput",
    "endpoint",
    "latency",
    "throughput",
    "wait_for_documents",
]

POLL_SECONDS = 0.1
STALL_SECONDS = 60.0
LINES_PER_SECOND = 1000


@dataclass(frozen=True, slots=True)
class Throughput:
    """What one run over a whole file gave.

    Attributes:
        seconds: From the start of the process to the last document.
        working_seconds: From the first byte of its first request to the last document.
        cpu_seconds: User and system time of the shipper's whole life.
        shipper_share, endpoint_share: CPU time over *seconds*; 1.0 is one core.
        others_share: CPU time of everything else on the machine; None when not known.
    """

    records: int
    documents: int
    seconds: float
    working_seconds: float
    cpu_seconds: float
    peak_rss_bytes: int
    shipper_share: float
    endpoint_share: float
    others_share: float | None
    load: float

    @property
    def is_exact(self) -> bool:
        """Whether as many documents came in as records were written."""
        return self.documents == self.records


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from writing a line to the answer that acknowledged it, sorted.

    Attributes:
        missing: Lines that never came.
        cpu_share: The shipper's CPU time over the writing time; 1.0 is one core.
    """

    seconds: list[float]
    missing: int
    cpu_share: float

    def quantile(self, part: float) -> float:
        """Return the value that *part* (0 to 1) of the lines did not exceed."""
        return self.seconds[min(len(self.seconds) - 1, int(part * len(self.seconds)))]


class EndpointClient:
    """Asks a running endpoint what it saw."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(self, path: str) -> Any:
        """Return the parsed answer to ``GET path``."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def endpoint(work: Path, *options: str) -> Iterator[EndpointClient]:
    """Run an endpoint of its own for the block."""
    command = [sys.executable, "-m", "tests.bench.endpoint", *options]
    with start(command, work / "endpoint.log") as process:
        assert process.popen.stdout is not None
        first = process.popen.stdout.readline().split()
        if len(first) != 2:
            raise BenchError("the endpoint did not start")
        yield EndpointClient(int(first[1]))


def throughput(shipper: Shipper, source: Path, count: int, cores: Cores) -> Throughput:
    """Ship the whole of *source*, *count* lines, with a fresh state.

    Raises:
        BenchError: The shipper ended early, or stood still for a minute.
    """
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="logship-bench-") as folder, ExitStack() as stack:
        work = Path(folder)
        client = stack.enter_context(endpoint(work))
        command = shipper.command(work, source, client.port)
        busy, own = busy_seconds(), own_cpu_seconds()
        started_ns = time.monotonic_ns()
        process = stack.enter_context(
            start(command, work / "shipper.log", env=environment(), core=cores.shipper)
        )
        stats = wait_for_documents(client, process, count)
        shipper_cpu = process.cpu_seconds()
        usage = process.stop()
        after = client.get("/_stats")  # what still comes once the count is reached counts too
        known = usage.cpu_seconds + after["cpu_seconds"] + own_cpu_seconds() - own
        others = None if busy is None else max(0.0, (busy_seconds() or 0.0) - busy - known)
    seconds = (stats["last_bulk_ns"] - started_ns) / 1e9
    return Throughput(
        records=count,
        documents=after["docs"],
        seconds=seconds,
        working_seconds=(stats["last_bulk_ns"] - stats["first_ns"]) / 1e9,
        cpu_seconds=usage.cpu_seconds,
        peak_rss_bytes=usage.peak_rss_bytes,
        shipper_share=shipper_cpu / seconds,
        endpoint_share=stats["cpu_seconds"] / seconds,
        others_share=None if others is None else others / seconds,
        load=load,
    )


def latency(shipper: Shipper, writing_seconds: float, cores: Cores) -> Latency:
    """Append a thousand lines a second to one file and see when each is acknowledged.

    The shipper is running and has delivered a first line before the measured ones are written.

    Raises:
        BenchError: The shipper ended early, or stood still for a minute.
    """
    count = int(writing_seconds * LINES_PER_SECOND) + 1
    lines = records(count, datetime.now(UTC).date())
    with tempfile.TemporaryDirectory(prefix="logship-bench-") as folder, ExitStack() as stack:
        work = Path(folder)
        client = stack.enter_context(endpoint(work, "--arrivals"))
        source = work / "app.log"
        with source.open("ab", buffering=0) as file:
            file.write(_line_of_now(next(lines)))
            process = stack.enter_context(
                start(
                    shipper.command(work, source, client.port),
                    work / "shipper.log",
                    env=environment(),
                    core=cores.shipper,
                )
            )
            wait_for_documents(client, process, 1)
            cpu, began = process.cpu_seconds(), time.monotonic()
            written_ns = _write_steadily(file, lines)
            share = (process.cpu_seconds() - cpu) / (time.monotonic() - began)
        wait_for_documents(client, process, count)
        arrivals = client.get("/_arrivals")
    # The first line waited for the shipper to start and is not one of the measured.
    found = [arrivals.get(str(line)) for line in range(1, count)]
    return Latency(
        seconds=sorted(
            (at - wrote) / 1e9 for at, wrote in zip(found, written_ns, strict=True) if at
        ),
        missing=found.count(None),
        cpu_share=share,
    )


def _write_steadily(file: FileIO, lines: Iterator[dict[str, object]]) -> list[int]:
    """Write each line at its own millisecond; return when, by the monotonic clock."""
    written_ns: list[int] = []
    start_ns = time.monotonic_ns()
    for number, record in enumerate(lines):
        wait_ns = start_ns + number * 1_000_000_000 // LINES_PER_SECOND - time.monotonic_ns()
        if wait_ns > 0:
            time.sleep(wait_ns / 1e9)
        line = _line_of_now(record)
        written_ns.append(time.monotonic_ns())
        file.write(line)
    return written_ns


def _line_of_now(record: dict[str, object]) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return encode_record({**record, "@timestamp": now})


def wait_for_documents(client: EndpointClient, process: Process, count: int) -> dict[str, Any]:
    """Return the endpoint's counters once *count* documents came in, or more.

    Raises:
        BenchError: The shipper ended, or stood still for a minute.
    """
    docs, deadline = -1, 0.0
    while True:
        stats: dict[str, Any] = client.get("/_stats")
        if stats["docs"] >= count:
            return stats
        if process.has_ended():
            status = process.stop().status
            raise BenchError(f"the shipper ended with status {status}\n{process.log_tail()}")
        if stats["docs"] != docs:
            docs, deadline = stats["docs"], time.monotonic() + STALL_SECONDS
        elif time.monotonic() > deadline:
            still = f"no document for {STALL_SECONDS:.0f} s after {docs:,}"
            raise BenchError(f"{still}\n{process.log_tail()}")
        time.sleep(POLL_SECONDS)
