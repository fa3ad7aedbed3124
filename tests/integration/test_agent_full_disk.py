"""A state folder that takes no more: delivery goes on, and nothing is lost or doubled."""

from __future__ import annotations

import itertools
import json
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until
from tests.support.writer import json_line

FREE = resource.RLIM_INFINITY
STATE_BYTES = 64 << 10  # a limit per file stands in for a full disk; stderr fits below it


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as fake:
        yield fake


def test_full_disk_stops_no_delivery(tmp_path: Path, fake: ElasticFake) -> None:
    """Checkpoints that cannot be saved are said once, and known files go on; new files wait for
    their notes; when there is room again, everything is stored once, also after a kill.
    """
    logs = tmp_path / "logs"
    logs.mkdir()
    settings = tmp_path / "logship.yaml"
    settings.write_text(
        json.dumps(
            {
                "elasticsearch": {"hosts": [fake.url]},
                "sources": [{"paths": [f"{logs}/*.log"], "scan_interval": "100ms"}],
                "delivery": {"batch_age": "20ms"},
                "state_dir": str(tmp_path / "state"),
                "log": {"format": "text"},
            }
        )
    )
    counter = itertools.count()
    written: list[int] = []

    def write(name: str) -> None:
        number = next(counter)
        with (logs / name).open("ab") as file:
            file.write(json_line(number))
        written.append(number)

    def stored() -> list[int]:
        return sorted(found["n"] for found in list(fake.documents.values()))

    def limit(pid: int, size: int) -> None:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, FREE))

    with AgentProcess("run", "-c", settings, log=tmp_path / "stderr") as process:
        write("known.log")
        wait_until(lambda: stored() == written, lambda: process.stderr)
        limit(process.process.pid, STATE_BYTES)

        def is_full() -> bool:
            write("known.log")
            return "Cannot save checkpoints" in process.stderr

        wait_until(is_full, lambda: process.stderr, seconds=40)
        wait_until(lambda: stored() == written, lambda: process.stderr)
        number = next(counter)
        (logs / "new.log").write_bytes(json_line(number))
        wait_until(lambda: "cannot note" in process.stderr, lambda: process.stderr)
        write("known.log")
        wait_until(lambda: stored() == written, lambda: process.stderr)
        assert number not in stored()
        limit(process.process.pid, FREE)
        written.append(number)
        written.sort()
        wait_until(lambda: stored() == written, lambda: process.stderr)
        wait_until(lambda: "saved again" in process.stderr, lambda: process.stderr)
        for text in ("Cannot save checkpoints", "cannot note", "saved again"):
            assert process.stderr.count(text) == 1, process.stderr
        assert "Traceback" not in process.stderr
        limit(process.process.pid, STATE_BYTES)
        wait_until(is_full, "-", seconds=40)
        process.kill()
    with AgentProcess("run", "-c", settings, "--once", log=tmp_path / "stderr") as process:
        assert process.wait() == 0, process.stderr
    assert stored() == sorted(written)
    assert set(fake.found("n").values()) == {1}
