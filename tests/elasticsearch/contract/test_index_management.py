"""``logship setup`` and ``logship indices``: the same on every server, as a user sees them."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from logship.cli.main import main
from tests.elasticsearch.client import Client

TODAY = datetime.now(UTC).date()
# As a stock server has: logship is to live beside it.
STOCK = {
    "index_patterns": ["logs-*-*"],
    "priority": 101,
    "data_stream": {},
    "template": {"mappings": {"properties": {"data_stream": {"properties": {}}}}},
}
Run = Callable[..., tuple[int, list[str], str]]


def day(days_ago: int) -> str:
    return f"{TODAY - timedelta(days=days_ago):%Y.%m.%d}"


@pytest.fixture
def run(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command against the server; returns its status, lines and what it said beside."""
    for name in [name for name in os.environ if name.startswith("LOGSHIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LOGSHIP_ES_URL", server)

    def run_line(*arguments: object, settings: str = "") -> tuple[int, list[str], str]:
        line: Sequence[str] = [str(argument) for argument in arguments]
        if settings:
            path = tmp_path / "logship.yaml"
            path.write_text(f"{settings}\nsources: [{{paths: /nowhere/a.log}}]\n")
            line = [*line, "-c", str(path)]
        status = main(line)
        out, err = capsys.readouterr()
        return status, out.splitlines(), err

    return run_line


def objects(lines: Sequence[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines]


def test_setup_is_idempotent(run: Run, client: Client, name: str) -> None:
    """The template is created, then unchanged, then updated where settings changed."""
    said = [
        run("setup", settings=f"index: {{name: '{name}-%Y.%m.%d', replicas: {replicas}}}")
        for replicas in (0, 0, 1)
    ]
    assert [status for status, _, _ in said] == [0, 0, 0]
    words = [lines[0].split(": ")[1].split(",")[0] for _, lines, _ in said]
    assert words == ["created", "unchanged", "updated"]
    found = client.request("GET", f"/_index_template/logship-{name}").json["index_templates"]
    settings_there = found[0]["index_template"]["template"]["settings"]["index"]
    assert settings_there["number_of_replicas"] == "1"


def test_dry_run_changes_nothing(run: Run, client: Client, name: str) -> None:
    """It prints each request as it would be sent, with secrets masked."""
    settings = (
        f"index: {{data_stream: {name}-stream, retention: 30d}}\n"
        "elasticsearch: {api_key: 'id:secret-of-mine'}"
    )
    status, lines, said = run("setup", "--dry-run", settings=settings)
    text = "\n".join(lines)
    assert (status, said) == (0, "")
    assert f"/_index_template/logship-{name}-stream" in lines[0]
    assert lines[1] == "Authorization: ***"
    assert "secret-of-mine" not in text
    body, _ = json.JSONDecoder().raw_decode(text[text.index("{") :])
    assert body["data_stream"] == {}
    assert body["index_patterns"] == [f"{name}-stream"]
    assert body["template"]["lifecycle"] == {"data_retention": "30d"}
    assert f"/_data_stream/{name}-stream/_lifecycle" in text
    missing = client.request("GET", f"/_index_template/logship-{name}-stream")
    assert missing.status == 404


def test_stock_templates_are_no_obstacle(run: Run, client: Client, name: str) -> None:
    """Beside ``logs-*-*`` daily indices stay indices, and a stream of that name becomes ours."""
    assert client.request("PUT", f"/_index_template/{name}-stock", STOCK).status == 200
    try:
        status, _, said = run("setup", "-i", "logs-%Y.%m.%d")
        assert (status, said) == (0, "")
        assert client.create(f"logs-{day(0)}", [{"message": "x"}])[0]["status"] == 201
        listed = client.request("GET", f"/_cat/indices/logs-{day(0)}?format=json").json
        assert [row["index"] for row in listed] == [f"logs-{day(0)}"]
        stream = f"logs-{name}-default"
        status, _, said = run("setup", settings=f"index: {{data_stream: {stream}, replicas: 0}}")
        assert (status, said) == (0, "")
        client.create(stream, [{"@timestamp": "2026-11-21T10:00:00Z", "level": "ERROR"}])
        assert client.ids(stream, {"term": {"level": "error"}}) == ["0"]
        foreign = f"logs-endpoint.events.process-{name}"
        client.create(foreign, [{"@timestamp": "2026-11-21T10:00:00Z"}])
        (row,) = client.request("GET", f"/_cat/indices/{foreign}?format=json").json
        assert row["index"].startswith(".ds-"), "a foreign data stream was captured"
    finally:
        client.request("DELETE", f"/logs-{day(0)}")
        client.request("DELETE", f"/_data_stream/logs-{name}-default")
        client.request("DELETE", f"/_data_stream/logs-endpoint.events.process-{name}")
        client.request("DELETE", f"/_index_template/{name}-stock")


def test_template_that_wins_is_said(run: Run, client: Client, name: str) -> None:
    """Another template of higher priority is named, with what it means."""
    strong = {"index_patterns": [f"{name}-*"], "priority": 900}
    assert client.request("PUT", f"/_index_template/{name}-strong", strong).status == 200
    status, lines, said = run("setup", "-i", f"{name}-%Y.%m.%d")
    assert status == 3
    assert "created" in lines[0]
    assert f"template {name}-strong ({name}-*, priority 900) wins" in said
    weak = {"index_patterns": [f"{name}-*"], "priority": 7}
    assert client.request("PUT", f"/_index_template/{name}-strong", weak).status == 200
    assert run("setup", "-i", f"{name}-%Y.%m.%d")[::2] == (0, "")


def test_retention_of_a_stream(run: Run, client: Client, name: str) -> None:
    """It is set where the server has lifecycles; where not, that is one clear line."""
    settings = f"index: {{data_stream: {name}-s, retention: 30d, replicas: 0}}"
    run("setup", settings=settings)
    client.create(f"{name}-s", [{"@timestamp": "2026-11-21T10:00:00Z"}])
    status, lines, said = run("setup", settings=settings)
    has_lifecycles = client.request("GET", "/_data_stream").status == 200
    if has_lifecycles:
        assert lines[-1] == f"retention 30d: set in the lifecycle of {name}-s"
        found = client.request("GET", f"/_data_stream/{name}-s/_lifecycle").json
        assert found["data_streams"][0]["lifecycle"]["data_retention"] == "30d"
    else:
        assert status == 3
        (line,) = said.splitlines()
        assert line.startswith("logship: retention 30d: cannot be set or looked at (HTTP 4")


def test_list(run: Run, client: Client, name: str) -> None:
    """Oldest first, only what the name can produce, as JSON lines when not on a terminal."""
    for days_ago, count in ((0, 1), (3, 2)):
        client.create(f"{name}-{day(days_ago)}", [{"n": n} for n in range(count)])
    client.create(f"{name}-other", [{"n": 1}])
    client.create(f"{name}-{day(1)}-copy", [{"n": 1}])
    status, lines, said = run("indices", "list", "-i", f"{name}-%Y.%m.%d")
    assert (status, said) == (0, "")
    found = objects(lines)
    assert [(row["index"], row["docs"]) for row in found] == [
        (f"{name}-{day(3)}", 2),
        (f"{name}-{day(0)}", 1),
    ]
    assert found[0]["day"] == day(3).replace(".", "-")
    assert found[0]["health"] in ("green", "yellow")
    assert found[0]["size_bytes"] > 0
    status, lines, _ = run("indices", "list", "-i", f"{name}-%Y.%m.%d", "-o", "table")
    assert lines[0].split() == ["DAY", "DOCS", "SIZE", "HEALTH", "INDEX"]
    assert lines[1].split()[-1] == f"{name}-{day(3)}"


def test_list_of_nothing(run: Run, name: str) -> None:
    """No index is exit status 1, and said."""
    status, lines, said = run("indices", "list", "-i", f"{name}-%Y.%m.%d")
    assert (status, lines) == (1, [])
    assert f"there is no index of {name}-%Y.%m.%d" in said
    assert run("indices", "list", "-i", f"{name}-fixed")[0] == 1


def test_list_of_a_stream(run: Run, client: Client, name: str) -> None:
    """A data stream is the indices that it is made of, with the day of each."""
    settings = f"index: {{data_stream: {name}-s, replicas: 0}}"
    run("setup", settings=settings)
    client.create(f"{name}-s", [{"@timestamp": "2026-11-21T10:00:00Z"}])
    status, lines, _ = run("indices", "list", settings=settings)
    (row,) = objects(lines)
    assert (status, row["docs"]) == (0, 1)
    assert row["index"].startswith(f".ds-{name}-s-")
    assert row["day"] is not None
    assert run("indices", "optimize", settings=settings)[:2] == (0, [])
    assert run("indices", "prune", "--older-than", "1d", settings=settings)[0] == 2


def test_prune(run: Run, client: Client, name: str) -> None:
    """Old daily indices go, by the date in the name; the rest stays."""
    kept = [f"{name}-{day(0)}", f"{name}-{day(30)}", f"{name}-old", f"{name}-2020.01.01-copy"]
    doomed = [f"{name}-2020.01.01", f"{name}-{day(32)}"]
    for index in (*kept, *doomed):
        client.create(index, [{"n": 1}])
    prune = ("indices", "prune", "-i", f"{name}-%Y.%m.%d", "--older-than", "30d")
    status, lines, _ = run(*prune, "--dry-run")
    assert [row["index"] for row in objects(lines)] == doomed
    assert client.request("HEAD", f"/{doomed[0]}").status == 200
    status, lines, said = run(*prune)
    assert (status, [row["action"] for row in objects(lines)]) == (0, ["deleted"] * 2)
    assert said.startswith("2 indices deleted, ")
    assert [client.request("HEAD", f"/{index}").status for index in doomed] == [404, 404]
    assert [client.request("HEAD", f"/{index}").status for index in kept] == [200] * 4
    status, lines, said = run(*prune)
    assert (status, lines) == (0, [])
    assert "nothing is older" in said


def test_the_newest_stays(run: Run, client: Client, name: str) -> None:
    """Where all are old, the newest of them stays."""
    for year in (2019, 2020, 2021):
        client.create(f"{name}-{year}.01.01", [{"n": 1}])
    _, lines, _ = run("indices", "prune", "-i", f"{name}-%Y.%m.%d", "--older-than", "1d")
    assert [row["index"] for row in objects(lines)] == [f"{name}-2019.01.01", f"{name}-2020.01.01"]
    assert client.request("HEAD", f"/{name}-2021.01.01").status == 200


def test_archive(run: Run, client: Client, name: str, tmp_path: Path) -> None:
    """Every document is in the file, as it was stored, before its index goes."""
    index = f"{name}-2020.01.01"
    documents: dict[str, Any] = {f"id-{n}": {"n": n, "text": "ü\n\0"} for n in range(5200)}
    client.create(index, documents)
    odd = b'{"precise": 0.10000000000000000555,\n "float": 1.0e2}'
    client.request("PUT", f"/{index}/_doc/odd?refresh=true&routing=r", odd)
    (stored,) = client.search(index, {"query": {"ids": {"values": ["odd"]}}})["hits"]["hits"]
    client.create(f"{name}-{day(0)}", [{"n": 1}])
    prune = ("indices", "prune", "-i", f"{name}-%Y.%m.%d", "--older-than", "1d")
    status, lines, _ = run(*prune, "--archive", tmp_path / "a" / "b")
    (row,) = objects(lines)
    assert (status, row["action"], row["docs"]) == (0, "archived and deleted", 5201)
    path = tmp_path / "a" / "b" / f"{index}.jsonl.gz"
    assert row["archive"] == str(path)
    assert os.listdir(path.parent) == [path.name]
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        raw = file.readlines()
    hits = {hit["_id"]: hit for hit in map(json.loads, raw)}
    assert len(raw) == len(hits) == 5201
    assert {id_: hits[id_]["_source"] for id_ in documents} == documents
    assert hits["id-0"]["_index"] == index
    assert hits["odd"].get("_routing") == stored.get("_routing")
    assert '"precise": 0.10000000000000000555,  "float": 1.0e2' in raw[-1]
    assert client.request("HEAD", f"/{index}").status == 404


def test_archive_overwrites_nothing(run: Run, client: Client, name: str, tmp_path: Path) -> None:
    """An index that came again is archived beside what there is of it."""
    index = f"{name}-2020.01.01"
    client.create(f"{name}-{day(0)}", [{"n": 1}])
    prune = ("indices", "prune", "-i", f"{name}-%Y.%m.%d", "--older-than", "1d")
    for _ in range(2):
        client.create(index, [{"n": 1}])
        assert run(*prune, "--archive", tmp_path)[0] == 0
    assert sorted(os.listdir(tmp_path)) == [f"{index}.2.jsonl.gz", f"{index}.jsonl.gz"]


def test_archive_of_what_cannot_be_read(
    run: Run, client: Client, name: str, tmp_path: Path
) -> None:
    """A closed index, or a folder that cannot be one, deletes nothing."""
    index = f"{name}-2020.01.01"
    client.create(index, [{"n": 1}])
    client.create(f"{name}-{day(0)}", [{"n": 1}])
    prune = ("indices", "prune", "-i", f"{name}-%Y.%m.%d", "--older-than", "1d")
    (tmp_path / "file").write_text("")
    status, lines, said = run(*prune, "--archive", tmp_path / "file" / "below")
    assert (status, lines) == (2, [])
    assert "cannot be archived there" in said
    assert client.request("POST", f"/{index}/_close").status == 200
    status, lines, said = run(*prune, "--archive", tmp_path)
    assert (status, lines) == (2, [])
    assert said == f"logship: {index}: is closed; open it to archive it\n"
    assert client.request("HEAD", f"/{index}").status == 200


def test_optimize(run: Run, client: Client, name: str) -> None:
    """Past days are merged to one segment, today's index is left alone."""
    for days_ago in (0, 2):
        for n in range(3):
            client.create(f"{name}-{day(days_ago)}", {f"{n}": {"n": n}})
    optimize = ("indices", "optimize", "-i", f"{name}-%Y.%m.%d")
    status, lines, _ = run(*optimize, "--dry-run")
    assert [row["action"] for row in objects(lines)] == ["would be merged"]
    status, lines, said = run(*optimize)
    assert (status, [row["index"] for row in objects(lines)]) == (0, [f"{name}-{day(2)}"])
    assert said.startswith("1 index merged, ")
    query = "format=json&h=pri.segments.count"
    (row,) = client.request("GET", f"/_cat/indices/{name}-{day(2)}?{query}").json
    if "pri.segments.count" in row:
        assert row["pri.segments.count"] == "1"
        assert run(*optimize)[:2] == (0, [])


def test_check_live_looks_at_the_template(run: Run, client: Client, name: str) -> None:
    """It says whether the template is there, and which other one wins."""
    settings = f"index: {{name: '{name}-%Y.%m.%d'}}"
    status, lines, said = run("check", "--live", settings=settings)
    assert status == 0, said
    assert (
        f"index template logship-{name} is not there yet: the agent puts it at its start" in lines
    )
    run("setup", settings=settings)
    strong = {"index_patterns": [f"{name}-*"], "priority": 900}
    assert client.request("PUT", f"/_index_template/{name}-strong", strong).status == 200
    status, lines, said = run("check", "--live", settings=settings)
    assert f"index template logship-{name} is in place" in lines
    assert (status, f"template {name}-strong ({name}-*, priority 900) wins" in said) == (2, True)


@pytest.mark.parametrize("schema", ["flat", "ecs"])
def test_what_the_template_makes_of_documents(
    run: Run, client: Client, name: str, schema: str
) -> None:
    """Nanoseconds are taken, levels found in any case, and what does not parse is stored."""
    status, _, said = run(
        "setup", settings=f"index: {{name: '{name}-%Y.%m.%d', replicas: 0}}\nschema: {schema}"
    )
    assert (status, said) == (0, "")
    level, path = ("level", "log.file.path") if schema == "flat" else ("log.level", "log.file.path")
    ingested = "@ingested" if schema == "flat" else "event.ingested"
    index = f"{name}-{day(0)}"
    (item,) = client.create(
        index,
        [
            {
                "@timestamp": "2026-11-21T10:00:00.123456789Z",
                ingested: "2026-11-21T10:00:01.000Z",
                level: "ERROR",
                path: "/a",
                "log.offset": 7,
                "duration_ms": "soon",
                "day": "2026-11-21",
                "rescued": {"x": "1", "y": ["2"]},
                "rescued_source": "{" + "x" * 40_000,
            }
        ],
    )
    assert item["status"] == 201, item
    (hit,) = client.search(index)["hits"]["hits"]
    assert hit["_ignored"] == ["duration_ms"]
    for query in (
        {"term": {level: "error"}},
        {"term": {"log.file.path": "/a"}},
        {"range": {"timestamp": {"gte": "2026-11-21T10:00:00.123Z", "lt": "2026-11-21T10:00:01Z"}}},
        {"range": {ingested: {"gt": "2026-11-21T10:00:00Z"}}},
        {"term": {"rescued.x": "1"}},
        {"term": {"day": "2026-11-21"}},
    ):
        assert client.ids(index, query) == ["0"], query
    assert client.ids(index, {"term": {"day": "2026"}}) == []
