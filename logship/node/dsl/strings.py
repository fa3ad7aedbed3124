"""Queries written as text, turned into ordinary ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from logship.errors import QueryError
from logship.node.errors import Json, NodeError, failed_query, illegal_argument, parsing

_QUERY_STRING = frozenset(
    {"query", "default_field", "fields", "default_operator", "analyze_wildcard", "lenient", "boost",
     "allow_leading_wildcard", "time_zone", "analyzer", "quote_analyzer", "fuzziness", "type",
     "fuzzy_prefix_length", "fuzzy_max_expansions", "phrase_slop", "tie_breaker", "rewrite",
     "minimum_should_match", "enable_position_increments", "auto_generate_synonyms_phrase_query",
     "max_determinized_states", "escape", "_name", "quote_field_suffix", "fuzzy_transpositions",
     "fuzzy_rewrite"}
)  # fmt: skip
_REFUSED = frozenset(
    {"analyzer", "quote_analyzer", "quote_field_suffix", "minimum_should_match", "phrase_slop",
     "escape", "type"}
)  # fmt: skip
_SIMPLE = frozenset(
    {"query", "fields", "default_operator", "flags", "lenient", "analyze_wildcard", "boost",
     "analyzer", "minimum_should_match", "quote_field_suffix", "_name", "fuzzy_prefix_length",
     "fuzzy_max_expansions", "fuzzy_transpositions", "auto_generate_synonyms_phrase_query"}
)  # fmt: skip
_MOST_FIELDS = 50


def query_string(
    body: Mapping[str, Any], expand: Callable[[Sequence[str]], list[tuple[str, float]]]
) -> Json:
    """Return the query that a ``query_string`` stands for.

    Args:
        body: Its options.
        expand: From field patterns to the fields of the index.

    Raises:
        NodeError: The text cannot be read.
    """
    from logship.query import parse, to_dsl

    for key in body:
        if key not in _QUERY_STRING:
            raise parsing(f"[query_string] query does not support [{key}]")
        if key in _REFUSED and body[key] not in (None, 0, False, "best_fields"):
            raise illegal_argument(f"this node does not support [{key}] in [query_string]")
    text = body.get("query")
    if not isinstance(text, str):
        raise parsing("query_string must be provided with a [query]")
    operator = str(body.get("default_operator", "or")).lower()
    patterns = body.get("fields") or body.get("default_field") or ["*"]
    fields = [path for path, _boost in expand(patterns)]
    if patterns in (["*"], "*"):
        fields = (["message"] if "message" in fields else []) + [
            path for path in fields if path != "message"
        ]
    if text.strip() == "*" and patterns not in (["*"], "*"):
        # A star alone means: has any value there.
        return {"bool": {"should": [{"exists": {"field": path}} for path in fields]}}
    try:
        tree = parse(text, default_operator="and" if operator == "and" else "or")
        dsl: Json = to_dsl(
            tree,
            default_fields=tuple(fields[:_MOST_FIELDS]) or ("message",),
            time_zone=body.get("time_zone"),
        )
    except QueryError as error:
        raise _unreadable(text, error) from None
    return dsl


def _unreadable(text: str, error: QueryError) -> NodeError:
    inner = f"Encountered {error.what} at line 1, column {error.position}."
    return failed_query(
        f"Failed to parse query [{text}]",
        {
            "type": "parse_exception",
            "reason": f"Cannot parse '{text}': {inner}",
            "caused_by": {"type": "parse_exception", "reason": inner},
        },
    )


_TOKEN = re.compile(r'"([^"]*)"(?:~\d+)?|([()|+-])|((?:\\.|[^\s()|"])+)')


def simple_query_string(body: Mapping[str, Any]) -> Json:
    """Return the query that a ``simple_query_string`` stands for; mistakes are read as words.

    Raises:
        NodeError: An option is not known.
    """
    for key in body:
        if key not in _SIMPLE:
            raise parsing(f"[simple_query_string] unsupported option [{key}]")
    fields = body.get("fields") or ["*"]
    is_and = str(body.get("default_operator", "or")).lower() == "and"
    tokens = list(_TOKEN.finditer(str(body.get("query", ""))))
    query, _ = _group(tokens, 0, fields, is_and=is_and)
    return query


def _group(
    tokens: list[re.Match[str]], at: int, fields: Sequence[str], *, is_and: bool
) -> tuple[Json, int]:
    clauses: list[Json] = []
    joins: list[str] = []
    join, negated = "", False
    while at < len(tokens):
        phrase, sign, word = tokens[at].groups()
        at += 1
        if sign == ")":
            break
        if sign in {"+", "|"}:
            join = sign
            continue
        if sign == "-":
            negated = True
            continue
        if sign == "(":
            clause, at = _group(tokens, at, fields, is_and=is_and)
        elif phrase is not None:
            clause = _multi(phrase, fields, type="phrase")
        else:
            clause, join, negated = _word(word, fields, join, negated=negated)
        clauses.append({"bool": {"must_not": [clause]}} if negated else clause)
        joins.append(join)
        join, negated = "", False
    if not clauses:
        return {"match_none": {}}, at
    alternatives: list[list[Json]] = [[]]
    for clause, one in zip(clauses, joins, strict=True):
        is_or = one == "|" or (not one and not is_and)
        if is_or and alternatives[-1]:
            alternatives.append([])
        alternatives[-1].append(clause)
    groups = [group[0] if len(group) == 1 else {"bool": {"must": group}} for group in alternatives]
    return (groups[0] if len(groups) == 1 else {"bool": {"should": groups}}), at


def _word(word: str, fields: Sequence[str], join: str, *, negated: bool) -> tuple[Json, str, bool]:
    while word[:1] in {"+", "-"} and len(word) > 1:
        join, negated = ("+", negated) if word[0] == "+" else (join or "+", True)
        word = word[1:]
    text = re.sub(r"\\(.)", r"\1", word)
    if word.endswith("*") and not word.endswith("\\*"):
        return _multi(text[:-1], fields, type="phrase_prefix"), join, negated
    fuzzy = re.fullmatch(r"(.+)~(\d?)", text)
    if fuzzy:
        return _multi(fuzzy[1], fields, fuzziness=fuzzy[2] or "AUTO"), join, negated
    return _multi(text, fields), join, negated


def _multi(text: str, fields: Sequence[str], **options: Any) -> Json:
    return {"multi_match": {"query": text, "fields": list(fields), "lenient": True, **options}}
