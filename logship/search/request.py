"""What is looked for → the body of a ``_search`` request. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeAlias

from logship.errors import QueryError
from logship.query import Query, parse, to_dsl
from logship.query.dates import is_time_field, span_of
from logship.query.dsl import level_terms
from logship.query.levels import LEVELS, level_rank
from logship.query.synonyms import spellings, spread
from logship.query.tree import And, Bound, Node, Not, Or, Phrase, Range, Wildcard, Word, walk
from logship.query.words import is_text_field
from logship.search.times import format_time, parse_time, zone_name

__all__ = ["DEFAULT_INDEX", "PAGE_RECORDS", "Request", "Wanted", "build_request", "index_pattern"]

DEFAULT_INDEX = "logs-*"

PAGE_RECORDS = 10_000  # Elasticsearch's default for index.max_result_window
DEFAULT_RANGE = timedelta(minutes=15)
DEFAULT_FIELDS = ("message",)

_ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
_CONDITION = re.compile(r"([^=!<>~\s]+)\s*(!=|>=|<=|~=|=|>|<)\s*(.*)", re.DOTALL)
_TIME_IN_LUCENE = re.compile(r"@?timestamp\s*:")
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

Time: TypeAlias = str | datetime


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for. Everything given must hold.

    Attributes:
        query: In the query language, or for ``query_string`` where *lucene* is set.
        since: Beginning of the range, itself included; a text as ``parse_time`` reads it.
            None is 15 minutes before the end, unless *query* or *trace* says what is meant.
        until: End of the range, itself excluded; None is open.
        level: This level and above.
        where: ``FIELD=VALUE``, with ``!=``, ``>=``, ``<=``, ``>``, ``<`` and ``~=`` (contains).
        limit: At most this many records, the newest; None is all of them.
    """

    query: str = ""
    since: Time | None = None
    until: Time | None = None
    level: str | None = None
    service: str | None = None
    host: str | None = None
    logger: str | None = None
    trace: str | None = None
    where: Sequence[str] = ()
    limit: int | None = 200
    lucene: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A search as it is sent.

    Attributes:
        body: Of ``_search``, for the newest page.
        since: The resolved beginning; None is open.
        until: The resolved end; None is open.
        limit: As wanted.
    """

    body: dict[str, Any]
    since: datetime | None
    until: datetime | None
    limit: int | None


def build_request(
    wanted: Wanted, *, now: datetime, zone: tzinfo, fields: Sequence[str] = ()
) -> Request:
    """Return the request for *wanted*: newest first, and in the order of the file within a time.

    Args:
        wanted: What is looked for.
        now: What relative times count from; with a zone.
        zone: Of times that carry none.
        fields: Only these of each record; empty is all.

    Raises:
        QueryError: The query, a time, the level or a condition cannot be read, or the
            range ends before it begins.
    """
    name = zone_name(zone, now)
    clauses, says_time = _clauses(wanted, name, lambda text: parse_time(text, now=now, zone=zone))
    since, until = _range(wanted, says_time, now, zone)
    limits: dict[str, Any] = {}
    if since is not None:
        limits["gte"] = format_time(since)
    if until is not None:
        limits["lt"] = format_time(until)
    if limits:
        clauses.append({"range": {"@timestamp": limits}})
    body: dict[str, Any] = {
        "query": {"bool": {"filter": clauses}} if clauses else {"match_all": {}},
        "sort": [
            {"@timestamp": {"order": "desc", "unmapped_type": "date"}},
            {"log.offset": {"order": "desc", "unmapped_type": "long", "missing": 0}},
        ],
        "size": PAGE_RECORDS if wanted.limit is None else min(wanted.limit, PAGE_RECORDS),
    }
    if fields:
        body["_source"] = list(dict.fromkeys(one for name in fields for one in spellings(name)))
    return Request(body, since, until, wanted.limit)


def index_pattern(name: str) -> str:
    """Return the wildcard for every index that the setting ``index.name`` can give.

    ``logs-%Y.%m.%d`` and ``logs-%{+yyyy.MM.dd}`` become ``logs-*``, ``{service}-logs-%Y``
    becomes ``*-logs-*``.
    """
    return re.sub(r"\*[*.\-_]*\*", "*", re.sub(r"%?\{[^}]*\}|%-?[A-Za-z]", "*", name))


def _clauses(
    wanted: Wanted, zone: str, moment: Callable[[str], datetime]
) -> tuple[list[dict[str, Any]], bool]:
    nodes: list[tuple[Node, str]] = [(_condition(text), text) for text in wanted.where]
    nodes += [
        (Phrase(field, text, 0), text)
        for field, text in (
            ("service", wanted.service),
            ("host.name", wanted.host),
            ("logger", wanted.logger),
            ("trace_id", None if wanted.trace is None else _trace_id(wanted.trace)),
        )
        if text is not None
    ]
    clauses: list[dict[str, Any]] = []
    says_time = wanted.trace is not None
    if wanted.lucene:
        if wanted.query.strip():
            clauses.append(_query_string(wanted.query, zone))
        says_time = says_time or _TIME_IN_LUCENE.search(wanted.query) is not None
    elif wanted.query.strip():
        nodes.insert(0, (parse(wanted.query).root, wanted.query))
    for node, text in nodes:
        says_time = says_time or any(map(_says_time, walk(node)))
        timed = _timed(node, text, moment)
        clauses.append(
            to_dsl(Query("", spread(timed)), default_fields=DEFAULT_FIELDS, time_zone=zone)
        )
    if wanted.level is not None:
        clauses.append(_level(wanted.level))
    return clauses, says_time


def _says_time(node: Node) -> bool:
    field = getattr(node, "field", None)
    return isinstance(node, Range | Word | Phrase) and field is not None and is_time_field(field)


def _timed(node: Node, text: str, moment: Callable[[str], datetime]) -> Node:
    """Put moments for what Elasticsearch would not read, as in ``@timestamp >= yesterday``."""
    match node:
        case And():
            return And(tuple(_timed(one, text, moment) for one in node.operands), node.position)
        case Or():
            return Or(tuple(_timed(one, text, moment) for one in node.operands), node.position)
        case Not():
            return Not(_timed(node.operand, text, moment), node.position)
        case Range() if is_time_field(node.field):
            try:
                return replace(
                    node,
                    lower=_timed_bound(node.lower, moment),
                    upper=_timed_bound(node.upper, moment),
                )
            except QueryError as error:
                raise QueryError(error.what, text, node.position) from None
        case _:
            return node


def _timed_bound(bound: Bound | None, moment: Callable[[str], datetime]) -> Bound | None:
    if bound is None or span_of(bound.text, _ANY_TIME) is not None:
        return bound
    return Bound(format_time(moment(bound.text)), bound.inclusive)


def _query_string(text: str, zone: str) -> dict[str, Any]:
    return {
        "query_string": {
            "query": text,
            "default_field": DEFAULT_FIELDS[0],
            "default_operator": "AND",
            "time_zone": zone,
        }
    }


def _range(
    wanted: Wanted, says_time: bool, now: datetime, zone: tzinfo
) -> tuple[datetime | None, datetime | None]:
    since = _moment(wanted.since, now, zone)
    until = _moment(wanted.until, now, zone)
    if since is None and not says_time:
        since = (until or now).astimezone(UTC) - DEFAULT_RANGE
    if since is not None and until is not None and since >= until:
        raise QueryError(
            f"the range ends ({format_time(until)}) before it begins ({format_time(since)})",
            str(wanted.until),
            0,
        )
    return since, until


def _moment(time: Time | None, now: datetime, zone: tzinfo) -> datetime | None:
    if time is None:
        return None
    if isinstance(time, str):
        return parse_time(time, now=now, zone=zone)
    return time.replace(tzinfo=zone) if time.tzinfo is None else time


def _level(name: str) -> dict[str, Any]:
    rank = level_rank(name.strip())
    if rank is None:
        known = ", ".join(names[0] for names in LEVELS)
        raise QueryError(f"there is no such level; it is one of {known}", name, 0)
    terms = [level_terms(field, rank) for field in spellings("level")]
    return {"bool": {"should": terms, "minimum_should_match": 1}}


def _condition(text: str) -> Node:
    """Read ``FIELD=VALUE``; the value is taken as it stands, without wildcards or escapes."""
    found = _CONDITION.fullmatch(text)
    if found is None:
        raise QueryError("a condition is written FIELD=VALUE (or != >= <= > < ~=)", text, 0)
    field, operator, value = found.groups()
    match operator:
        case "=":
            return Word(field, value, 0)
        case "!=":
            return Not(Word(field, value, 0), 0)
        case "~=":
            return _contains(field, value)
    bound = Bound(value, operator.endswith("="))
    return Range(field, bound, None, 0) if operator[0] == ">" else Range(field, None, bound, 0)


def _contains(field: str, value: str) -> Node:
    # A text is stored as words, so a pattern would be held against each word by itself.
    if is_text_field(field, DEFAULT_FIELDS):
        return Phrase(field, value, 0)
    return Wildcard(field, "*" + re.sub(r"([*?\\])", r"\\\1", value) + "*", 0)


def _trace_id(text: str) -> str:
    """Take the id out of a ``traceparent``; ids are stored in lower case."""
    lowered = text.strip().lower()
    found = _TRACEPARENT.fullmatch(lowered)
    return found[1] if found else lowered
