"""Retention, data streams and ECS with a whole agent, against every server."""

from __future__ import annotations

import asyncio
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from logship.search import AsyncLogSearch
from tests.elasticsearch.client import Client
from tests.support.agent import AgentProcess

NOW = datetime.now(UTC)


class Site:
    """A log file, and an agent that ships what is in it."""

    def __init__(self, folder: Path, url: str, index: dict[str, Any], **sections: Any) -> None:
        self.folder, self.log = folder, folder / "app.log"
        settings = {
            "elasticsearch": {"hosts": [url]},
            "index": {"replicas": 0, **index},
            "sources": [{"paths": str(self.log)}],
            "state_dir": str(folder / "state"),
            **sections,
        }
        self.config = folder / "logship.yaml"
        self.config.write_text(json.dumps(settings))

    def write(self, **record: Any) -> None:
        record.setdefault("@timestamp", f"{NOW:%Y-%m-%dT%H:%M:%S}.123456789Z")
        with self.log.open("a") as file:
            file.write(json.dumps(record) + "\n")

    def ship(self) -> tuple[int, str]:
        with AgentProcess(
            "run", "-c", self.config, "--once", "--timeout", "60s", log=self.folder / "err"
        ) as agent:
            return agent.wait(90), agent.stderr

    def letters(self) -> list[dict[str, Any]]:
        files = (self.folder / "state" / "dead-letters").glob("*.ndjson")
        return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def refreshed(client: Client, index: str) -> list[dict[str, Any]]:
    client.request("POST", f"/{index}/_refresh")
    return [hit["_source"] for hit in client.search(index, {"size": 1000})["hits"]["hits"]]


def test_retention(server: str, client: Client, name: str, tmp_path: Path) -> None:
    """Old indices go, and what is older than that is a dead letter; again it changes nothing."""
    old, foreign = f"{name}-2020.01.01", f"{name}-2020.01.01-mine"
    young = f"{name}-{NOW - timedelta(days=20):%Y.%m.%d}"
    for index in (old, foreign, young):
        client.create(index, [{"n": 1}])
    site = Site(tmp_path, server, {"name": f"{name}-%Y.%m.%d", "retention": "30d"})
    site.write(message="too old", **{"@timestamp": "2020-02-02T10:00:00Z"})
    site.write(message="new")
    for attempt in range(2):
        status, said = site.ship()
        assert status == (3 if attempt == 0 else 0), said
        assert ("Deleted the index " + old in said) == (attempt == 0)
        assert [client.request("HEAD", f"/{index}").status for index in (old, foreign, young)] == [
            404, 200, 200,
        ]  # fmt: skip
        assert client.request("HEAD", f"/{name}-2020.02.02").status == 404
        found = refreshed(client, f"{name}-{NOW:%Y.%m.%d}")
        assert [source["message"] for source in found] == ["new"]
        (letter,) = site.letters()
        assert (letter["type"], letter["doc"]["message"]) == ("older_than_retention", "too old")
        assert "older than index.retention (30d)" in letter["reason"]


def test_data_stream(server: str, client: Client, name: str, tmp_path: Path) -> None:
    """Everything goes to the stream with logship's mapping, and a replay stores nothing twice."""
    stream = f"logs-{name}-default"
    site = Site(tmp_path, server, {"data_stream": stream, "retention": "30d"})
    site.write(level="error", message="one", number=1)
    site.write(level="info", message="old", **{"@timestamp": "2020-02-02T10:00:00Z"})
    for _ in range(2):
        status, said = site.ship()
        assert status == 0, said
        shutil.rmtree(site.folder / "state")
    has_lifecycles = client.request("GET", "/_data_stream").status == 200
    assert said.count("This server has no lifecycles of data streams") == (not has_lifecycles)
    assert sorted(source["message"] for source in refreshed(client, stream)) == ["old", "one"]
    assert (
        client.search(stream, {"query": {"term": {"level": "ERROR"}}})["hits"]["total"]["value"]
        == 1
    )
    (row,) = client.request("GET", f"/_cat/indices/{stream}?format=json&expand_wildcards=all").json
    assert row["index"].startswith(f".ds-{stream}-")
    client.request("DELETE", f"/_data_stream/{stream}")


@pytest.mark.parametrize("query", ["level:error", "log.level:ERROR", "service:api and level:error",
                                   'service.name:"api" and user_id:u1', "userId:u1"])  # fmt: skip
def test_ecs_is_found_by_either_spelling(
    server: str, client: Client, name: str, tmp_path: Path, query: str
) -> None:
    """Stored by the names of ECS, found by those and by the flat ones."""
    site = Site(tmp_path, server, {"name": f"{name}-%Y.%m.%d"}, schema="ecs")
    site.write(level="error", message="a", service="api", user_id="u1", userName="x")
    site.write(level="info", message="b", service="web")
    status, said = site.ship()
    assert status == 0, said
    index = f"{name}-{NOW:%Y.%m.%d}"
    first, _ = sorted(refreshed(client, index), key=lambda source: str(source["message"]))
    assert first["log.level"] == "ERROR"
    assert first["service.name"] == "api"
    assert "event.ingested" in first
    assert not {"level", "service", "@ingested", "user_id"} & first.keys()

    async def search() -> list[str]:
        async with AsyncLogSearch(server, index=index, timezone="utc") as one:
            return [record["message"] for record in (await one.search(query)).records]

    assert asyncio.run(search()) == ["a"]


def test_rescue_under_ecs(server: str, client: Client, name: str, tmp_path: Path) -> None:
    """What the mapping refuses is rescued, and the fields of ECS stay where they are."""
    site = Site(tmp_path, server, {"name": f"{name}-%Y.%m.%d"}, schema="ecs")
    site.write(message="first", service="api", odd={"a": 1}, other=1)
    status, said = site.ship()
    assert status == 0, said
    site.write(message="second", service="api", odd="text", other={"b": 2}, user_id="u1")
    status, said = site.ship()
    assert status == 0, said
    found = refreshed(client, f"{name}-{NOW:%Y.%m.%d}")
    (second,) = [source for source in found if source["message"] == "second"]
    assert second["tags"] == ["mapping_rescued"]
    assert (second["service.name"], second["user.id"]) == ("api", "u1")
    assert second["ecs.version"] == "8.11.0"
    assert "text" in json.dumps([second.get("rescued"), second.get("rescued_source")])
