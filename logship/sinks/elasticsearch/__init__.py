"""The Elasticsearch sink: one bulk request per batch, every document accounted for."""

from __future__ import annotations

from logship.sinks.elasticsearch.sink import ElasticsearchSink

__all__ = ["ElasticsearchSink"]
