"""The two loops: what is read goes into the buffer, what is in the buffer gets delivered."""

from __future__ import annotations

from logship.pipeline.deliver import Delivery, Totals
from logship.pipeline.held import Keeping
from logship.pipeline.ingest import Ingestion

__all__ = ["Delivery", "Ingestion", "Keeping", "Totals"]
