"""Lines of every form become the right documents, also through SIGKILL: once, under the same ids.

The samples are written as runtimes and services write them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logship.settings.model import MultilineSettings
from tests.support.agent import AgentProcess, AgentThread, World, quick_settings
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until

SAMPLES = Path(__file__).parents[1] / "support" / "samples"
Rows = list[tuple[Any, ...]]


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as server:
        yield server


def ship_once(fake: ElasticFake, path: Path, state: Path, **source: Any) -> None:
    AgentThread(quick_settings(fake.url, [path], state, **source), once=True).join()


def documents(fake: ElasticFake) -> list[dict[str, Any]]:
    """What is stored, in the order of the file."""
    return sorted(fake.all(), key=lambda document: int(document["log.offset"]))


def fields_of(fake: ElasticFake, *names: str) -> Rows:
    """Those fields of every document, in the order of the file."""
    return [tuple(document.get(name) for name in names) for document in documents(fake)]


CONTAINER_FIELDS = ("message", "stream", "@timestamp")
CRI = [
    ("starting", "stdout", "2026-11-21T10:00:00.123456789Z"),
    ("the beginning of a long text, its middle and its end", "stdout",
     "2026-11-21T10:00:01.000000001Z"),
    ("warning: disk nearly full", "stderr", "2026-11-21T10:00:01.000000002Z"),
    ("in the time of another zone", "stderr", "2026-11-21T10:00:03.5Z"),
    ("this line is of another format", None, "2026-11-21T10:00:03.5Z"),
    ("done", "stdout", "2026-11-21T10:00:04.000000000Z"),
]  # fmt: skip
DOCKER = [
    ("starting", "stdout", "2026-11-21T10:00:00.123456789Z"),
    ("the beginning of a long text, and its end", "stdout", "2026-11-21T10:00:01.000000001Z"),
    ("warning: disk nearly full", "stderr", "2026-11-21T10:00:01.000000002Z"),
    ("größer < tag", "stdout", "2026-11-21T10:00:03Z"),
    ("json, but not of docker", None, "2026-11-21T10:00:03Z"),
    ('{"log":"torn', None, "2026-11-21T10:00:03Z"),
    ("done", "stdout", "2026-11-21T10:00:04.000000000Z"),
]
UTF16 = [
    (2, "2026-11-21 10:00:00.120 INFO Dienst gestartet", "INFO", None),
    (96, "2026-11-21 10:00:01.004 WARN Größe überschritten: 5 € statt 3 €", "WARNING", None),
    (226, "2026-11-21 10:00:02.000 ERROR 注文 17 失敗 😀", "ERROR", None),
    (316, "2026-11-21 10:00:03.000 INFO Ѐ一਀ end", "INFO", None),
]


@pytest.mark.parametrize(("name", "expected"), [("cri", CRI), ("docker", DOCKER)])
def test_container_logs_with_partial_lines(
    name: str, expected: Rows, fake: ElasticFake, tmp_path: Path
) -> None:
    """Texts that a runtime cut are whole, per stream, with the runtime's time and stream."""
    ship_once(fake, SAMPLES / f"{name}.log", tmp_path / "state")
    assert fields_of(fake, *CONTAINER_FIELDS) == expected
    extra = {name: value for one in fake.all() for name, value in one.get("extra", {}).items()}
    assert extra == (
        {"docker_attrs_tag": "web", "docker_attrs_com_example_team": "shop"}
        if name == "docker"
        else {}
    )


@pytest.mark.parametrize(
    ("preset", "begins", "trace"),
    [
        ("java", 10, "Caused by: java.net.ConnectException: refused"),
        ("python", 11, "The above exception was the direct cause of the following exception:"),
        ("go", 8, "created by net/http.(*Server).Serve in goroutine 1"),
        ("node", 9, "  [cause]: Error: connect ECONNREFUSED 127.0.0.1:5432"),
        ("dotnet", 6, "   --- End of inner exception stack trace ---"),
        ("php", 5, "Next OrderException: order 17 in /app/orders.php:60"),
    ],
)
def test_stack_traces_are_one_document(
    preset: str, begins: int, trace: str, fake: ElasticFake, tmp_path: Path
) -> None:
    """Every line of a file with traces is in one event, nested causes with their record."""
    sample = SAMPLES / f"{preset}.log"
    ship_once(
        fake, sample, tmp_path / "state", format="text", multiline=MultilineSettings(preset=preset)
    )
    messages = [str(message) for (message,) in fields_of(fake, "message")]
    assert len(messages) == begins
    lines = [line for message in messages for line in message.split("\n") if line.strip()]
    assert lines == [line for line in sample.read_text().split("\n") if line.strip()]
    (whole,) = [message for message in messages if f"\n{trace}" in message]
    assert whole.count("\n") > 4


def test_a_stack_trace_in_json_is_left_alone(fake: ElasticFake, tmp_path: Path) -> None:
    """What is one line is one record, with its fields, whatever text it holds."""
    stack = "java.io.IOException: reset\n\tat a.B.c(B.java:1)\nCaused by: d.E\n\t... 3 more"
    log = tmp_path / "app.log"
    records = [{"@timestamp": f"2026-11-21T10:00:0{n}Z", "message": f"m{n}", "error": {
        "type": "java.io.IOException", "stack_trace": stack}} for n in range(3)]  # fmt: skip
    log.write_text("".join(json.dumps(record) + "\n" for record in records))
    ship_once(fake, log, tmp_path / "state", multiline=MultilineSettings(preset="java"))
    assert fields_of(fake, "message", "error.type", "error.stack_trace") == [
        (record["message"], "java.io.IOException", stack) for record in records
    ]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_a_utf16_file(encoding: str, fake: ElasticFake, tmp_path: Path) -> None:
    """Text is text, empty lines are none, and offsets are those of the file's bytes."""
    ship_once(fake, SAMPLES / "utf16.log", tmp_path / "state", encoding=encoding)
    assert fields_of(fake, "log.offset", "message", "level", "tags") == UTF16
    data = (SAMPLES / "utf16.log").read_bytes()
    for offset, message, *_ in UTF16:
        assert data[offset:].decode("utf-16-le").startswith(str(message))


@pytest.mark.parametrize(
    ("encoding", "text"), [("latin-1", "größer"), ("shift_jis", "表ソ|"), ("gbk", "中文"),
                           ("utf-16-be", "ਊĀ一")],
)  # fmt: skip
def test_other_encodings(encoding: str, text: str, fake: ElasticFake, tmp_path: Path) -> None:
    """Bytes that are no text of the encoding are replaced, and the record says so."""
    log = tmp_path / "app.log"
    bad = b"\xd8\x00\xd8\x00" if encoding.startswith("utf") else b"\xff\xff"
    bad = b"" if encoding == "latin-1" else bad
    log.write_bytes(f"{text} 1\n{text} ".encode(encoding) + bad + "\n".encode(encoding))
    ship_once(fake, log, tmp_path / "state", encoding=encoding, format="text")
    (first, second) = documents(fake)
    assert first["message"] == f"{text} 1"
    assert second["message"].rstrip("\ufffd") == f"{text} "
    assert ("\ufffd" in second["message"]) == bool(bad)
    tags = [tag for tag in second.get("tags", []) if tag == "invalid_utf8"]
    assert tags == ["invalid_utf8"] * bool(bad)


def test_json_over_several_lines(fake: ElasticFake, tmp_path: Path) -> None:
    """With NUL between records, each may go over as many lines as it likes."""
    records = [
        {"@timestamp": f"2026-11-21T10:00:0{n}Z", "level": "INFO", "message": f"a\nb {n}"}
        for n in range(4)
    ]
    log = tmp_path / "app.log"
    log.write_text("".join(json.dumps(record, indent=2) + "\n\0" for record in records))
    ship_once(fake, log, tmp_path / "state", delimiter="\0")
    assert fields_of(fake, "@timestamp", "level", "message", "tags") == [
        (record["@timestamp"], "INFO", record["message"], None) for record in records
    ]


def test_long_lines_may_be_skipped(fake: ElasticFake, tmp_path: Path) -> None:
    """Skipped or cut, what stands around a line that is too long is the same."""
    log = tmp_path / "app.log"
    log.write_text("first\n" + "x" * 5000 + "\nlast\n")
    ship_once(fake, log, tmp_path / "state", max_line_bytes=1000, long_lines="skip")
    assert fields_of(fake, "message", "log.offset") == [("first", 0), ("last", 5007)]
    ids = set(fake.documents)
    ship_once(fake, log, tmp_path / "other", max_line_bytes=1000)
    assert ids < set(fake.documents)
    assert fields_of(fake, "message", "tags")[1][0] == "x" * 1000


def test_a_silent_stream_beside_a_busy_one(fake: ElasticFake, tmp_path: Path) -> None:
    """Its last event goes out once the other stream has gone on, and is the same in a replay."""
    log = tmp_path / "0.log"
    lines = [
        "2026-11-21T10:00:00Z stderr F 2026-11-21 10:00:00 ERROR failed",
        "2026-11-21T10:00:00Z stderr F \tat a.B.c(B.java:1)",
        "2026-11-21T10:00:00Z stdout F 2026-11-21 10:00:00 INFO one",
        "2026-11-21T10:59:59Z stdout F 2026-11-21 10:59:59 INFO two",
        "2026-11-21T11:00:01Z stdout F 2026-11-21 11:00:01 INFO three",
        "2026-11-21T11:00:02Z stderr F \tat d.E.f(E.java:2)",
        "2026-11-21T11:00:02Z stderr P torn",
    ]
    log.write_text("".join(f"{line}\n" for line in lines[:5]))
    multiline = MultilineSettings(preset="java", timeout_seconds=3600)
    options: dict[str, Any] = {"format": "cri", "multiline": multiline}
    trace = "2026-11-21 10:00:00 ERROR failed\n\tat a.B.c(B.java:1)"
    settings = quick_settings(fake.url, [log], tmp_path / "state", **options)
    with AgentThread(settings):
        wait_until(lambda: trace in fake.found(), lambda: str(fake.found()))
        with log.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines[5:]))
    ids = set(fake.documents)
    again = tmp_path / "again"
    ship_once(fake, log, again, **options)
    assert ids <= set(fake.documents)
    assert len(fake.documents) == 6
    assert fields_of(fake, "message") == [
        (trace,), ("2026-11-21 10:00:00 INFO one",), ("2026-11-21 10:59:59 INFO two",),
        ("2026-11-21 11:00:01 INFO three",), ("\tat d.E.f(E.java:2)",), ("torn",),
    ]  # fmt: skip


KILLED = {
    "cri": "format: auto",
    "docker": "format: docker",
    "java": "format: text, multiline: {preset: java, timeout: 1h}",
    "python": "format: text, multiline: {preset: python, timeout: 1h}",
    "utf16": "encoding: utf-16",
}


@pytest.mark.parametrize("name", KILLED)
def test_killed_in_the_middle_of_a_file(name: str, fake: ElasticFake, tmp_path: Path) -> None:
    """Killed, with half a line or event read, and run again: the documents and ids of one run."""
    data = (SAMPLES / f"{name}.log").read_bytes()
    log, settings = tmp_path / "app.log", tmp_path / "logship.yaml"
    settings.write_text(
        f"elasticsearch: {{hosts: [{fake.url}], timeout: 5s}}\n"
        f"sources: [{{name: test, paths: [{log}], scan_interval: 50ms, {KILLED[name]}}}]\n"
        f"delivery: {{batch_age: 30ms}}\nstate_dir: {tmp_path / 'state'}\n"
    )
    log.write_bytes(data[: len(data) * 3 // 5 | 1])
    with AgentProcess("run", "-c", settings, log=tmp_path / "stderr") as process:
        wait_until(lambda: fake.documents, lambda: process.stderr)
        process.kill()
    with log.open("ab") as file:
        file.write(data[len(data) * 3 // 5 | 1 :])
    with AgentProcess("run", "-c", settings, "--once", log=tmp_path / "stderr") as process:
        assert process.wait(30) == 0, process.stderr
    found = {key: document["message"] for key, document in fake.documents.items()}
    with ElasticFake() as other:
        settings.write_text(settings.read_text().replace(fake.url, other.url))
        with AgentProcess(
            "run", "-c", settings, "--once", "--state-dir", tmp_path / "other",
            log=tmp_path / "stderr",
        ) as process:  # fmt: skip
            assert process.wait(30) == 0, process.stderr
        expected = {key: document["message"] for key, document in other.documents.items()}
    assert found == expected


def test_auto_says_what_it_chose(
    fake: ElasticFake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """For every new file, by its first lines; files that look alike are named together."""
    for name in ("cri", "docker", "logfmt", "json"):
        (tmp_path / f"{name}.log").write_bytes((SAMPLES / f"{name}.log").read_bytes())
    (tmp_path / "other.log").write_text("just a text\n")
    with caplog.at_level(logging.INFO, logger="logship"):
        ship_once(fake, tmp_path / "*.log", tmp_path / "state")
    said = [message for message in caplog.messages if "read as" in message]
    assert f"Source test: {tmp_path}/cri.log is read as cri." in said
    assert f"Source test: {tmp_path}/docker.log is read as docker." in said
    assert f"Source test: {tmp_path}/logfmt.log is read as logfmt." in said
    (both,) = [message for message in said if "line by line" in message]
    assert both.endswith("and 1 more new files are read as JSON or text, line by line.")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf16_through_rotation_and_restarts(encoding: str, tmp_path: Path) -> None:
    """Characters that come byte by byte, renamed, copied and truncated files, agents that end:
    each line is stored once.
    """
    options: dict[str, Any] = {"encoding": "utf-16", "format": "text"}
    with World(tmp_path) as world:
        world.up(**options)
        for number in range(3):
            world.append("app.log", "\ufeff".encode(encoding))
            for byte in f"{number} first 一\u0a00 Größe\r\n{number} second\n".encode(encoding):
                world.append("app.log", bytes([byte]))
            world.expect(f"{number} first 一\u0a00 Größe", f"{number} second")
            world.arrive()
            world.append("app.log", f"{number} ha".encode(encoding)[:-1])
            if number == 1:
                world.down()
                world.up(**options)
            world.append(
                "app.log", f"{number} half\n".encode(encoding)[len(f"{number} ha") * 2 - 1 :]
            )
            world.expect(f"{number} half")
            world.arrive()
            if number == 0:
                world.rename("app.log", "app.log.1")
            else:
                (world.logs / "app.log.2").write_bytes((world.logs / "app.log").read_bytes())
                world.truncate("app.log")
                world.arrive()
