"""A server that takes little at once: all of it arrives, once, and nothing is a dead letter."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from logship.errors import ErrorReply
from logship.sinks.elasticsearch.reply import classify_failure, classify_reply
from tests.elasticsearch.client import Answer, create
from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.support.agent import AgentProcess
from tests.support.chaos import fetch, write_records
from tests.support.proxy import Proxy
from tests.support.real_elasticsearch import RealElasticsearch

pytestmark = [pytest.mark.real_es, pytest.mark.slow]

SHARDS = 3
DOCUMENTS = 200
RECORDS = 1200


@pytest.fixture(scope="module")
def narrow() -> Iterator[RealElasticsearch]:
    """One thread writes, one piece of work may wait for it, and memory is short."""
    need_real_elasticsearch(real_version())
    settings = {
        "thread_pool.write.size": "1",
        "thread_pool.write.queue_size": "1",
        "indexing_pressure.memory.limit": "256kb",
    }
    with RealElasticsearch(real_version(), settings=settings) as server:
        with server.client() as client:
            template = {
                "index_patterns": ["pressed-*"],
                "template": {"settings": {"number_of_shards": SHARDS, "number_of_replicas": 0}},
            }
            assert client.request("PUT", "/_index_template/pressed", template).status == 200
        yield server


def test_shape(narrow: RealElasticsearch) -> None:
    """Requests and documents that come too fast are told so, in the words that the sink knows."""
    with narrow.client() as client:
        assert client.request("PUT", "/pressed-shape").status == 200

    def send(number: int) -> Answer:
        lines: list[object] = []
        for n in range(DOCUMENTS):
            lines += [create("pressed-shape", f"{number}-{n}"), {"n": n, "text": "x" * 200}]
        with narrow.client() as client:
            return client.bulk(*lines)

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(send, range(48)))
    seen: Counter[str] = Counter()
    for answer in answers:
        if answer.status == 200:
            result = classify_reply(DOCUMENTS, answer.body)
            assert not result.held
            assert not result.rejected
            items = [item["create"] for item in answer.json["items"]]
            refused = [item["error"]["type"] for item in items if item["status"] != 201]
            assert len(refused) == len(result.retryable)
            assert set(refused) <= {"es_rejected_execution_exception"}
            seen["documents"] += len(refused)
        else:
            assert (answer.status, answer.error) == (429, "es_rejected_execution_exception")
            reason = answer.json["error"]["reason"]
            error = ErrorReply(answer.status, answer.error, reason)
            assert classify_failure(DOCUMENTS, error).verdict == "retry"
            seen["requests"] += 1
    assert seen.total() > 0


def test_agent(narrow: RealElasticsearch, tmp_path: Path) -> None:
    """The agent sends less at once, and again what was refused, until everything is stored once."""
    write_records(tmp_path / "app.log", RECORDS)
    with Proxy(narrow.url) as proxy:
        settings = {
            "elasticsearch": {"hosts": proxy.url, "compression": False},
            "index": {"name": "pressed-agent-%Y.%m.%d", "template": False},
            "delivery": {"batch_records": 100, "batch_bytes": "100KiB", "max_in_flight": 8},
            "sources": [{"paths": [str(tmp_path / "app.log")]}],
            "state_dir": str(tmp_path / "state"),
        }
        config = tmp_path / "logship.yaml"
        config.write_text(json.dumps(settings))
        command = ("run", "-c", config, "--once")
        with AgentProcess(*command, log=tmp_path / "agent.err") as agent:
            assert agent.wait(120) == 0, agent.stderr
            assert "dead letters 0, dropped 0, unconfirmed 0" in agent.stderr
        refused = sum(status == 429 for one in proxy.bulks for _, status in one.told)
        refused += sum(one.status == 429 for one in proxy.bulks)
        assert refused > 0, proxy.story()
        assert all(count == 1 for count in proxy.created.values())
    with narrow.client() as client:
        stored = fetch(client, "pressed-agent-*")
    assert sorted(stored.values()) == list(range(RECORDS))
