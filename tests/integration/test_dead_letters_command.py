"""``logship dead-letters`` as a user sees it, against a server that refuses and then does not."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from logship.cli.main import main
from tests.support.agent import AgentProcess, World
from tests.support.elastic_fake import ElasticFake
from tests.support.node import NodeProcess, get, request
from tests.support.wait import wait_until

Run = Callable[..., int]
Output = pytest.CaptureFixture[str]
REASON = "object mapping for [user] tried to parse field [user] as object"


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as fake:
        yield fake


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of dead letters, and no settings in the environment."""
    for name in [name for name in os.environ if name.startswith("LOGSHIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("TZ", "UTC")
    folder = tmp_path / "state" / "dead-letters"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a verb on the state folder."""

    def run_line(*line: object) -> int:
        return main(["dead-letters", *map(str, line), "--state-dir", str(folder.parent)])

    return run_line


def put(folder: Path, id_: str, *, day: str = "2026-11-20", doc: Any = None, **more: Any) -> None:
    entry = {
        "at": f"{day}T10:00:00.000Z", "index": "logs-1", "id": id_, "status": 400,
        "type": "document_parsing_exception", "reason": REASON, "source": "/var/log/app.log",
        "offset": 7, **more, "doc": {"message": id_} if doc is None else doc,
    }  # fmt: skip
    with (folder / f"{day}.ndjson").open("ab") as file:
        file.write(orjson.dumps(entry) + b"\n")


def ids(run: Run, capsys: Output, *filters: object) -> list[str]:
    capsys.readouterr()
    run("list", "-o", "json", *filters)
    return [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()]


def test_list_as_text(run: Run, folder: Path, capsys: Output) -> None:
    """Two lines each: when, which document and from where; and why, harmless on a terminal."""
    put(folder, "a", reason="bad \x1b[31m\nvalue")
    put(folder, "b", offset=None, source=None, type="", reason="")
    assert run("list") == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-11-20 10:00:00  logs-1/a  /var/log/app.log:7",
        "  document_parsing_exception: bad \\x1b[31m ↵ value",
        "2026-11-20 10:00:00  logs-1/b  -",
        "  no reason given",
    ]


def test_list_as_json(run: Run, folder: Path, capsys: Output) -> None:
    """One object per line with everything, the document included."""
    put(folder, "a")
    run("list", "-o", "json")
    assert json.loads(capsys.readouterr().out) == {
        "at": "2026-11-20T10:00:00.000Z", "index": "logs-1", "id": "a", "status": 400,
        "type": "document_parsing_exception", "reason": REASON, "source": "/var/log/app.log",
        "offset": 7, "doc": {"message": "a"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (["--reason", "OBJECT mapping"], ["old", "new"]),
        (["--reason", "parsing_exception: object"], ["old", "new"]),
        (["--reason", "depth"], ["deep"]),
        (["--since", "2026-11-21"], ["new", "deep"]),
        (["--since", "2026-11-21T10:00:00Z", "--reason", "depth"], ["deep"]),
        (["--source", "/var/log/app.log"], ["old", "new"]),
        (["--source", "/var/log/*.log"], ["old", "new"]),
        (["--source", "/srv/x/y.log"], ["deep"]),
        (["--since", "2026-11-22"], []),
        (["--since", "-500000h"], ["old", "new", "deep"]),
    ],
)
def test_filters(
    run: Run, folder: Path, capsys: Output, filters: list[str], expected: list[str]
) -> None:
    """Filters narrow by reason, time and place; all of them must hold."""
    put(folder, "old")
    put(folder, "new", day="2026-11-21")
    put(folder, "deep", day="2026-11-21", reason="depth limit", source="/srv/x/y.log")
    assert ids(run, capsys, *filters) == expected
    assert run("list", *filters) == (0 if expected else 1)


def test_source_by_its_name(run: Run, folder: Path, tmp_path: Path, capsys: Output) -> None:
    """A source of the settings stands for the paths it names; an unknown one is an error."""
    settings = tmp_path / "logship.yaml"
    settings.write_text("sources:\n  - {name: app, paths: ['/var/log/app.*']}\n")
    put(folder, "a")
    put(folder, "b", source="/var/log/other.log")
    assert ids(run, capsys, "--source", "app", "-c", settings) == ["a"]
    assert run("list", "--source", "ap", "-c", settings) == 2
    assert 'there is no source "ap"; there are app' in capsys.readouterr().err
    assert run("list", "--source", "app") == 2
    assert "the settings name none, give a path or -c FILE" in capsys.readouterr().err


def test_wrong_time(run: Run, capsys: Output) -> None:
    """A time that is none is an error that says what to write."""
    assert run("list", "--since", "soon") == 2
    assert "this is no time; write for example 15m" in capsys.readouterr().err


def test_show(run: Run, folder: Path, capsys: Output) -> None:
    """A dead letter is shown whole, by its id or by index and id; status 1 without one."""
    put(folder, "a", doc={"message": "hello", "user": "bob"})
    put(folder, "a", index="logs-2", doc="{torn")
    assert run("show", "logs-1/a") == 0
    shown = capsys.readouterr().out
    assert f"reason    {REASON}" in shown
    assert "source    /var/log/app.log, offset 7" in shown
    assert '  "user": "bob"' in shown
    assert run("show", "a") == 0
    assert "what was sent is no JSON object" in capsys.readouterr().out
    assert run("show", "b") == 1
    assert "no such dead letters" in capsys.readouterr().err


def test_nothing_there(run: Run, folder: Path, capsys: Output) -> None:
    """Without dead letters: list says so with 1; replay and purge have nothing to do."""
    assert run("list") == 1
    assert run("replay") == 0
    assert run("purge") == 0
    assert capsys.readouterr().out == ""
    assert list(folder.iterdir()) == []


def test_replay_delivers_all_once(
    run: Run, folder: Path, fake: ElasticFake, capsys: Output
) -> None:
    """After the cause was mended everything is stored under its index and id, and cleared."""
    for number in range(1200):
        put(folder, f"id-{number}")
    put(folder, "id-7", day="2026-11-21", reason="again")
    assert run("replay", "--url", fake.url) == 0
    first = capsys.readouterr().out
    assert first == "delivered 1200, already there 0, refused again 0, held 0, left 0\n"
    assert fake.documents.keys() == {("logs-1", f"id-{n}") for n in range(1200)}
    assert all(doc.pop("@ingested") for doc in fake.documents.values())
    assert fake.documents["logs-1", "id-3"] == {"message": "id-3"}
    assert run("replay", "--url", fake.url) == 0
    assert set(fake.copies.values()) == {1}
    assert [path.name for path in folder.iterdir()] == ["lock"]


def test_replay_clears_what_is_there_already(
    run: Run, folder: Path, fake: ElasticFake, capsys: Output
) -> None:
    """A document that is stored already is no dead letter any more."""
    fake.documents["logs-1", "a"] = {"message": "a"}
    put(folder, "a")
    put(folder, "b")
    assert run("replay", "--url", fake.url, "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "delivered": 1, "already_there": 1, "refused": 0, "held": 0, "left": 0, "reasons": [],
    }  # fmt: skip
    assert ids(run, capsys) == []


def test_replay_only_what_is_meant(
    run: Run, folder: Path, fake: ElasticFake, capsys: Output
) -> None:
    """Filters choose what is replayed; the rest stays."""
    put(folder, "a")
    put(folder, "b", reason="depth limit")
    assert run("replay", "--url", fake.url, "--reason", "depth") == 0
    assert ids(run, capsys) == ["a"]
    assert fake.documents.keys() == {("logs-1", "b")}


def test_refused_again_stays_with_the_reasons(
    run: Run, folder: Path, fake: ElasticFake, capsys: Output
) -> None:
    """What is refused once more stays, and is counted by reason with an example: status 3."""
    put(folder, "a")
    put(folder, "b")
    put(folder, "c", doc="{torn")
    fake.fault = "reject"
    assert run("replay", "--url", fake.url) == 3
    assert capsys.readouterr().out.splitlines() == [
        "delivered 0, already there 0, refused again 3, held 0, left 0",
        "       2  document_parsing_exception: bad",
        "          for example logs-1/a",
        "       1  not_a_document: what was sent is no JSON object",
        "          for example logs-1/c",
    ]
    assert ids(run, capsys) == ["a", "b", "c"]


@pytest.mark.parametrize("faults", [["503"], ["cut"], ["garbage"], ["throttle", "throttle", "503"]])
def test_replay_tries_again(
    run: Run, folder: Path, fake: ElasticFake, capsys: Output, faults: list[str]
) -> None:
    """What the server could not do for a moment is sent again; nothing is stored twice."""
    fake.script.extend(faults)
    for id_ in "abcd":
        put(folder, id_)
    assert run("replay", "--url", fake.url) == 0
    assert fake.documents.keys() == {("logs-1", id_) for id_ in "abcd"}
    assert ids(run, capsys) == []


def test_a_server_that_is_gone(run: Run, folder: Path, fake: ElasticFake, capsys: Output) -> None:
    """When no one answers within the time given it is an error, and everything stays."""
    fake.stop()
    put(folder, "a")
    assert run("replay", "--url", fake.url, "--timeout", "100ms") == 2
    output = capsys.readouterr()
    assert "left 1" in output.out
    assert "logship: ended early:" in output.err
    assert ids(run, capsys) == ["a"]


def test_a_server_that_goes_away_in_between(
    run: Run, folder: Path, fake: ElasticFake, capsys: Output
) -> None:
    """What was delivered before the server went is cleared, the rest is left: status 3."""
    for number in range(1100):
        put(folder, f"{number:04}")

    def fail_later() -> None:
        fake.fault = "503" if fake.bulks > 1 else ""

    fake.on_bulk = fail_later
    assert run("replay", "--url", fake.url, "--timeout", "100ms") == 3
    assert "delivered 500, already there 0, refused again 0, held 0, left 600" in (
        capsys.readouterr().out
    )
    assert ids(run, capsys) == [f"{number:04}" for number in range(500, 1100)]


def test_killed_in_the_middle(
    run: Run, folder: Path, fake: ElasticFake, capsys: Output, tmp_path: Path
) -> None:
    """After a kill -9 what was answered is cleared, and the next replay sends the rest."""
    for number in range(1100):
        put(folder, f"{number:04}")
    fake.script.extend(["", "hang"])
    line = ("dead-letters", "replay", "--url", fake.url, "--state-dir", folder.parent)
    with AgentProcess(*line, log=tmp_path / "stderr") as process:
        wait_until(lambda: fake.bulks == 2, lambda: process.stderr)
        process.kill()
    assert ids(run, capsys) == [f"{number:04}" for number in range(500, 1100)]
    assert run("replay", "--url", fake.url) == 0
    assert capsys.readouterr().out.startswith("delivered 600, already there 0")
    assert len(fake.documents) == 1100
    assert set(fake.copies.values()) == {1}


def test_no_forged_action_lines(run: Run, folder: Path, fake: ElasticFake) -> None:
    """An id or index with quotes and newlines stays an id or index."""
    odd = 'a"}}\n{"delete":{"_index":"logs-1","_id":"x'
    put(folder, odd, index='i"\n')
    assert run("replay", "--url", fake.url) == 0
    assert fake.documents.keys() == {('i"\n', odd)}


def test_purge(run: Run, folder: Path, capsys: Output) -> None:
    """Purging removes what is meant, and says what it was; --dry-run only says it."""
    put(folder, "a")
    put(folder, "b", reason="depth limit", type="illegal_argument_exception")
    put(folder, "b", reason="depth limit", type="illegal_argument_exception")
    assert run("purge", "--reason", "depth", "--dry-run") == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 dead letters would be removed",
        "       1  illegal_argument_exception",
    ]
    assert ids(run, capsys) == ["a", "b"]
    assert run("purge", "--reason", "depth") == 0
    assert ids(run, capsys) == ["a"]
    before = sum(path.stat().st_size for path in folder.glob("*.ndjson"))
    assert run("purge", "-o", "json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "removed": 1, "freed_bytes": before, "types": {"document_parsing_exception": 1},
    }  # fmt: skip
    assert list(folder.glob("*.ndjson")) == []


def test_purge_by_age(run: Run, folder: Path, capsys: Output) -> None:
    """Only what is older goes."""
    put(folder, "old", day="2001-01-01")
    put(folder, "new", at="2999-01-01T00:00:00.000Z")
    assert run("purge", "--older-than", "30d") == 0
    assert ids(run, capsys) == ["new"]


def test_purge_of_unreadable_lines(run: Run, folder: Path, capsys: Output) -> None:
    """Lines that are no entries are reported, and go when everything goes, not before."""
    put(folder, "a")
    (folder / "2026-11-19.ndjson").write_text("damaged\n")
    run("list")
    assert "2026-11-19.ndjson: 1 line cannot be read" in capsys.readouterr().err
    run("purge", "--reason", "mapping")
    assert (folder / "2026-11-19.ndjson").exists()
    capsys.readouterr()
    assert run("purge") == 0
    assert "1  lines that cannot be read" in capsys.readouterr().out
    assert list(folder.glob("*.ndjson")) == []


def test_beside_a_running_agent(tmp_path: Path, run: Run, folder: Path, capsys: Output) -> None:
    """What the running agent has put aside is replayed, and what it adds meanwhile is kept."""
    with World(tmp_path) as world:
        world.fake.fault = "reject"
        world.write("app.log", "one", "two")
        world.up()
        wait_until(lambda: len(ids(run, capsys)) == 2, "no dead letters")
        world.fake.fault = ""
        assert run("replay", "--url", world.fake.url) == 0
        world.arrive()
        world.fake.fault = "reject"
        world.append("app.log", b"three\n")
        wait_until(lambda: len(ids(run, capsys)) == 1, "no third dead letter")
        capsys.readouterr()
        assert run("purge") == 0
        assert capsys.readouterr().out.startswith("1 dead letters removed")


def test_a_running_agent_removes_what_is_old(
    tmp_path: Path, run: Run, folder: Path, capsys: Output
) -> None:
    """Dead letters older than ``dead_letters.max_age`` go; younger ones stay."""
    put(folder, "old", day="2020-01-01")
    today = datetime.now(UTC).date().isoformat()
    put(folder, "young", day=today)
    with World(tmp_path) as world:
        world.up()
        wait_until(lambda: not (folder / "2020-01-01.ndjson").exists(), "it is still there")
        assert ids(run, capsys) == ["young"]


def test_repairs_against_the_node(run: Run, folder: Path, capsys: Output) -> None:
    """A mapping conflict is mended by leaving the field out, or by sending it as text."""
    with NodeProcess() as node:
        request("PUT", f"{node.url}/logs-1", {"mappings": {"properties": {
            "user": {"properties": {"name": {"type": "keyword"}}},
            "code": {"type": "keyword"},
        }}})  # fmt: skip
        put(folder, "a", doc={"message": "a", "user": "bob"})
        put(folder, "b", doc={"message": "b", "code": {"major": 1}})
        line = ("replay", "--url", node.url)
        assert run(*line) == 3
        assert "refused again 2" in capsys.readouterr().out
        assert run(*line, "--as-text", "code") == 3
        assert "delivered 1, already there 0, refused again 1" in capsys.readouterr().out
        assert run(*line, "--drop-field", "user") == 0
        found = {id_: get(f"{node.url}/logs-1/_doc/{id_}").json()["_source"] for id_ in ("a", "b")}
        assert all(source.pop("@ingested") for source in found.values())
        assert found == {"a": {"message": "a"}, "b": {"message": "b", "code": '{"major":1}'}}
        assert run("list") == 1


def test_replay_after_the_mapping_was_fixed(
    run: Run, folder: Path, tmp_path: Path, capsys: Output
) -> None:
    """What an index refused in every shape is delivered whole afterwards; twice, stored once."""
    index, count = "strict-2026.11.21", 50
    with NodeProcess() as node:
        mappings = {"dynamic": "strict", "properties": {"@timestamp": {"type": "date"}}}
        assert request("PUT", f"{node.url}/{index}", {"mappings": mappings}).status == 200
        lines = [
            {"@timestamp": "2026-11-21T10:00:00Z", "message": f"line {number}", "code": number}
            for number in range(count)
        ]
        log = tmp_path / "app.log"
        log.write_text("".join(json.dumps(line) + "\n" for line in lines))
        command = ("ship", log, "--to", node.url, "--once", "--index", "strict-%Y.%m.%d")
        state = ("--state-dir", folder.parent)
        with AgentProcess(*command, *state, log=tmp_path / "agent.err") as agent:
            assert agent.wait(60) == 3
            assert f"delivered 0, rescued 0, held 0, dead letters {count}" in agent.stderr
        kept = {path: path.read_bytes() for path in folder.glob("*.ndjson")}
        assert run("replay", "--url", node.url) == 3
        fixed = request("PUT", f"{node.url}/{index}/_mapping", {"dynamic": True})
        assert fixed.status == 200, fixed.body
        capsys.readouterr()
        assert run("replay", "--url", node.url) == 0
        assert f"delivered {count}, already there 0" in capsys.readouterr().out
        for path, data in kept.items():  # as after a crash that forgot what was cleared
            path.write_bytes(data)
        assert run("replay", "--url", node.url) == 0
        assert f"delivered 0, already there {count}" in capsys.readouterr().out
        assert run("list") == 1
        assert request("POST", f"{node.url}/{index}/_refresh").status == 200
        found = get(f"{node.url}/{index}/_search?size=100").json()["hits"]["hits"]
        assert sorted(hit["_source"]["code"] for hit in found) == [*range(count)]
        assert not any("rescued" in hit["_source"] for hit in found)


def test_held_documents_stay(run: Run, folder: Path, capsys: Output) -> None:
    """What the cluster is to blame for stays, with its reason: status 3."""
    with NodeProcess() as node:
        request("PUT", f"{node.url}/logs-1")
        blocked = {"index": {"blocks": {"write": True}}}
        request("PUT", f"{node.url}/logs-1/_settings", blocked)
        put(folder, "a")
        assert run("replay", "--url", node.url) == 3
        output = capsys.readouterr().out
        assert "held 1" in output
        assert "cluster_block_exception" in output
        request("PUT", f"{node.url}/logs-1/_settings", {"index": {"blocks": {"write": False}}})
        assert run("replay", "--url", node.url) == 0


@pytest.mark.parametrize("line", [["purge", "--older-than", "30"], ["show"], []])
def test_usage(run: Run, line: list[str], capsys: Output) -> None:
    """What cannot be meant is an error of usage."""
    with pytest.raises(SystemExit) as ended:
        run(*line)
    assert ended.value.code == 2
    assert "usage: logship dead-letters" in capsys.readouterr().err
