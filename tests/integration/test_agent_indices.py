"""Index names by fields are bounded in number; retention stays out of the way of delivery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from logship.settings.model import DAY_SECONDS, HeldSettings, IndexSettings
from logship.sinks.elasticsearch.gate import MOST_NAMES
from tests.support.agent import AgentThread, quick_settings
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as one:
        yield one


def test_names_beyond_the_bound_are_held(fake: ElasticFake, tmp_path: Path) -> None:
    """A field with too many values fills no cluster; nothing is lost, and the rest goes on."""
    log = tmp_path / "a.log"
    services = [f"s{number}" for number in range(MOST_NAMES + 20)]
    with log.open("w") as file:
        for service in [*services, "s0", "s1"]:
            record = {"@timestamp": "2026-11-21T10:00:00Z", "service": service, "message": "m"}
            file.write(json.dumps(record) + "\n")
    index = IndexSettings(name="{service}-logs-%Y.%m.%d")
    settings = quick_settings(
        fake.url, [log], tmp_path / "state", index=index, shutdown_timeout_seconds=5.0
    )
    with AgentThread(replace(settings, held=HeldSettings(after_seconds=0.1))) as agent:
        wait_until(
            lambda: len(fake.documents) == MOST_NAMES + 2 and agent.agent.delivery is not None
            and agent.agent.delivery.held == 20,
            lambda: f"{len(fake.documents)} stored",
            seconds=30,
        )  # fmt: skip
        summary = agent.stop()
    assert {index for index, _ in fake.documents} == {
        f"{service}-logs-2026.11.21" for service in services[:MOST_NAMES]
    }
    assert (summary.totals.dead_letters, summary.unconfirmed) == (0, 0)


def test_retention_that_does_not_work(
    fake: ElasticFake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that lists no indices gets everything all the same, and one warning is said."""
    log = tmp_path / "a.log"
    log.write_text('{"@timestamp":"2026-11-21T10:00:00Z","message":"m"}\n')
    index = IndexSettings(retention_seconds=36_000 * DAY_SECONDS)
    settings = quick_settings(fake.url, [log], tmp_path / "state", index=index)
    with AgentThread(settings) as agent:
        wait_until(lambda: fake.documents, "nothing arrived")
        wait_until(lambda: "index.retention" in caplog.text, lambda: caplog.text)
        agent.stop()
    warnings = [one for one in caplog.records if one.levelname == "WARNING"]
    assert [one.name for one in warnings] == ["logship.indices.keeper"]


def test_once_waits_for_retention(fake: ElasticFake, tmp_path: Path) -> None:
    """A run that only reads what is there looks at old indices, too, before it ends."""
    log = tmp_path / "a.log"
    log.write_text('{"@timestamp":"2026-11-21T10:00:00Z","message":"m"}\n')
    index = IndexSettings(retention_seconds=36_000 * DAY_SECONDS)
    settings = quick_settings(fake.url, [log], tmp_path / "state", index=index)
    with AgentThread(settings, once=True) as agent:
        agent.join()
    assert "GET /_cat/indices/logs-2*.*.*" in fake.requests
