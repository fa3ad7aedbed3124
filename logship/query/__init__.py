"""The query language: text → tree → predicate | Elasticsearch DSL."""

from logship.query.dsl import to_dsl
from logship.query.parser import parse
from logship.query.tree import Query

__all__ = ["Query", "parse", "to_dsl"]
