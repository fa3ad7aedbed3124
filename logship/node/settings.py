"""Index settings: flat names beginning with ``index.``, values as texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from logship.node.errors import Json, NodeError, illegal_argument

Flat = dict[str, Any]
READ_BLOCKS = ("read",)
WRITE_BLOCKS = ("read_only", "write", "read_only_allow_delete")
CHANGE_BLOCKS = ("read_only", "read_only_allow_delete", "metadata")
DELETE_BLOCKS = ("read_only", "metadata")

_KNOWN = frozenset(
    {"number_of_shards", "number_of_replicas", "refresh_interval", "codec", "hidden", "priority",
     "auto_expand_replicas", "max_result_window", "max_inner_result_window", "max_rescore_window",
     "max_docvalue_fields_search", "max_script_fields", "max_ngram_diff", "max_shingle_diff",
     "max_refresh_listeners", "max_terms_count", "max_regex_length", "gc_deletes", "mode",
     "number_of_routing_shards", "routing_partition_size", "soft_deletes.enabled", "format",
     "load_fixed_bitset_filters_eagerly", "shard.check_on_startup", "query.default_field",
     "default_pipeline", "final_pipeline", "blocks.read_only", "blocks.read_only_allow_delete",
     "blocks.read", "blocks.write", "blocks.metadata", "write.wait_for_active_shards",
     "requests.cache.enable", "queries.cache.enabled", "max_slices_per_scroll", "mapping.coerce",
     "mapping.ignore_malformed", "mapping.total_fields.limit", "mapping.depth.limit",
     "mapping.total_fields.ignore_dynamic_beyond_limit", "mapping.nested_fields.limit",
     "mapping.nested_objects.limit", "mapping.field_name_length.limit", "mapping.source.mode",
     "mapping.dimension_fields.limit", "highlight.max_analyzed_offset", "search.idle.after",
     "analyze.max_token_count", "query_string.lenient", "verified_before_close"}
)  # fmt: skip
_KNOWN_PREFIXES = (
    "analysis.", "lifecycle.", "routing.", "translog.", "merge.", "sort.", "unassigned.",
    "search.slowlog.", "indexing.slowlog.", "allocation.", "store.", "similarity.", "soft_deletes.",
)  # fmt: skip
_OWN = frozenset({"uuid", "creation_date", "provided_name", "version.created"})
_REFUSED = frozenset({"default_pipeline", "final_pipeline"})
_STATIC = frozenset({"number_of_shards", "codec", "number_of_routing_shards", "mode"})
BLOCKS = {
    "read": (403, "FORBIDDEN/7/index read (api)"),
    "metadata": (403, "FORBIDDEN/9/index metadata (api)"),
    "read_only": (403, "FORBIDDEN/5/index read-only (api)"),
    "write": (403, "FORBIDDEN/8/index write (api)"),
    "read_only_allow_delete": (
        429,
        "TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark, index has "
        "read-only-allow-delete block; for more information, see "
        "https://www.elastic.co/guide/en/elasticsearch/reference/8.19/fix-watermark-errors.html",
    ),
}


def flattened(settings: Mapping[str, Any], prefix: str = "") -> Flat:
    """Return nested settings with dotted names; numbers and booleans as texts."""
    flat: Flat = {}
    for key, value in settings.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Mapping):
            flat.update(flattened(value, name))
        else:
            flat[name] = _text(value)
    return flat


def _text(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return [_text(one) for one in value]
    return str(value)


def nested(flat: Mapping[str, Any]) -> Json:
    """Return dotted names as nested objects."""
    result: Json = {}
    for name, value in flat.items():
        *above, last = name.split(".")
        target = result
        for part in above:
            target = target.setdefault(part, {})
        target[last] = value
    return result


def index_settings(given: Mapping[str, Any]) -> Flat:
    """Return settings of a request with every name beginning with ``index.``.

    Raises:
        NodeError: Names the setting that is not known, or a value that cannot be.
    """
    flat: Flat = {}
    for name, value in flattened(given).items():
        bare = name.removeprefix("index.")
        if bare in _OWN:
            continue
        if bare not in _KNOWN and not bare.startswith(_KNOWN_PREFIXES):
            raise illegal_argument(
                f"unknown setting [index.{bare}] please check that any required plugins are "
                "installed, or check the breaking changes documentation for removed settings"
            )
        if bare in _REFUSED and value not in {None, "_none"}:
            raise illegal_argument(f"this node does not support the setting [index.{bare}]")
        if bare in {"number_of_shards", "number_of_replicas", "max_result_window"}:
            _check_number(bare, value)
        if bare in {"refresh_interval", "gc_deletes", "search.idle.after"}:
            _check_interval(bare, value)
        flat[f"index.{bare}"] = value
    return flat


def _check_interval(name: str, value: Any) -> None:
    if value is None or re.fullmatch(r"-1|0|\d+(?:nanos|micros|ms|s|m|h|d)", str(value)):
        return
    raise illegal_argument(
        f"failed to parse setting [index.{name}] with value [{value}] as a time value: unit is "
        "missing or unrecognized"
    )


def _check_number(name: str, value: Any) -> None:
    low = 0 if name == "number_of_replicas" else 1
    if value is None:
        return
    if not re.fullmatch(r"-?\d+", str(value)):
        raise illegal_argument(
            f"Failed to parse value [{value}] for setting [index.{name}]",
            {"type": "number_format_exception", "reason": f'For input string: "{value}"'},
        )
    if int(value) < low:
        raise illegal_argument(
            f"Failed to parse value [{value}] for setting [index.{name}] must be >= {low}"
        )


def changed(old: Flat, given: Mapping[str, Any], index: str) -> Flat:
    """Return *old* with the update applied; null takes a setting away.

    Raises:
        NodeError: A setting is not known, or cannot be changed on an existing index.
    """
    update = index_settings(given)
    for name in update:
        if name.removeprefix("index.") in _STATIC:
            raise illegal_argument(
                f"Can't update non dynamic settings [[{name}]] for open indices [[{index}]]"
            )
    result = {**old, **update}
    return {name: value for name, value in result.items() if value is not None}


def is_on(settings: Flat, name: str) -> bool:
    """Whether the boolean setting ``index.NAME`` is set."""
    return str(settings.get(f"index.{name}", "false")).lower() == "true"


def refuse(settings: Flat, index: str, blocks: Sequence[str]) -> None:
    """Refuse what one of *blocks* forbids.

    Raises:
        NodeError: It is set on *index*.
    """
    error = blocked(settings, index, blocks)
    if error is not None:
        raise error


def blocked(settings: Flat, index: str, blocks: Sequence[str]) -> NodeError | None:
    """Return the refusal of what one of *blocks* forbids, None when none is set."""
    for name in blocks:
        if is_on(settings, f"blocks.{name}"):
            status, text = BLOCKS[name]
            return NodeError(
                status, "cluster_block_exception", f"index [{index}] blocked by: [{text}];"
            )
    return None
