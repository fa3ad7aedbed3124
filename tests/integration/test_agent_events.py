"""Lines that belong together arrive as one record, through quiet times, kills and rotation."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from logship.ids import tail_digest
from logship.settings.model import MultilineSettings
from tests.support.agent import AgentProcess, AgentThread, quick_settings
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until

TRACE = """2026-11-21 10:00:01,500 ERROR request failed
java.lang.IllegalStateException: no session
\tat shop.Cart.load(Cart.java:31)
Caused by: java.io.IOException: reset
\tat shop.Net.read(Net.java:7)
\t... 12 more
"""
JAVA = MultilineSettings(preset="java", timeout_seconds=0.3)


@pytest.fixture
def fake() -> Any:
    with ElasticFake() as server:
        yield server


def messages(fake: ElasticFake) -> list[str]:
    return [str(document.get("message")) for document in fake.all()]


def ship_once(fake: ElasticFake, path: Path, state: Path, **source: Any) -> None:
    AgentThread(quick_settings(fake.url, [path], state, **source), once=True).join()


def test_a_stack_trace_is_one_record(fake: ElasticFake, tmp_path: Path) -> None:
    """A Java trace with its cause is the message of the record that it belongs to."""
    log = tmp_path / "app.log"
    log.write_text(f"2026-11-21 10:00:00,000 INFO up\n{TRACE}2026-11-21 10:00:02,000 INFO down\n")
    ship_once(fake, log, tmp_path / "state", format="text", multiline=JAVA)
    assert messages(fake) == [
        "2026-11-21 10:00:00,000 INFO up",
        TRACE.rstrip("\n"),
        "2026-11-21 10:00:02,000 INFO down",
    ]
    assert [document["level"] for document in fake.all()] == ["INFO", "ERROR", "INFO"]


def test_a_pending_event_goes_out_after_a_quiet_time(fake: ElasticFake, tmp_path: Path) -> None:
    """The last event of a live log does not wait for the next line for ever."""
    log = tmp_path / "app.log"
    log.write_text(TRACE)
    settings = quick_settings(fake.url, [log], tmp_path / "state", format="text", multiline=JAVA)
    with AgentThread(settings):
        wait_until(lambda: fake.documents, "no document")
    assert messages(fake) == [TRACE.rstrip("\n")]


def test_a_replay_ends_events_where_a_quiet_time_did(fake: ElasticFake, tmp_path: Path) -> None:
    """What a timeout parted stays parted, under the same ids, when the file is read again."""
    log = tmp_path / "app.log"
    lines = TRACE.splitlines(keepends=True)
    log.write_text("".join(lines[:3]))
    settings = quick_settings(fake.url, [log], tmp_path / "state", format="text", multiline=JAVA)
    with AgentThread(settings):
        wait_until(lambda: len(fake.documents) == 1, "no first half")
        with log.open("a") as file:
            file.write("".join(lines[3:]))
        wait_until(lambda: len(fake.documents) == 2, "no second half")
    ids = set(fake.documents)
    with sqlite3.connect(tmp_path / "state" / "checkpoints.db") as store:
        store.execute("UPDATE files SET offset = 0, tail = ?", (tail_digest(b""),))
    store.close()
    ship_once(fake, log, tmp_path / "state", format="text", multiline=JAVA)
    assert set(fake.documents) == ids
    assert all(count >= 2 for count in fake.copies.values())


def test_a_kill_under_lines_that_come_one_by_one(fake: ElasticFake, tmp_path: Path) -> None:
    """The file is known again where its last confirmed event ended, and nothing is doubled."""
    log, state = tmp_path / "app.log", tmp_path / "state"
    config = tmp_path / "logship.yaml"
    config.write_text(
        f"elasticsearch: {{hosts: '{fake.url}'}}\n"
        f"sources: [{{paths: ['{log}'], format: text, "
        "multiline: {start: '^[0-9]', timeout: 1h}}]\n"
        f"delivery: {{batch_age: 30ms}}\nstate_dir: {state}\n"
    )
    lines = [f"{f'{number} ' * 150}end\n" for number in range(5)]
    log.write_text("")
    with AgentProcess("run", "-c", config, log=tmp_path / "stderr") as agent:
        for number, line in enumerate(lines):
            with log.open("a") as file:
                file.write(line)
            wait_until(lambda: len(fake.documents) == number, agent.stderr)  # noqa: B023
        confirmed = sum(map(len, lines[:-1]))
        wait_until(lambda: offset_of(state) == confirmed, lambda: f"{offset_of(state)}")
        agent.kill()
    with AgentProcess("run", "-c", config, "--once", log=tmp_path / "stderr") as agent:
        assert agent.wait() == 0, agent.stderr
    assert messages(fake) == [line.rstrip("\n") for line in lines]


def offset_of(state: Path) -> int | None:
    store = sqlite3.connect(f"file:{state}/checkpoints.db?mode=ro", uri=True)
    try:
        row = store.execute("SELECT offset FROM files").fetchone()
    finally:
        store.close()
    return None if row is None else int(row[0])


def test_an_unfinished_event_is_not_confirmed(fake: ElasticFake, tmp_path: Path) -> None:
    """What is under way when Elasticsearch hangs and the agent ends is there after the next run."""
    log = tmp_path / "app.log"
    log.write_text(TRACE + TRACE)
    fake.fault = "hang"
    settings = quick_settings(fake.url, [log], tmp_path / "state", format="text", multiline=JAVA)
    with AgentThread(settings):
        wait_until(lambda: fake.bulks, "no request")
    fake.fault = ""
    fake.stop()
    fake.start()
    ship_once(fake, log, tmp_path / "state", format="text", multiline=JAVA)
    assert messages(fake) == [TRACE.rstrip("\n")] * 2


def test_container_lines_are_joined_per_stream(fake: ElasticFake, tmp_path: Path) -> None:
    """CRI partials of two streams, interleaved, become two records with the runtime's times."""
    log = tmp_path / "0.log"
    log.write_text(
        "2026-11-21T10:00:00.000000001Z stdout P one \n"
        "2026-11-21T10:00:00.000000002Z stderr P eins \n"
        "2026-11-21T10:00:00.000000003Z stdout F two\n"
        "2026-11-21T10:00:00.000000004Z stderr F zwei\n"
        '2026-11-21T10:00:00.000000005Z stdout F {"level":"warn","msg":"json"}\n'
    )
    ship_once(fake, log, tmp_path / "state", format="cri")
    assert sorted(messages(fake)) == ["eins zwei", "json", "one two"]
    found = {document["message"]: document for document in fake.all()}
    assert found["one two"]["@timestamp"] == "2026-11-21T10:00:00.000000001Z"
    assert found["one two"]["stream"] == "stdout"
    assert found["json"]["level"] == "WARNING"


def test_docker_lines_are_unwrapped(fake: ElasticFake, tmp_path: Path) -> None:
    """A json-file line's text is the record; a text that was cut is whole again."""
    log = tmp_path / "c-json.log"
    log.write_text(
        '{"log":"plain\\n","stream":"stdout","time":"2026-11-21T10:00:00.1Z"}\n'
        '{"log":"{\\"a\\":","stream":"stdout","time":"2026-11-21T10:00:01Z"}\n'
        '{"log":"1}\\n","stream":"stdout","time":"2026-11-21T10:00:02Z"}\n'
    )
    ship_once(fake, log, tmp_path / "state", format="docker")
    assert messages(fake)[0] == "plain"
    assert fake.all()[1]["a"] == 1
    assert fake.all()[1]["@timestamp"] == "2026-11-21T10:00:01Z"


def test_logfmt_is_parsed(fake: ElasticFake, tmp_path: Path) -> None:
    """logfmt pairs become fields."""
    log = tmp_path / "app.log"
    log.write_text('ts=2026-11-21T10:00:00Z level=error msg="it broke" order=17\n')
    ship_once(fake, log, tmp_path / "state", format="logfmt")
    (document,) = fake.all()
    assert (document["message"], document["level"]) == ("it broke", "ERROR")
    assert document["@timestamp"] == "2026-11-21T10:00:00Z"


def test_auto_goes_by_the_first_lines(fake: ElasticFake, tmp_path: Path) -> None:
    """Without a format, container, logfmt, syslog, JSON and text files are told apart."""
    (tmp_path / "cri.log").write_text(
        "2026-11-21T10:00:00.000000001Z stdout P one \n"
        "2026-11-21T10:00:00.000000003Z stdout F two\n"
    )
    (tmp_path / "docker.log").write_text(
        '{"log":"from docker\\n","stream":"stdout","time":"2026-11-21T10:00:00.1Z"}\n'
    )
    (tmp_path / "logfmt.log").write_text('level=warn msg="low disk" free=3\n')
    (tmp_path / "syslog.log").write_text("<13>Nov 21 10:00:00 web-1 cron[7]: ran a job\n")
    (tmp_path / "json.log").write_text('{"@timestamp":"2026-11-21T10:00:00Z","message":"json"}\n')
    (tmp_path / "text.log").write_text("just a text\n")
    ship_once(fake, tmp_path / "*.log", tmp_path / "state")
    found = set(messages(fake))
    assert found == {"one two", "from docker", "low disk", "ran a job", "json", "just a text"}


def test_the_format_stays_with_the_file(fake: ElasticFake, tmp_path: Path) -> None:
    """What a file was taken for when it was new holds after a restart, whatever came since."""
    log = tmp_path / "app.log"
    log.write_text("2026-11-21T10:00:00.000000001Z stdout F one\n")
    ship_once(fake, log, tmp_path / "state")
    with log.open("a") as file:
        file.write("2026-11-21T10:00:01Z stdout P tw\n2026-11-21T10:00:02Z stdout F o\n")
    ship_once(fake, log, tmp_path / "state")
    assert messages(fake) == ["one", "two"]
