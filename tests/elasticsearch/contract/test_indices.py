"""Indices: made, deleted, closed, blocked; and requests that no server knows."""

from __future__ import annotations

import pytest

from tests.elasticsearch.client import Client, bulk_lines, create


def test_root(client: Client) -> None:
    """The server says who it is, in the members that clients check."""
    answer = client.request("GET", "/")
    assert answer.status == 200
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert set(answer.json) == {"name", "cluster_name", "cluster_uuid", "version", "tagline"}
    assert answer.json["tagline"] == "You Know, for Search"
    assert int(answer.json["version"]["number"].split(".")[0]) in (8, 9)
    assert answer.json["version"]["build_flavor"] == "default"
    head = client.request("HEAD", "/")
    assert (head.status, head.body) == (200, b"")


def test_health(client: Client, name: str) -> None:
    """The cluster is yellow or green once the shards are there."""
    client.create(name, [{"n": 1}])
    answer = client.request("GET", "/_cluster/health", wait_for_status="yellow", timeout="30s")
    assert answer.status == 200
    assert answer.json["status"] in ("yellow", "green")
    assert answer.json["timed_out"] is False


def test_create_index(client: Client, name: str) -> None:
    """An index is made once; again it is an error."""
    answer = client.request("PUT", f"/{name}")
    assert answer.json == {"acknowledged": True, "shards_acknowledged": True, "index": name}
    again = client.request("PUT", f"/{name}")
    assert (again.status, again.error) == (400, "resource_already_exists_exception")
    assert client.request("HEAD", f"/{name}").status == 200
    assert client.request("HEAD", f"/{name}-none").status == 404


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"settings": {"index.nosuch": 1}}, "illegal_argument_exception"),
        ({"settings": {"number_of_shards": 0}}, "illegal_argument_exception"),
        ({"settings": {"refresh_interval": "soon"}}, "illegal_argument_exception"),
        ({"mappings": {"properties": {"a": {"type": "nosuch"}}}}, "mapper_parsing_exception"),
        ({"mappings": {"nosuch": 1}}, "mapper_parsing_exception"),
        ({"nosuch": 1}, "parse_exception"),
    ],
    ids=["setting", "no shards", "interval", "type", "mapping", "key"],
)
def test_create_index_refused(client: Client, name: str, body: object, error: str) -> None:
    """Settings and mappings that cannot be are refused, and no index is made."""
    answer = client.request("PUT", f"/{name}", body)
    assert (answer.status, answer.error) == (400, error)
    assert client.request("HEAD", f"/{name}").status == 404


def test_delete(client: Client, name: str) -> None:
    """An index is deleted by name, with everything in it; one that is not there is 404."""
    client.create(name, [{"n": 1}])
    assert client.request("DELETE", f"/{name}").json == {"acknowledged": True}
    missing = client.request("DELETE", f"/{name}")
    assert (missing.status, missing.error) == (404, "index_not_found_exception")
    assert client.create(name, [{"n": "another type"}])[0]["status"] == 201


def test_delete_with_a_wildcard(client: Client, name: str) -> None:
    """Patterns delete nothing: they are refused."""
    client.create(f"{name}-a", [{"n": 1}])
    for pattern in (f"{name}-*", "*", "_all"):
        answer = client.request("DELETE", f"/{pattern}")
        assert (answer.status, answer.error) == (400, "illegal_argument_exception")
        assert answer.json["error"]["reason"] == (
            "Wildcard expressions or all indices are not allowed"
        )
    assert client.request("HEAD", f"/{name}-a").status == 200


def test_delete_several(client: Client, name: str) -> None:
    """Several indices are deleted by their names, or none when one is missing."""
    client.create(f"{name}-a", [{"n": 1}])
    client.create(f"{name}-b", [{"n": 1}])
    missing = client.request("DELETE", f"/{name}-a,{name}-none")
    assert (missing.status, missing.error) == (404, "index_not_found_exception")
    assert client.request("HEAD", f"/{name}-a").status == 200
    assert client.request("DELETE", f"/{name}-a,{name}-b").status == 200
    assert client.request("HEAD", f"/{name}-b").status == 404


def test_closed(client: Client, name: str) -> None:
    """A closed index takes nothing and is not searched; opened, it is as before."""
    client.create(name, [{"n": 1}])
    assert client.request("POST", f"/{name}/_close").json["acknowledged"] is True
    answer = client.bulk(create(name, "x"), {"n": 1}, create(f"{name}-open", "x"), {"n": 1})
    closed, other = (item["create"] for item in answer.json["items"])
    assert (closed["status"], other["status"]) == (400, 201)
    assert closed["error"]["type"] == "index_closed_exception"
    assert closed["error"]["reason"] == "closed"
    assert closed["error"]["index"] == name
    search = client.request("POST", f"/{name}/_search", {})
    assert (search.status, search.error) == (400, "index_closed_exception")
    assert client.request("POST", f"/{name}/_open").json["acknowledged"] is True
    assert client.create(name, {"x": {"n": 1}})[0]["status"] == 201


BLOCKS = {
    "index.blocks.write": (403, "FORBIDDEN/8/index write (api)"),
    "index.blocks.read_only": (403, "FORBIDDEN/5/index read-only (api)"),
    "index.blocks.read_only_allow_delete": (
        429,
        "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, "
        "index has read-only-allow-delete block",
    ),
}


@pytest.mark.parametrize(("setting", "expected"), BLOCKS.items(), ids=BLOCKS)
def test_blocks(client: Client, name: str, setting: str, expected: tuple[int, str]) -> None:
    """A blocked index refuses documents with the reason, and takes them once it is free."""
    status, said = expected
    client.create(name, [{"n": 1}])
    for attempt in range(3):  # a server may lift the block of a full disk just then
        assert client.request("PUT", f"/{name}/_settings", {setting: True}).status == 200
        id_ = f"try-{attempt}"
        answer = client.bulk(create(name, id_), {"n": 1}, create(f"{name}-b", id_), {"n": 1})
        blocked, other = (item["create"] for item in answer.json["items"])
        if blocked["status"] == status:
            break
    assert (blocked["status"], other["status"]) == (status, 201)
    assert blocked["error"]["type"] == "cluster_block_exception"
    assert said in blocked["error"]["reason"]
    assert client.request("PUT", f"/{name}/_settings", {setting: None}).status == 200
    assert client.create(name, {"x": {"n": 1}})[0]["status"] == 201


def test_require_alias(client: Client, name: str) -> None:
    """A document that may only go to an alias is refused by name."""
    answer = client.bulk(create(name, "x"), {"n": 1}, require_alias=True)
    item = answer.json["items"][0]["create"]
    assert (item["status"], item["error"]["type"]) == (404, "index_not_found_exception")


def test_missing_pipeline(client: Client, name: str) -> None:
    """A pipeline that is not there is said per document."""
    answer = client.bulk(create(name, "x"), {"n": 1}, pipeline="nosuch")
    item = answer.json["items"][0]["create"]
    assert (item["status"], item["error"]["type"]) == (400, "illegal_argument_exception")
    assert item["error"]["reason"] == "pipeline with id [nosuch] does not exist"


def test_body_too_large(client: Client) -> None:
    """A body over 100 MB is 413, before it has been sent; the reply may be empty."""
    headers = {
        "content-type": "application/x-ndjson",
        "content-length": str(101 << 20),
        "expect": "100-continue",
    }
    client.close()
    answer = client.request("POST", "/_bulk", b"", headers=headers)
    client.close()
    assert answer.status == 413


@pytest.mark.parametrize("path", ["/{}/_nosuch/a/b", "/a/b/c/d"])
def test_unknown_endpoint(client: Client, name: str, path: str) -> None:
    """A path that nothing answers is said to be one."""
    path = path.format(name)
    answer = client.request("GET", path)
    assert answer.status == 400
    assert answer.json == {"error": f"no handler found for uri [{path}] and method [GET]"}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/_bulk", {"POST", "PUT"}), ("PUT", "/{}/_search", {"GET", "POST"})],
)
def test_wrong_method(client: Client, name: str, method: str, path: str, allowed: set[str]) -> None:
    """A method that a path does not know is refused, with those it knows."""
    answer = client.request(method, path.format(name))
    assert answer.status == 405
    assert set(answer.headers["allow"].split(",")) == allowed
    assert answer.json["error"].startswith(
        f"Incorrect HTTP method for uri [{path.format(name)}] and method [{method}], allowed: ["
    )


def test_compatible_media_type(client: Client, name: str) -> None:
    """The media types that typed clients send are taken, and answered in kind."""
    body = bulk_lines(create(name, "a"), {"n": 1})
    headers = {
        "content-type": "application/vnd.elasticsearch+x-ndjson;compatible-with=8",
        "accept": "application/vnd.elasticsearch+json;compatible-with=8",
    }
    answer = client.request("POST", "/_bulk", body, headers=headers)
    assert answer.status == 200
    assert answer.headers["content-type"].replace(" ", "") == (
        "application/vnd.elasticsearch+json;compatible-with=8"
    )


def test_refresh_interval(client: Client, name: str) -> None:
    """Documents are found after an explicit refresh, whatever the interval is."""
    client.request("PUT", f"/{name}", {"settings": {"refresh_interval": "-1"}})
    client.create(name, [{"n": 1}], refresh=False)
    assert client.request("POST", f"/{name}/_refresh").status == 200
    assert client.ids(name, {"match_all": {}}) == ["0"]


def test_aliases(client: Client, name: str) -> None:
    """An alias is searched as its indices are."""
    client.create(name, [{"n": 1}])
    body = {"actions": [{"add": {"index": name, "alias": f"{name}-alias"}}]}
    assert client.request("POST", "/_aliases", body).json["acknowledged"] is True
    assert client.ids(f"{name}-alias", {"match_all": {}}) == ["0"]


def test_list_indices(client: Client, name: str) -> None:
    """Indices are listed with their health and number of documents."""
    client.create(name, [{"n": 1}, {"n": 2}])
    client.request("POST", f"/{name}/_refresh")
    (row,) = client.request("GET", f"/_cat/indices/{name}?format=json&bytes=b").json
    assert (row["index"], row["status"], row["docs.count"]) == (name, "open", "2")
    assert row["health"] in ("yellow", "green")
    assert int(row["store.size"]) > 0
