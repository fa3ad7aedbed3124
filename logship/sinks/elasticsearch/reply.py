"""What a bulk reply says of every document. Pure."""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from typing import Any

import orjson

from logship.errors import BadReply, ErrorReply
from logship.model import BatchResult, Refusal
from logship.sinks.elasticsearch.blame import blames_mapping

__all__ = ["FILTER_PATH", "classify_failure", "classify_reply", "is_unfamiliar", "items_of"]

FILTER_PATH = "errors,items.*.status,items.*.error"
REASON_CHARACTERS = 2000
CAUSE_CHARACTERS = 800
_ITEMS = b'"items":['

# What the cluster and not the document is to blame for, whatever the status.
_HELD_TYPES = frozenset(
    (
        "cluster_block_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_alias_name_exception",
        "resource_not_found_exception",
        "routing_missing_exception",
        "security_exception",
        "validation_exception",
        "unavailable_shards_exception",
    )
)
# What the document is to blame for.
_REJECTED_TYPES = frozenset(
    (
        "document_parsing_exception",
        "fail_processor_exception",
        "illegal_argument_exception",
        "invalid_index_name_exception",
        "mapper_parsing_exception",
        "max_bytes_length_exceeded_exception",
        "parsing_exception",
        "strict_dynamic_mapping_exception",
    )
)
# Who is to blame for any other type is told by how many documents meet it.
UNFAMILIAR_FROM, UNFAMILIAR_SHARE = 20, 0.5
# What a whole request is refused for, whatever is in it.
_NO_DOCUMENTS_FAULT = ("media_type_header_exception", "parse_exception")
_ARGUMENT = "illegal_argument_exception"
# An illegal argument is the document's fault, but for these.
_HELD_ARGUMENTS = (
    "no write index is defined for alias",
    "Number of documents in ",  # an index, or a shard, has as many as Lucene can count
    "only write ops with an op_type of create",
    "pipeline with id",
    "unknown index sort field",
)
# No document has a say in these.
_HELD_STATUSES = (401, 403, 404)


def classify_reply(count: int, reply: bytes) -> BatchResult:
    """Sort the documents of one bulk request by what Elasticsearch did with each.

    Items answer documents by position. 2xx and 409 (already there: we send ``create``) are
    delivered; what the cluster and not the document is to blame for is held, and so is a 500,
    which may be either's fault; 408, 429 and other 5xx are retryable; other 4xx are rejected,
    unless their type is unknown and half or more of 20 or more documents meet it, or all of them
    an illegal argument that is none of a mapping: then those are held.

    Args:
        count: How many documents were sent.
        reply: Body of the HTTP 200 answer, as asked for with :data:`FILTER_PATH`.

    Returns:
        Every position in exactly one of the four groups, order kept.

    Raises:
        BadReply: *reply* is not JSON or has not one item per document. Nothing may be
            settled: the caller sends the whole batch again.

    Source: Elasticsearch 8 reference, "Bulk API", response body.
    """
    if _is_complete_success(count, reply):
        return BatchResult(delivered=range(count))
    items = items_of(reply)
    if not isinstance(items, list) or len(items) != count:
        found = len(items) if isinstance(items, list) else "no"
        raise BadReply(f"the bulk reply has {found} items for {count} documents")
    delivered: list[int] = []
    retryable: list[int] = []
    held: list[Refusal] = []
    rejected: list[Refusal] = []
    cause = ""
    for position, item in enumerate(items):
        status, why = _outcome(item)
        if 200 <= status < 300 or status == 409:
            delivered.append(position)
            continue
        type_, reason = _type_and_reason(why)
        refusal = Refusal(position, status, type_, reason)
        if _is_held(refusal):
            held.append(refusal)
        elif status in (408, 429) or status > 500:
            retryable.append(position)
        elif 400 <= status <= 500:
            rejected.append(refusal)
        else:
            raise BadReply(f"the bulk reply has an item with status {status}")
        cause = cause or f"{type_ or status}: {reason[:300]}"
    if count >= UNFAMILIAR_FROM and len(rejected) >= UNFAMILIAR_SHARE * count:
        met = Counter(_kind(refusal) for refusal in rejected if is_unfamiliar(refusal))
        many = {kind for kind, times in met.items() if times >= _share(kind) * count}
        held += [refusal for refusal in rejected if _kind(refusal) in many]
        rejected = [refusal for refusal in rejected if _kind(refusal) not in many]
    return BatchResult(delivered, retryable, held, rejected, cause=cause)


def items_of(reply: bytes) -> Any:
    """Return the ``items`` of a bulk reply, whatever they are.

    Raises:
        BadReply: *reply* is not JSON, or has none.
    """
    try:
        try:
            return orjson.loads(reply)["items"]
        except orjson.JSONDecodeError:
            # A reason may quote half a character (a lone surrogate), which orjson refuses.
            return json.loads(reply)["items"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise BadReply("the bulk reply is not the JSON that was asked for") from error


def is_unfamiliar(refusal: Refusal) -> bool:
    """Whether a rejected item does not tell that the document is to blame."""
    if refusal.type == _ARGUMENT:
        return not blames_mapping(refusal)
    return refusal.type not in _REJECTED_TYPES


def _kind(refusal: Refusal) -> tuple[str, str]:
    """What is the same for all that are refused for the same: arguments differ by reason."""
    return refusal.type, refusal.reason if refusal.type == _ARGUMENT else ""


def _share(kind: tuple[str, str]) -> float:
    """How many of a batch show that no document is to blame: all where the type may blame one."""
    return 1.0 if kind[0] == _ARGUMENT else UNFAMILIAR_SHARE


def classify_failure(count: int, error: ErrorReply) -> BatchResult:
    """Say what is to become of a batch whose request was refused as a whole."""
    everything = range(count)
    if error.status == 413:
        if count == 1:
            return _all_rejected(error, "larger than the server's http.max_content_length")
        return BatchResult(
            retryable=everything, verdict="split", cause=str(error), is_too_large=True
        )
    if error.status == 400 and _may_blame_a_document(error):
        if count == 1:
            return _all_rejected(error, error.reason)
        return BatchResult(retryable=everything, verdict="split", cause=str(error))
    is_internal = error.status == 500 and bool(error.type)
    if is_internal and count == 1:
        refusal = Refusal(0, error.status, error.type, _cut(error.reason))
        return BatchResult(held=[refusal], cause=str(error))
    if error.status == 429 or error.status >= 500 or error.status == 408:
        return BatchResult(
            retryable=everything,
            verdict="retry",
            cause=str(error),
            retry_after_seconds=error.retry_after_seconds,
            is_internal=is_internal,
        )
    return BatchResult(retryable=everything, verdict="pause", cause=str(error))


def _is_complete_success(count: int, reply: bytes) -> bool:
    """Whether *reply* says, byte for byte, that every document was created."""
    begin = reply.find(_ITEMS)
    if begin < 0 or reply[begin + len(_ITEMS) :] != _created(count):
        return False
    try:
        head = orjson.loads(reply[: begin + len(_ITEMS)] + b"]}")
    except orjson.JSONDecodeError:
        return False
    return head.get("errors") is False


@lru_cache(maxsize=8)
def _created(count: int) -> bytes:
    return b",".join([b'{"create":{"status":201}}'] * count) + b"]}"


def _outcome(item: Any) -> tuple[int, Any]:
    try:
        (outcome,) = item.values()
        return int(outcome["status"]), outcome.get("error")
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise BadReply("the bulk reply has an item without a status") from error


def _type_and_reason(error: Any) -> tuple[str, str]:
    if not isinstance(error, dict):
        return "", _cut(_text(error))
    reason = _text(error.get("reason"))
    cause = error.get("caused_by")
    if isinstance(cause, dict) and cause.get("reason"):
        # Either may quote a whole field value: room is kept for the cause.
        why = _cut(f"; caused by {cause.get('type')}: {_text(cause['reason'])}", CAUSE_CHARACTERS)
        return _text(error.get("type")), _cut(reason, REASON_CHARACTERS - len(why)) + why
    return _text(error.get("type")), _cut(reason)


def _text(value: Any) -> str:
    """Return *value* as a text that can be encoded."""
    return str(value or "").encode("utf-8", "replace").decode()


def _cut(text: str, characters: int = REASON_CHARACTERS) -> str:
    return text if len(text) <= characters else text[: characters - 1] + "…"


def _is_held(refusal: Refusal) -> bool:
    if refusal.type in _HELD_TYPES or refusal.status in _HELD_STATUSES:
        return True
    if refusal.status == 500:
        return refusal.type not in _REJECTED_TYPES
    return refusal.type == _ARGUMENT and refusal.reason.startswith(_HELD_ARGUMENTS)


def _may_blame_a_document(error: ErrorReply) -> bool:
    """Whether a whole request was refused for something that one document may have brought.

    Not when a proxy, or another service on Elasticsearch's port, answers in its own words.
    """
    return bool(error.type) and not (
        error.type in _NO_DOCUMENTS_FAULT or "unrecognized parameter" in error.reason
    )


def _all_rejected(error: ErrorReply, reason: str) -> BatchResult:
    refusal = Refusal(0, error.status, error.type or "http", _cut(reason))
    return BatchResult(rejected=[refusal], cause=str(error))
