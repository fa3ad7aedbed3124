"""A line of a file of envelopes becomes a document again."""

from __future__ import annotations

from functools import lru_cache

import msgspec
import orjson

from logship.model import action_head

__all__ = ["NotAnEnvelope", "parse_envelope"]

MAX_ID_BYTES = 512  # a longer one fails the whole bulk request it is in


class NotAnEnvelope(ValueError):
    """A line is no envelope; the text says why."""


class _Envelope(msgspec.Struct):
    index: str
    id: str
    doc: msgspec.Raw


_decode = msgspec.json.Decoder(_Envelope).decode


def parse_envelope(line: bytes) -> tuple[bytes, bytes, bytes]:
    """Return head, rest of the id and body of a line, as columns of documents have them.

    Raises:
        NotAnEnvelope: It is none, or holds what would spoil the request it rides in.
    """
    try:
        found = _decode(line)
    except (msgspec.MsgspecError, ValueError) as error:
        raise NotAnEnvelope(str(error)) from None
    doc = bytes(found.doc).strip()
    if not found.index:
        raise NotAnEnvelope("the index is empty")
    if len(found.id.encode()) > MAX_ID_BYTES:
        raise NotAnEnvelope(f"the id is longer than {MAX_ID_BYTES} bytes")
    if not doc.startswith(b"{") or not doc[1:-1].strip():
        raise NotAnEnvelope("doc is no JSON object, or an empty one")
    return _head(found.index, bool(found.id)), orjson.dumps(found.id)[1:-1], doc[1:]


@lru_cache(256)
def _head(index: str, has_id: bool) -> bytes:
    return action_head(index, b"", with_id=has_id)
