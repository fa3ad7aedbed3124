"""What the settings of the whole cluster keep out, and what goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from logship.errors import ErrorReply
from logship.sinks.elasticsearch.reply import classify_failure, classify_reply
from tests.elasticsearch.client import Client, create

Change = Callable[..., None]


@pytest.fixture
def change(client: Client) -> Iterator[Change]:
    """Changes settings of the cluster for the time of the test; dots are double underscores."""
    changed: set[str] = set()

    def put(**settings: object) -> None:
        named = {key.replace("__", "."): value for key, value in settings.items()}
        changed.update(named)
        answer = client.request("PUT", "/_cluster/settings", {"persistent": named})
        assert answer.status == 200, answer.body

    yield put
    put(**dict.fromkeys(name.replace(".", "__") for name in changed))


BLOCKS = {
    "read_only": ("FORBIDDEN/6/cluster read-only (api)", 403),
    "read_only_allow_delete": ("FORBIDDEN/13/cluster read-only / allow delete (api)", 200),
}


@pytest.mark.parametrize(("setting", "expected"), BLOCKS.items(), ids=BLOCKS)
def test_read_only(
    client: Client, name: str, change: Change, setting: str, expected: tuple[str, int]
) -> None:
    """A cluster that takes nothing refuses whole requests; searching goes on."""
    why, status_of_delete = expected
    client.create(name, [{"n": 1}])
    change(**{f"cluster__blocks__{setting}": True})
    answer = client.bulk(create(name, "x"), {"n": 2}, create(f"{name}-b", "x"), {"n": 2})
    assert (answer.status, answer.error) == (403, "cluster_block_exception")
    reason = answer.json["error"]["reason"]
    assert reason == f"blocked by: [{why}];"
    verdict = classify_failure(2, ErrorReply(403, answer.error, reason))
    assert (verdict.verdict, list(verdict.retryable)) == ("pause", [0, 1])
    template = {"index_patterns": [f"{name}-c"]}
    refused = client.request("PUT", f"/_index_template/{name}", template)
    assert (refused.status, refused.error) == (403, "cluster_block_exception")
    assert client.ids(name, {"match_all": {}}) == ["0"]
    assert client.request("DELETE", f"/{name}").status == status_of_delete


def test_creation_forbidden(client: Client, name: str, change: Change) -> None:
    """Where indices may not be created by writing to them, only those that are not there fail."""
    client.create(f"{name}-there", [{"n": 1}])
    change(action__auto_create_index=f"-{name}*,*")
    answer = client.bulk(create(f"{name}-new", "x"), {"n": 1}, create(f"{name}-there", "x"), {})
    new, there = (item["create"] for item in answer.json["items"])
    assert (new["status"], there["status"]) == (404, 201)
    assert new["error"]["type"] == "index_not_found_exception"
    assert new["error"]["reason"] == (
        f"no such index [{name}-new] and [action.auto_create_index] contains [-{name}*] which "
        "forbids automatic creation of the index"
    )
    assert [refusal.position for refusal in classify_reply(2, answer.body).held] == [0]
    assert client.request("PUT", f"/{name}-new").status == 200


def test_creation_only_by_others(client: Client, name: str, change: Change) -> None:
    """With ``false`` nothing is created by writing to it."""
    change(action__auto_create_index="false")
    answer = client.bulk(create(name, "x"), {"n": 1})
    item = answer.json["items"][0]["create"]
    assert (item["status"], item["error"]["type"]) == (404, "index_not_found_exception")
    assert item["error"]["reason"] == (
        f"no such index [{name}] and [action.auto_create_index] is [false]"
    )


def test_shard_limit(client: Client, name: str, change: Change) -> None:
    """Where no shard may be added, only documents for new indices fail."""
    client.request("PUT", f"/{name}-there", {"settings": {"number_of_replicas": 0}})
    open_shards = client.request("GET", "/_cluster/health").json["active_primary_shards"]
    change(cluster__max_shards_per_node=open_shards)
    answer = client.bulk(create(f"{name}-new", "x"), {"n": 1}, create(f"{name}-there", "x"), {})
    new, there = (item["create"] for item in answer.json["items"])
    assert (new["status"], there["status"]) == (400, 201)
    assert new["error"]["type"] == "validation_exception"
    assert "this action would add [" in new["error"]["reason"]
    assert "but this cluster currently has [" in new["error"]["reason"]
    assert "maximum normal shards open" in new["error"]["reason"]
    assert [refusal.position for refusal in classify_reply(2, answer.body).held] == [0]
    change(cluster__max_shards_per_node=None)
    assert client.create(f"{name}-new", {"x": {"n": 1}})[0]["status"] == 201


def test_unknown_setting(client: Client) -> None:
    """A setting that is not known is refused."""
    body = {"persistent": {"nonsense.setting": 1}}
    answer = client.request("PUT", "/_cluster/settings", body)
    assert (answer.status, answer.error) == (400, "illegal_argument_exception")
