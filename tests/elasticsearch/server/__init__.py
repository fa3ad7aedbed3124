"""A real Elasticsearch from published jars, for tests: the launcher and its build."""
