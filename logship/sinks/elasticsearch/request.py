"""Bulk bodies. Hot: joins what the route has encoded, with the ingest time spliced in."""

from __future__ import annotations

from logship.model import Documents
from logship.schema.times import utc_text
from logship.settings.model import Schema

__all__ = ["INGESTED", "bulk_body"]


# The field for the time of an attempt, by schema.
INGESTED: dict[Schema, str] = {"flat": "@ingested", "ecs": "event.ingested"}


def bulk_body(documents: Documents, seconds: float, ingested: str = INGESTED["flat"]) -> bytes:
    """Return the body of one ``_bulk`` request.

    Args:
        documents: At least one.
        seconds: Epoch time of this attempt.
        ingested: The field that says it.

    Returns:
        NDJSON: an action line and a source line per document, newline at the end.

    Source: Elasticsearch 8 reference, "Bulk API", request body.
    """
    count = len(documents)
    stamp = f'"}}}}\n{{"{ingested}":"{utc_text(seconds)}",'.encode()
    parts = [stamp] * (6 * count)
    parts[0::6] = documents.heads
    parts[1::6] = documents.ids
    parts[3::6] = documents.contexts
    parts[4::6] = documents.offsets
    parts[5::6] = documents.bodies
    parts[0] = parts[0][1:]  # heads begin with the newline that ends the document before
    parts.append(b"\n")
    return b"".join(parts)
