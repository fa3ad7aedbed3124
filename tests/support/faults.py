"""What can go wrong with a bulk request, and what it looks like on the wire. Pure."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = [
    "MIX",
    "NO_FAULT",
    "PAGE",
    "Fault",
    "Key",
    "Outcomes",
    "Reply",
    "Request",
    "cut_short",
    "documents",
    "holding",
    "outcomes",
    "plain_body",
    "random_faults",
    "refusal",
    "with_refusals",
    "withheld",
    "without",
    "without_last_item",
]

Key: TypeAlias = tuple[str, str]
"""Index and id of a document."""

Outcomes: TypeAlias = list[tuple[Key, int]]
"""The status of each document, in the order they were sent."""

Kind = Literal[
    "none",
    "delay",  # passed on after a while
    "drip",  # passed on; the reply comes in small pieces
    "status",  # refused as a whole
    "items",  # some documents refused, the others passed on
    "cut request",  # the connection ends in the middle of the request
    "cut before",  # … when the request is there; it is not passed on
    "cut after",  # … when the server has applied it
    "cut reply",  # … in the middle of the reply
    "half reply",  # a whole reply with half of the JSON in it
    "short reply",  # one outcome too few
    "html",  # 200 with a page instead of JSON; nothing is passed on
    "hang",  # no reply until the client goes away; nothing is passed on
    "hang after",  # … when the server has applied it
    "down",  # nothing listens for a while
]

MIX: tuple[Kind, ...] = (
    *("none", "none", "none", "none", "delay", "drip"),
    *("status", "status", "items", "items", "items"),
    *("cut request", "cut before", "cut after", "cut after", "cut reply"),
    *("half reply", "short reply", "html", "hang", "hang after", "down"),
)
REASONS = {
    400: ("document_parsing_exception", "[1:1] failed to parse"),
    401: ("security_exception", "unable to authenticate"),
    403: ("security_exception", "action is unauthorized"),
    429: ("es_rejected_execution_exception", "rejected execution of coordinating operation"),
    503: ("unavailable_shards_exception", "primary shard is not active"),
}
PAGE = b"<html><head><title>Sign in</title></head><body>Please sign in.</body></html>"
JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Fault:
    """What to do with one request.

    Attributes:
        status: Of ``status`` (401, 403, 413, 429 or 503) and ``items`` (403, 429 or 503).
        retry_after: Value of that header, for ``status``.
        seconds: How long ``delay``, ``drip`` and ``down`` take.
        share: Of the documents that ``items`` refuses; at least one is.
        seed: Chooses which they are.
    """

    kind: Kind
    status: int = 503
    retry_after: str | None = None
    seconds: float = 0.1
    share: float = 0.5
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.kind} {self.status}" if self.kind in ("status", "items") else self.kind


NO_FAULT = Fault("none")


@dataclass
class Request:
    """A request as it came; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """A reply; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def random_faults(seed: int, count: int, *, longest_seconds: float = 0.3) -> list[Fault]:
    """Return *count* faults, some of them none, that *seed* decides.

    None takes longer than *longest_seconds*, except those that hang until the client goes
    away, of which there is one at most.
    """
    chooser = random.Random(seed)
    faults: list[Fault] = []
    for _ in range(count):
        kind = chooser.choice(MIX)
        if kind.startswith("hang") and any(one.kind.startswith("hang") for one in faults):
            kind = "none"
        statuses = (403, 429, 503) if kind == "items" else (401, 403, 413, 429, 503)
        fault = Fault(
            kind,
            status=chooser.choice(statuses),
            retry_after=chooser.choice((None, None, "0", "1", "Wed, 21 Oct 2026 07:28:00 GMT")),
            seconds=chooser.uniform(0.01, longest_seconds),
            share=chooser.choice((0.0, 0.1, 0.5, 0.9, 1.0)),
            seed=chooser.getrandbits(32),
        )
        faults.append(fault)
    return faults


def plain_body(request: Request) -> bytes:
    """Return the body, decompressed."""
    if request.headers.get("content-encoding") == "gzip":
        return gzip.decompress(request.body)
    return request.body


def documents(body: bytes) -> tuple[Key, ...]:
    """Return index and id of each document of a bulk body."""
    actions = (next(iter(json.loads(line).values())) for line in body.split(b"\n")[:-1:2])
    return tuple((action.get("_index", ""), action.get("_id", "")) for action in actions)


def holding(body: bytes, marker: bytes) -> frozenset[int]:
    """Return the positions of the documents of a bulk body that hold *marker*."""
    return frozenset(n for n, line in enumerate(body.split(b"\n")[1:-1:2]) if marker in line)


def withheld(fault: Fault, count: int) -> frozenset[int]:
    """Return the positions, of *count*, that the server is not to get."""
    chosen = max(1, round(count * fault.share))
    return frozenset(random.Random(fault.seed).sample(range(count), chosen))


def without(body: bytes, positions: Collection[int]) -> bytes:
    """Return a bulk body without the documents at *positions*."""
    lines = body.split(b"\n")[:-1]
    pairs = zip(lines[::2], lines[1::2], strict=True)
    kept = [pair for position, pair in enumerate(pairs) if position not in positions]
    return b"".join(line + b"\n" for pair in kept for line in pair)


def with_refusals(reply: Reply, refused: Mapping[int, int]) -> Reply:
    """Return a bulk reply that also answers for what was withheld.

    Args:
        refused: The status of each, by its position among all that were sent.
    """
    answer = json.loads(reply.body)
    served = iter(answer["items"])
    count = len(answer["items"]) + len(refused)
    items = [_refused(refused[n]) if n in refused else next(served) for n in range(count)]
    answer.update(errors=True, items=items)
    return Reply(reply.status, reply.headers, json.dumps(answer).encode())


def _refused(status: int) -> dict[str, Any]:
    type_, reason = REASONS[status]
    return {"create": {"status": status, "error": {"type": type_, "reason": reason}}}


def refusal(fault: Fault) -> Reply:
    """Return the reply that refuses a whole request, in Elasticsearch's form."""
    headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
    if fault.status == 413:
        return Reply(413, headers, b"")
    type_, reason = REASONS[fault.status]
    cause = {"type": type_, "reason": reason}
    body = {"error": {"root_cause": [cause], **cause}, "status": fault.status}
    return Reply(fault.status, {**JSON, **headers}, json.dumps(body).encode())


def cut_short(reply: Reply) -> Reply:
    """Return *reply* with half of its body, and a length that fits it."""
    return Reply(reply.status, reply.headers, reply.body[: len(reply.body) // 2])


def without_last_item(reply: Reply) -> Reply:
    """Return a bulk reply with one outcome too few."""
    answer = json.loads(reply.body)
    answer["items"].pop()
    return Reply(reply.status, reply.headers, json.dumps(answer).encode())


def outcomes(keys: Iterable[Key], reply: Reply) -> Outcomes:
    """Return what a bulk reply says of each document; empty when it was no success."""
    if reply.status != 200:
        return []
    statuses = (next(iter(item.values()))["status"] for item in json.loads(reply.body)["items"])
    return list(zip(keys, statuses, strict=True))
