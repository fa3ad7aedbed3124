"""Documents against mappings: what is refused, and how it is said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.elasticsearch.client import Client, create

PARSING = "document_parsing_exception"
ARGUMENT = "illegal_argument_exception"


def refused(client: Client, name: str, properties: object, document: object) -> dict[str, Any]:
    """Create *document* under *properties* and return the error of its outcome."""
    made = client.request("PUT", f"/{name}", {"mappings": {"properties": properties}})
    assert made.status == 200, made.body
    (item,) = client.create(name, {"bad": document})
    assert item["status"] == 400
    assert (item["_index"], item["_id"]) == (name, "bad")
    error: dict[str, Any] = item["error"]
    assert set(error) <= {"type", "reason", "caused_by"}
    return error


REFUSED: dict[str, tuple[object, object, str, str]] = {
    "text in a long": (
        {"n": {"type": "long"}},
        {"n": "seven"},
        "failed to parse field [n] of type [long] in document with id 'bad'. "
        "Preview of field's value: 'seven'",
        ARGUMENT,
    ),
    "over 64 bits": (
        {"n": {"type": "long"}},
        {"n": 12345678901234567890},
        "failed to parse field [n] of type [long] in document with id 'bad'. "
        "Preview of field's value: '12345678901234567890'",
        "x_content_parse_exception",
    ),
    "text in a double": (
        {"n": {"type": "double"}},
        {"n": "seven"},
        "failed to parse field [n] of type [double] in document with id 'bad'. "
        "Preview of field's value: 'seven'",
        "number_format_exception",
    ),
    "not a boolean": (
        {"n": {"type": "boolean"}},
        {"n": "yes"},
        "failed to parse field [n] of type [boolean] in document with id 'bad'. "
        "Preview of field's value: 'yes'",
        ARGUMENT,
    ),
    "not a date": (
        {"n": {"type": "date"}},
        {"n": "yesterday"},
        "failed to parse field [n] of type [date] in document with id 'bad'. "
        "Preview of field's value: 'yesterday'",
        ARGUMENT,
    ),
    "not an address": (
        {"n": {"type": "ip"}},
        {"n": "300.1.1.1"},
        "failed to parse field [n] of type [ip] in document with id 'bad'. "
        "Preview of field's value: '300.1.1.1'",
        ARGUMENT,
    ),
    "out of range": (
        {"n": {"type": "integer"}},
        {"n": 3_000_000_000},
        "failed to parse field [n] of type [integer] in document with id 'bad'. "
        "Preview of field's value: '3000000000'",
        "x_content_parse_exception",
    ),
    "object in a long": (
        {"n": {"type": "long"}},
        {"n": {"b": 2}},
        "failed to parse field [n] of type [long] in document with id 'bad'. "
        "Preview of field's value: '{b=2}'",
        ARGUMENT,
    ),
    "object in a keyword": (
        {"n": {"type": "keyword"}},
        {"n": {"b": 2}},
        "failed to parse field [n] of type [keyword] in document with id 'bad'. "
        "Preview of field's value: '{b=2}'",
        ARGUMENT,
    ),
    "object in a text": (
        {"n": {"type": "text"}},
        {"n": {"b": 2}},
        "failed to parse field [n] of type [text] in document with id 'bad'. "
        "Preview of field's value: '{b=2}'",
        ARGUMENT,
    ),
    "text in an object": (
        {"n": {"properties": {"b": {"type": "long"}}}},
        {"n": "text"},
        "object mapping for [n] tried to parse field [n] as object, but found a concrete value",
        "",
    ),
    "dotted name below a long": (
        {"n": {"type": "long"}},
        {"n.b": 2},
        "failed to parse field [n] of type [long] in document with id 'bad'. "
        "Preview of field's value: '{b=2}'",
        ARGUMENT,
    ),
    "text in flattened": (
        {"n": {"type": "flattened"}},
        {"n": "text"},
        "failed to parse field [n] of type [flattened] in document with id 'bad'. "
        "Preview of field's value: 'text'",
        "parsing_exception",
    ),
    "value of an alias": (
        {"n": {"type": "long"}, "other": {"type": "alias", "path": "n"}},
        {"other": 1},
        "Cannot write to a field alias [other].",
        "",
    ),
}


@pytest.mark.parametrize(
    ("properties", "document", "reason", "cause"), REFUSED.values(), ids=REFUSED
)
def test_refused(
    client: Client, name: str, properties: object, document: object, reason: str, cause: str
) -> None:
    """A value that does not fit is refused, with the field, the type and the value named."""
    error = refused(client, name, properties, document)
    assert error["type"] == PARSING
    position, _, text = error["reason"].partition("] ")
    assert position.startswith("[1:")
    assert text == reason
    assert error.get("caused_by", {}).get("type", "") == cause


def test_long_keyword(client: Client, name: str) -> None:
    """A keyword over 32,766 bytes is refused; the reason quotes all of it."""
    error = refused(client, name, {"k": {"type": "keyword"}}, {"k": "x" * 40_000})
    assert error["type"] == PARSING
    assert "x" * 40_000 in error["reason"]
    assert error["caused_by"]["type"] == ARGUMENT
    assert error["caused_by"]["reason"].startswith(
        'Document contains at least one immense term in field="k" (whose UTF8 encoding is longer '
        "than the max length 32766), all of which were skipped."
    )


def test_strict(client: Client, name: str) -> None:
    """Where new fields are forbidden, a document that has one is refused."""
    client.request("PUT", f"/{name}", {"mappings": {"dynamic": "strict"}})
    (item,) = client.create(name, [{"n": 1}])
    assert (item["status"], item["error"]["type"]) == (400, "strict_dynamic_mapping_exception")
    assert item["error"]["reason"].endswith(
        "mapping set to strict, dynamic introduction of [n] within [_doc] is not allowed"
    )


def test_field_limit(client: Client, name: str) -> None:
    """A document with more new fields than the index may have is refused."""
    client.request("PUT", f"/{name}", {"settings": {"index.mapping.total_fields.limit": 5}})
    fine, bad = client.create(name, [{"a": 1, "b": 2}, {"c": 1, "d": 2, "e": 3, "f": 4}])
    assert fine["status"] == 201
    assert (bad["status"], bad["error"]["type"]) == (400, PARSING)
    assert bad["error"]["caused_by"] == {
        "type": ARGUMENT,
        "reason": "Limit of total fields [5] has been exceeded while adding new fields [4]",
    }


@pytest.mark.parametrize("key", ["e..f", ".g", " "])
def test_bad_field_name(client: Client, name: str, key: str) -> None:
    """Field names with nothing between their dots are refused."""
    (item,) = client.create(name, [{key: 1}])
    assert (item["status"], item["error"]["type"]) == (400, PARSING)


def test_depth(client: Client, name: str) -> None:
    """Objects nest 20 deep, no deeper."""
    fine, bad = client.create(name, [nested(20), nested(21)])
    assert fine["status"] == 201
    assert (bad["status"], bad["error"]["type"]) == (400, PARSING)


def nested(depth: int) -> dict[str, Any]:
    document: dict[str, Any] = {"leaf": 1}
    for _ in range(depth - 1):
        document = {"o": document}
    return document


@pytest.mark.parametrize(
    "source",
    [
        b"not json",
        b'{"a": ',
        b"[1,2]",
        b'{"a": NaN}',
        b'{"a": 1, "a": 2}',
        b'{"a": "\xff"}',
        b'"text"',
    ],
    ids=["text", "cut", "list", "nan", "duplicate", "utf-8", "string"],
)
def test_unreadable_source(client: Client, name: str, source: bytes) -> None:
    """A source that is no JSON object is that document's fault alone."""
    answer = client.bulk(create(name, "bad"), source, create(name, "good"), {"n": 1})
    assert answer.status == 200, answer.body
    bad, good = (item["create"] for item in answer.json["items"])
    assert (bad["status"], bad["error"]["type"]) == (400, PARSING)
    assert good["status"] == 201


def test_ignore_malformed(client: Client, name: str) -> None:
    """With ignore_malformed the document is stored; its field is not searched but listed."""
    body = {
        "settings": {"index.mapping.ignore_malformed": True},
        "mappings": {"properties": {"n": {"type": "long"}, "d": {"type": "date"}}},
    }
    client.request("PUT", f"/{name}", body)
    created = client.create(name, [{"n": "seven", "d": "soon"}, {"n": 7}, {"n": [7, "x"]}])
    assert [item["status"] for item in created] == [201] * 3
    assert client.ids(name, {"term": {"n": 7}}) == ["1", "2"]
    assert client.ids(name, {"exists": {"field": "n"}}) == ["1", "2"]
    assert client.ids(name, {"term": {"_ignored": "n"}}) == ["0", "2"]
    hits = client.search(name, {"sort": ["_doc"]})["hits"]["hits"]
    assert [sorted(hit.get("_ignored", [])) for hit in hits] == [["d", "n"], [], ["n"]]
    assert hits[0]["_source"] == {"n": "seven", "d": "soon"}


def test_numbers_as_text(client: Client, name: str) -> None:
    """Texts that spell numbers are numbers in a number field, fractions of a long are cut."""
    properties = {"n": {"type": "long"}, "d": {"type": "double"}}
    client.request("PUT", f"/{name}", {"mappings": {"properties": properties}})
    created = client.create(
        name, [{"n": "12"}, {"n": 12.7}, {"d": "1.5e3"}, {"n": None}, {"n": []}]
    )
    assert [item["status"] for item in created] == [201] * 5
    assert client.ids(name, {"term": {"n": 12}}) == ["0", "1"]
    assert client.ids(name, {"range": {"d": {"gte": 1500, "lte": 1500}}}) == ["2"]


DATES = {
    "2026-11-21T10:00:00Z": True,
    "2026-11-21T10:00:00.123456789Z": True,
    "2026-11-21T10:00:00+02:00": True,
    "2026-11-21T10:00": True,
    "2026-11-21": True,
    "2026-11": True,
    "2026": True,
    1795255200000: True,
    "1795255200000": True,
    "2026-11-21 10:00:00": False,
    "21/Nov/2026:10:00:00 +0000": False,
    "2026-13-01": False,
    "2026-02-30": False,
    "2026-11-21T25:00:00Z": False,
    "": False,
    True: False,
}


@pytest.mark.parametrize(("value", "is_date"), DATES.items(), ids=map(str, DATES))
def test_dates(client: Client, name: str, value: object, is_date: bool) -> None:
    """Which values are dates in the default format."""
    client.request("PUT", f"/{name}", {"mappings": {"properties": {"d": {"type": "date"}}}})
    (item,) = client.create(name, [{"d": value}])
    assert (item["status"] == 201) == is_date
    if not is_date:
        assert item["error"]["type"] == PARSING


def test_dynamic_mapping(client: Client, name: str) -> None:
    """New fields get the types that their first values suggest."""
    document = {
        "text": "words",
        "whole": 1,
        "broken": 1.5,
        "yes": True,
        "date": "2026-11-21T10:00:00Z",
        "object": {"inner": 1},
        "list": [1, 2],
        "nothing": None,
        "empty": [],
        "dotted.name": "x",
    }
    assert client.create(name, [document])[0]["status"] == 201
    found = client.request("GET", f"/{name}/_mapping").json[name]["mappings"]["properties"]
    text = {"type": "text", "fields": {"keyword": {"type": "keyword", "ignore_above": 256}}}
    assert found == {
        "text": text,
        "whole": {"type": "long"},
        "broken": {"type": "float"},
        "yes": {"type": "boolean"},
        "date": {"type": "date"},
        "object": {"properties": {"inner": {"type": "long"}}},
        "list": {"type": "long"},
        "dotted": {"properties": {"name": text}},
    }


def test_first_value_decides(client: Client, name: str) -> None:
    """A field keeps the type of its first value, also within one request."""
    created = client.create(
        name, [{"a": 1}, {"a": "x"}, {"a": {"b": 1}}, {"b": {"c": 1}}, {"b": 1}]
    )
    assert [item["status"] for item in created] == [201, 400, 400, 201, 400]


def test_disabled_object(client: Client, name: str) -> None:
    """What a mapping switches off takes anything and is not searched."""
    properties = {"n": {"type": "object", "enabled": False}}
    client.request("PUT", f"/{name}", {"mappings": {"properties": properties}})
    documents = [{"n": "text"}, {"n": {"a": 1}}, {"n": [1, "a", {"b": 2}]}, {"n.c": 5}]
    assert [item["status"] for item in client.create(name, documents)] == [201] * 4
    assert client.ids(name, {"exists": {"field": "n"}}) == []
    assert client.ids(name, {"match": {"n.a": 1}}) == []
    found = client.request("GET", f"/{name}/_mapping").json[name]["mappings"]["properties"]
    assert found == properties


def test_fields_beyond_the_limit(client: Client, name: str) -> None:
    """Where it is asked for, fields beyond the limit are listed as ignored instead."""
    settings = {
        "index.mapping.total_fields.limit": 2,
        "index.mapping.total_fields.ignore_dynamic_beyond_limit": True,
    }
    client.request("PUT", f"/{name}", {"settings": settings})
    (item,) = client.create(name, [{"a": 1, "b": 2, "c": 3}])
    assert item["status"] == 201
    (hit,) = client.search(name)["hits"]["hits"]
    assert len(hit["_ignored"]) == 1
    assert hit["_source"] == {"a": 1, "b": 2, "c": 3}


def test_more_fields_than_the_limit(client: Client, name: str) -> None:
    """An index, or a change of its mapping, with more fields than it may have is refused."""
    properties = {field: {"type": "long"} for field in "abc"}
    body = {
        "settings": {"index.mapping.total_fields.limit": 2},
        "mappings": {"properties": properties},
    }
    answer = client.request("PUT", f"/{name}", body)
    assert (answer.status, answer.error) == (400, ARGUMENT)
    assert answer.json["error"]["reason"] == "Limit of total fields [2] has been exceeded"
    body["mappings"] = {"properties": {"a": {"type": "long"}}}
    assert client.request("PUT", f"/{name}", body).status == 200
    answer = client.request("PUT", f"/{name}/_mapping", {"properties": properties})
    assert (answer.status, answer.error) == (400, ARGUMENT)


def test_long_field_name(client: Client, name: str) -> None:
    """A field's name may be bounded, too."""
    settings = {"index.mapping.field_name_length.limit": 50}
    client.request("PUT", f"/{name}", {"settings": settings})
    fine, bad = client.create(name, [{"x" * 50: 1}, {"inner": {"y" * 51: 1}}])
    assert (fine["status"], bad["status"]) == (201, 400)
    reason = f"Field name [{'y' * 51}] is longer than the limit of [50] characters"
    assert (bad["error"]["type"], bad["error"]["reason"]) == (ARGUMENT, reason)


def test_change_of_a_mapping(client: Client, name: str) -> None:
    """Fields can be added to a mapping, and keep their types."""
    client.request("PUT", f"/{name}", {"mappings": {"properties": {"a": {"type": "long"}}}})
    added = {"properties": {"b": {"type": "keyword"}}}
    assert client.request("PUT", f"/{name}/_mapping", added).status == 200
    changed = {"properties": {"a": {"type": "keyword"}}}
    answer = client.request("PUT", f"/{name}/_mapping", changed)
    assert (answer.status, answer.error) == (400, ARGUMENT)
    assert answer.json["error"]["reason"] == (
        "mapper [a] cannot be changed from type [long] to [keyword]"
    )
    found = client.request("GET", f"/{name}/_mapping").json[name]["mappings"]["properties"]
    assert found == {"a": {"type": "long"}, "b": {"type": "keyword"}}
