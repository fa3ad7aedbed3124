"""A search request: body and query string, checked, as one object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from logship.node.errors import (
    Json,
    NodeError,
    illegal_argument,
    invalid_request,
    parsing,
    values_checked,
)
from logship.node.fetch import SourceFilter, parse_fields, source_filter_of
from logship.node.http.request import Request, seconds
from logship.node.sorting import SortBy, parse_sort, parse_uri_sort

PARAMETERS = (
    "q df default_operator analyze_wildcard lenient size from sort _source "
    "_source_includes _source_excludes docvalue_fields track_total_hits "
    "track_scores version seq_no_primary_term timeout scroll search_type "
    "request_cache batched_reduce_size pre_filter_shard_size max_concurrent_shard_requests "
    "ignore_unavailable allow_no_indices expand_wildcards ignore_throttled preference routing "
    "rest_total_hits_as_int allow_partial_search_results ccs_minimize_roundtrips"
)
_TOTAL_DEFAULT = 10_000
_COUNT_ALL = 2**62
_WITHOUT_EFFECT = frozenset({"timeout", "stats", "ext"})
_REFUSED = frozenset(
    {"highlight", "suggest", "rescore", "collapse", "knn", "script_fields", "slice", "rank",
     "indices_boost", "retriever", "terminate_after", "profile", "explain"}
)  # fmt: skip


@dataclass
class SearchRequest:
    """One search as asked for.

    Attributes:
        track_total_hits: Count exactly up to here; -1 leaves the total out.
        is_scroll: Whether pages follow, which lifts the limit on the window.
    """

    query: Json | None = None
    post_filter: Json | None = None
    size: int = 10
    from_: int = 0
    sort: list[SortBy] = field(default_factory=list)
    search_after: list[Any] | None = None
    source: SourceFilter = field(default_factory=SourceFilter)
    fields: list[tuple[str, str | None]] = field(default_factory=list)
    docvalue_fields: list[tuple[str, str | None]] = field(default_factory=list)
    aggregations: Json = field(default_factory=dict)
    track_total_hits: int = _TOTAL_DEFAULT
    track_scores: bool = False
    version: bool = False
    seq_no_primary_term: bool = False
    min_score: float | None = None
    pit_id: str | None = None
    pit_keep_alive_seconds: float | None = None
    is_scroll: bool = False


@values_checked()
def parse_search(body: Mapping[str, Any], parameters: Request | None = None) -> SearchRequest:
    """Return a search from its body and, where given, the query string.

    Raises:
        NodeError: A member or parameter is unknown, malformed, or not supported.
    """
    request = SearchRequest()
    for key, value in body.items():
        if key in _REFUSED and value not in (None, {}, [], False, 0):
            if key == "script_fields":
                raise illegal_argument("script_lang not supported [painless]")
            raise illegal_argument(f"this node does not support [{key}] in a search")
        if key == "runtime_mappings" and value:
            raise illegal_argument("this node does not support [runtime_mappings] in a search")
        if key not in _MEMBERS and key not in _WITHOUT_EFFECT | _REFUSED:
            raise parsing(f"Unknown key for a {_token(value)} in [{key}].")
    if body.get("query") is not None:
        if not isinstance(body["query"], Mapping):
            raise parsing(f"Unknown key for a {_token(body['query'])} in [query].")
        request.query = dict(body["query"])
        if not request.query:
            raise illegal_argument("query malformed, empty clause found at [1:11]")
    request.post_filter = body.get("post_filter")
    if body.get("timeout") is not None:
        seconds(str(body["timeout"]), "timeout")
    request.size = _whole(body.get("size", 10), "size")
    request.from_ = _whole(body.get("from", 0), "from")
    request.sort = parse_sort(body.get("sort"))
    request.search_after = body.get("search_after")
    request.source = SourceFilter(body.get("_source"))
    request.fields = parse_fields(body.get("fields"), "fields")
    request.docvalue_fields = parse_fields(body.get("docvalue_fields"), "docvalue_fields")
    request.aggregations = body.get("aggs") or body.get("aggregations") or {}
    request.track_total_hits = _tracked(body.get("track_total_hits"))
    request.track_scores = bool(body.get("track_scores"))
    request.version = bool(body.get("version"))
    request.seq_no_primary_term = bool(body.get("seq_no_primary_term"))
    if body.get("min_score") is not None:
        request.min_score = float(body["min_score"])
    if body.get("pit") is not None:
        _take_pit(request, body["pit"])
    stored = body.get("stored_fields")
    if stored not in (None, [], "_none_", ["_none_"], "*", ["*"], "_source", ["_source"]):
        raise illegal_argument("this node does not support [stored_fields] in a search")
    if stored in ("_none_", ["_none_"]):
        if "_source" in body:
            raise invalid_request("[stored_fields] cannot be disabled if [_source] is requested")
        request.source = SourceFilter(value=False)
    if parameters is not None:
        _take_parameters(request, parameters)
    return request


def _take_pit(request: SearchRequest, pit: Any) -> None:
    if not isinstance(pit, Mapping) or not isinstance(pit.get("id"), str):
        raise illegal_argument("Required [id]")
    for key in pit:
        if key not in {"id", "keep_alive"}:
            raise NodeError(400, "x_content_parse_exception", f"[pit] unknown field [{key}]")
    request.pit_id = pit["id"]
    if pit.get("keep_alive") is not None:
        request.pit_keep_alive_seconds = seconds(str(pit["keep_alive"]), "keep_alive")


def _take_parameters(request: SearchRequest, parameters: Request) -> None:
    given = parameters.parameters
    if "q" in given:
        request.query = query_of(given)
    size, from_ = parameters.number("size"), parameters.number("from")
    if size is not None:
        request.size = _whole(size, "size")
    if from_ is not None:
        request.from_ = _whole(from_, "from")
    if "sort" in given:
        request.sort = parse_uri_sort(given["sort"])
    source = source_filter_of(given)
    if source is not None:
        request.source = source
    if "docvalue_fields" in given:
        request.docvalue_fields = [(one, None) for one in given["docvalue_fields"].split(",")]
    if "track_total_hits" in given:
        text = given["track_total_hits"]
        request.track_total_hits = _tracked(
            text in {"true", ""}
            if text in {"true", "false", ""}
            else parameters.number("track_total_hits")
        )
    if "track_scores" in given:
        request.track_scores = parameters.flag("track_scores")
    if "version" in given:
        request.version = parameters.flag("version")
    if "seq_no_primary_term" in given:
        request.seq_no_primary_term = parameters.flag("seq_no_primary_term")


def query_of(given: Mapping[str, str]) -> Json:
    """Return the query that ``q`` and its companions stand for."""
    options: Json = {"query": given["q"]}
    if "df" in given:
        options["default_field"] = given["df"]
    if "default_operator" in given:
        options["default_operator"] = given["default_operator"]
    return {"query_string": options}


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise parsing(f"Unknown key for a {_token(value)} in [{name}].")
    try:
        number = int(value)
    except ValueError:
        raise illegal_argument(
            f"Failed to parse int parameter [{name}] with value [{value}]",
            {"type": "number_format_exception", "reason": f'For input string: "{value}"'},
        ) from None
    if number < 0:
        what = "but was" if name == "from" else "found"
        comma = "" if name == "from" else ","
        raise illegal_argument(f"[{name}] parameter cannot be negative{comma} {what} [{number}]")
    return number


def _tracked(value: Any) -> int:
    if value is None:
        return _TOTAL_DEFAULT
    if value is True or value == "true":
        return _COUNT_ALL
    if value is False or value == "false":
        return -1
    return int(value)


def _token(value: Any) -> str:
    if isinstance(value, dict):
        return "START_OBJECT"
    if isinstance(value, list):
        return "START_ARRAY"
    if isinstance(value, bool):
        return "VALUE_BOOLEAN"
    if value is None:
        return "VALUE_NULL"
    return "VALUE_STRING" if isinstance(value, str) else "VALUE_NUMBER"


_MEMBERS = frozenset(
    {"query", "post_filter", "size", "from", "sort", "search_after", "_source", "fields",
     "docvalue_fields", "stored_fields", "aggs", "aggregations", "track_total_hits",
     "track_scores", "version", "seq_no_primary_term", "min_score", "pit", "runtime_mappings"}
)  # fmt: skip
