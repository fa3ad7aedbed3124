"""Replies as Elasticsearch 8.19 gave them, and what becomes of each document."""

from __future__ import annotations

from itertools import chain
from typing import Any

import orjson
import pytest

from logship.elastic import error_reply
from logship.errors import BadReply
from logship.model import BatchResult, Refusal
from logship.sinks.elasticsearch.reply import (
    classify_failure,
    classify_reply,
    is_unfamiliar,
)

PREVIEW = "[1:158] failed to parse field [n] of type [long] in document with id 'bad-1'. Preview "
PARSING = "document_parsing_exception"


def item(status: int, type_: str = "", reason: str = "", **more: Any) -> dict[str, Any]:
    error = {"error": {"type": type_, "reason": reason, **more}} if type_ else {}
    return {"create": {"status": status, **error}}


def reply(*items: dict[str, Any], errors: bool = True, took: int | None = None) -> bytes:
    head = {"errors": errors} if took is None else {"errors": errors, "took": took}
    return orjson.dumps({**head, "items": list(items)})


def outcome(found: dict[str, Any]) -> str:
    """Which group the second of three documents is put into; the others must be delivered."""
    result = classify_reply(3, reply(item(201), found, item(201)))
    groups = {
        "delivered": list(result.delivered),
        "retryable": list(result.retryable),
        "held": [refusal.position for refusal in result.held],
        "rejected": [refusal.position for refusal in result.rejected],
    }
    assert sorted(chain(*groups.values())) == [0, 1, 2]
    assert {0, 2} <= set(groups["delivered"])
    assert result.verdict == "items"
    (name,) = [name for name, positions in groups.items() if 1 in positions]
    return name


@pytest.mark.parametrize(
    "found",
    [
        item(200),
        item(201),
        item(
            409,
            "version_conflict_engine_exception",
            "[id-1]: version conflict, document already exists (current version [1])",
            index_uuid="RrlNYupZRiyiBiTEYu0NJQ", shard="0", index="logs-2026.11.21",
        ),
        item(
            409,
            "version_conflict_engine_exception",
            "[v1]: version conflict, current version [5] is higher or equal to the one "
            "provided [5]",
        ),
    ],
)  # fmt: skip
def test_stored_now_or_before_is_delivered(found: dict[str, Any]) -> None:
    """2xx and 409 say that the document is there."""
    assert outcome(found) == "delivered"


@pytest.mark.parametrize(
    "found",
    [
        item(
            429,
            "es_rejected_execution_exception",
            "rejected execution of TimedRunnable{...} on ...EsThreadPoolExecutor[name = "
            "eslab-0/write, queue capacity = 1, ...]",
        ),
        item(503, "no_shard_available_action_exception", "no shard available"),
        item(503, "process_cluster_event_timeout_exception", "failed to process cluster event"),
        item(408),
        item(429),
        item(502),
    ],
)
def test_what_may_go_well_later_is_retryable(found: dict[str, Any]) -> None:
    """429, 503 and the like are the moment's fault."""
    assert outcome(found) == "retryable"


@pytest.mark.parametrize(
    "found",
    [
        item(
            403,
            "cluster_block_exception",
            "index [logs-2026.11.20] blocked by: [FORBIDDEN/8/index write (api)];",
        ),
        item(
            403,
            "cluster_block_exception",
            "index [logs-2026.11.20] blocked by: [FORBIDDEN/5/index read-only (api)];",
        ),
        item(
            429,
            "cluster_block_exception",
            "index [logs-2026.11.20] blocked by: [TOO_MANY_REQUESTS/12/disk usage exceeded "
            "flood-stage watermark, index has read-only-allow-delete block];",
        ),
        item(400, "index_closed_exception", "closed", index_uuid="o5nsx0zJSPu0yB-KOkXAEw"),
        item(
            404,
            "index_not_found_exception",
            "no such index [other-1] and [action.auto_create_index] contains [-*] which forbids "
            "automatic creation of the index",
        ),
        item(
            404,
            "index_not_found_exception",
            "no such index [noalias] and [require_alias] request flag is [true] and [noalias] is "
            "not an alias",
        ),
        item(
            404,
            "resource_not_found_exception",
            "[require_data_stream] request flag is [true] and [logs-2026.11.21] is not a data "
            "stream",
        ),
        item(
            400,
            "validation_exception",
            "Validation Failed: 1: this action would add [1] shards, but this cluster currently "
            "has [6]/[1] maximum normal shards open;",
        ),
        item(
            503,
            "unavailable_shards_exception",
            "[una][0] primary shard is not active Timeout: [1s], request: [...]",
        ),
        item(400, "illegal_argument_exception", "pipeline with id [nope] does not exist"),
        item(
            400,
            "illegal_argument_exception",
            "only write ops with an op_type of create are allowed in data streams",
            caused_by={"type": "index_not_found_exception", "reason": "no such index [ds-app]"},
        ),
        item(
            400,
            "illegal_argument_exception",
            "no write index is defined for alias [al]. The write index may be explicitly disabled "
            "using is_write_index=false or the alias points to multiple indices without one being "
            "designated as a write index",
        ),
        item(400, "illegal_argument_exception", "unknown index sort field:[nofield]"),
        item(
            400,
            "illegal_argument_exception",
            "Number of documents in the index can't exceed [2147483519]",
        ),
        item(
            400,
            "invalid_alias_name_exception",
            "Invalid alias name [w]: an index or data stream exists with the same name as the "
            "alias",
        ),
        item(400, "routing_missing_exception", "routing is required for [logs]/[1]"),
        item(401, "an_exception_of_a_plugin", "who are you?"),
        item(403, "an_exception_of_a_plugin", "not you"),
        item(404, "shard_not_found_exception", "no such shard"),
        item(500, "null_pointer_exception", "a bug, of this document or of all"),
        item(500),
        item(
            403,
            "security_exception",
            "action [indices:admin/auto_create] is unauthorized for API key id [x] of user "
            "[admin] on indices [other], ...",
        ),
    ],
)
def test_what_no_document_can_help_is_held(found: dict[str, Any]) -> None:
    """What blames the cluster is held, whatever its number."""
    assert outcome(found) == "held"


@pytest.mark.parametrize(
    "found",
    [
        item(400, PARSING, PREVIEW + "of field's value: 'not a number'"),
        item(400, PARSING, "object mapping for [c] tried to parse field [c] as object, but found"),
        item(400, PARSING, "field name cannot contain only whitespace"),
        item(400, PARSING, "[1:121] failed to parse: Limit of mapping depth [20] has been exceed"),
        item(400, PARSING, "[1:53] failed to parse: Limit of total fields [5] has been exceeded"),
        item(400, PARSING, "Malformed content, must start with an object"),
        item(400, PARSING, "[1:6] failed to parse: [1:11] Duplicate field 'd'"),
        item(400, PARSING, "data stream timestamp field [@timestamp] is missing"),
        item(400, "mapper_parsing_exception", "failed to parse"),
        item(400, "strict_dynamic_mapping_exception", "[1:7] mapping set to strict, dynamic"),
        item(400, "invalid_index_name_exception", "Invalid index name [Logs-UPPER], must be low"),
        item(400, "illegal_argument_exception", "Document contains at least one immense term"),
        item(400, "illegal_argument_exception", "mapper [a] cannot be changed from type"),
        item(400, "some_exception_of_the_future", "who knows"),
        item(400),
        item(500, "fail_processor_exception", "the pipeline's author does not want it"),
        item(400, "illegal_argument_exception", "field [x] not present as part of path [x]"),
    ],
)  # fmt: skip
def test_what_blames_the_document_is_rejected(found: dict[str, Any]) -> None:
    """No retry helps a document that is wrong."""
    assert outcome(found) == "rejected"


def test_argument_that_all_documents_of_many_lack() -> None:
    """What 20 or more are refused for in the same words, and all are, is held: say, a pipeline."""
    why = ("illegal_argument_exception", "field [x] not present as part of path [x]")
    alike, other = item(400, *why), item(400, why[0], "field [y] not present")
    held = classify_reply(20, reply(*[alike] * 20)).held
    assert len(held) == 20
    assert is_unfamiliar(held[0])
    for rest in (other, item(201), item(409)):
        result = classify_reply(20, reply(*[alike] * 19, rest))
        assert (len(result.held), len(result.rejected)) == (0, 19 + (rest is other))
    assert len(classify_reply(19, reply(*[alike] * 19)).rejected) == 19
    named = item(400, why[0], "mapper [a] cannot be changed from type [long] to [text]")
    result = classify_reply(20, reply(*[named] * 20))
    assert (len(result.held), len(result.rejected)) == (0, 20)
    assert not is_unfamiliar(result.rejected[0])


def test_errors_as_text() -> None:
    """An error that is no object is kept as the reason."""
    result = classify_reply(1, reply({"create": {"status": 400, "error": "no"}}))
    assert [(refusal.type, refusal.reason) for refusal in result.rejected] == [("", "no")]
    assert result.cause == "400: no"


def test_half_a_character_in_a_reason() -> None:
    """A reason that quotes a lone surrogate, which is JSON but no text, spoils no reply."""
    body = (
        b'{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":400,"error":'
        b'{"type":"document_parsing_exception","reason":"value: \'\\uD800\'"}}}]}'
    )
    result = classify_reply(2, body)
    assert result.delivered == [0]
    assert [refusal.reason for refusal in result.rejected] == ["value: '?'"]
    assert result.cause.encode()


def test_first_trouble_is_the_cause() -> None:
    """The line for people is about the first document that was not delivered."""
    result = classify_reply(3, reply(item(409), item(429, "a_b", "first"), item(400, "c", "d")))
    assert result.cause == "a_b: first"


@pytest.mark.parametrize("took", ["", '"took":400,', '"took":0,"ingest_took":0,'])
def test_complete_success_is_told_by_its_bytes(took: str) -> None:
    """The reply of complete success is recognised with ``took`` and without, and not parsed."""
    items = ",".join(['{"create":{"status":201}}'] * 3)
    body = f'{{"errors":false,{took}"items":[{items}]}}'.encode()
    result = classify_reply(3, body)
    assert result == BatchResult(delivered=range(3))
    assert isinstance(result.delivered, range)


def test_success_in_other_words_is_parsed() -> None:
    """Blanks, members in another order or extra ones do not change what a reply says."""
    spaced = b'{"errors": false, "items": [{"create": {"status": 201}}]}'
    assert classify_reply(1, spaced).delivered == [0]
    last = b'{"items":[{"create":{"status":201,"_id":"x"}}],"errors":false}'
    assert classify_reply(1, last).delivered == [0]


def test_errors_in_a_value_fool_nobody() -> None:
    """Neither a reason that quotes ``"errors": false`` nor one that quotes success counts."""
    quoted = '{"errors":false,"items":[{"create":{"status":201}}]}'
    result = classify_reply(1, reply(item(400, PARSING, quoted)))
    assert [refusal.reason for refusal in result.rejected] == [quoted]
    ends_alike = b'{"errors":true,"items":[{"create":{"status":201}}]}'
    assert classify_reply(1, ends_alike).delivered == [0]
    inner = b'{"x":{"errors":false},"errors":true,"items":[{"create":{"status":400}}]}'
    assert [refusal.position for refusal in classify_reply(1, inner).rejected] == [0]
    success = reply(item(201), errors=False)
    quoting = success.replace(b'"errors":false', b'"a":"\\"errors\\":false","errors":true')
    assert classify_reply(1, quoting).delivered == [0]


@pytest.mark.parametrize(
    ("count", "body"),
    [
        (3, reply(item(201), item(201), errors=False)),
        (1, reply(item(201), item(201), errors=False)),
        (1, reply(errors=False)),
        (2, reply(item(201), item(400, PARSING, "x"))[:-3]),
        (1, b""),
        (1, b"{}"),
        (1, b"[]"),
        (1, b"null"),
        (1, b"1"),
        (1, b'"items"'),
        (1, b'{"items":{"create":{"status":201}}}'),
        (1, b'{"items":null,"errors":false}'),
        (1, b"<html>It works!</html>"),
        (1, b'{"items":[{"create":{"status":201}}]}garbage'),
        (1, b'garbage"items":[{"create":{"status":201}}]}'),
        (1, b'{"items":[{"create":{}}]}'),
        (1, b'{"items":[{"create":null}]}'),
        (1, b'{"items":[{"create":[201]}]}'),
        (1, b'{"items":[null]}'),
        (1, b'{"items":[[201]]}'),
        (1, b'{"items":[{}]}'),
        (1, b'{"items":[{"create":{"status":201},"index":{"status":201}}]}'),
        (1, b'{"items":[{"create":{"status":"created"}}]}'),
        (1, b'{"items":[{"create":{"status":null}}]}'),
        (1, b'{"items":[{"create":{"status":302}}]}'),
        (1, b'{"items":[{"create":{"status":0}}]}'),
        (1, b"\xff\xfe"),
    ],
)
def test_what_cannot_be_understood_settles_nothing(count: int, body: bytes) -> None:
    """Fewer or more items than documents, cut replies and garbage are bad replies."""
    with pytest.raises(BadReply):
        classify_reply(count, body)


def test_reasons_are_cut_and_the_cause_is_kept() -> None:
    """A reason that quotes 40 kB of a field keeps a readable length, and why it was refused."""
    why = {"type": "illegal_argument_exception", "reason": "Document contains one immense term"}
    long = item(400, PARSING, PREVIEW + "x" * 40_000, caused_by=why)
    (refusal,) = classify_reply(1, reply(long)).rejected
    assert len(refusal.reason) == 2000
    assert refusal.reason.startswith(PREVIEW)
    end = "…; caused by illegal_argument_exception: Document contains one immense term"
    assert refusal.reason.endswith(end)
    both = item(400, PARSING, "y" * 40_000, caused_by={"type": "t", "reason": "x" * 40_000})
    (refusal,) = classify_reply(1, reply(both)).rejected
    assert len(refusal.reason) == 2000
    short = item(400, PARSING, "short", caused_by={"type": "t", "reason": "why"})
    (refusal,) = classify_reply(1, reply(short)).rejected
    assert refusal.reason == "short; caused by t: why"


# Whole requests


def failure(count: int, status: int, body: Any = b"", **headers: str) -> BatchResult:
    data = body if isinstance(body, bytes) else orjson.dumps(body)
    return classify_failure(count, error_reply(status, headers, data))


def whole(type_: str, reason: str, status: int) -> dict[str, Any]:
    cause = {"type": type_, "reason": reason}
    return {"error": {"root_cause": [cause], **cause}, "status": status}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (
            429,
            whole(
                "es_rejected_execution_exception",
                "rejected execution of coordinating operation [coordinating_and_primary_bytes=0]",
                429,
            ),
        ),
        (429, whole("circuit_breaking_exception", "[inflight_requests] Data too large", 429)),
        (429, b""),
        (408, b""),
        (500, b""),
        (502, b"<html>Bad Gateway</html>"),
        (503, whole("cluster_block_exception", "no master", 503)),
        (504, b""),
    ],
)
def test_overload_is_retried_whole(status: int, body: Any) -> None:
    """429, 408 and 5xx ask for the same batch later."""
    result = failure(3, status, body)
    assert (result.verdict, list(result.retryable)) == ("retry", [0, 1, 2])
    assert result.cause.startswith(f"HTTP {status}")
    assert result.retry_after_seconds is None


def test_internal_error_may_be_one_documents_fault() -> None:
    """What an Elasticsearch fails on as a whole is told from an outage; one document is held."""
    error = whole("null_pointer_exception", "a bug", 500)
    many = failure(3, 500, error)
    assert (many.verdict, list(many.retryable), many.is_internal) == ("retry", [0, 1, 2], True)
    one = failure(1, 500, error)
    assert (one.verdict, one.held) == (
        "items",
        [Refusal(0, 500, "null_pointer_exception", "a bug")],
    )
    assert not failure(3, 503, whole("x", "y", 503)).is_internal
    assert not failure(3, 500, b"<html>").is_internal
    assert failure(1, 500, b"").verdict == "retry"


def test_retry_after_is_passed_on() -> None:
    """The server's wish reaches delivery, in seconds."""
    assert failure(1, 429, b"", **{"retry-after": "7"}).retry_after_seconds == 7.0
    assert failure(1, 503, b"", **{"retry-after": "1.5"}).retry_after_seconds == 1.5


BLAMES_A_DOCUMENT = [
    whole("x_content_e_o_f_exception", "[1:38] Unexpected end of file", 400),
    whole("illegal_argument_exception", "Malformed action/metadata line [1], expected", 400),
    whole("illegal_argument_exception", "The bulk request must be terminated by a newline", 400),
    whole("action_request_validation_exception", "Validation Failed: 1: id [iii] is too lo", 400),
]


@pytest.mark.parametrize("body", BLAMES_A_DOCUMENT)
def test_whole_400_is_bisected(body: dict[str, Any]) -> None:
    """One document fails the whole bulk: halves find it, and it alone is rejected."""
    result = failure(2, 400, body)
    assert (result.verdict, list(result.retryable)) == ("split", [0, 1])
    alone = failure(1, 400, body)
    assert (alone.verdict, list(alone.retryable)) == ("items", [])
    assert [(refusal.position, refusal.status) for refusal in alone.rejected] == [(0, 400)]
    assert alone.rejected[0].type == body["error"]["type"]


def test_too_large_is_halved_down_to_one() -> None:
    """413 comes with an empty body; a single document that still gets it is rejected."""
    assert failure(2, 413).verdict == "split"
    alone = failure(1, 413)
    assert [refusal.status for refusal in alone.rejected] == [413]
    assert "http.max_content_length" in alone.rejected[0].reason


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (301, b""),
        (401, whole("security_exception", "missing authentication credentials", 401)),
        (403, whole("cluster_block_exception", "blocked by: [FORBIDDEN/13/cluster read-on", 403)),
        (403, whole("security_exception", "action is unauthorized", 403)),
        (404, b"404 page not found"),
        (405, {"error": "Incorrect HTTP method for uri [/_bulk]", "status": 405}),
        (406, {"error": "Content-Type header [text/plain] is not supported", "status": 406}),
        (400, whole("media_type_header_exception", "Invalid media-type value on headers", 400)),
        (400, {"error": "no handler found for uri [/_bulk] and method [POST]"}),
        (400, b"<html>The plain HTTP request was sent to HTTPS port</html>"),
        (400, {"statusCode": 400, "error": "Bad Request", "message": "must contain a header"}),
        (400, whole("parse_exception", "request body is required", 400)),
        (
            400,
            whole(
                "illegal_argument_exception",
                "request [/_bulk] contains unrecognized parameter: [timeout]",
                400,
            ),
        ),
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_what_a_person_must_mend_drops_nothing(status: int, body: Any, count: int) -> None:
    """A wrong address, key or server stops delivery; no document is blamed for it."""
    result = failure(count, status, body)
    assert (result.verdict, list(result.retryable)) == ("pause", list(range(count)))
    assert not result.rejected
    assert result.cause


def strange(count: int, refused: int, type_: str = "strange_exception") -> bytes:
    items = [{"create": {"status": 400, "error": {"type": type_, "reason": "no"}}}] * refused
    items += [{"create": {"status": 201}}] * (count - refused)
    return orjson.dumps({"errors": True, "items": items})


@pytest.mark.parametrize(
    ("count", "refused", "type_", "is_held"),
    [
        (20, 10, "strange_exception", True),
        (20, 20, "strange_exception", True),
        (19, 19, "strange_exception", False),
        (20, 9, "strange_exception", False),
        (1, 1, "strange_exception", False),
        (20, 20, "document_parsing_exception", False),
        (20, 20, "illegal_argument_exception", True),
        (20, 20, "fail_processor_exception", False),
        (20, 20, "", True),
    ],
)
def test_who_is_to_blame_for_an_unfamiliar_type(
    count: int, refused: int, type_: str, is_held: bool
) -> None:
    """Half or more of 20 or more documents with one unknown type: the cluster, else they are."""
    result = classify_reply(count, strange(count, refused, type_))
    assert [one.position for one in (result.held if is_held else result.rejected)] == [
        *range(refused)
    ]
    assert len(result.delivered) == count - refused
    assert not (result.rejected if is_held else result.held)
