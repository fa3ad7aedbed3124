"""The one place that talks HTTP to Elasticsearch.

The official client's transport does the work (pooling, dead hosts); this package builds it from
settings, gives it nodes that know proxies, certificates and secrets in files, and maps its errors.
"""

from __future__ import annotations

from logship.elastic.connection import JSON, NDJSON, Elastic, Reply, error_reply, is_loopback
from logship.elastic.node import Pieces

__all__ = ["JSON", "NDJSON", "Elastic", "Pieces", "Reply", "error_reply", "is_loopback"]
