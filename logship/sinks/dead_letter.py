"""One dead letter: a line of a file that `logship.sinks.dead_letters` writes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

__all__ = ["DeadLetter", "digest_of", "key_of", "parse"]

DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The newest entry of one document, which is known by its index and id.

    Attributes:
        id: That of the document; where Elasticsearch was to choose, made of the entry's line.
        at: When it was refused, UTC, ISO 8601.
        status: HTTP status of the refusal.
        type: Elasticsearch's error type.
        source: Path of the file that it comes from; empty when unknown.
        offset: In that file; None when unknown.
        document: The JSON object as it was sent; empty when what was sent is none.
        lines: Digests of all its entries, older ones included.
    """

    index: str
    id: str
    at: str
    status: int
    type: str
    reason: str
    source: str
    offset: int | None
    document: bytes
    lines: tuple[bytes, ...] = ()


def parse(line: bytes, lines: tuple[bytes, ...] = ()) -> DeadLetter | None:
    """Return the entry that a line is, or None when it is none."""
    entry = _entry(line)
    if entry is None:
        return None
    return DeadLetter(
        index=entry["index"],
        id=entry["id"] or digest_of(line).hex(),
        at=str(entry.get("at") or ""),
        status=_number(entry.get("status")) or 0,
        type=str(entry.get("type") or ""),
        reason=str(entry.get("reason") or ""),
        source=str(entry.get("source") or ""),
        offset=_number(entry.get("offset")),
        document=_raw(line, entry["doc"]),
        lines=lines,
    )


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = orjson.loads(line)
        is_one = isinstance(entry["id"], str) and isinstance(entry["index"], str)
        return entry if is_one and entry["index"] and "doc" in entry else None
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None


def key_of(line: bytes) -> bytes | None:
    """Return what stands for the document's index and id; None when the line is no entry."""
    entry = _entry(line)
    if entry is None:
        return None
    text = f"{entry['index']}\0{entry['id']}" if entry["id"] else line.decode("utf-8", "replace")
    return hashlib.blake2b(text.encode(), digest_size=DIGEST_BYTES).digest()


def _raw(line: bytes, document: Any) -> bytes:
    """The bytes of the document, which stands last: parsing would change its numbers."""
    if not isinstance(document, dict):
        return b""
    # No string before it can hold this: its quotes would be escaped.
    _, found, rest = line.rstrip().partition(b',"doc":')
    raw = rest[:-1]
    try:
        if found and orjson.loads(raw) == document:
            return raw
    except orjson.JSONDecodeError:
        pass
    return orjson.dumps(document)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def digest_of(line: bytes) -> bytes:
    """Return 16 bytes that stand for a line, whether its newline is there or not."""
    return hashlib.blake2b(line.rstrip(b"\n"), digest_size=DIGEST_BYTES).digest()
