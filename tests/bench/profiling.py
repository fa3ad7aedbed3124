"""One run of the agent under cProfile: where its time goes, function by function."""

from __future__ import annotations

import cProfile
import io
import pstats
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from tests.bench.machine import start
from tests.bench.measure import endpoint, wait_for_documents
from tests.bench.shippers import environment, logship_settings

__all__ = ["profile"]

TOP = 45


def profile(source: Path, count: int) -> str:
    """Ship *source* with an agent under cProfile; return its functions by their own CPU time.

    Figures are for finding what to look at: cProfile adds about a microsecond to every call of
    a Python function, so many small functions look worse than they are.
    """
    with tempfile.TemporaryDirectory(prefix="logship-bench-") as folder:
        work = Path(folder)
        with endpoint(work) as client:
            settings = logship_settings(work, source, client.port)
            output = work / "profile"
            command = [sys.executable, "-m", __spec__.name, str(output), str(settings)]
            with start(command, work / "shipper.log", env=environment()) as process:
                wait_for_documents(client, process, count)
        text = io.StringIO()
        statistics = pstats.Stats(str(output), stream=text)
        statistics.sort_stats("tottime").print_stats(TOP)
    return text.getvalue()


def run_profiled(output: Path, arguments: list[str]) -> None:
    """Run ``logship`` with *arguments* in this process, all its threads profiled."""
    from logship.cli.main import main

    # From Python 3.12 on one profile sees every thread, and no thread can have its own.
    has_own_profiles = sys.version_info < (3, 12)
    timer = time.thread_time if has_own_profiles else time.process_time  # waiting costs nothing
    profiles = [cProfile.Profile(timer)]

    def profile_thread(_frame: FrameType, _event: str, _argument: Any) -> None:
        own = cProfile.Profile(timer)
        profiles.append(own)
        own.enable()  # takes this function's place in the thread

    if has_own_profiles:
        threading.setprofile(profile_thread)
    profiles[0].enable()
    try:
        main(arguments)
    finally:
        threading.setprofile(None)
        profiles[0].disable()
        total = pstats.Stats(profiles[0])
        for own in profiles[1:]:
            own.create_stats()
            if own.getstats():
                total.add(own)
        total.dump_stats(output)


if __name__ == "__main__":
    run_profiled(Path(sys.argv[1]), ["run", "-c", sys.argv[2]])
