"""Searching: order, pages, counts, views that stand still, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from tests.elasticsearch.client import Client, bulk_lines, create
from tests.elasticsearch.template import put_own_template

SORT = [
    {"@timestamp": {"order": "desc", "unmapped_type": "date"}},
    {"log.offset": {"order": "desc", "unmapped_type": "long", "missing": 0}},
]


@pytest.fixture
def index(client: Client, name: str) -> str:
    """100 records, ten per millisecond, the later the higher their number."""
    index = put_own_template(client, name)
    records = [
        {
            "@timestamp": f"2026-11-21T10:00:00.{number // 10:03}Z",
            "log.offset": number,
            "message": f"message {number}",
            "level": ["INFO", "ERROR"][number % 2],
            "yes": True,
        }
        for number in range(100)
    ]
    client.create(index, records)
    return index


def test_reply(client: Client, index: str) -> None:
    """A reply says how long it took, what shards took part, how many there are, and the hits."""
    body = {"sort": SORT, "size": 1, "query": {"term": {"level": "error"}}}
    reply = client.search(index, body)
    assert set(reply) == {"took", "timed_out", "_shards", "hits"}
    assert reply["timed_out"] is False
    assert reply["_shards"] == {"total": 1, "successful": 1, "skipped": 0, "failed": 0}
    assert reply["hits"] == {
        "total": {"value": 50, "relation": "eq"},
        "max_score": None,
        "hits": [
            {
                "_index": index,
                "_id": "99",
                "_score": None,
                "_source": {
                    "@timestamp": "2026-11-21T10:00:00.009Z",
                    "log.offset": 99,
                    "message": "message 99",
                    "level": "ERROR",
                    "yes": True,
                },
                "sort": [1795255200009, 99],
            }
        ],
    }


def test_newest_first(client: Client, index: str) -> None:
    """Records come in the order of their times and, within one, of their offsets."""
    assert numbers(client.search(index, {"sort": SORT, "size": 100})) == list(range(99, -1, -1))


def test_from_and_size(client: Client, index: str) -> None:
    """``from`` and ``size`` cut a piece out; ten hits without them."""
    reply = client.search(index, {"sort": SORT, "from": 5, "size": 3})
    assert numbers(reply) == [94, 93, 92]
    assert len(client.search(index)["hits"]["hits"]) == 10


def test_search_after(client: Client, index: str) -> None:
    """Page after page gives every record once."""
    body: dict[str, Any] = {"sort": SORT, "size": 7}
    found: list[int] = []
    while hits := client.search(index, body)["hits"]["hits"]:
        found += [int(hit["_id"]) for hit in hits]
        body["search_after"] = hits[-1]["sort"]
    assert found == list(range(99, -1, -1))


def test_view_stands_still(client: Client, index: str) -> None:
    """Pages of an open view show what was there when it was opened."""
    opened = client.request("POST", f"/{index}/_pit", keep_alive="2m", ignore_unavailable=True)
    assert opened.status == 200
    pit = {"id": opened.json["id"], "keep_alive": "2m"}
    first = client.request("POST", "/_search", {"pit": pit, "sort": SORT, "size": 60}).json
    client.create(index, {"later": {"@timestamp": "2026-11-21T11:00:00Z", "log.offset": 0}})
    client.bulk({"delete": {"_index": index, "_id": "1"}}, refresh=True)
    after = first["hits"]["hits"][-1]["sort"]
    pit = {"id": first["pit_id"], "keep_alive": "2m"}
    body = {"pit": pit, "sort": SORT, "size": 60, "search_after": after}
    second = client.request("POST", "/_search", body).json
    assert numbers(first) + numbers(second) == list(range(99, -1, -1))
    # A tie breaker is added, so that pages are complete whatever the sort is.
    assert len(after) == len(SORT) + 1
    closed = client.request("DELETE", "/_pit", {"id": second["pit_id"]})
    assert (closed.status, closed.json["succeeded"]) == (200, True)
    again = client.request("POST", "/_search", {"pit": pit, "sort": SORT})
    assert again.status == 404


def test_equal_times_in_a_view(client: Client, name: str) -> None:
    """In a view, records that sort equal are all found, each once."""
    index = put_own_template(client, name)
    client.create(index, [{"@timestamp": "2026-11-21T10:00:00Z"}] * 25)
    pit = client.request("POST", f"/{index}/_pit", keep_alive="1m").json
    view = {"id": pit["id"], "keep_alive": "1m"}
    body: dict[str, Any] = {"pit": view, "sort": SORT, "size": 4}
    found: list[int] = []
    while hits := client.request("POST", "/_search", body).json["hits"]["hits"]:
        found += [int(hit["_id"]) for hit in hits]
        body["search_after"] = hits[-1]["sort"]
    client.request("DELETE", "/_pit", {"id": pit["id"]})
    assert sorted(found) == list(range(25))


def test_missing_last(client: Client, name: str) -> None:
    """Records without the sorted field come last, in both directions; ``_first`` on request."""
    index = put_own_template(client, name)
    client.create(index, [{"a": 2}, {"b": 1}, {"a": 1}])
    for order, expected in (("asc", [2, 0, 1]), ("desc", [0, 2, 1])):
        assert numbers(client.search(index, {"sort": [{"a": order}]})) == expected
    first = {"sort": [{"a": {"order": "asc", "missing": "_first"}}]}
    assert numbers(client.search(index, first)) == [1, 2, 0]
    last = client.search(index, {"sort": [{"a": "asc"}]})["hits"]["hits"][-1]
    assert last["sort"] == [9223372036854775807]


def test_unmapped_sort(client: Client, name: str) -> None:
    """A sort by a field that no record has is refused, unless its type is given."""
    client.create(name, [{"a": 1}])
    answer = client.request("POST", f"/{name}/_search", {"sort": ["nosuch"]})
    assert (answer.status, root_cause(answer.json)) == (400, "query_shard_exception")
    given = {"sort": [{"nosuch": {"order": "asc", "unmapped_type": "long"}}]}
    assert client.request("POST", f"/{name}/_search", given).status == 200


def test_sort_on_text(client: Client, index: str) -> None:
    """A text cannot be sorted by."""
    answer = client.request("POST", f"/{index}/_search", {"sort": ["message"]})
    assert (answer.status, root_cause(answer.json)) == (400, "illegal_argument_exception")
    assert "Fielddata is disabled on [message]" in answer.json["error"]["root_cause"][0]["reason"]


def test_source_filter(client: Client, name: str) -> None:
    """Only the named fields come back, by name, by pattern, and nested."""
    client.create(name, [{"a": {"b": 1, "c": 2}, "d": 3, "e.f": 4}])
    for wanted, expected in (
        (["d"], {"d": 3}),
        (["a.b", "d"], {"a": {"b": 1}, "d": 3}),
        (["a"], {"a": {"b": 1, "c": 2}}),
        (["a.*"], {"a": {"b": 1, "c": 2}}),
        (["e.f"], {"e.f": 4}),
        ({"excludes": ["a"]}, {"d": 3, "e.f": 4}),
    ):
        (hit,) = client.search(name, {"_source": wanted})["hits"]["hits"]
        assert hit["_source"] == expected, wanted
    (hit,) = client.search(name, {"_source": False})["hits"]["hits"]
    assert "_source" not in hit


def test_several_indices(client: Client, name: str) -> None:
    """Indices are searched by list and by pattern; what is missing is skipped on request."""
    client.create(f"{name}-a", [{"n": 1}])
    client.create(f"{name}-b", {"x": {"n": 1}})
    assert client.ids(f"{name}-a,{name}-b", {"match_all": {}}) == ["0", "x"]
    assert client.ids(f"{name}-*", {"match_all": {}}) == ["0", "x"]
    missing = client.request("POST", f"/{name}-a,{name}-none/_search", {})
    assert (missing.status, missing.error) == (404, "index_not_found_exception")
    skipped = client.request("POST", f"/{name}-a,{name}-none/_search", {}, ignore_unavailable=True)
    assert skipped.json["hits"]["total"]["value"] == 1
    nothing = client.request("POST", f"/{name}-none-*/_search", {})
    assert (nothing.status, nothing.json["hits"]["total"]["value"]) == (200, 0)
    assert nothing.json["_shards"]["total"] == 0


def test_missing_index(client: Client, name: str) -> None:
    """A search in an index that is not there names it."""
    answer = client.request("POST", f"/{name}/_search", {})
    assert answer.status == 404
    assert answer.json == {
        "error": {
            "root_cause": [cause := missing_index(name)],
            **cause,
        },
        "status": 404,
    }


def missing_index(name: str) -> dict[str, str]:
    return {
        "type": "index_not_found_exception",
        "reason": f"no such index [{name}]",
        "resource.type": "index_or_alias",
        "resource.id": name,
        "index_uuid": "_na_",
        "index": name,
    }


def test_count(client: Client, index: str) -> None:
    """Counts are exact, also with ``_count`` and without hits."""
    query = {"query": {"term": {"level": "error"}}}
    assert client.request("POST", f"/{index}/_count", query).json["count"] == 50
    reply = client.search(index, {**query, "size": 0, "track_total_hits": True})
    assert reply["hits"] == {
        "total": {"value": 50, "relation": "eq"},
        "max_score": None,
        "hits": [],
    }


def test_total_is_bounded(client: Client, name: str) -> None:
    """Beyond what is to be tracked the total is a lower bound; exact on request."""
    client.create(name, [{"n": n} for n in range(30)])
    at_most = client.search(name, {"track_total_hits": 10, "size": 1})
    assert at_most["hits"]["total"] == {"value": 10, "relation": "gte"}
    assert "total" not in client.search(name, {"track_total_hits": False})["hits"]


REFUSED: dict[str, tuple[object, str]] = {
    "unknown query": ({"query": {"nosuch": {}}}, "parsing_exception"),
    "unknown key": ({"nosuch": 1}, "parsing_exception"),
    "two queries": ({"query": {"match_all": {}, "match_none": {}}}, "parsing_exception"),
    "unknown aggregation": ({"aggs": {"a": {"nosuch": {}}}}, "parsing_exception"),
    "no JSON": (b"{", "x_content_e_o_f_exception"),
    "deep page": ({"size": 10_001}, "illegal_argument_exception"),
    "negative size": ({"size": -5}, "illegal_argument_exception"),
    "bad number": ({"query": {"term": {"log.offset": "x"}}}, "query_shard_exception"),
    "bad date": ({"query": {"range": {"@timestamp": {"gte": "x"}}}}, "parse_exception"),
    "number and date": (  # with a number for one end, both are milliseconds
        {"query": {"range": {"@timestamp": {"gte": 12, "lte": "2026-11-21"}}}},
        "parse_exception",
    ),
    "bad boolean": ({"query": {"match_phrase": {"yes": ""}}}, "query_shard_exception"),
    "no boolean": ({"query": {"terms": {"yes": [""]}}}, "query_shard_exception"),
    "bad end of booleans": ({"query": {"range": {"yes": {"gte": ""}}}}, "query_shard_exception"),
    "bad end of numbers": (
        {"query": {"range": {"log.offset": {"gte": "x"}}}},
        "query_shard_exception",
    ),
    "bad phrase": (
        {"query": {"multi_match": {"type": "phrase", "query": "x", "fields": ["log.offset"]}}},
        "query_shard_exception",
    ),
    "pattern of numbers": ({"query": {"prefix": {"log.offset": "4"}}}, "query_shard_exception"),
    "bad query string": (
        {"query": {"query_string": {"query": "a AND ("}}},
        "query_shard_exception",
    ),
    "bad regexp": ({"query": {"regexp": {"service": {"value": "("}}}}, "query_shard_exception"),
}


@pytest.mark.parametrize(("body", "error"), REFUSED.values(), ids=REFUSED)
def test_refused(client: Client, index: str, body: object, error: str) -> None:
    """A search that cannot be read is refused with 400 and the cause."""
    answer = client.request("POST", f"/{index}/_search", body)
    assert answer.status == 400, answer.body
    assert root_cause(answer.json) == error


def test_get_document(client: Client, index: str) -> None:
    """A document is found by its id; one that is not there is 404."""
    found = client.request("GET", f"/{index}/_doc/7").json
    assert (found["_index"], found["_id"], found["found"]) == (index, "7", True)
    missing = client.request("GET", f"/{index}/_doc/none")
    assert (missing.status, missing.json) == (404, {"_index": index, "_id": "none", "found": False})


def test_delete_document(client: Client, name: str) -> None:
    """A deleted document can be created again."""
    client.create(name, [{"n": 1}])
    answer = client.bulk({"delete": {"_index": name, "_id": "0"}}, create(name, "0"), {"n": 2})
    assert [next(iter(item.values()))["status"] for item in answer.json["items"]] == [200, 201]


def test_mget(client: Client, index: str) -> None:
    """Several documents are fetched by id, in the order asked for."""
    docs = client.request("POST", f"/{index}/_mget", {"ids": ["3", "none", "1"]}).json["docs"]
    assert [(doc["_id"], doc["found"]) for doc in docs] == [
        ("3", True),
        ("none", False),
        ("1", True),
    ]


def test_msearch(client: Client, index: str) -> None:
    """Several searches in one request are answered in their order, errors included."""
    lines = [{"index": index}, {"size": 0}, {"index": "nosuch-index"}, {"size": 0}]
    body = bulk_lines(*lines)
    headers = {"content-type": "application/x-ndjson"}
    responses = client.request("POST", "/_msearch", body, headers=headers).json["responses"]
    assert [response["status"] for response in responses] == [200, 404]


def test_field_caps(client: Client, index: str) -> None:
    """The fields of indices and their types can be listed."""
    fields = client.request("GET", f"/{index}/_field_caps", fields="*").json["fields"]
    assert fields["level"]["keyword"]["searchable"] is True
    assert fields["level"]["keyword"]["aggregatable"] is True
    assert fields["message"]["text"]["aggregatable"] is False
    assert "date" in fields["timestamp"]


def numbers(reply: Any) -> list[int]:
    return [int(hit["_id"]) for hit in reply["hits"]["hits"]]


def root_cause(reply: Any) -> str:
    return str(reply["error"]["root_cause"][0]["type"])
