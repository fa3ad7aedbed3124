"""Templates, aliases, data streams, settings, views: what is around the documents."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.node import NodeProcess, get, post, request


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with NodeProcess() as node:
        yield node.url


def _put(url: str, body: Any = None) -> Any:
    answer = request("PUT", url, body if body is not None else {})
    assert answer.status == 200, answer.body
    return answer.json()


def _bulk(url: str, index: str, *documents: str) -> Any:
    lines = "".join(f'{{"create":{{}}}}\n{document}\n' for document in documents)
    return post(f"{url}/{index}/_bulk", lines).json()


def _count(url: str, index: str, query: Any = None) -> int:
    body = {"query": query} if query else None
    count: int = post(f"{url}/{index}/_count", body).json()["count"]
    return count


def _type(url: str, index: str, field: str) -> str:
    answer = get(f"{url}/{index}/_mapping").json()
    kind: str = answer[index]["mappings"]["properties"][field]["type"]
    return kind


def test_the_template_of_highest_priority_wins(url: str) -> None:
    """Its components first, itself over them, the request over all."""
    component = {
        "template": {"mappings": {"properties": {"a": {"type": "ip"}, "c": {"type": "ip"}}}}
    }
    _put(f"{url}/_component_template/part", component)
    _put(
        f"{url}/_index_template/low",
        {"index_patterns": ["tp-*"], "priority": 1, "template": {"settings": {"codec": "default"}}},
    )
    _put(
        f"{url}/_index_template/high",
        {
            "index_patterns": ["tp-*"],
            "priority": 9,
            "composed_of": ["part"],
            "template": {
                "settings": {"number_of_replicas": 0},
                "mappings": {"properties": {"a": {"type": "keyword"}, "b": {"type": "keyword"}}},
                "aliases": {"tp-all": {}},
            },
        },
    )
    _put(f"{url}/tp-1", {"mappings": {"properties": {"b": {"type": "long"}}}})
    assert [_type(url, "tp-1", name) for name in "abc"] == ["keyword", "long", "ip"]
    answer = get(f"{url}/tp-1").json()["tp-1"]
    assert answer["aliases"] == {"tp-all": {}}
    assert "codec" not in answer["settings"]["index"]
    simulated = post(f"{url}/_index_template/_simulate_index/tp-2").json()
    assert [one["name"] for one in simulated["overlapping"]] == ["low"]


def test_templates_of_the_older_kind(url: str) -> None:
    """They count where no newer one matches, all of them, by their order."""
    for order, kind in ((1, "ip"), (2, "keyword")):
        body = {
            "index_patterns": ["old-*"],
            "order": order,
            "settings": {"index.number_of_replicas": "0"},
            "mappings": {"properties": {"a": {"type": kind}}},
        }
        _put(f"{url}/_template/old-{order}", body)
    _bulk(url, "old-x", '{"a":"x"}')
    assert _type(url, "old-x", "a") == "keyword"
    assert get(f"{url}/_template/old-1").json()["old-1"]["settings"] == {
        "index": {"number_of_replicas": "0"}
    }
    assert request("DELETE", f"{url}/_template/old-1").status == 200
    assert get(f"{url}/_template/old-1").status == 404


def test_an_alias_may_filter(url: str) -> None:
    """Searching through it shows only what its filter matches."""
    _bulk(url, "al-1", '{"level":"error"}', '{"level":"info"}')
    action = {
        "add": {"index": "al-1", "alias": "al-errors", "filter": {"term": {"level": "error"}}}
    }
    post(f"{url}/_aliases", {"actions": [action]})
    assert (_count(url, "al-errors"), _count(url, "al-1")) == (1, 2)
    assert _count(url, "al-errors,al-1") == 2
    assert request("DELETE", f"{url}/al-1/_alias/al-errors").status == 200
    assert post(f"{url}/al-errors/_count").status == 404


def test_index_expressions(url: str) -> None:
    """Lists, wildcards, exclusions, missing names."""
    for name in ("ex-a", "ex-b", "ex-c"):
        _bulk(url, name, "{}")
    assert _count(url, "ex-*") == 3
    assert _count(url, "ex-*,-ex-b") == 2
    assert _count(url, "ex-a,ex-c") == 2
    assert get(f"{url}/ex-a,nope/_count").status == 404
    assert get(f"{url}/ex-a,nope/_count?ignore_unavailable=true").json()["count"] == 1
    assert get(f"{url}/nope-*/_count").json()["count"] == 0
    assert get(f"{url}/nope-*/_count?allow_no_indices=false").status == 404


def test_deleting_needs_names_unless_told_otherwise(url: str) -> None:
    """A list always works; wildcards once the cluster setting allows them."""
    for name in ("del-a", "del-b", "del-c", "del-d"):
        _bulk(url, name, "{}")
    assert request("DELETE", f"{url}/del-a,del-b").json() == {"acknowledged": True}
    assert request("DELETE", f"{url}/del-*").status == 400
    _put(f"{url}/_cluster/settings", {"persistent": {"action.destructive_requires_name": False}})
    assert request("DELETE", f"{url}/del-*").json() == {"acknowledged": True}
    _put(f"{url}/_cluster/settings", {"persistent": {"action.destructive_requires_name": None}})
    assert get(f"{url}/del-*/_count").json()["_shards"]["total"] == 0


def test_a_view_sees_one_moment(url: str) -> None:
    """Writes, overwrites and deletions come later; a deleted index is gone from views, too."""
    lines = "".join(f'{{"create":{{"_id":"{n}"}}}}\n{{"n":{n}}}\n' for n in range(30))
    post(f"{url}/view-1/_bulk", lines)
    id_ = post(f"{url}/view-1/_pit?keep_alive=1m").json()["id"]
    _bulk(url, "view-1", '{"n":99}')
    request("DELETE", f"{url}/view-1/_doc/3")
    request("PUT", f"{url}/view-1/_doc/4", {"n": 400})
    body = {"pit": {"id": id_, "keep_alive": "1m"}, "sort": ["n"], "size": 100}
    hits = post(f"{url}/_search", body).json()["hits"]["hits"]
    assert [hit["_source"]["n"] for hit in hits] == list(range(30))
    request("DELETE", f"{url}/view-1")
    assert post(f"{url}/_search", body).status == 503
    assert request("DELETE", f"{url}/_pit", {"id": id_}).json() == {
        "succeeded": True,
        "num_freed": 1,
    }
    assert post(f"{url}/_search", body).status == 404


def test_a_view_ends_by_itself(url: str) -> None:
    """Once nobody has asked for its keep_alive."""
    _bulk(url, "view-2", "{}")
    id_ = post(f"{url}/view-2/_pit?keep_alive=50ms").json()["id"]
    deadline = time.monotonic() + 10
    while (answer := post(f"{url}/_search", {"pit": {"id": id_}})).status == 200:
        # Each use prolongs it; the pause is longer than that.
        assert time.monotonic() < deadline, answer.body
        time.sleep(0.2)
    cause = answer.json()["error"]["root_cause"][0]
    assert (answer.status, cause["type"]) == (404, "search_context_missing_exception")


def test_a_scroll_hands_out_every_page(url: str) -> None:
    """In the order of its sort, each document once, then empty pages."""
    _bulk(url, "scr-1", *(f'{{"n":{n}}}' for n in range(25)))
    answer = post(f"{url}/scr-1/_search?scroll=1m", {"size": 10, "sort": [{"n": "desc"}]}).json()
    found: list[int] = []
    while answer["hits"]["hits"]:
        assert answer["hits"]["total"] == {"value": 25, "relation": "eq"}
        found += [hit["_source"]["n"] for hit in answer["hits"]["hits"]]
        next_page = {"scroll": "1m", "scroll_id": answer["_scroll_id"]}
        answer = post(f"{url}/_search/scroll", next_page).json()
    assert found == list(range(24, -1, -1))


def test_malformed_values_are_kept_where_allowed(url: str) -> None:
    """Stored and shown, listed in _ignored, not searchable; objects are refused all the same."""
    body = {
        "settings": {"index.mapping.ignore_malformed": True},
        "mappings": {"properties": {"n": {"type": "long"}, "d": {"type": "date"}}},
    }
    _put(f"{url}/mal-1", body)
    items = _bulk(url, "mal-1", '{"n":"x","d":"soon"}', '{"n":5}', '{"n":{"a":1}}')["items"]
    assert [item["create"]["status"] for item in items] == [201, 201, 400]
    answer = post(f"{url}/mal-1/_search", {"query": {"exists": {"field": "_ignored"}}}).json()
    (hit,) = answer["hits"]["hits"]
    assert (hit["_ignored"], hit["_source"]) == (["d", "n"], {"n": "x", "d": "soon"})
    assert _count(url, "mal-1", {"exists": {"field": "n"}}) == 1


def test_fields_beyond_the_limit(url: str) -> None:
    """Refused, or left out of the index when the setting says so."""
    _put(f"{url}/lim-1", {"settings": {"index.mapping.total_fields.limit": 3}})
    document = '{"a":1,"b":2,"c":3,"d":4}'
    error = _bulk(url, "lim-1", document)["items"][0]["create"]["error"]
    assert "Limit of total fields [3] has been exceeded" in error["reason"]
    setting = {"index.mapping.total_fields.ignore_dynamic_beyond_limit": True}
    _put(f"{url}/lim-1/_settings", setting)
    assert _bulk(url, "lim-1", document)["errors"] is False
    (hit,) = get(f"{url}/lim-1/_search").json()["hits"]["hits"]
    assert hit["_ignored"] == ["d"]


def test_both_spellings_of_a_path_are_one_field(url: str) -> None:
    """``host.name`` and ``{"host": {"name": …}}``, in documents and in queries."""
    _bulk(url, "dots-1", '{"host.name":"w1"}', '{"host":{"name":"w1"}}', '{"host":{"name":"w2"}}')
    assert _count(url, "dots-1", {"term": {"host.name.keyword": "w1"}}) == 2
    assert _count(url, "dots-1", {"exists": {"field": "host"}}) == 3


def test_data_streams(url: str) -> None:
    """Made by the first document, written into the newest backing index, searched as one."""
    template = {"index_patterns": ["st-*"], "data_stream": {}, "priority": 50}
    _put(f"{url}/_index_template/st", template)
    document = '{"@timestamp":"2026-11-21T10:00:00Z"}'
    first = _bulk(url, "st-app", document)["items"][0]["create"]["_index"]
    rolled = post(f"{url}/st-app/_rollover").json()
    second = _bulk(url, "st-app", document)["items"][0]["create"]["_index"]
    assert (first, second) == (rolled["old_index"], rolled["new_index"])
    assert _count(url, "st-app") == 2
    _put(f"{url}/_data_stream/st-app/_lifecycle", {"data_retention": "7d"})
    (stream,) = get(f"{url}/_data_stream/st-app").json()["data_streams"]
    assert stream["lifecycle"] == {"enabled": True, "data_retention": "7d"}
    assert [one["index_name"] for one in stream["indices"]] == [first, second]
    assert request("DELETE", f"{url}/_data_stream/st-app").json() == {"acknowledged": True}
    assert get(f"{url}/st-app/_count").status == 404


def test_field_caps_join_the_indices(url: str) -> None:
    """A field of two types lists which index has which."""
    _put(f"{url}/fc-1", {"mappings": {"properties": {"a": {"type": "long"}}}})
    _put(f"{url}/fc-2", {"mappings": {"properties": {"a": {"type": "keyword"}}}})
    fields = get(f"{url}/fc-*/_field_caps?fields=a*").json()["fields"]
    assert fields["a"]["long"]["indices"] == ["fc-1"]
    assert fields["a"]["keyword"]["indices"] == ["fc-2"]


def test_requests_that_contradict_are_refused(url: str) -> None:
    """Each with the parameter or member that is the matter."""
    _bulk(url, "ref-1", '{"n":1}')
    for body, text in (
        ({"highlight": {"fields": {"a": {}}}}, "highlight"),
        ({"terminate_after": 5}, "terminate_after"),
        ({"sort": [{"n": {"nested": {}}}]}, "n"),
        ({"knn": {"field": "v"}}, "knn"),
        ({"query": {"nested": {"path": "a"}}}, "unknown query [nested]"),
        ({"query": {"match": {"n": {"query": 1, "analyzer": "x"}}}}, "[match] query does not"),
        ({"aggs": {"a": {"derivative": {}}}}, "Unknown aggregation type [derivative]"),
    ):
        answer = post(f"{url}/ref-1/_search", body)
        assert (answer.status, text in answer.body.decode()) == (400, True), (body, answer.body)
    assert get(f"{url}/ref-1/_search?format=yaml").status == 400
    lines = '{"update":{"_index":"ref-1","_id":"1"}}\n{"doc":{}}\n'
    answer = post(f"{url}/_bulk", lines)
    assert (answer.status, "update" in answer.body.decode()) == (400, True)


def test_many_writers_and_readers_at_once(url: str) -> None:
    """Every acknowledged document is there, ids are unique, counts add up."""
    problems: list[str] = []

    def write(label: int) -> None:
        for number in range(10):
            lines = "".join(
                f'{{"create":{{"_id":"{label % 2}-{number}-{n}"}}}}\n{{"n":{n},"f{label}":1}}\n'
                for n in range(20)
            )
            for item in post(f"{url}/conc/_bulk", lines).json()["items"]:
                if item["create"]["status"] not in {201, 409}:
                    problems.append(str(item))

    def read() -> None:
        for _ in range(30):
            answer = post(f"{url}/conc/_search?ignore_unavailable=true", {"size": 50})
            if answer.status != 200:
                problems.append(answer.body.decode())

    threads = [threading.Thread(target=write, args=(label,)) for label in range(4)]
    threads += [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert problems == []
    assert _count(url, "conc") == 400
    assert _count(url, "conc", {"range": {"n": {"gte": 0}}}) == 400
