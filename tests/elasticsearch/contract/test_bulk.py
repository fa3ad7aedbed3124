"""Bulk requests: what comes of every document, and of requests that cannot be read."""

from __future__ import annotations

import gzip
import json
from typing import Any

import pytest

from logship.sinks.elasticsearch.reply import FILTER_PATH, classify_reply
from tests.elasticsearch.client import Client, bulk_lines, create

NDJSON = {"content-type": "application/x-ndjson"}


def test_create(client: Client, name: str) -> None:
    """A created document is answered with its index, id, version and place."""
    answer = client.bulk(create(name, "a"), {"n": 1})
    assert answer.status == 200
    assert answer.headers["x-elastic-product"] == "Elasticsearch"
    assert answer.headers["content-type"].startswith("application/json")
    reply = answer.json
    assert set(reply) == {"errors", "took", "items"}
    assert reply["errors"] is False
    (item,) = reply["items"]
    shards = item["create"].pop("_shards")
    assert (shards["successful"], shards["failed"]) == (1, 0)
    assert item == {
        "create": {
            "_index": name,
            "_id": "a",
            "_version": 1,
            "result": "created",
            "_seq_no": 0,
            "_primary_term": 1,
            "status": 201,
        }
    }


def test_create_again(client: Client, name: str) -> None:
    """A document that is there is a conflict, and stays as it was."""
    client.create(name, {"a": {"n": 1}})
    answer = client.bulk(create(name, "a"), {"n": 2})
    assert answer.json["errors"] is True
    (item,) = answer.json["items"]
    error = item["create"].pop("error")
    assert item == {"create": {"_index": name, "_id": "a", "status": 409}}
    assert isinstance(error.pop("index_uuid"), str)
    assert error == {
        "type": "version_conflict_engine_exception",
        "reason": "[a]: version conflict, document already exists (current version [1])",
        "shard": "0",
        "index": name,
    }
    assert client.request("GET", f"/{name}/_doc/a").json["_source"] == {"n": 1}


def test_twice_in_one_request(client: Client, name: str) -> None:
    """Of two documents with one id the first is created and the second is a conflict."""
    answer = client.bulk(create(name, "a"), {"n": 1}, create(name, "a"), {"n": 2})
    assert statuses(answer.json) == [201, 409]


def test_complete_success_filtered(client: Client, name: str) -> None:
    """The filtered reply of complete success has, byte for byte, the form the sink knows."""
    answer = client.bulk(
        create(name, "a"), {"n": 1}, create(name, "b"), {"n": 2}, filter_path=FILTER_PATH
    )
    item = b'{"create":{"status":201}}'
    assert answer.body == b'{"errors":false,"items":[' + item + b"," + item + b"]}"
    assert list(classify_reply(2, answer.body).delivered) == [0, 1]


def test_mixed_outcomes_filtered(client: Client, name: str) -> None:
    """Outcomes stand in the order of the documents, each with its status and error alone."""
    client.create(name, {"there": {"n": 1}})
    answer = client.bulk(
        *(create(name, "new"), {"n": 2}),
        *(create(name, "there"), {"n": 3}),
        *(create(name, "bad"), {"n": "seven"}),
        *(create("Not-Lower", "x"), {"n": 4}),
        *(create(name, "last"), {"n": 5}),
        filter_path=FILTER_PATH,
    )
    reply = answer.json
    assert set(reply) == {"errors", "items"}
    assert reply["errors"] is True
    assert [set(item["create"]) for item in reply["items"]] == [
        {"status"},
        {"status", "error"},
        {"status", "error"},
        {"status", "error"},
        {"status"},
    ]
    assert statuses(reply) == [201, 409, 400, 400, 201]
    assert error_types(reply) == [
        None,
        "version_conflict_engine_exception",
        "document_parsing_exception",
        "invalid_index_name_exception",
        None,
    ]
    result = classify_reply(5, answer.body)
    assert list(result.delivered) == [0, 1, 4]
    assert [refusal.position for refusal in result.rejected] == [2, 3]


def test_generated_ids(client: Client, name: str) -> None:
    """Without an id the server makes one of 20 characters."""
    (item,) = client.bulk(create(name), {"n": 1}).json["items"]
    assert len(item["create"]["_id"]) == 20
    found = client.request("GET", f"/{name}/_doc/{item['create']['_id']}")
    assert found.json["_source"] == {"n": 1}


def test_index_of_the_path(client: Client, name: str) -> None:
    """Actions without an index take the one in the path."""
    body = bulk_lines({"create": {"_id": "a"}}, {"n": 1})
    answer = client.request("POST", f"/{name}/_bulk", body, headers=NDJSON)
    assert answer.json["items"][0]["create"]["_index"] == name


def test_no_index(client: Client) -> None:
    """An action without any index fails the whole request."""
    answer = client.bulk({"create": {"_id": "a"}}, {"n": 1})
    assert (answer.status, answer.error) == (400, "action_request_validation_exception")


MALFORMED_ACTIONS = {
    "not an object": b'"create"',
    "cut": b'{"create": {"_index"',
    "unknown action": b'{"make": {"_index": "x", "_id": "1"}}',
    "unknown parameter": b'{"create": {"_index": "x", "_ident": "1"}}',
    "no JSON": b"create x 1",
}


@pytest.mark.parametrize("line", MALFORMED_ACTIONS.values(), ids=MALFORMED_ACTIONS)
def test_malformed_action(client: Client, name: str, line: bytes) -> None:
    """An action that cannot be read fails the request, and nothing before it is stored."""
    answer = client.bulk(create(name, "good"), {"n": 1}, line, {"n": 2})
    assert answer.status == 400
    assert answer.json["status"] == 400
    assert set(answer.json["error"]) >= {"root_cause", "type", "reason"}
    assert answer.error in {
        "illegal_argument_exception",
        "x_content_e_o_f_exception",
        "x_content_parse_exception",
        "json_parse_exception",
    }
    assert client.request("GET", f"/{name}/_doc/good").status == 404


def test_no_newline_at_the_end(client: Client, name: str) -> None:
    """A body without a newline at its end is refused as a whole."""
    body = bulk_lines(create(name, "a"), {"n": 1})[:-1]
    answer = client.request("POST", "/_bulk", body, headers=NDJSON)
    assert (answer.status, answer.error) == (400, "illegal_argument_exception")
    assert answer.json["error"]["reason"] == (
        "The bulk request must be terminated by a newline [\\n]"
    )
    assert client.request("HEAD", f"/{name}").status == 404


@pytest.mark.parametrize(
    ("body", "error"),
    [(None, "parse_exception"), (b"\n", "action_request_validation_exception")],
    ids=["empty", "newline"],
)
def test_nothing_in_it(client: Client, body: bytes | None, error: str) -> None:
    """A request without documents is refused."""
    answer = client.request("POST", "/_bulk", body, headers=NDJSON)
    assert (answer.status, answer.error) == (400, error)


def test_long_id(client: Client, name: str) -> None:
    """An id of 512 bytes is stored; one byte more fails the whole request."""
    assert client.create(name, {"i" * 512: {"n": 1}})[0]["status"] == 201
    answer = client.bulk(create(name, "good"), {"n": 1}, create(name, "é" * 256 + "x"), {"n": 2})
    assert (answer.status, answer.error) == (400, "action_request_validation_exception")
    assert client.request("GET", f"/{name}/_doc/good").status == 404


@pytest.mark.parametrize(
    "bad",
    [
        "Upper",
        "_under",
        "-dash",
        "+plus",
        "a b",
        'quo"te',
        "a*",
        "a?b",
        "a,b",
        "a#b",
        "..",
        "x" * 256,
    ],
)
def test_invalid_index_name(client: Client, name: str, bad: str) -> None:
    """An index name that cannot be is that document's fault alone."""
    answer = client.bulk(create(bad, "a"), {"n": 1}, create(name, "a"), {"n": 2})
    assert answer.status == 200
    assert statuses(answer.json) == [400, 201]
    item = answer.json["items"][0]["create"]
    assert item["error"]["type"] == "invalid_index_name_exception"
    assert (item["_index"], item["_id"]) == (bad, "a")


def test_unknown_parameter(client: Client, name: str) -> None:
    """A query parameter that is not known is an error."""
    answer = client.bulk(create(name, "a"), {"n": 1}, bogus=1)
    assert (answer.status, answer.error) == (400, "illegal_argument_exception")
    assert "contains unrecognized parameter: [bogus]" in answer.json["error"]["reason"]


def test_media_type(client: Client, name: str) -> None:
    """A body of another media type is refused."""
    body = bulk_lines(create(name, "a"), {"n": 1})
    answer = client.request("POST", "/_bulk", body, headers={"content-type": "text/plain"})
    assert answer.status == 406
    assert answer.json == {
        "error": "Content-Type header [text/plain] is not supported",
        "status": 406,
    }


def test_gzip(client: Client, name: str) -> None:
    """Compressed bodies are understood, and replies are compressed when that is asked for."""
    body = gzip.compress(
        bulk_lines(*(line for n in range(50) for line in (create(name), {"n": n})))
    )
    headers = {**NDJSON, "content-encoding": "gzip", "accept-encoding": "gzip"}
    answer = client.request("POST", "/_bulk", body, headers=headers)
    assert answer.status == 200
    assert answer.headers["content-encoding"] == "gzip"
    assert statuses(json.loads(gzip.decompress(answer.body))) == [201] * 50


IDS = ["with space", 'quo"te', "new\nline", "ünï", "a/b", "#?&", '"}}\n{"index":{"_id":"x', "日本"]


def test_odd_ids(client: Client, name: str) -> None:
    """Ids with quotes, newlines and the like are taken as they are."""
    created = client.create(name, {id_: {"n": 1} for id_ in IDS})
    assert [item["_id"] for item in created] == IDS
    assert client.ids(name, {"match_all": {}}) == sorted(IDS)
    assert client.ids(name, {"ids": {"values": IDS[:3]}}) == sorted(IDS[:3])


def test_ingest_bytes_are_kept(client: Client, name: str) -> None:
    """A source comes back with its spelling, order and numbers as they were sent."""
    source = b'{"z": 1.50, "a" : [1e3, 12345678901234567890], "\\u00e4":"\\ud83d\\ude00", "n":null}'
    client.request("PUT", f"/{name}", {"mappings": {"dynamic": False}})
    assert statuses(client.bulk(create(name, "a"), source).json) == [201]
    body = client.request("GET", f"/{name}/_doc/a").body
    assert source in body


def test_timeout_parameter(client: Client, name: str) -> None:
    """The parameters that the sink sends are understood."""
    answer = client.bulk(create(name, "a"), {"n": 1}, timeout="30s", filter_path=FILTER_PATH)
    assert answer.status == 200


def test_refresh(client: Client, name: str) -> None:
    """After refresh=wait_for a document is found, and by its id it is found at once."""
    client.bulk(create(name, "a"), {"n": 1})
    assert client.request("GET", f"/{name}/_doc/a").json["found"] is True
    client.bulk(create(name, "b"), {"n": 1}, refresh="wait_for")
    assert "b" in client.ids(name, {"match_all": {}})


def statuses(reply: Any) -> list[int]:
    return [item["create"]["status"] for item in reply["items"]]


def error_types(reply: Any) -> list[str | None]:
    return [item["create"].get("error", {}).get("type") for item in reply["items"]]


@pytest.mark.parametrize(
    "source",
    [b'{"a":' * 900 + b"1" + b"}" * 900, b'{"a":' + b"9" * 5000 + b"}"],
    ids=["deep objects", "long number"],
)
def test_beyond_what_a_parser_takes(client: Client, name: str, source: bytes) -> None:
    """A document that is too much for the parser costs itself alone."""
    answer = client.bulk(create(name, "a"), source, create(name, "b"), {"n": 1})
    assert answer.status == 200
    refused, created = (item["create"] for item in answer.json["items"])
    assert (refused["status"], refused["error"]["type"]) == (400, "document_parsing_exception")
    assert created["status"] == 201
