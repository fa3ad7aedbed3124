"""The embedded node: the part of the Elasticsearch REST API that logship needs, on SQLite."""
