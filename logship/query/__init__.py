"""The query language: text → tree → predicate | Elasticsearch DSL."""

from logship.query.dsl import to_dsl
from logship.query.parser import parse
from logship.query.predicate import compile_predicate
from logship.query.tree import Query

__all__ = ["Query", "compile_predicate", "parse", "to_dsl"]
