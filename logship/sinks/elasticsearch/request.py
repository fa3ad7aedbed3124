"""Bulk bodies. Hot: joins what the route has encoded, with the ingest time spliced in."""

from __future__ import annotations

from logship.model import Documents
from logship.schema.times import utc_text

__all__ = ["bulk_body"]


def bulk_body(documents: Documents, seconds: float) -> bytes:
    """Return the body of one ``_bulk`` request.

    Args:
        documents: At least one.
        seconds: Epoch time of this attempt, which becomes ``@ingested``.

    Returns:
        NDJSON: an action line and a source line per document, newline at the end.

    Source: Elasticsearch 8 reference, "Bulk API", request body.
    """
    count = len(documents)
    stamp = b'"}}\n{"@ingested":"' + utc_text(seconds).encode() + b'",'
    parts = [stamp] * (4 * count)
    parts[0::4] = documents.heads
    parts[1::4] = documents.ids
    parts[3::4] = documents.bodies
    return b"".join(parts)
