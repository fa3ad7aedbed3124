"""Settings that decide ids and indices change while records are under way: nothing doubles."""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import signal
import sqlite3
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
ROUNDS = int(os.environ.get("LOGSHIP_TEST_ROUNDS") or 8)

Change = dict[str, Any]
LINES = 1500
TOP = ("schema", "processors", "agent")


class Site:
    """A log file, a server, and agents of one state folder whose settings change.

    Every line holds its number as ``<12>``, a time, and now and then what makes formats differ.
    """

    def __init__(self, folder: Path, fake: ElasticFake) -> None:
        self.folder, self.fake, self.log = folder, fake, folder / "app.log"
        self.stderr, self.written = folder / "stderr", 0
        self.node_name = ""

    def write(self, count: int, path: Path | None = None) -> None:
        """Append so many lines."""
        with (path or self.log).open("a") as file:
            for n in range(self.written, self.written + count):
                indent = "  at " if n % 3 == 2 else ""
                pad = "x" * (n * 7 % 400) + ";" * (n % 5 == 0)
                time = f"2026-11-{20 + n // 700 % 2}T{n % 24:02d}:00:{n % 60:02d}Z"
                text = {"@timestamp": time, "message": f"<{n}>", "env": f"e{n % 2}", "pad": pad}
                file.write(f"{indent}{json.dumps(text)}\n")
        self.written += count

    def start(self, change: Change, *flags: str) -> AgentProcess:
        """Start an agent with settings changed by *change*."""
        change = dict(change)
        settings = {
            "elasticsearch": {"hosts": [self.fake.url], "timeout": "5s", "compression": False},
            "index": {"template": False, **change.pop("index", {})},
            "delivery": {
                "batch_records": 50, "batch_age": "50ms", **change.pop("delivery", {}),
            },
            "state_dir": str(self.folder / "state"),
            "shutdown_timeout": "5s",
            **{key: change.pop(key) for key in TOP if key in change},
        }  # fmt: skip
        source = {"name": "app", "paths": f"{self.log}*", "scan_interval": "100ms", **change}
        if isinstance(source["paths"], str):
            source["paths"] = [source["paths"]]
        (self.folder / "logship.yaml").write_text(json.dumps({**settings, "sources": [source]}))
        return AgentProcess(
            "run", "-c", self.folder / "logship.yaml", *flags, log=self.stderr,
            environment={"LOGSHIP_AGENT_ID": "", "LOGSHIP_NODE_NAME": self.node_name},
        )  # fmt: skip

    def run_and_kill(self, change: Change, bulks: int, fault: str = "throttle") -> None:
        """Run an agent and kill it when a bulk request comes, with records under way."""
        stop_at = self.fake.bulks + bulks
        with self.start(change) as process:

            def on_bulk() -> None:
                if self.fake.bulks >= stop_at:
                    process.process.kill()

            self.fake.fault, self.fake.on_bulk = fault, on_bulk
            assert process.wait() == -signal.SIGKILL, process.stderr
            self.fake.fault, self.fake.on_bulk = "", None

    def finish(self, change: Change) -> str:
        """Run an agent that ships what is there; return what it said."""
        with self.start(change, "--once") as process:
            assert process.wait(60) == 0, process.stderr
            assert "Traceback" not in process.stderr
            return process.stderr

    def numbers(self) -> Counter[int]:
        """How often each number is stored."""
        found: Counter[int] = Counter()
        for document in list(self.fake.documents.values()):
            found.update(map(int, set(re.findall(r"<(\d+)>", json.dumps(document)))))
        return found

    def check(self) -> None:
        """See that every line is stored exactly once, whatever it is part of."""
        found = self.numbers()
        twice = [n for n, count in found.items() if count > 1]
        missing = set(range(self.written)) - found.keys()
        assert not twice, f"{len(twice)} are stored twice, as {sorted(twice)[:5]}"
        assert not missing, f"{len(missing)} are missing, as {sorted(missing)[:5]}"

    def indices(self) -> Counter[str]:
        """How many documents each index has."""
        return Counter(index for index, _ in self.fake.documents)


PLAIN: Change = {}
CHANGES: dict[str, Change] = {
    "index name": {"index": {"name": "other-%Y.%m.%d"}},
    "time zone": {"index": {"timezone": "Pacific/Auckland"}},
    "field in the name": {"index": {"name": "app_{env}_%Y"}},
    "data stream": {"index": {"data_stream": "app-default"}},
    "accept window": {"index": {"accept_past": "1s", "accept_future": "0s"}},
    "schema": {"schema": "ecs", "index": {"name": "ecs-%Y.%m.%d"}},
    "processors": {
        "index": {"name": "app_{service}"}, "processors": [{"add_fields": {"service": "b"}}],
    },
    "format": {"format": "text"},
    "multiline": {"multiline": {"continuation": r"^\s"}},
    "encoding": {"encoding": "latin-1", "fields": {"a": 1}, "index": {"name": "app_{a}"}},
    "delimiter": {"delimiter": ";"},
    "max_line_bytes": {"max_line_bytes": 300},
    "ids": {"delivery": {"ids": "none"}},
    "agent.id": {"agent": {"id": "another"}},
}  # fmt: skip


@pytest.fixture
def fake() -> Any:
    with ElasticFake() as fake:
        yield fake


CASES = [
    *(pytest.param(change, False, id=f"to {name}") for name, change in CHANGES.items()),
    *(
        pytest.param(CHANGES[name], True, id=f"from {name}")
        for name in ("field in the name", "multiline", "delimiter", "max_line_bytes")
    ),
]


@pytest.mark.parametrize(("change", "is_back"), CASES)
def test_records_under_way_are_stored_once_when_settings_change(
    tmp_path: Path, fake: ElasticFake, change: Change, is_back: bool
) -> None:
    """Killed with records under way, some stored and some not, and begun with other settings."""
    site = Site(tmp_path, fake)
    old, new = (change, PLAIN) if is_back else (PLAIN, change)
    site.write(LINES)
    site.run_and_kill(old, 6)
    assert fake.documents, "nothing was under way"
    site.write(20)
    site.finish(new)
    site.check()
    assert max(fake.copies.values()) > 1, "nothing was sent again"
    before = dict(fake.documents)
    site.write(20)
    site.finish(new)
    site.check()
    if {"name", "data_stream"} & new.get("index", {}).keys():
        ours = {index for index, id_ in fake.documents if (index, id_) not in before}
        assert not ours & {"logs-2026.11.20", "logs-2026.11.21"}, "old settings hold still"


@pytest.mark.slow
def test_settings_that_change_in_every_run_double_and_lose_nothing(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """Killed at any moment, also while the settings before those before are being finished."""
    rng = random.Random(SEED)
    site = Site(tmp_path, fake)
    names = [name for name in CHANGES if name not in ("agent.id", "ids")]
    for number in range(ROUNDS):
        if number % 3 != 2:
            site.write(rng.randint(200, 600))
        if rng.random() < 0.3:
            site.log.rename(f"{site.log}.{number}")
            site.write(150)
        change = CHANGES[rng.choice(names)]
        site.run_and_kill(change, rng.randint(1, 4), rng.choice(["throttle", "cut", "garbage"]))
    site.finish(CHANGES[rng.choice(names)])
    site.check()
    assert max(fake.copies.values()) > 1, f"nothing was sent again; seed {SEED}"


def test_backlog_that_nobody_read_goes_by_the_new_settings(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """Only so much is finished as can have been under way, not all that waits."""
    site = Site(tmp_path, fake)
    pad = "x" * 1000
    with site.log.open("w") as file:
        for n in range(80_000):
            file.write(f"<{n}> {pad}\n")
    site.written = 80_000
    delivery = {"buffer_bytes": "1MiB", "batch_bytes": "1MiB"}
    site.run_and_kill({"format": "text", "delivery": delivery}, 3, "503")
    assert not fake.documents
    said = site.finish({"format": "text", "index": {"name": "new"}})
    found = site.indices()
    site.check()
    old = sum(found.values()) - found["new"]
    assert 60_000 < old < 70_000, "64 MiB are not noted as read one by one"
    assert f"{old} records went by the old settings" in said


def test_source_that_is_renamed_and_changed_finishes_first(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """What a source had under way that is called otherwise now is not doubled either."""
    site = Site(tmp_path, fake)
    site.write(LINES)
    site.run_and_kill({"name": "one"}, 6)
    said = site.finish({"name": "two", "format": "text", "index": {"name": "new"}})
    site.check()
    assert "index.name, format" in said
    site.write(10)
    assert "old" not in site.finish({"name": "two", "format": "text", "index": {"name": "new"}})
    assert site.indices()["new"] == 10


def test_files_that_are_not_there_to_be_finished_are_told(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """What cannot be looked at may be stored twice: said in one line, with how much that is."""
    site = Site(tmp_path, fake)
    site.write(LINES)
    site.run_and_kill(PLAIN, 6)
    (tmp_path / "elsewhere").mkdir()
    site.log.rename(tmp_path / "elsewhere" / "app.log")
    with site.start({"index": {"name": "new"}}) as process:
        wait_until(lambda: "may be stored twice" in process.stderr, lambda: process.stderr)
        size = (tmp_path / "elsewhere" / "app.log").stat().st_size
        assert f"up to {size} bytes in all" in process.stderr


def test_settings_of_another_version_are_told(tmp_path: Path, fake: ElasticFake) -> None:
    """Settings that cannot be told are no reason to stop: what may double is said."""
    site = Site(tmp_path, fake)
    site.write(LINES)
    site.run_and_kill(PLAIN, 6)
    with sqlite3.connect(tmp_path / "state" / "checkpoints.db") as db:
        text = db.execute("SELECT value FROM meta WHERE key = 'routing app'").fetchone()[0]
        text = text.replace('"version": 1', '"version": 99')
        db.execute("UPDATE meta SET value = ? WHERE key = 'routing app'", (text,))
    db.close()
    said = site.finish(PLAIN)
    assert "version 99; this one is 1" in said
    assert "may be stored twice: up to" in said
    site.check()


def test_machine_that_is_called_otherwise(tmp_path: Path, fake: ElasticFake) -> None:
    """A name that stands in index names is one of the settings, as where pods are renewed."""
    site = Site(tmp_path, fake)
    named = {"index": {"name": "app_{host.name}"}}
    site.write(LINES)
    site.node_name = "one"
    site.run_and_kill(named, 6)
    site.node_name = "two"
    said = site.finish(named)
    site.check()
    assert "(host name)" in said, site.indices()
    site.write(10)
    assert "old" not in site.finish(named)
    site.check()
    assert site.indices()["app_two"] == 10


def test_machine_whose_name_decides_nothing(tmp_path: Path, fake: ElasticFake) -> None:
    """Where index names have no field, another name of the machine is no change."""
    site = Site(tmp_path, fake)
    site.write(LINES)
    site.node_name = "one"
    site.run_and_kill(PLAIN, 6)
    site.node_name = "two"
    assert "old settings" not in site.finish(PLAIN)
    site.check()


def test_stopped_while_finishing_goes_on_with_it_in_the_next_run(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """As long as the server does not answer the old settings are not finished."""
    site = Site(tmp_path, fake)
    site.write(LINES)
    site.run_and_kill(PLAIN, 6)
    fake.fault = "503"
    changed = {"index": {"name": "new"}}
    with site.start(changed) as process:
        before = fake.bulks
        wait_until(lambda: fake.bulks > before, lambda: process.stderr)
        process.signal()
        process.wait()
        assert "went by the old settings" not in process.stderr
    fake.fault = ""
    assert "went by the old settings" in site.finish(changed)
    site.check()
    assert not site.indices()["new"]


def test_file_that_is_shipped_anew_goes_by_the_new_settings(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """Nothing of it is under way under its new ids, so nothing is finished."""
    site = Site(tmp_path, fake)
    site.write(100)
    site.finish(PLAIN)
    state = ("--state-dir", tmp_path / "state")
    with AgentProcess(
        "checkpoints", "reset", "--as-new", *state, site.log, log=site.stderr
    ) as reset:
        assert reset.wait() == 0, reset.stderr
    assert "0 records went by the old settings" in site.finish({"index": {"name": "new"}})
    assert site.indices()["new"] == 100


def test_archive_that_nobody_knows(tmp_path: Path, fake: ElasticFake) -> None:
    """A new archive beside the files does not keep what was under way from being finished."""
    site = Site(tmp_path, fake)
    site.write(LINES)
    site.run_and_kill({}, 3)
    plain = tmp_path / "other"
    site.write(10, plain)
    (tmp_path / "app.log-2026-11-20.gz").write_bytes(gzip.compress(plain.read_bytes()))
    site.finish({"fields": {"environment": "b"}})
    site.check()


def test_bytes_that_are_read_as_utf_16_from_now_on_stop_nothing(
    tmp_path: Path, fake: ElasticFake
) -> None:
    """The old settings may end in the middle of what is a character of the new ones."""
    site = Site(tmp_path, fake)
    site.log.write_bytes("".join(f"<{n}>\n" for n in range(101)).encode("utf-16-le"))
    site.finish(PLAIN)
    changed = {"encoding": "utf-16-le", "index": {"name": "new"}}
    site.finish(changed)
    with site.log.open("ab") as file:
        file.write("".join(f"<{n}>\n" for n in range(101, 200)).encode("utf-16-le"))
    site.finish(changed)
    messages = {doc["message"] for (index, _), doc in fake.documents.items() if index == "new"}
    assert {f"<{n}>" for n in range(102, 200)} <= messages
