"""``logship ship`` as a process: once is once, whatever is repeated, lost or restarted."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until
from tests.support.writer import index_of, json_line, numbered

pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as fake:
        yield fake


class Shipper:
    """``logship ship`` of one folder's files into one state folder."""

    def __init__(self, directory: Path, url: str) -> None:
        self.file, self.state = directory / "app.log", directory / "state"
        self.log, self.url = directory / "stderr", url

    def start(self, *flags: str, **options: object) -> AgentProcess:
        return AgentProcess(
            "ship", self.file, "--to", self.url, "--state-dir", self.state, *flags,
            log=self.log, **options,  # type: ignore[arg-type]
        )  # fmt: skip

    def once(self, *flags: str) -> tuple[int, str]:
        """Run with ``--once``; returns the exit status and what was said."""
        with self.start("--once", *flags) as process:
            status = process.wait()
            assert "Traceback" not in process.stderr, process.stderr
            return status, process.stderr

    def settings(self, directory: Path, **more: object) -> Path:
        """Write a settings file that does what ``ship`` does, and *more*."""
        path = directory / "logship.yaml"
        settings = {
            "elasticsearch": {"hosts": [self.url]},
            "sources": [{"name": "ship", "paths": [str(self.file)]}],
            "state_dir": str(self.state),
        }
        path.write_text(json.dumps({**settings, **more}))
        return path


@pytest.fixture
def shipper(tmp_path: Path, fake: ElasticFake) -> Shipper:
    return Shipper(tmp_path, fake.url)


def numbers(fake: ElasticFake) -> list[int]:
    """The numbers of all stored lines, in order; each in the index of its own day."""
    for (index, _), document in fake.documents.items():
        assert index == index_of(document["n"])
        assert document["message"] == f"line {document['n']}"
    return sorted(document["n"] for document in fake.documents.values())


def test_shipping_again_reads_nothing_again(shipper: Shipper, fake: ElasticFake) -> None:
    """A second run with the same state folder sends nothing; one without it changes nothing."""
    shipper.file.write_bytes(numbered(range(5000)))
    status, said = shipper.once()
    assert (status, numbers(fake)) == (0, list(range(5000)))
    assert said.splitlines()[-1] == (
        "logship: delivered 5000, rescued 0, held 0, dead letters 0, dropped 0, unconfirmed 0"
    )
    bulks = fake.bulks
    status, said = shipper.once()
    assert (status, fake.bulks) == (0, bulks)
    assert "delivered 0," in said.splitlines()[-1]
    shutil.rmtree(shipper.state)
    status, said = shipper.once()
    assert (status, numbers(fake)) == (0, list(range(5000)))
    assert fake.bulks > bulks


def test_server_that_restarts_in_the_middle_has_every_line_once(
    shipper: Shipper, fake: ElasticFake
) -> None:
    """Connections that break and a server that is away for a while change nothing."""
    shipper.file.write_bytes(numbered(range(30_000)))
    fake.script.extend(["", "cut", "503", "garbage"])
    with shipper.start("--once") as process:
        wait_until(lambda: fake.bulks >= 4, "no bulk requests")
        fake.stop()
        fake.start()
        assert process.wait() == 0, process.stderr
    assert numbers(fake) == list(range(30_000))


def test_server_that_is_absent_at_first_is_said_once_and_waited_for(
    shipper: Shipper, fake: ElasticFake
) -> None:
    """Nothing listens when the agent starts: one line says so, and later all is delivered."""
    fake.stop()
    shipper.file.write_bytes(numbered(range(10)))
    with shipper.start() as process:
        wait_until(lambda: "Nothing is lost" in process.stderr, lambda: process.stderr)
        with shipper.file.open("ab") as file:
            file.write(numbered(range(10, 20)))
        fake.start()
        wait_until(lambda: len(fake.documents) == 20, lambda: process.stderr)
        process.signal()
        assert process.wait() == 0
        assert process.stderr.count("Nothing is lost") == 1, process.stderr
    assert numbers(fake) == list(range(20))


def test_terminated_agent_says_what_it_delivered(shipper: Shipper, fake: ElasticFake) -> None:
    """After SIGTERM everything read is delivered, and the last line has the right numbers."""
    shipper.file.write_bytes(numbered(range(100)))
    with shipper.start() as process:
        wait_until(lambda: len(fake.documents) == 100, lambda: process.stderr)
        with shipper.file.open("ab") as file:
            file.write(numbered(range(100, 150)))
        process.signal()
        assert process.wait() == 0
        assert process.stderr.splitlines()[-1] == (
            "logship: delivered 150, rescued 0, held 0, dead letters 0, dropped 0, unconfirmed 0"
        )
    assert numbers(fake) == list(range(150))
    assert shipper.once()[0] == 0
    assert sum(fake.copies.values()) == 150


def test_hanging_server_does_not_hold_up_the_end(
    shipper: Shipper, fake: ElasticFake, tmp_path: Path
) -> None:
    """With a server that never answers, SIGTERM ends the agent within ``shutdown_timeout``; what
    is unconfirmed is said, and the next run delivers it once.
    """
    fake.fault = "hang"
    shipper.file.write_bytes(numbered(range(200)))
    settings = shipper.settings(tmp_path, shutdown_timeout="1s")
    with AgentProcess("run", "-c", settings, log=shipper.log) as process:
        wait_until(lambda: fake.bulks, lambda: process.stderr)
        process.signal()
        assert process.wait(5.0) == 0
        assert "delivered 0," in process.stderr
        assert "unconfirmed 200" in process.stderr
        assert "200 records are unconfirmed: they will be read again" in process.stderr
    fake.fault = ""
    assert shipper.once()[0] == 0
    assert numbers(fake) == list(range(200))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_second_signal_ends_at_once(
    shipper: Shipper, fake: ElasticFake, number: signal.Signals
) -> None:
    """The first signal waits for a server that hangs, the second does not; nothing is lost."""
    fake.fault = "hang"
    shipper.file.write_bytes(numbered(range(50)))
    with shipper.start() as process:
        wait_until(lambda: fake.bulks, lambda: process.stderr)
        process.signal(number)
        wait_until(lambda: "Stopping" in process.stderr, lambda: process.stderr)
        process.signal(number)
        assert process.wait(3.0) == 128 + number
    fake.fault = ""
    assert shipper.once()[0] == 0
    assert numbers(fake) == list(range(50))


def test_once_gives_up_after_its_time(shipper: Shipper, fake: ElasticFake, tmp_path: Path) -> None:
    """``--once --timeout`` with a server that is away ends with status 3, and loses nothing."""
    fake.stop()
    shipper.file.write_bytes(numbered(range(5)))
    settings = shipper.settings(tmp_path, shutdown_timeout="500ms")
    once = ("run", "-c", settings, "--once", "--timeout", "100ms")
    with AgentProcess(*once, log=shipper.log) as process:
        assert process.wait(5.0) == 3
        assert "unconfirmed 5" in process.stderr.splitlines()[-1]
    fake.start()
    assert shipper.once()[0] == 0
    assert numbers(fake) == list(range(5))


def test_what_is_refused_for_good_is_a_dead_letter_and_said(
    shipper: Shipper, fake: ElasticFake
) -> None:
    """Rejected documents are in the dead-letter file; ``--once`` ends 3 and counts them."""
    fake.fault = "reject"
    shipper.file.write_bytes(numbered(range(3)))
    status, said = shipper.once()
    assert status == 3
    assert "delivered 0," in said.splitlines()[-1]
    assert "dead letters 3," in said.splitlines()[-1]
    (letters,) = (shipper.state / "dead-letters").glob("*.ndjson")
    entries = [json.loads(line) for line in letters.read_text().splitlines()]
    assert [entry["doc"]["n"] for entry in entries] == [0, 1, 2]


def test_documents_that_are_put_off_arrive_once(shipper: Shipper, fake: ElasticFake) -> None:
    """429 for half of every batch: only those are sent again."""
    fake.script.extend(["throttle"] * 4)
    shipper.file.write_bytes(numbered(range(1000)))
    assert shipper.once()[0] == 0
    assert numbers(fake) == list(range(1000))
    assert set(fake.copies.values()) == {1}


def test_every_format_is_stored(tmp_path: Path, fake: ElasticFake) -> None:
    """What is no JSON is a message with its reason, and reserved roots stop no line."""
    shipper = Shipper(tmp_path, fake.url)
    lines = [
        b"not json",
        b'{"torn": ',
        b'["a list"]',
        b'{"event":"structlog says","level":"info","timestamp":"2026-11-21T10:00:00Z"}',
        b'{"level":"error","ts":1763719200.5,"caller":"a.go:1","msg":"zap says","error":"boom"}',
        b'{"host":"web-1","message":"a host"}',
        b'{"log":"some log","message":"a log"}',
        b'{"service":{"name":"x"},"message":"a service"}',
        b"2026-11-21 10:00:00,123 WARNING plain text",
    ]
    shipper.file.write_bytes(b"\n".join(lines) + b"\n")
    assert shipper.once("--format", "json")[0] == 0
    stored = {found["log.offset"]: found for found in fake.all()}
    assert len(stored) == len(lines)
    ordered = [stored[offset] for offset in sorted(stored)]
    assert [found["message"] for found in ordered] == [
        "not json", '{"torn": ', '["a list"]', "structlog says", "zap says", "a host", "a log",
        "a service", "2026-11-21 10:00:00,123 WARNING plain text",
    ]  # fmt: skip
    assert [n for n, found in enumerate(ordered) if "parse_error" in found] == [0, 1, 2, 8]


def test_memory_stays_bounded_by_a_line_without_end(shipper: Shipper, fake: ElasticFake) -> None:
    """A line of 64 MiB costs not more memory than its beginning that is kept."""
    shipper.file.write_bytes(json_line(1))
    with shipper.start() as process:
        wait_until(lambda: len(fake.documents) == 1, lambda: process.stderr)
        before = process.peak_bytes()
        with shipper.file.open("ab") as file:
            for _ in range(64):
                file.write(b"x" * (1 << 20))
            file.write(b"\n" + json_line(2))
        wait_until(lambda: len(fake.documents) == 3, lambda: process.stderr)
        grown = process.peak_bytes() - before
        assert grown < 24 << 20, f"{grown >> 20} MiB more"
    assert sorted(len(found["message"]) for found in fake.all()) == [6, 6, 1 << 20]


def test_hanging_server_does_not_fill_memory(shipper: Shipper, fake: ElasticFake) -> None:
    """A full buffer stops reading: the file is the buffer."""
    fake.fault = "hang"
    with shipper.file.open("wb") as file:
        for number in range(0, 200_000, 10_000):
            file.write(b"".join(json_line(n, pad=400) for n in range(number, number + 10_000)))
    with shipper.start() as process:
        wait_until(lambda: fake.bulks >= 1, lambda: process.stderr)
        seen: list[float] = [-1.0, -2.0]

        def is_quiet() -> bool:  # reading has stopped: no CPU time any more
            seen.append(process.cpu_seconds())
            return len(seen) > 60 and seen[-1] - seen[-60] < 0.05

        wait_until(is_quiet, lambda: seen[-3:])
        assert process.peak_bytes() < 150 << 20, f"{process.peak_bytes() >> 20} MiB"


def test_python_that_warns_of_everything_has_nothing_to_say(
    shipper: Shipper, fake: ElasticFake
) -> None:
    """Nothing is left open or unawaited at the end: no warning, no traceback."""
    shipper.file.write_bytes(numbered(range(10)))
    with shipper.start(
        "--once", environment={"PYTHONWARNINGS": "always", "PYTHONDEVMODE": "1"}
    ) as p:
        assert p.wait() == 0
        lines = [line for line in p.stderr.splitlines() if "Warning" in line or "Error" in line]
    assert lines == []
    assert sys.version_info >= (3, 11)


@pytest.mark.parametrize("damage", ["garbage", "halved", "newer", "empty"])
def test_damaged_state_is_put_aside_and_doubles_nothing(
    shipper: Shipper, fake: ElasticFake, damage: str
) -> None:
    """A store that cannot be read is kept under another name and said; what is read again keeps
    its ids.
    """
    shipper.file.write_bytes(numbered(range(300)))
    assert shipper.once()[0] == 0
    store = shipper.state / "checkpoints.db"
    if damage == "garbage":
        store.write_bytes(b"no database" * 1000)
    elif damage == "halved":
        store.write_bytes(store.read_bytes()[: store.stat().st_size // 2])
    elif damage == "newer":
        with closing(sqlite3.connect(store)) as database, database:
            database.execute("UPDATE meta SET value = '999' WHERE key = 'format'")
    else:
        store.write_bytes(b"")
    with shipper.file.open("ab") as file:
        file.write(numbered(range(300, 310)))
    status, said = shipper.once()
    assert (status, numbers(fake)) == (0, list(range(310))), said
    if damage != "empty":
        assert "it was moved to" in said
        assert len(list(shipper.state.glob("checkpoints.db.damaged-*"))) == 1
    assert shipper.once()[0] == 0


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_is_recognised_and_said(
    shipper: Shipper, fake: ElasticFake, encoding: str, tmp_path: Path
) -> None:
    """Who ships a file of Windows as UTF-8 is told the flag's value, with which it is whole."""
    shipper.file.write_bytes("\ufeff2026-11-21 10:00:00 größe\r\n".encode(encoding))
    status, said = shipper.once()
    assert status == 0
    assert f"{shipper.file} begins as UTF-16 does" in said
    assert "encoding: utf-16" in said
    fake.documents.clear()
    shipper.state = tmp_path / "another"
    status, said = shipper.once("--encoding", "utf-16")
    assert status == 0
    assert "begins as UTF-16" not in said
    assert [document["message"] for document in fake.all()] == ["2026-11-21 10:00:00 größe"]
