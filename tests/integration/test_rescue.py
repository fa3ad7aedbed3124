"""Records that a mapping refuses, through the whole agent, on the embedded node or a real server.

``LOGSHIP_TEST_ES_URL`` names a server to use instead of the node.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import AgentProcess
from tests.support.node import NodeProcess, get, post, request

INDEX = "rescue-2026.11.21"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Where Elasticsearch answers."""
    if url := os.environ.get("LOGSHIP_TEST_ES_URL"):
        yield url
        return
    with NodeProcess() as node:
        yield node.url


def prepare(server: str, properties: dict[str, Any], **settings: Any) -> None:
    """Make the index anew, with a mapping and settings of its own."""
    request("DELETE", f"{server}/{INDEX}")
    # Those of the template, which the agent put before, are for indices of its own.
    settings = {"index.mapping.ignore_malformed": False, **settings}
    body = {"settings": settings, "mappings": {"properties": properties}}
    answer = request("PUT", f"{server}/{INDEX}", body)
    assert answer.status == 200, answer.body


def ship(server: str, folder: Path, lines: list[str], expected: str) -> list[dict[str, Any]]:
    """Ship *lines* and return the documents by offset; *expected* is how the summary begins."""
    (folder / "app.log").write_text("".join(f"{line}\n" for line in lines))
    command = ("ship", folder / "app.log", "--to", server, "--once")
    options = ("--state-dir", folder / "state", "--index", "rescue-%Y.%m.%d")
    with AgentProcess(*command, *options, log=folder / "agent.err") as agent:
        status = agent.wait(60)
        assert f"logship: delivered {expected}" in agent.stderr, agent.stderr
        assert status == 0, agent.stderr
    assert post(f"{server}/{INDEX}/_refresh").status == 200
    found = post(f"{server}/{INDEX}/_search?size=1000").json()["hits"]["hits"]
    return sorted((hit["_source"] for hit in found), key=lambda source: source["log.offset"])


def record(number: int, **fields: Any) -> str:
    return json.dumps({"@timestamp": "2026-11-21T10:00:00Z", "message": f"line {number}", **fields})


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"q": 1}
    for _ in range(depth):
        inner = {"q": inner}
    return inner


CASES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "object where a number is": ({"status": {"a": 1}}, {"status": '{"a":1}'}),
    "text where a number is": ({"status": "fine"}, {"status": "fine"}),
    "text where an object is": ({"http": "GET"}, {"http": "GET"}),
    "object where a text is": ({"word": {"x": "y"}}, {"word": '{"x":"y"}'}),
    "dots below a text": ({"word.x": "y"}, {"word": '{"x":"y"}'}),
    "number where an object is": ({"http": 200}, {"http": "200"}),
    "immense term": ({"word": "x" * 40_000}, {"word": "x" * 40_000}),
    "blank name": ({" ": "x"}, {"_": "x"}),
    "empty name": ({"e..f": "x"}, {"e._.f": "x"}),
    "too deep": (nested(30), {"q": json.dumps(nested(29), separators=(",", ":"))}),
}


@pytest.mark.parametrize("case", CASES)
def test_refused_by_the_mapping(server: str, tmp_path: Path, case: str) -> None:
    """One record that the mapping refuses arrives with its value as text; others as they were."""
    prepare(
        server,
        {
            "status": {"type": "long"},
            "word": {"type": "keyword"},
            "http": {"properties": {"code": {"type": "long"}}},
            "rescued": {"type": "flattened", "ignore_above": 8191},
        },
    )
    fields, expected = CASES[case]
    lines = [record(1, status=1), record(2, **fields), record(3, word="w")]
    found = ship(server, tmp_path, lines, "3, rescued 1, held 0, dead letters 0")
    assert [source["message"] for source in found] == ["line 1", "line 2", "line 3"]
    assert found[1]["rescued"] == expected
    assert found[1]["tags"] == ["mapping_rescued"]
    assert not {"tags", "rescued"} & {*found[0], *found[2]}


def test_rescued_text_is_searchable(server: str, tmp_path: Path) -> None:
    """A rescued record is found by the text that its field had."""
    prepare(server, {"status": {"type": "long"}, "rescued": {"type": "flattened"}})
    lines = [record(1, status=1), record(2, status="fine")]
    ship(server, tmp_path, lines, "2, rescued 1, held 0, dead letters 0")
    query = {"query": {"term": {"rescued.status": "fine"}}}
    hits = post(f"{server}/{INDEX}/_search", query).json()["hits"]["hits"]
    assert [hit["_source"]["message"] for hit in hits] == ["line 2"]


def test_key_twice(server: str, tmp_path: Path) -> None:
    """Of a key that is there twice the last value is the field's, and the first is kept."""
    prepare(server, {})
    line = '{"@timestamp":"2026-11-21T10:00:00Z","message":"m","d":1,"d":2}'
    (only,) = ship(server, tmp_path, [line], "1, rescued ")
    assert only["d"] == 2


def test_again_after_everything_was_forgotten(server: str, tmp_path: Path) -> None:
    """Records that are sent again have their old ids, rescued or not, and change nothing."""
    prepare(server, {"status": {"type": "long"}, "rescued": {"type": "flattened"}})
    lines = [record(1, status=1), record(2, status={"a": 1})]
    found = ship(server, tmp_path, lines, "2, rescued 1, held 0, dead letters 0")
    shutil.rmtree(tmp_path / "state")
    assert ship(server, tmp_path, lines, "2, rescued 1, held 0, dead letters 0") == found


def test_two_conflicts_in_one_record(server: str, tmp_path: Path) -> None:
    """With two fields refused everything is kept in one text, however long."""
    prepare(
        server,
        {
            "status": {"type": "long"},
            "http": {"properties": {"code": {"type": "long"}}},
            "rescued_source": {"type": "text", "index": False},
        },
    )
    fields: dict[str, Any] = {"status": {"a": 1}, "http": "x" * 100_000, "word": "w"}
    (only,) = ship(server, tmp_path, [record(1, **fields)], "1, rescued 1, held 0, dead letters 0")
    assert json.loads(only["rescued_source"]) == fields
    assert only["message"] == "line 1"


def test_conflicts_learned_are_moved_together(server: str, tmp_path: Path) -> None:
    """Once each conflict was seen, a record with both keeps both as searchable text."""
    prepare(
        server, {"status": {"type": "long"}, "http": {"properties": {"code": {"type": "long"}}}}
    )
    first = [record(1, status={"a": 1}), record(2, http="GET")]
    both = record(3, status={"a": 2}, http="PUT")
    found = ship(server, tmp_path, [*first, both], "3, rescued 3, held 0, dead letters 0")
    assert found[2]["rescued"] == {"status": '{"a":2}', "http": "PUT"}


def test_field_limit(server: str, tmp_path: Path) -> None:
    """Where an index may have no more fields, what is new is kept as text."""
    prepare(
        server,
        {"rescued": {"type": "flattened"}, "tags": {"type": "keyword"}},
        **{"index.mapping.total_fields.limit": 130},
    )
    fields = {f"new_{number}": number for number in range(130)}
    found = ship(
        server,
        tmp_path,
        [record(1), record(2, **fields)],
        "2, rescued 1, held 0, dead letters 0",
    )
    assert found[1]["rescued"] == {name: str(value) for name, value in fields.items()}


def test_one_in_a_hundred(server: str, tmp_path: Path) -> None:
    """A field that is an object in every hundredth record costs a handful of requests."""
    prepare(server, {"state": {"type": "keyword"}, "rescued": {"type": "flattened"}})
    lines = [
        record(number, state={"n": number} if number % 100 == 0 else "fine")
        for number in range(1000)
    ]
    found = ship(server, tmp_path, lines, "1000, rescued 10, held 0, dead letters 0")
    assert len(found) == 1000
    assert [source["state"] for source in found if "rescued" not in source] == ["fine"] * 990
    assert get(f"{server}/{INDEX}/_count").json()["count"] == 1000
