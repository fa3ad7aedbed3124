"""The query language: text → tree → predicate | Elasticsearch DSL."""
