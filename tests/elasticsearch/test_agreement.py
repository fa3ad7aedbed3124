"""Random queries find the same records in the node and in a real Elasticsearch.

``LOGSHIP_TEST_SEED`` chooses others, ``LOGSHIP_TEST_QUERIES`` how many there are.
"""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from typing import Any

import pytest

from logship.errors import QueryError
from logship.query import parse, to_dsl
from tests.elasticsearch.client import Client
from tests.elasticsearch.contract.corpus import RECORDS
from tests.elasticsearch.template import put_own_template

pytestmark = pytest.mark.real_es

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
QUERIES = int(os.environ.get("LOGSHIP_TEST_QUERIES") or 400)

FIELDS = (
    *("level", "service", "message", "status", "duration_ms", "path", "tags", "user_id"),
    *("error.type", "error.message", "extra.order.id", "extra.order.paid", "items.sku"),
    *("@timestamp", "timestamp", "note", "ratio", "method", "nosuch"),
)
VALUES = (
    *("ERROR", "error", "warn", "api", "API", "web", "payment", "failed", "health", "order-7"),
    *("200", "404", "-1", "0.5", "1250.5", "999", "12", "200.0", "true", "false", "u-1", "ü"),
    *("a", "größer", "日本", "10.0.0.1", "ValueError", "john.doe", "of", "get", "/health"),
    *("2026-11-21", "2026-11", "2026-11-21T00:00:00Z"),
    *('"payment failed"', '"GET /health 200"'),
    *("*", "a*", "*i", "?", "pa?ment", "/pay.*/", "/[0-9]+/", "/.*o.*/"),
)
PLAIN = tuple(value for value in VALUES if not set(value) & set('"*?/'))

DATES = ("2026-11-20", "2026-11-21", "2026-11", "2026-11-21T00:00:00Z", "payment")


def leaf(chooser: random.Random) -> str:
    field, value = chooser.choice(FIELDS), chooser.choice(VALUES)
    match chooser.randrange(6):
        case 0:
            return value
        case 1:
            return f"{field} {chooser.choice(('>', '>=', '<', '<=', '!='))} {chooser.choice(PLAIN)}"
        case 2:
            ends = DATES if "timestamp" in field else PLAIN
            low, high = chooser.choice(ends), chooser.choice(ends)
            return f"{field}:{chooser.choice('[{')}{low} TO {high}]"
        case _:
            return f"{field}:{value}"


def text_of(chooser: random.Random, depth: int = 0) -> str:
    if depth > 2 or chooser.random() < 0.6:
        return leaf(chooser)
    left, right = text_of(chooser, depth + 1), text_of(chooser, depth + 1)
    return chooser.choice((f"({left} and {right})", f"({left} or {right})", f"not ({left})"))


def answer(client: Client, index: str, query: Mapping[str, Any]) -> object:
    """The ids that are found, or the status where it is refused."""
    reply = client.request("POST", f"/{index}/_search", {"query": query, "size": 100})
    if reply.status != 200:
        return reply.status
    return sorted(hit["_id"] for hit in reply.json["hits"]["hits"])


def test_random_queries(real_url: str, node_url: str, name: str) -> None:
    """What one server finds or refuses, the other finds or refuses."""
    chooser = random.Random(SEED)
    differing = []
    with Client(real_url) as real, Client(node_url) as node:
        for client in (real, node):
            index = put_own_template(client, name)
            assert {item["status"] for item in client.create(index, RECORDS)} == {201}
        for _ in range(QUERIES):
            text = text_of(chooser)
            try:
                query = to_dsl(parse(text))
            except QueryError:
                continue
            expected, found = answer(real, index, query), answer(node, index, query)
            # A server need not look at what cannot change the result, and then does not see
            # that it is wrong.
            if expected != found and not (found == 400 and " and " in text):
                differing.append(f"{text}\n  real: {expected}\n  node: {found}")
    assert not differing, "\n".join(differing)
