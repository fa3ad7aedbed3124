"""Random bulk requests have the same outcomes in the node and in a real Elasticsearch.

``LOGSHIP_TEST_SEED`` chooses others, ``LOGSHIP_TEST_BULKS`` how many there are.
"""

from __future__ import annotations

import json
import os
import random
from typing import Any

import pytest

from tests.elasticsearch.client import Client
from tests.elasticsearch.template import put_own_template

pytestmark = [pytest.mark.real_es, pytest.mark.only_8]

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
BULKS = int(os.environ.get("LOGSHIP_TEST_BULKS") or 150)
MOST_LINES = 12

NDJSON = {"content-type": "application/x-ndjson"}
NAMES = (
    *("@timestamp", "level", "message", "service", "error", "error.type", "host.name", "tags"),
    *("extra", "duration_ms", "log.offset", "rescued", "timestamp", "trace_id"),
    *("a", "b", "a.b", "a.b.c", "n", "n.m", "f", "deep", "ü", "with space", "_id", "", ".", "a."),
)
SCALARS = (
    *("x", "", "ERROR", "12", "-1", "1.5", "true", "2026-11-21T10:00:00Z", "2026-11-21", "ü" * 9),
    *("x" * 300, "x" * 2000, "x" * 33_000, "10.0.0.1", "null", "NaN", "1e400", "9999-12-31"),
    *(0, 1, -7, 2**31, 2**53, 1.5, -0.0, True, False, None),
)
LINES = (
    *(b"", b" ", b"{", b"}", b"[]", b"3", b"null", b'"x"', b"x", b'{"a":1', b'{"a" 1}', b"{'a':1}"),
    *(b'{"a":1,"a":2}', b'{"a":01}', b'{"n":\xff}', b'{"b":"\\q"}'),
    b'{"a":1}\r', b' {"n" : 1 } ', b'{"big":99999999999999999999}', b'{"u":"\\ud83d\\ude00"}',
)  # fmt: skip


def value(chooser: random.Random, depth: int = 0) -> Any:
    kind = chooser.random()
    if depth > 2 or kind < 0.75:
        return chooser.choice(SCALARS)
    if kind < 0.88:
        return [value(chooser, depth + 1) for _ in range(chooser.randrange(4))]
    return document(chooser, depth + 1)


def document(chooser: random.Random, depth: int = 0) -> dict[str, Any]:
    names = chooser.sample(NAMES, chooser.randrange(1, 5))
    return {name: value(chooser, depth) for name in names}


def source(chooser: random.Random) -> bytes:
    if chooser.random() < 0.12:
        return chooser.choice(LINES)
    return json.dumps(document(chooser), ensure_ascii=chooser.random() < 0.5).encode()


def body_of(chooser: random.Random, index: str) -> bytes:
    lines = []
    for _ in range(chooser.randrange(1, MOST_LINES)):
        id_ = str(chooser.randrange(400))
        action = chooser.choices(("create", "index", "delete"), (8, 1, 1))[0]
        meta: dict[str, Any] = {"_index": index, "_id": id_}
        if chooser.random() < 0.03:
            meta["_id"] = chooser.choice(("", "x" * 512, "x" * 513, 7, True, "ü/?#\n"))
        if action != "delete" and chooser.random() < 0.03:
            meta["_index"] = chooser.choice(("UPPER", "_x", "a b", "", "a*", "a,b", ".."))
        lines.append(json.dumps({action: meta}).encode())
        if action != "delete":
            lines.append(source(chooser))
    body = b"\n".join(lines) + b"\n"
    return body[:-1] if chooser.random() < 0.02 else body


def outcome(client: Client, body: bytes) -> list[Any]:
    """Of the request, and of each item: what a shipper goes by."""
    answer = client.request("POST", "/_bulk", body, headers=NDJSON, refresh=True)
    if answer.status != 200:
        return [answer.status, answer.error]
    return [
        (action, item["_index"], item["_id"], item["status"], item.get("error", {}).get("type"),
         item.get("result"))
        for entry in answer.json["items"] for action, item in entry.items()
    ]  # fmt: skip


def stored(client: Client, index: str) -> dict[str, Any]:
    """Every document with what is ignored of it, and the mapping that they have made."""
    found = client.search(index, {"size": 1000, "query": {"match_all": {}}})["hits"]["hits"]
    documents = {hit["_id"]: (hit["_source"], sorted(hit.get("_ignored", ()))) for hit in found}
    mapping = client.request("GET", f"/{index}/_mapping").json[index]["mappings"]
    return {"documents": documents, "mapping": mapping}


@pytest.mark.parametrize("is_own", [True, False])
def test_random_bulks(real_url: str, node_url: str, name: str, is_own: bool) -> None:
    """What one server stores, refuses or ignores, the other does, for the same reason."""
    chooser = random.Random(SEED)
    differing = []
    with Client(real_url) as real, Client(node_url) as node:
        index = name
        for client in (real, node):
            if is_own:
                index = put_own_template(client, name)
            assert client.request("PUT", f"/{index}").status == 200
        for _ in range(BULKS):
            body = body_of(chooser, index)
            expected, found = outcome(real, body), outcome(node, body)
            if expected != found:
                pairs = [pair for pair in zip(expected, found, strict=False) if pair[0] != pair[1]]
                differing.append((pairs or (expected, found), body))
        expected_end, found_end = stored(real, index), stored(node, index)
    assert not differing, f"{len(differing)} differ, the first: {differing[0]}"
    assert found_end["documents"] == expected_end["documents"]
    assert found_end["mapping"] == expected_end["mapping"]
