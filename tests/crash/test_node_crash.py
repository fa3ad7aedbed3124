"""The node under SIGKILL: what it has acknowledged is there when it opens again."""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path

import pytest

from tests.support.node import NodeProcess, get, post

_ROUNDS = 3
_BATCH = 200


class _Sender(threading.Thread):
    """Sends bulk requests one after another and keeps the ids that were acknowledged."""

    def __init__(self, url: str, name: str) -> None:
        super().__init__(daemon=True)
        self._url, self._label = url, name
        self.acknowledged: list[str] = []
        self.stopping = threading.Event()
        self.problem = ""

    def run(self) -> None:
        """Send until the node is gone."""
        count = 0
        while not self.stopping.is_set():
            ids = [f"{self._label}-{number}" for number in range(count, count + _BATCH)]
            count += _BATCH
            lines = "".join(
                f'{{"create":{{"_id":"{id_}"}}}}\n'
                f'{{"@timestamp":"2026-11-21T10:00:00Z","message":"line {id_}","n":1}}\n'
                for id_ in ids
            )
            try:
                answer = post(f"{self._url}/crash/_bulk?filter_path=errors,items.*.status", lines)
            except (OSError, http.client.HTTPException):
                return
            if answer.json()["errors"]:
                self.problem = answer.body.decode()[:500]
                return
            self.acknowledged.extend(ids)


def _wait_for(sender: _Sender, count: int) -> None:
    deadline = time.monotonic() + 30
    while len(sender.acknowledged) < count:
        assert sender.is_alive(), sender.problem
        assert time.monotonic() < deadline, len(sender.acknowledged)
        time.sleep(0.01)


@pytest.mark.slow
def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    """Killed several times in the middle of bulk requests; every answer was a promise."""
    acknowledged: list[str] = []
    with NodeProcess(tmp_path) as node:
        for number in range(_ROUNDS):
            sender = _Sender(node.url, f"round{number}")
            sender.start()
            _wait_for(sender, (number + 2) * _BATCH)
            node.kill()
            sender.stopping.set()
            sender.join(30)
            assert sender.problem == ""
            acknowledged.extend(sender.acknowledged)
            node.start()
        assert _missing(node.url, acknowledged) == []
        count = get(f"{node.url}/crash/_count").json()["count"]
        assert count >= len(acknowledged)
        # A bulk request is all or nothing: what came beyond the answers came in whole batches.
        assert count % _BATCH == 0


@pytest.mark.slow
def test_a_replay_after_a_crash_changes_nothing(tmp_path: Path) -> None:
    """What may or may not have been applied is sent again: each document is there once."""
    with NodeProcess(tmp_path) as node:
        sender = _Sender(node.url, "again")
        sender.start()
        _wait_for(sender, 2 * _BATCH)
        node.kill()
        sender.stopping.set()
        sender.join(30)
        node.start()
        total = len(sender.acknowledged) + 2 * _BATCH
        lines = "".join(
            f'{{"create":{{"_id":"again-{n}"}}}}\n{{"message":"again"}}\n' for n in range(total)
        )
        answer = post(f"{node.url}/crash/_bulk", lines).json()
        statuses = {item["create"]["status"] for item in answer["items"]}
        assert statuses <= {201, 409}
        assert get(f"{node.url}/crash/_count").json()["count"] == total
        found = post(f"{node.url}/crash/_search", {"query": {"match": {"message": "again-1"}}})
        assert found.status == 200


def _missing(url: str, ids: list[str]) -> list[str]:
    missing: list[str] = []
    for start in range(0, len(ids), 1000):
        some = ids[start : start + 1000]
        answer = post(f"{url}/crash/_mget?_source=false", json.dumps({"ids": some})).json()
        missing.extend(doc["_id"] for doc in answer["docs"] if not doc["found"])
    return missing
