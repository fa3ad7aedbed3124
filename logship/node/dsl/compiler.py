"""From a query's JSON to a compiled query."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from logship.node.dsl import strings
from logship.node.dsl.compiled import (
    Compiled,
    conjunction,
    disjunction,
    everything,
    filtered,
    nothing,
)
from logship.node.dsl.leaves import Leaves
from logship.node.dsl.options import field_and_options, known, minimum_of, operator_of
from logship.node.errors import illegal_argument, parsing, unknown_field
from logship.node.fields import Field
from logship.node.view import View

_DEEPEST = 30


class Compiler:
    """Compiles queries for one index.

    Args:
        view: Of the index.
        now: The present in nanoseconds, for date math.
    """

    def __init__(self, view: View, now: int) -> None:
        self.view = view
        self._leaves = Leaves(view, now)
        self._depth = 0

    def compile(self, query: Any) -> Compiled:
        """Return *query*, an object with one member, compiled.

        Raises:
            NodeError: It is malformed or unknown, or does not fit the mapping.
        """
        if not isinstance(query, Mapping):
            raise parsing("[_na] query malformed, must start with start_object")
        if not query:
            raise illegal_argument("query malformed, empty clause found")
        name = next(iter(query))
        if len(query) > 1:
            raise parsing(f"[{name}] malformed query, expected [END_OBJECT] but found [FIELD_NAME]")
        compile_one = _QUERIES.get(name)
        if compile_one is None:
            cause = {
                "type": "named_object_not_found_exception",
                "reason": f"unknown field [{name}]",
            }
            raise parsing(f"unknown query [{name}]", cause)
        body = query[name]
        if not isinstance(body, Mapping):
            raise parsing(f"[{name}] query malformed, no start_object after query name")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise illegal_argument(
                f"The nested depth of the query exceeds the maximum nested depth for bool queries "
                f"set in [indices.query.bool.max_nested_depth: {_DEEPEST}]"
            )
        try:
            return compile_one(self, body)
        finally:
            self._depth -= 1

    def _clauses(self, value: Any) -> list[Compiled]:
        if isinstance(value, list):
            return [self.compile(one) for one in value]
        return [self.compile(value)]

    def _match_all(self, body: Mapping[str, Any]) -> Compiled:
        known("match_all", body, "boost", "_name")
        return everything(float(body.get("boost", 1.0)))

    def _match_none(self, body: Mapping[str, Any]) -> Compiled:
        known("match_none", body, "boost", "_name")
        return nothing()

    def _bool(self, body: Mapping[str, Any]) -> Compiled:
        for key in body:
            if key not in {"must", "filter", "should", "must_not", "minimum_should_match", "boost",
                           "_name", "adjust_pure_negative"}:  # fmt: skip
                raise unknown_field("bool", key)
        must = self._clauses(body.get("must", []))
        filters = self._clauses(body.get("filter", []))
        should = self._clauses(body.get("should", []))
        without = self._clauses(body.get("must_not", []))
        default = 0 if must or filters else 1
        minimum = default
        if body.get("minimum_should_match") is not None:
            minimum = minimum_of(body["minimum_should_match"], len(should))
        needed = [*must, *filters]
        if should and minimum > 0:
            needed.append(disjunction(should, minimum))
        elif minimum > len(should) and body.get("minimum_should_match") is not None:
            return nothing()
        query = conjunction(needed)
        if without:
            predicates = [one.matches for one in without]
            negative = Compiled(lambda doc: not any(one(doc) for one in predicates), constant=0.0)
            query = conjunction([query, negative]) if needed else negative
        query = filtered(query, [*must, *should]) if needed or without else query
        return query.boosted(float(body.get("boost", 1.0)))

    def _term(self, body: Mapping[str, Any]) -> Compiled:
        path, options = field_and_options("term", body, "value")
        known("term", options, "value", "boost", "case_insensitive", "_name")
        value = options.get("value")
        if isinstance(value, list):
            raise parsing("[term] query does not support array of values")
        if value is None:
            raise illegal_argument("value cannot be null")
        query = self._leaves.term(path, value, ignore_case=bool(options.get("case_insensitive")))
        return query.boosted(float(options.get("boost", 1.0)))

    def _terms(self, body: Mapping[str, Any]) -> Compiled:
        paths = [key for key in body if key not in {"boost", "_name"}]
        if len(paths) != 1:
            raise parsing("[terms] query requires a field name, followed by array of terms")
        values = body[paths[0]]
        if isinstance(values, Mapping):
            raise parsing("[terms] query does not support the lookup of terms on this node")
        if not isinstance(values, list):
            raise parsing(f"[terms] query does not support [{paths[0]}]")
        if len(values) > 65536:
            raise illegal_argument(
                f"The number of terms [{len(values)}] used in the Terms Query request has exceeded "
                "the allowed maximum of [65536]. This maximum can be set by changing the "
                "[index.max_terms_count] index level setting."
            )
        query = disjunction([self._leaves.term(paths[0], value) for value in values])
        return Compiled(
            query.matches, words=query.words, low=query.low, high=query.high, ids=query.ids
        ).boosted(float(body.get("boost", 1.0)))

    def _match(self, body: Mapping[str, Any]) -> Compiled:
        path, options = field_and_options("match", body, "query")
        known("match", options, "query", "operator", "minimum_should_match", "boost",
               "lenient", "fuzziness", "prefix_length", "max_expansions", "zero_terms_query",
               "fuzzy_transpositions", "fuzzy_rewrite", "auto_generate_synonyms_phrase_query",
               "_name")  # fmt: skip
        return self._matched(path, options).boosted(float(options.get("boost", 1.0)))

    def _matched(self, path: str, options: Mapping[str, Any]) -> Compiled:
        if options.get("query") is None:
            raise parsing("No text specified for text query")
        wanted = options.get("minimum_should_match")
        fuzziness = options.get("fuzziness")
        return self._leaves.match(
            path,
            options["query"],
            need_all=operator_of(options) == "and",
            minimum=None if wanted is None else (lambda count: max(1, minimum_of(wanted, count))),
            fuzziness=None if fuzziness is None else str(fuzziness),
            lenient=bool(options.get("lenient")),
        )

    def _phrase(self, body: Mapping[str, Any], *, prefix: bool = False) -> Compiled:
        name = "match_phrase_prefix" if prefix else "match_phrase"
        path, options = field_and_options(name, body, "query")
        known(name, options, "query", "slop", "boost", "zero_terms_query",
               "max_expansions", "_name")  # fmt: skip
        query = self._leaves.phrase(
            path, options.get("query"), slop=int(options.get("slop", 0)), prefix=prefix
        )
        return query.boosted(float(options.get("boost", 1.0)))

    def _bool_prefix(self, body: Mapping[str, Any]) -> Compiled:
        path, options = field_and_options("match_bool_prefix", body, "query")
        known("match_bool_prefix", options, "query", "operator", "minimum_should_match",
               "boost", "_name")  # fmt: skip
        words = str(options.get("query", "")).split()
        if not words:
            return nothing()
        queries = [self._leaves.match(path, word) for word in words[:-1]]
        queries.append(self._leaves.phrase(path, words[-1], prefix=True))
        return disjunction(queries, len(queries) if operator_of(options) == "and" else 1)

    def _multi_match(self, body: Mapping[str, Any]) -> Compiled:
        known("multi_match", body, "query", "fields", "type", "operator", "minimum_should_match",
               "boost", "lenient", "fuzziness", "prefix_length", "max_expansions",
               "slop", "tie_breaker", "zero_terms_query", "fuzzy_transpositions", "_name",
               "auto_generate_synonyms_phrase_query", "fuzzy_rewrite")  # fmt: skip
        if body.get("query") is None:
            raise parsing("No text specified for multi_match query")
        fields = self.expand(body.get("fields") or ["*"])
        kind = body.get("type", "best_fields")
        options = {**body, "lenient": body.get("lenient", not body.get("fields"))}
        if kind in {"phrase", "phrase_prefix"}:
            queries = [
                self._leaves.phrase(
                    path,
                    body["query"],
                    slop=int(body.get("slop", 0)),
                    prefix=kind == "phrase_prefix",
                    lenient=bool(options["lenient"]),
                ).boosted(boost)
                for path, boost in fields
            ]
        elif kind == "cross_fields":
            return self._cross_fields(fields, options)
        elif kind in {"best_fields", "most_fields", "bool_prefix"}:
            if kind == "bool_prefix":
                one = {"query": body["query"], "operator": body.get("operator", "or")}
                queries = [self._bool_prefix({path: one}) for path, _boost in fields]
            else:
                queries = [self._matched(path, options).boosted(boost) for path, boost in fields]
        else:
            raise parsing(f"failed to parse [multi_match] query type [{kind}]. unknown type.")
        query = disjunction(queries, best=kind != "most_fields") if queries else nothing()
        return query.boosted(float(body.get("boost", 1.0)))

    def _cross_fields(
        self, fields: Sequence[tuple[str, float]], options: Mapping[str, Any]
    ) -> Compiled:
        """Look for each word in any field; only fields with one analyzer stand together."""
        groups: dict[Any, list[str]] = {}
        for path, _boost in fields:
            field = self.view.field(path)
            is_text = isinstance(field, Field) and field.family == "text"
            groups.setdefault(field.analyze if is_text else None, []).append(path)  # type: ignore[union-attr]
        need_all = operator_of(options) == "and"
        found: list[Compiled] = []
        for analyze, paths in groups.items():
            text = str(options["query"])
            words = [text] if analyze is None else analyze(text)
            queries = [
                disjunction([self._leaves.match(path, word, lenient=True) for path in paths])
                for word in words
            ]
            if queries:
                found.append(disjunction(queries, len(queries) if need_all else 1))
        return disjunction(found) if found else nothing()

    def expand(self, patterns: Sequence[str]) -> list[tuple[str, float]]:
        """Return the fields that *patterns* such as ``message^2`` and ``log.*`` name.

        A wildcard stands for the text and keyword fields; multi-fields are left out where
        their parent is there.
        """
        found: dict[str, float] = {}
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            path, _, boost = str(pattern).partition("^")
            if "*" not in path:
                found.setdefault(path, float(boost or 1.0))
                continue
            for name in self.view.mapping.matching(path):
                field = self.view.mapping.fields[name]
                if field.family in {"text", "keyword"} and field.path == field.source_path:
                    found.setdefault(name, float(boost or 1.0))
        return list(found.items())

    def _range(self, body: Mapping[str, Any]) -> Compiled:
        paths = [key for key in body if key not in {"boost", "_name"}]
        if len(paths) != 1 or not isinstance(body[paths[0]], Mapping):
            raise parsing("[range] query malformed, expected one field with an object")
        bounds = dict(body[paths[0]])
        known("range", bounds, "gt", "gte", "lt", "lte", "from", "to", "include_lower",
               "include_upper", "format", "time_zone", "boost", "relation", "_name")  # fmt: skip
        if "from" in bounds:
            bounds["gte" if bounds.get("include_lower", True) else "gt"] = bounds.pop("from")
        if "to" in bounds:
            bounds["lte" if bounds.get("include_upper", True) else "lt"] = bounds.pop("to")
        query = self._leaves.range(paths[0], bounds)
        return query.boosted(float(bounds.get("boost", 1.0)))

    def _exists(self, body: Mapping[str, Any]) -> Compiled:
        known("exists", body, "field", "boost", "_name")
        if not body.get("field"):
            raise illegal_argument("field name is null or empty")
        return self._leaves.exists(str(body["field"])).boosted(float(body.get("boost", 1.0)))

    def _wildcard(self, body: Mapping[str, Any]) -> Compiled:
        path, options = field_and_options("wildcard", body, "value")
        known("wildcard", options, "value", "wildcard", "boost", "case_insensitive", "rewrite",
               "_name")  # fmt: skip
        pattern = str(options.get("value", options.get("wildcard", "")))
        query = self._leaves.wildcard(
            path, pattern, ignore_case=bool(options.get("case_insensitive"))
        )
        return query.boosted(float(options.get("boost", 1.0)))

    def _prefix(self, body: Mapping[str, Any]) -> Compiled:
        path, options = field_and_options("prefix", body, "value")
        known("prefix", options, "value", "boost", "case_insensitive", "rewrite", "_name")
        query = self._leaves.prefix(
            path,
            str(options.get("value", "")),
            ignore_case=bool(options.get("case_insensitive")),
        )
        return query.boosted(float(options.get("boost", 1.0)))

    def _regexp(self, body: Mapping[str, Any]) -> Compiled:
        path, options = field_and_options("regexp", body, "value")
        known("regexp", options, "value", "boost", "flags", "flags_value", "case_insensitive",
               "max_determinized_states", "rewrite", "_name")  # fmt: skip
        query = self._leaves.regexp(
            path,
            str(options.get("value", "")),
            ignore_case=bool(options.get("case_insensitive")),
        )
        return query.boosted(float(options.get("boost", 1.0)))

    def _fuzzy(self, body: Mapping[str, Any]) -> Compiled:
        path, options = field_and_options("fuzzy", body, "value")
        known("fuzzy", options, "value", "fuzziness", "boost", "prefix_length", "max_expansions",
               "transpositions", "rewrite", "_name")  # fmt: skip
        return self._leaves.fuzzy(
            path, str(options.get("value", "")), str(options.get("fuzziness", "AUTO"))
        )

    def _ids(self, body: Mapping[str, Any]) -> Compiled:
        known("ids", body, "values", "boost", "_name")
        values = body.get("values") or []
        ids = frozenset(str(one) for one in (values if isinstance(values, list) else [values]))
        return Compiled(lambda doc: doc.id in ids, ids=ids).boosted(float(body.get("boost", 1.0)))

    def _constant_score(self, body: Mapping[str, Any]) -> Compiled:
        known("constant_score", body, "filter", "boost", "_name")
        if "filter" not in body:
            raise parsing("[constant_score] requires a 'filter' element")
        inner = self.compile(body["filter"])
        return replace(inner, score=None, constant=float(body.get("boost", 1.0)))

    def _dis_max(self, body: Mapping[str, Any]) -> Compiled:
        known("dis_max", body, "queries", "tie_breaker", "boost", "_name")
        return disjunction(self._clauses(body.get("queries", [])), best=True)

    def _boosting(self, body: Mapping[str, Any]) -> Compiled:
        known("boosting", body, "positive", "negative", "negative_boost", "boost", "_name")
        self.compile(body["negative"])
        return self.compile(body["positive"])

    def _query_string(self, body: Mapping[str, Any]) -> Compiled:
        return self.compile(strings.query_string(body, self.expand))

    def _simple_query_string(self, body: Mapping[str, Any]) -> Compiled:
        return self.compile(strings.simple_query_string(body))


_QUERIES: dict[str, Callable[[Compiler, Mapping[str, Any]], Compiled]] = {
    "match_all": Compiler._match_all,
    "match_none": Compiler._match_none,
    "bool": Compiler._bool,
    "term": Compiler._term,
    "terms": Compiler._terms,
    "match": Compiler._match,
    "match_phrase": Compiler._phrase,
    "match_phrase_prefix": lambda self, body: self._phrase(body, prefix=True),
    "match_bool_prefix": Compiler._bool_prefix,
    "multi_match": Compiler._multi_match,
    "range": Compiler._range,
    "exists": Compiler._exists,
    "wildcard": Compiler._wildcard,
    "prefix": Compiler._prefix,
    "regexp": Compiler._regexp,
    "fuzzy": Compiler._fuzzy,
    "ids": Compiler._ids,
    "constant_score": Compiler._constant_score,
    "dis_max": Compiler._dis_max,
    "boosting": Compiler._boosting,
    "query_string": Compiler._query_string,
    "simple_query_string": Compiler._simple_query_string,
}
