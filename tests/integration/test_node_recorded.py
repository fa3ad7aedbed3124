"""The node answers as a real server did: replies recorded from Elasticsearch 8.19.21."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.node import NodeProcess, request

_RECORDED = Path(__file__).parents[1] / "unit" / "node" / "recorded"
_DOCUMENTS = json.loads((_RECORDED / "documents.json").read_text())
_SEARCHES = json.loads((_RECORDED / "searches.json").read_text())
_REQUESTS = json.loads((_RECORDED / "requests.json").read_text())

# What differs from server to server and from run to run.
_FREE = frozenset(
    {"took", "_seq_no", "index_uuid", "total", "_id", "node", "uuid", "cluster_uuid", "name",
     "cluster_name", "_scroll_id", "pit_id", "id", "max_score", "_score", "ingest_took"}
)  # fmt: skip


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with NodeProcess() as node:
        yield node.url


def _comparable(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: "*" if key in _FREE else _comparable(below)
            for key, below in value.items()
            if key not in {"line", "col"}
        }
    if isinstance(value, list):
        return [_comparable(below) for below in value]
    if isinstance(value, str):
        value = re.sub(r"with id '[A-Za-z0-9_-]{20}'", "with id '*'", value)
        value = re.sub(r"/[A-Za-z0-9_-]{22}\]", "/*]", value)
        return re.sub(r"(\.ds-[a-z-]+-)\d{4}\.\d\d\.\d\d(-\d{6})", r"\1DATE\2", value)
    return value


def test_a_long_series_of_requests_is_answered_like_a_real_server() -> None:
    """Bulk, search, point in time, blocks, templates, aliases, data streams: one after another."""
    pit = scroll = ""
    differing = []
    with NodeProcess() as node:
        for case in _REQUESTS:
            body = case["body"]
            if body is not None:
                body = body.replace("PIT_ID", pit).replace("SCROLL_ID", scroll)
            answer = request(
                case["method"],
                node.url + case["path"],
                body,
                headers={"Content-Type": case["content_type"]} if body is not None else None,
            )
            try:
                got = answer.json()
            except ValueError:
                got = answer.body.decode()
            if isinstance(got, dict):
                pit = got.get("id", pit) if case["name"] == "open PIT" else pit
                scroll = got.get("_scroll_id", scroll)
            if (answer.status, _comparable(got)) != (case["status"], case["reply"]):
                differing.append((case["name"], answer.status, _comparable(got), case["reply"]))
    assert differing == []


@pytest.fixture(scope="module")
def indexed(url: str) -> str:
    request("PUT", f"{url}/rec-docs", _DOCUMENTS["index"])
    return url


@pytest.mark.parametrize("number", range(len(_DOCUMENTS["documents"])))
def test_a_document_is_taken_or_refused_in_the_same_words(indexed: str, number: int) -> None:
    """Every type against every kind of value; broken JSON; places in the text included."""
    case = _DOCUMENTS["documents"][number]
    action = json.dumps({"index": {"_index": "rec-docs", "_id": case.get("id", str(number))}})
    answer = request("POST", f"{indexed}/_bulk", f"{action}\n{case['source']}\n")
    item = answer.json()["items"][0]["index"]
    assert (item["status"], _comparable(item.get("error"))) == (
        case["status"],
        _comparable(case["error"]),
    )


def test_the_mapping_afterwards_is_the_same(url: str) -> None:
    """Dynamic mapping: the first value decides, and refused documents leave no trace."""
    request("PUT", f"{url}/rec-mapped", _DOCUMENTS["index"])
    for case in _DOCUMENTS["documents"]:
        line = f'{{"index":{{"_index":"rec-mapped"}}}}\n{case["source"]}\n'
        request("POST", f"{url}/_bulk", line)
    answer = request("GET", f"{url}/rec-mapped/_mapping").json()
    assert answer["rec-mapped"]["mappings"] == _DOCUMENTS["mapping_afterwards"]


@pytest.fixture(scope="module")
def searched(url: str) -> str:
    for number in (0, 1):
        request("PUT", f"{url}/rec-{number}", _SEARCHES["index"])
    lines = [
        json.dumps({"create": {"_index": f"rec-{number % 2}", "_id": str(number)}})
        + "\n"
        + json.dumps(document)
        for number, document in enumerate(_SEARCHES["documents"])
    ]
    answer = request("POST", f"{url}/_bulk", "\n".join(lines) + "\n")
    assert answer.json()["errors"] is False
    return f"{url}/rec-0,rec-1/_search"


def _cause(answer: Any) -> dict[str, str]:
    cause = answer["error"]["root_cause"][0]
    return {"type": cause["type"], "reason": cause["reason"]}


@pytest.mark.parametrize("number", range(len(_SEARCHES["queries"])))
def test_a_query_finds_the_same_documents(searched: str, number: int) -> None:
    """Each query type on each field type, tokens, date math, time zones, query strings."""
    case = _SEARCHES["queries"][number]
    answer = request("POST", searched, {"query": case["query"], "size": 500, "_source": False})
    body = answer.json()
    assert answer.status == case["status"], body
    if answer.status == 200:
        assert sorted((hit["_id"] for hit in body["hits"]["hits"]), key=int) == case["ids"]
        assert body["hits"]["total"] == {"value": len(case["ids"]), "relation": "eq"}
    else:
        assert _cause(body) == case["error"]


@pytest.mark.parametrize("number", range(len(_SEARCHES["sorts"])))
def test_hits_come_in_the_same_order_page_by_page(searched: str, number: int) -> None:
    """Orders, missing values, formats, and the values that ``search_after`` goes on from."""
    case = _SEARCHES["sorts"][number]
    search = {"sort": case["sort"], "size": 500, "_source": False}
    answer = request("POST", searched, search)
    assert answer.status == case["status"], answer.json()
    if answer.status != 200:
        assert _cause(answer.json()) == case["error"]
        return
    assert [hit["sort"] for hit in answer.json()["hits"]["hits"]] == case["values"]
    window = {"sort": case["sort"], "size": 7, "from": 5, "_source": False}
    hits = request("POST", searched, window).json()["hits"]["hits"]
    assert [hit["sort"] for hit in hits] == case["values"][5:12]
    after = case["values"][11]
    if after in case["values"][12:] or None in after:
        return
    page = {"sort": case["sort"], "size": 7, "search_after": after, "_source": False}
    hits = request("POST", searched, page).json()["hits"]["hits"]
    assert [hit["sort"] for hit in hits] == case["values"][12:19]


# Several shards make a real server's counts uncertain; one node's never are.
_UNCERTAIN = frozenset({"doc_count_error_upper_bound", "sum_as_string"})


def _same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = theirs.keys() - _UNCERTAIN
        return keys <= ours.keys() and all(
            _same(ours[key], theirs[key]) for key in keys if key not in {"max_score", "_score"}
        )
    if isinstance(ours, list) and isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(_same, ours, theirs))
    if isinstance(ours, float | int) and isinstance(theirs, float | int):
        return ours == pytest.approx(theirs, rel=1e-9)
    return bool(ours == theirs)


# A digest estimates these; and of equally frequent values each shard sends its own.
_ESTIMATED = frozenset({"percentile_ranks"})


@pytest.mark.parametrize("number", range(len(_SEARCHES["aggregations"])))
def test_an_aggregation_gives_the_same_figures(searched: str, number: int) -> None:
    """Buckets, keys and their texts, gaps, time zones across clock changes, sub-aggregations."""
    case = _SEARCHES["aggregations"][number]
    answer = request("POST", searched, {"size": 0, "aggs": case["aggs"]})
    assert answer.status == case["status"], answer.json()
    if answer.status != 200:
        assert _cause(answer.json())["type"] in {case["error"]["type"], "x_content_parse_exception"}
        return
    result = answer.json()["aggregations"]
    if _ESTIMATED & set(case["aggs"]["x"]):
        ranks = case["result"]["x"]["values"]
        assert result["x"]["values"] == pytest.approx(ranks, abs=2.0)
        return
    if "size" in case["aggs"]["x"].get("terms", {}):
        counts = [bucket["doc_count"] for bucket in case["result"]["x"]["buckets"]]
        assert [bucket["doc_count"] for bucket in result["x"]["buckets"]] == counts
        return
    assert _same(result, case["result"]), (result, case["result"])
