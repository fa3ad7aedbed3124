"""The two loops: what is read goes into the buffer, what is in the buffer gets delivered."""

from __future__ import annotations

from logship.pipeline.deliver import Delivery, Totals
from logship.pipeline.ingest import Ingestion
from logship.pipeline.keeping import Keeping

__all__ = ["Delivery", "Ingestion", "Keeping", "Totals"]
