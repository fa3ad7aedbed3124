"""``python -m tests.bench``: logship and syslog-ng on the same file and the same cores, in turn."""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Callable

from tests.bench.machine import BenchError, Cores
from tests.bench.measure import Latency, Throughput, latency, throughput
from tests.bench.profiling import profile
from tests.bench.records import input_file
from tests.bench.shippers import LOGSHIP, LOGSHIP_GZIP, SYSLOG_NG, Shipper

# Events per second from the start of the process, from its first request, and of CPU time.
RATES: tuple[Callable[[Throughput], float], ...] = (
    lambda run: run.records / run.seconds,
    lambda run: run.records / run.working_seconds,
    lambda run: run.records / run.cpu_seconds,
)
COLUMNS = (
    f"{'':24}{'events/s':>11}{'working':>11}{'per CPU s':>11}{'peak RSS':>10}"
    f"{'shipper':>9}{'endpoint':>10}{'others':>8}{'load':>6}  documents"
)


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="lines of the input file")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each shipper (medians)")
    parser.add_argument("--no-syslog-ng", action="store_true", help="logship alone")
    parser.add_argument(
        "--latency-seconds", type=float, default=10.0, help="how long lines are written; 0: never"
    )
    parser.add_argument(
        "--profile", action="store_true", help="one run under cProfile instead of measuring"
    )
    return parser.parse_args()


def main() -> int:
    """Measure and print; 1 when a run failed or delivered anything but each record once."""
    options = parse_options()
    source = input_file(options.records)
    try:
        if options.profile:
            print(profile(source, options.records))
            return 0
        return compare(options)
    except BenchError as error:
        print(f"no figures: {error}", file=sys.stderr)
        return 1


def compare(options: argparse.Namespace) -> int:
    """Run every shipper in every round, and print the table as it grows."""
    source = input_file(options.records)
    shippers = [LOGSHIP, LOGSHIP_GZIP]
    if not options.no_syslog_ng:
        if shutil.which("syslog-ng"):
            shippers.append(SYSLOG_NG)
        else:
            print("syslog-ng is not on the PATH; logship is measured alone")
    cores = Cores.choose()
    average = source.stat().st_size / options.records
    print(f"{options.records:,} records of {average:.0f} bytes; {cores}")
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores\n\n{COLUMNS}")
    runs: dict[str, list[Throughput]] = {shipper.name: [] for shipper in shippers}
    for number in range(options.rounds):
        for shipper in shippers:
            run = throughput(shipper, source, options.records, cores)
            runs[shipper.name].append(run)
            print(f"{number + 1} {shipper.name:22}{row(run)}", flush=True)
    print_medians(runs)
    if options.latency_seconds > 0:
        print_latencies([s for s in shippers if s is not LOGSHIP_GZIP], options, cores)
    return 0 if all(run.is_exact for name in runs for run in runs[name]) else 1


def row(run: Throughput) -> str:
    """Return the columns of one run."""
    others = "?" if run.others_share is None else f"{run.others_share:.0%}"
    missing = run.records - run.documents
    documents = "exact" if run.is_exact else f"WRONG: {run.documents:,} ({-missing:+,})"
    return (
        "".join(f"{rate(run):>11,.0f}" for rate in RATES) + f"{run.peak_rss_bytes / 1e6:>7.0f} MB"
        f"{run.shipper_share:>9.0%}{run.endpoint_share:>10.0%}{others:>8}{run.load:>6.2f}"
        f"  {documents}"
    )


def print_medians(runs: dict[str, list[Throughput]]) -> None:
    """Print the medians of each shipper, and its ratios to syslog-ng."""
    print(f"\nmedians{COLUMNS[7:67]}")
    for name, own in runs.items():
        rates = "".join(f"{median(own, rate):>11,.0f}" for rate in RATES)
        rss = median(own, lambda run: run.peak_rss_bytes) / 1e6
        print(f"{name:24}{rates}{rss:>7.0f} MB")
    baseline = runs.get(SYSLOG_NG.name)
    for name, own in runs.items():
        if baseline and own is not baseline:
            ratios = "".join(
                f"{median(own, rate) / median(baseline, rate):>11.2f}" for rate in RATES
            )
            print(f"{name + ' / ' + SYSLOG_NG.name:24}{ratios}")


def print_latencies(shippers: list[Shipper], options: argparse.Namespace, cores: Cores) -> None:
    """Measure and print how soon a line is acknowledged."""
    seconds = options.latency_seconds
    print(f"\nwrite to acknowledged, 1,000 lines/s for {seconds:.0f} s")
    print(f"{'':24}{'p50':>10}{'p99':>10}{'max':>10}{'CPU':>8}")
    for shipper in shippers:
        found = latency(shipper, seconds, cores)
        missing = f"  {found.missing:,} MISSING" if found.missing else ""
        print(f"{shipper.name:24}{latency_row(found)}{missing}", flush=True)


def latency_row(found: Latency) -> str:
    """Return the columns of one latency run."""
    parts = (found.quantile(0.5), found.quantile(0.99), found.seconds[-1])
    return "".join(f"{part * 1000:>7,.0f} ms" for part in parts) + f"{found.cpu_share:>8.1%}"


def median(runs: list[Throughput], figure: Callable[[Throughput], float]) -> float:
    """Return the median of one figure."""
    return statistics.median(map(figure, runs))


if __name__ == "__main__":
    sys.exit(main())
