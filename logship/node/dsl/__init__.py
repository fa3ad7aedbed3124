"""The query DSL: each query becomes a predicate, and what narrows the search in SQL."""
