"""Requests that no shipper should send, and that a server has to answer all the same."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from tests.elasticsearch.client import Answer, Client, bulk_lines, create

NDJSON = {"content-type": "application/x-ndjson"}
BLOCKED = "cluster_block_exception"


@pytest.mark.parametrize(
    ("more", "token"),
    [
        (b'{"n":2}', "START_OBJECT"),
        (b"[]", "START_ARRAY"),
        (b'"x"', "VALUE_STRING"),
        (b"-3", "VALUE_NUMBER"),
        (b"null", "VALUE_NULL"),
        (b"true", "VALUE_BOOLEAN"),
    ],
)
def test_two_values_in_a_line(client: Client, name: str, more: bytes, token: str) -> None:
    """A document with something behind it is refused; the others of its request are not."""
    answer = client.bulk(
        create(name, "a"), b'{"n":1} ' + more, create(name, "b"), {"n": 3},
    )  # fmt: skip
    assert answer.status == 200, answer.body
    first, second = (item["create"] for item in answer.json["items"])
    assert (first["status"], first["error"]) == (
        400,
        {
            "type": "illegal_argument_exception",
            "reason": f"Malformed content, found extra data after parsing: {token}",
        },
    )
    assert second["status"] == 201


@pytest.mark.only_8
def test_two_values_in_an_action_line(client: Client, name: str) -> None:
    """What follows an action in its line counts for nothing."""
    line = b'{"create":{"_index":"%s","_id":"a"}} {"delete":{}}' % name.encode()
    answer = client.bulk(line, {"n": 1})
    assert (answer.status, answer.json["items"][0]["create"]["status"]) == (200, 201)


def test_two_values_in_a_search(client: Client, name: str) -> None:
    """A search is one object."""
    client.create(name, [{"n": 1}])
    answer = client.request("POST", f"/{name}/_search", b"{} {}")
    assert (answer.status, answer.error) == (400, "parsing_exception")
    assert answer.json["error"]["reason"] == (
        "Unexpected token [START_OBJECT] found after the main object."
    )


@pytest.mark.parametrize("second", [b"3", b"[]", b'"x"'])
def test_several_searches_and_no_search(client: Client, name: str, second: bytes) -> None:
    """What is no search among several refuses the request."""
    client.create(name, [{"n": 1}])
    head = b'{"index":"%s"}\n' % name.encode()
    path = f"/{name}/_msearch"
    answer = client.request("POST", path, head + b"{}\n" + head + second + b"\n", headers=NDJSON)
    assert (answer.status, answer.error) == (400, "parsing_exception")
    answer = client.request("POST", path, b"3\n{}\n", headers=NDJSON)
    assert [one["hits"]["total"]["value"] for one in answer.json["responses"]] == [1]


@pytest.mark.parametrize(
    "body",
    [
        {"fields": 1},
        {"track_total_hits": "x"},
        {"sort": [{"n": {"order": "asc", "missing": {"a": 1}}}]},
        {"query": {"bool": {"must": [{"match_all": {}}], "minimum_should_match": "now"}}},
        {"aggs": {"a": {"terms": {"field": "n", "size": "x"}}}},
        {"aggs": {"a": {"top_hits": {"size": None}}}},
        {"aggs": {"a": {"range": {"field": "n", "ranges": [{"from": "x"}]}}}},
        {"aggs": {"a": {"histogram": {"field": "n", "interval": "x"}}}},
        {"aggs": {"a": {"avg": {"field": "k"}}}},
    ],
)
def test_values_of_a_wrong_kind(client: Client, name: str, body: dict[str, Any]) -> None:
    """A search with a value that makes no sense is the caller's mistake."""
    client.create(name, [{"n": 1, "k": "x", "@timestamp": "2026-11-21T00:00:00Z"}])
    assert client.request("POST", f"/{name}/_search", body).status == 400


def test_conflicts_leave_their_fields(client: Client, name: str) -> None:
    """A document that is there already gives the index its new fields all the same."""
    client.create(name, {"a": {"n": 1}})
    assert client.create(name, {"a": {"later": 1}})[0]["status"] == 409
    refused = client.create(name, {"b": {"later": "text"}})[0]
    assert refused["error"]["type"] == "document_parsing_exception"


def test_empty_index_name(client: Client, name: str) -> None:
    """An empty name is a bad name, of that document alone."""
    answer = client.bulk(create("", "x"), {"n": 1}, create(name, "a"), {"n": 1})
    assert [item["create"]["status"] for item in answer.json["items"]] == [400, 201]
    first = answer.json["items"][0]["create"]
    assert (first["_index"], first["_id"]) == ("", "x")
    assert first["error"]["type"] == "invalid_index_name_exception"
    assert first["error"]["reason"] == "Invalid index name [], must not be empty"


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [
        ({"refresh": "x"}, "Unknown value for refresh: [x]."),
        (
            {"timeout": "x"},
            "failed to parse setting [timeout] with value [x] as a time value: unit is missing or "
            "unrecognized",
        ),
        (
            {"timeout": "30"},
            "failed to parse setting [timeout] with value [30] as a time value: unit is missing "
            "or unrecognized",
        ),
        (
            {"timeout": "-2s"},
            "failed to parse setting [timeout] with value [-2s] as a time value: negative "
            "durations are not supported",
        ),
    ],
)
def test_bad_parameters(client: Client, name: str, parameters: dict[str, Any], reason: str) -> None:
    """A parameter that makes no sense refuses the request before anything is written."""
    for answer in (
        client.bulk(create(name, "a"), {"n": 1}, **parameters),
        client.request("PUT", f"/{name}/_doc/a", {"n": 1}, **parameters),
    ):
        assert (answer.status, answer.json["error"]["reason"]) == (400, reason)
    assert client.request("GET", f"/{name}/_doc/a").status == 404


@pytest.mark.parametrize("timeout", ["5s", "5000ms", "1m"])
def test_timeouts(client: Client, name: str, timeout: str) -> None:
    """Times are taken as Elasticsearch writes them."""
    answer = client.bulk(create(name, "a"), {"n": 1}, timeout=timeout)
    assert (answer.status, answer.json["errors"]) == (200, False)


def test_bytes_behind_gzip(client: Client, name: str) -> None:
    """What follows a compressed body is left out."""
    body = gzip.compress(bulk_lines(create(name, "a"), {"n": 1})) + b"trailing"
    answer = client.request("POST", "/_bulk", body, headers={**NDJSON, "content-encoding": "gzip"})
    assert (answer.status, answer.json["errors"]) == (200, False)


@pytest.mark.parametrize("block", ["read_only", "metadata"])
def test_blocked_index_cannot_be_deleted(client: Client, name: str, block: str) -> None:
    """An index that is read-only is neither deleted nor given fields."""
    client.create(name, [{"n": 1}])
    set_block(client, name, block, value=True)
    try:
        for answer in (
            client.request("DELETE", f"/{name}"),
            client.request("PUT", f"/{name}/_mapping", {"properties": {"a": {"type": "long"}}}),
        ):
            assert (answer.status, answer.error) == (403, BLOCKED)
            assert f"index [{name}] blocked by: [FORBIDDEN/" in answer.json["error"]["reason"]
    finally:
        set_block(client, name, block, value=None)
    assert client.request("DELETE", f"/{name}").status == 200


@pytest.mark.parametrize("block", ["write", "read_only_allow_delete"])
def test_full_index_can_be_deleted(client: Client, name: str, block: str) -> None:
    """An index that takes no more documents can go: that is how a full disk gets space."""
    client.create(name, [{"n": 1}])
    set_block(client, name, block, value=True)
    assert client.request("DELETE", f"/{name}").status == 200


@pytest.mark.parametrize("path", ["_search", "_count"])
def test_block_of_reading(client: Client, name: str, path: str) -> None:
    """An index that may not be read says so."""
    client.create(name, [{"n": 1}])
    set_block(client, name, "read", value=True)
    answer = client.request("GET", f"/{name}/{path}")
    assert (answer.status, answer.error) == (403, BLOCKED)
    assert answer.json["error"]["reason"] == (
        f"index [{name}] blocked by: [FORBIDDEN/7/index read (api)];"
    )


@pytest.mark.parametrize("kind", ["index_template", "template", "component_template"])
def test_no_template_matches(client: Client, name: str, kind: str) -> None:
    """A pattern that no template's name matches is 404, and an empty answer."""
    answer = client.request("GET", f"/_{kind}/{name}-none*")
    assert answer.status == 404
    assert not [value for value in answer.json.values() if value]


@pytest.mark.parametrize(
    ("body", "error", "reason"),
    [
        ({"index_patterns": []}, "illegal_argument_exception", "There must be at least one"),
        ({"priority": -1}, "action_request_validation_exception", "priority must be >= 0"),
        ({"priority": "x"}, "x_content_parse_exception", "failed to parse field [priority]"),
        ({"index_patterns": ["a b*"]}, "invalid_index_template_exception", "contain a space"),
        ({"index_patterns": ["_a*"]}, "invalid_index_template_exception", "start with '_'"),
        ({"index_patterns": ["a,b"]}, "invalid_index_template_exception", "contain a ','"),
        ({"index_patterns": ["a#"]}, "invalid_index_template_exception", "contain a '#'"),
        ({"index_patterns": ["a?"]}, "invalid_index_template_exception", "following characters"),
        ({"data_stream": {"foo": 1}}, "x_content_parse_exception", "[data_stream]"),
    ],
)
def test_template_refused(
    client: Client, name: str, body: dict[str, object], error: str, reason: str
) -> None:
    """A template that cannot be meant is refused."""
    sent = {"index_patterns": [f"{name}*"], **body}
    answer = client.request("PUT", f"/_index_template/{name}", sent)
    assert (answer.status, answer.error) == (400, error)
    assert reason in answer.json["error"]["reason"]


@pytest.mark.parametrize("bad", ["X", " x"])
def test_template_name_refused(client: Client, name: str, bad: str) -> None:
    """Templates have names of lower case and without spaces."""
    path = f"/_index_template/{name}{bad.replace(' ', '%20')}"
    answer = client.request("PUT", path, {"index_patterns": [f"{name}*"]})
    assert (answer.status, answer.error) == (400, "invalid_index_template_exception")


@pytest.mark.parametrize(
    ("first", "second", "clash"),
    [
        ("-*", "-app-*", True),
        ("-app-*", "-*", True),
        ("-a*c", "-ab*", True),
        ("-a", "-*", True),
        ("-a*", "-b*", False),
        ("-*a", "-*b", False),
        ("-a*", "-a", True),
    ],
)
def test_templates_that_overlap(
    client: Client, name: str, first: str, second: str, clash: bool
) -> None:
    """Of one priority no two templates may be for one index."""
    path = f"/_index_template/{name}"
    put = client.request("PUT", f"{path}-1", {"index_patterns": [name + first], "priority": 7})
    assert put.status == 200
    answer = client.request("PUT", f"{path}-2", {"index_patterns": [name + second], "priority": 7})
    if clash:
        assert (answer.status, answer.error) == (400, "illegal_argument_exception")
        assert answer.json["error"]["reason"].startswith(
            f"index template [{name}-2] has index patterns [{name}{second}] matching patterns from "
            f"existing templates [{name}-1] with patterns ({name}-1 => [{name}{first}]) that have "
            "the same priority [7]"
        )
    else:
        assert answer.status == 200


def test_alias_of_its_own_name(client: Client, name: str) -> None:
    """An index cannot be its own alias."""
    answer = client.request("PUT", f"/{name}", {"aliases": {name: {}}})
    assert (answer.status, answer.error) == (400, "illegal_argument_exception")
    assert client.request("HEAD", f"/{name}").status == 404


def test_sorted_by_nothing(client: Client, name: str) -> None:
    """A list of indices cannot be sorted by a column that it does not have."""
    client.create(name, [{"n": 1}])
    answer: Answer = client.request("GET", f"/_cat/indices/{name}", format="json", s="none")
    assert (answer.status, answer.error) == (400, "illegal_argument_exception")


def test_clear_no_scroll(client: Client) -> None:
    """Ending a scroll without naming one is a mistake."""
    answer = client.request("DELETE", "/_search/scroll", {})
    assert (answer.status, answer.error) == (400, "action_request_validation_exception")


@pytest.mark.parametrize("value", ["1e400", "-1e400", "9" * 5000, "1" + "0" * 400 + ".5"])
def test_numbers_beyond_all_measure(client: Client, name: str, value: str) -> None:
    """A text that no number can hold costs its own document, not the request."""
    mappings = {"properties": {"n": {"type": "long"}}}
    assert client.request("PUT", f"/{name}", {"mappings": mappings}).status == 200
    outcomes = client.create(name, [{"n": value}, {"n": 1}])
    assert [one["status"] for one in outcomes] == [400, 201]
    assert outcomes[0]["error"]["type"] == "document_parsing_exception"


def test_whole_numbers_beyond_a_long(client: Client, name: str) -> None:
    """A number without decimals is a long, and is refused where a long cannot hold it."""
    outcomes = client.create(name, [{"n": 2**64}, {"n": 2**63}, {"n": 1}])
    assert [one["status"] for one in outcomes] == [400, 400, 201]
    (made,) = client.request("GET", f"/{name}/_mapping").json.values()
    assert made["mappings"]["properties"]["n"] == {"type": "long"}


@pytest.mark.parametrize("value", [2**53, "9999-12-31", "9999-12-31T23:59:59Z", -(2**53)])
def test_times_far_away(client: Client, name: str, value: object) -> None:
    """Times that nobody will see are stored, and neither stop a request nor a search."""
    mappings = {"properties": {"@timestamp": {"type": "date"}}}
    assert client.request("PUT", f"/{name}", {"mappings": mappings}).status == 200
    times = [value, "2026-11-21T00:00:00Z"]
    outcomes = client.create(name, [{"@timestamp": time} for time in times])
    assert [one["status"] for one in outcomes] == [201, 201]
    is_before = isinstance(value, int) and value < 0
    found = client.search(name, {"sort": ["@timestamp"]})["hits"]["hits"]
    assert [hit["_id"] for hit in found] == (["0", "1"] if is_before else ["1", "0"])
    assert client.ids(name, {"range": {"@timestamp": {"lt": "2027-01-01"}}}) == (
        ["0", "1"] if is_before else ["1"]
    )


@pytest.mark.only_8
def test_parsing_comes_before_merging(client: Client, name: str) -> None:
    """Of two mistakes in a document the one that stops parsing is told, wherever it stands."""
    outcomes = client.create(name, [{"new": [1, "x"]}, {"new": [1, "x"], ".": 1}])
    assert [one["error"]["type"] for one in outcomes] == [
        "illegal_argument_exception",
        "document_parsing_exception",
    ]


def test_null_in_an_alias(client: Client, name: str) -> None:
    """Nothing can be written to an alias of a field, not even nothing."""
    mappings = {"properties": {"a": {"type": "long"}, "b": {"type": "alias", "path": "a"}}}
    assert client.request("PUT", f"/{name}", {"mappings": mappings}).status == 200
    outcomes = client.create(name, [{"b": None}, {"a": None}])
    assert [one["status"] for one in outcomes] == [400, 201]


def test_versions_that_are_no_numbers(client: Client, name: str) -> None:
    """A version has to be a number, in the path and in the body."""
    client.create(name, {"a": {"n": 1}})
    for parameter in ("version", "if_seq_no", "if_primary_term"):
        answer = client.request("PUT", f"/{name}/_doc/a?{parameter}=x", {"n": 2})
        assert answer.status == 400, parameter
        answer = client.bulk({"index": {"_index": name, "_id": "a", parameter: "x"}}, {"n": 2})
        assert answer.status == 400, parameter
    assert client.request("GET", f"/{name}/_doc/a").json["_source"] == {"n": 1}


def test_ids_of_deletions(client: Client, name: str) -> None:
    """A long id is nowhere to be found; an empty one refuses the request."""
    client.create(name, [{"n": 1}])
    answer = client.bulk({"delete": {"_index": name, "_id": "x" * 513}})
    assert (answer.status, answer.json["items"][0]["delete"]["status"]) == (200, 404)
    answer = client.bulk({"delete": {"_index": name, "_id": ""}})
    assert (answer.status, answer.error) == (400, "action_request_validation_exception")


def test_time_of_a_stream(client: Client, name: str) -> None:
    """A stream takes no document without a time, also where mappings forgive everything else."""
    body = {
        "index_patterns": [name],
        "priority": 900,
        "data_stream": {},
        "template": {"settings": {"index.mapping.ignore_malformed": True, "number_of_replicas": 0}},
    }
    assert client.request("PUT", f"/_index_template/{name}", body).status == 200
    outcomes = client.create(
        name, [{"@timestamp": "2026-11-21T00:00:00Z", "n": 1}, {"@timestamp": "none"}, {"n": 1},
               {"@timestamp": "2026-11-21T00:00:00Z", "n": "none"}]
    )  # fmt: skip
    assert [one["status"] for one in outcomes] == [201, 400, 400, 201]
    (made,) = client.request("GET", f"/{name}/_mapping").json.values()
    assert made["mappings"]["properties"]["@timestamp"] == {
        "type": "date",
        "ignore_malformed": False,
    }


def set_block(client: Client, name: str, block: str, *, value: bool | None) -> None:
    """Block or release an index."""
    answer = client.request("PUT", f"/{name}/_settings", {f"index.blocks.{block}": value})
    assert answer.status == 200, answer.body
