"""One waiting document as a line of a file. Its index and id are fixed, whoever sends it::

    {"index": "logs-2026.11.21", "id": "…", "doc": {…}}

Both are sent as they are, so that sending an envelope twice stores it once. ``doc`` is without
the ingest stamp. An empty ``id`` leaves the choice to Elasticsearch, and loses that promise.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import orjson

from logship.model import Documents

__all__ = ["envelope", "envelopes"]


def envelope(head: bytes, rest_of_id: bytes, source: bytes) -> bytes:
    """Return one document as a line, newline included.

    Args:
        head: The action line up to the id, as in :class:`logship.model.Documents`.
        rest_of_id: What follows of the id.
        source: The JSON object.
    """
    index, prefix = _index_and_prefix(head)
    line = b'{"index":%b,"id":"%b%b","doc":%b}' % (index, prefix, rest_of_id, source)
    # JSON may hold newlines between its tokens; inside of strings they are always escaped.
    return line.replace(b"\n", b" ") + b"\n"


def envelopes(documents: Documents) -> Iterator[bytes]:
    """Yield every document of *documents* as a line, in order."""
    for head, rest_of_id, context, offset, body in zip(*documents.columns, strict=True):
        yield envelope(head, rest_of_id, b"{%b%b%b" % (context, offset, body))


@lru_cache(256)
def _index_and_prefix(head: bytes) -> tuple[bytes, bytes]:
    action = orjson.loads(head + b'"}}')["create"]
    return orjson.dumps(action["_index"]), orjson.dumps(action.get("_id", ""))[1:-1]
