"""Views that stand still (points in time), counts, and the scrolls of archives."""

from __future__ import annotations

import pytest

from tests.elasticsearch.client import Client
from tests.elasticsearch.contract.test_search import missing_index, root_cause


@pytest.fixture
def index(client: Client, name: str) -> str:
    """25 records."""
    client.create(name, [{"n": n} for n in range(25)])
    return name


def test_view_of_a_missing_index(client: Client, name: str) -> None:
    """A view of what is not there is refused, or empty where that was asked for."""
    answer = client.request("POST", f"/{name}/_pit", keep_alive="1m")
    assert (answer.status, answer.json["error"]["reason"]) == (404, f"no such index [{name}]")
    assert answer.json["error"]["root_cause"] == [missing_index(name)]
    pattern = client.request("POST", f"/{name}-*/_pit", keep_alive="1m", ignore_unavailable=True)
    assert pattern.status == 200
    body = {"pit": {"id": pattern.json["id"], "keep_alive": "1m"}}
    reply = client.request("POST", "/_search", body)
    assert (reply.status, reply.json["hits"]["total"]["value"]) == (200, 0)


def test_view_without_an_end(client: Client, index: str) -> None:
    """A view has to say how long it is kept."""
    answer = client.request("POST", f"/{index}/_pit")
    assert (answer.status, answer.error) == (400, "action_request_validation_exception")


def test_view_kept_too_long(client: Client, index: str) -> None:
    """A view is kept for a day at most."""
    answer = client.request("POST", f"/{index}/_pit", keep_alive="25h")
    assert answer.status == 400, answer.body
    assert "[search.max_keep_alive]" in answer.body.decode()


def test_nonsense_view(client: Client) -> None:
    """An id that is none is refused."""
    body = {"pit": {"id": "nonsense", "keep_alive": "1m"}}
    answer = client.request("POST", "/_search", body)
    assert (answer.status, answer.error) == (400, "illegal_argument_exception")


def test_view_and_index(client: Client, index: str) -> None:
    """A search in a view names no index besides."""
    opened = client.request("POST", f"/{index}/_pit", keep_alive="1m").json
    body = {"pit": {"id": opened["id"]}}
    answer = client.request("POST", f"/{index}/_search", body)
    assert (answer.status, answer.error) == (400, "action_request_validation_exception")
    client.request("DELETE", "/_pit", {"id": opened["id"]})


def test_view_closed_twice(client: Client, index: str) -> None:
    """A view that is not there any more is said to be freed none."""
    opened = client.request("POST", f"/{index}/_pit", keep_alive="1m").json
    first = client.request("DELETE", "/_pit", {"id": opened["id"]})
    assert (first.status, first.json["succeeded"]) == (200, True)
    again = client.request("DELETE", "/_pit", {"id": opened["id"]})
    assert (again.status, again.json["num_freed"]) == (404, 0)


def test_view_of_a_deleted_index(client: Client, index: str) -> None:
    """What is deleted is gone from views as well."""
    opened = client.request("POST", f"/{index}/_pit", keep_alive="1m").json
    assert client.request("DELETE", f"/{index}").status == 200
    body = {"pit": {"id": opened["id"], "keep_alive": "1m"}}
    answer = client.request("POST", "/_search", body)
    assert (answer.status, answer.error) == (503, "search_phase_execution_exception")
    assert root_cause(answer.json) == "no_shard_available_action_exception"


def test_view_of_a_few_deleted_indices(client: Client, name: str) -> None:
    """What is left of a view is found, and how many shards it lacks is said."""
    for letter in "ab":
        client.create(f"{name}-{letter}", {letter: {"n": 1}})
    opened = client.request("POST", f"/{name}-*/_pit", keep_alive="1m").json
    assert client.request("DELETE", f"/{name}-a").status == 200
    body = {"pit": {"id": opened["id"], "keep_alive": "1m"}}
    reply = client.request("POST", "/_search", body).json
    assert [hit["_id"] for hit in reply["hits"]["hits"]] == ["b"]
    (failure,) = reply["_shards"].pop("failures")
    assert reply["_shards"] == {"total": 2, "successful": 1, "skipped": 0, "failed": 1}
    assert (failure["index"], failure["reason"]["type"]) == (
        f"{name}-a",
        "no_shard_available_action_exception",
    )


def test_scroll(client: Client, index: str) -> None:
    """A scroll gives every document once, and ends with an empty page."""
    body = {"size": 10, "sort": ["_doc"]}
    page = client.request("POST", f"/{index}/_search", body, scroll="1m").json
    found: list[int] = []
    while hits := page["hits"]["hits"]:
        found += [hit["_source"]["n"] for hit in hits]
        following = {"scroll": "1m", "scroll_id": page["_scroll_id"]}
        page = client.request("POST", "/_search/scroll", following).json
    assert sorted(found) == list(range(25))
    closed = client.request("DELETE", "/_search/scroll", {"scroll_id": [page["_scroll_id"]]})
    assert (closed.status, closed.json["succeeded"]) == (200, True)
    following = {"scroll": "1m", "scroll_id": page["_scroll_id"]}
    assert client.request("POST", "/_search/scroll", following).status == 404


def test_count(client: Client, index: str) -> None:
    """Counts are exact, with a query and without."""
    reply = client.request("POST", f"/{index}/_count", {"query": {"range": {"n": {"gte": 20}}}})
    assert reply.json["count"] == 5
    assert reply.json["_shards"] == {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    assert client.request("GET", f"/{index}/_count").json["count"] == 25


def test_count_refused(client: Client, index: str, name: str) -> None:
    """A count of what is not there, or by a query that cannot be, is refused."""
    missing = client.request("GET", f"/{name}-none/_count")
    assert (missing.status, missing.error) == (404, "index_not_found_exception")
    skipped = client.request("GET", f"/{name}-none/_count", ignore_unavailable=True)
    assert (skipped.status, skipped.json["count"]) == (200, 0)
    bad = client.request("POST", f"/{index}/_count", {"query": {"term": {"n": "x"}}})
    assert (bad.status, root_cause(bad.json)) == (400, "query_shard_exception")


def test_search_within_a_time(client: Client, index: str) -> None:
    """A search that is bounded in time says whether it was cut short."""
    reply = client.search(index, {"timeout": "30s", "size": 1})
    assert reply["timed_out"] is False
    bad = client.request("POST", f"/{index}/_search", {"timeout": "soon"})
    assert bad.status == 400
