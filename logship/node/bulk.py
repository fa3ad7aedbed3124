"""Bulk requests: NDJSON to operations, and outcomes to the reply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from logship.node import jsontext
from logship.node.errors import Json, NodeError, illegal_argument, invalid_request
from logship.node.http.filter_path import FilterPath
from logship.node.names import MAX_ID_BYTES
from logship.node.writes import Operation, Outcome

_ACTIONS = frozenset({"create", "index", "delete", "update"})
_PARAMETERS = frozenset(
    {"_index", "_id", "routing", "version", "version_type", "if_seq_no", "if_primary_term",
     "require_alias", "require_data_stream", "dynamic_templates", "list_executed_pipelines",
     "pipeline", "op_type", "retry_on_conflict"}
)  # fmt: skip
_NUMBERS = frozenset({"version", "if_seq_no", "if_primary_term"})
_KEPT = ("version", "version_type", "if_seq_no", "if_primary_term", "require_alias",
         "require_data_stream", "pipeline")  # fmt: skip


def parse_bulk(body: bytes, default_index: str | None, defaults: dict[str, Any]) -> list[Operation]:
    """Return the operations of a bulk request, or refuse it whole.

    Args:
        body: NDJSON, ended by a newline.
        default_index: From the path, for actions that name none.
        defaults: Options of the whole request, such as ``require_alias``.

    Raises:
        NodeError: Nothing of the request may be executed.
    """
    if not body:
        raise NodeError(400, "parse_exception", "request body is required")
    if not body.endswith(b"\n"):
        raise illegal_argument("The bulk request must be terminated by a newline [\\n]")
    lines = body.split(b"\n")
    del lines[-1]
    operations: list[Operation] = []
    problems: list[str] = []
    position, count = 0, len(lines)
    while position < count:
        line = lines[position]
        position += 1
        if not line or line == b"\r":
            continue
        action, meta = _action(line, position)
        source = b""
        if action != "delete":
            if position >= count:
                break
            source = lines[position]
            position += 1
        operations.append(_operation(action, meta, source, default_index, defaults, problems))
    if not operations:
        problems.append("no requests added")
    if problems:
        raise invalid_request(*problems)
    return operations


def _action(line: bytes, number: int) -> tuple[str, dict[str, Any]]:
    try:
        parsed = orjson.loads(line)
    except orjson.JSONDecodeError:
        parsed = _careful(line)
    if isinstance(parsed, dict) and len(parsed) >= 1:
        ((action, meta), *_) = parsed.items()
        if action in _ACTIONS and type(meta) is dict:
            for key, value in meta.items():
                if key not in _PARAMETERS:
                    raise illegal_argument(
                        f"Action/metadata line [{number}] contains an unknown parameter [{key}]"
                    )
                if type(value) is dict or type(value) is list:
                    if key == "dynamic_templates":
                        raise illegal_argument("this node does not support [dynamic_templates]")
                    token = "START_OBJECT" if type(value) is dict else "START_ARRAY"
                    raise illegal_argument(
                        f"Malformed action/metadata line [{number}], expected a simple value for "
                        f"field [{key}] but found [{token}]"
                    )
            return action, meta
    raise _malformed(parsed, number)


def _careful(line: bytes) -> Any:
    import json

    try:
        jsontext.check(line)
    except jsontext.JsonFault as fault:
        if not fault.extra:
            raise fault.as_request_error() from None
    return json.JSONDecoder().raw_decode(line.decode().lstrip())[0]


def _malformed(parsed: Any, number: int) -> NodeError:
    where = f"Malformed action/metadata line [{number}]"
    if not isinstance(parsed, dict):
        return illegal_argument(f"{where}, expected START_OBJECT but found [{_token(parsed)}]")
    if not parsed:
        return illegal_argument(f"{where}, expected FIELD_NAME but found [END_OBJECT]")
    ((action, meta), *_) = parsed.items()
    if not isinstance(meta, dict):
        return illegal_argument(
            f"{where}, expected START_OBJECT or END_OBJECT but found [{_token(meta)}]"
        )
    return illegal_argument(
        f"{where}, expected field [create], [delete], [index] or [update] but found [{action}]"
    )


def _token(value: Any) -> str:
    if isinstance(value, list):
        return "START_ARRAY"
    if isinstance(value, str):
        return "VALUE_STRING"
    return "VALUE_NULL" if value is None else "VALUE_NUMBER"


def _operation(
    action: str,
    meta: dict[str, Any],
    source: bytes,
    default_index: str | None,
    defaults: dict[str, Any],
    problems: list[str],
) -> Operation:
    index, id_ = meta.get("_index", default_index), meta.get("_id")
    if id_ is not None and type(id_) is not str:
        id_ = str(id_).lower() if isinstance(id_, bool) else str(id_)
    if index is None:
        problems.append("index is missing")
        index = ""
    if id_ is not None and len(id_) > MAX_ID_BYTES // 4 and action != "delete":
        size = len(id_.encode("utf-8", "surrogatepass"))
        if size > MAX_ID_BYTES:
            problems.append(
                f"id [{id_}] is too long, must be no longer than {MAX_ID_BYTES} bytes but was: "
                f"{size}"
            )
    if action == "delete" and not id_:
        problems.append("id is missing")
    options = defaults
    if len(meta) > 2 or (len(meta) > 1 and "_id" not in meta):
        options = {**defaults, **{key: meta[key] for key in _KEPT if key in meta}}
        for key in _NUMBERS & options.keys():
            if not re.fullmatch(r"-?\d{1,19}", str(options[key])):
                raise illegal_argument(f"[{key}] is no number: [{options[key]}]")
        if action != "delete" and meta.get("op_type") == "create":
            action = "create"
    return Operation(action, str(index), id_, source, options)


@dataclass(frozen=True, slots=True)
class Style:
    """What a reply to a bulk request shows beside the outcomes.

    Attributes:
        refreshed: Whether the request asked for a refresh.
        pipelines: Whether it asked which pipelines ran.
        ingest: Whether it named a pipeline.
    """

    refreshed: bool = False
    pipelines: bool = False
    ingest: bool = False


def outcome_body(outcome: Outcome, *, refreshed: bool) -> Json:
    """Return what is answered for one written document, without its status."""
    body: Json = {
        "_index": outcome.index,
        "_id": outcome.id,
        "_version": outcome.version,
        "result": outcome.result,
    }
    if refreshed:
        body["forced_refresh"] = True
    body["_shards"] = {"total": outcome.shards, "successful": 1, "failed": 0}
    body["_seq_no"] = outcome.seq_no
    body["_primary_term"] = 1
    return body


def _item(outcome: Outcome, style: Style) -> Json:
    error = outcome.error
    if error is None:
        body = outcome_body(outcome, refreshed=style.refreshed)
        if style.pipelines and outcome.action != "delete":
            body["executed_pipelines"] = []
        body["status"] = outcome.status
        return {outcome.action: body}
    return {
        outcome.action: {
            "_index": outcome.index,
            "_id": outcome.id,
            "status": outcome.status,
            "error": error.cause(),
        }
    }


_INDEPENDENT = frozenset({"status", "_primary_term"})


def render_reply(
    outcomes: Sequence[Outcome], took_millis: int, filters: FilterPath, style: Style
) -> bytes:
    """Return the reply to a bulk request as JSON.

    Where the filter leaves nothing that differs between written documents, which is how
    shippers ask, the items of one kind are rendered once.
    """
    errors = any(outcome.error is not None for outcome in outcomes)
    head: Json = {"errors": errors, "took": took_millis}
    if style.ingest:
        head["ingest_took"] = 0
    if filters.is_empty:
        items = [_item(outcome, style) for outcome in outcomes]
        return orjson.dumps({**head, "items": items})
    rendered: dict[tuple[str, int], bytes] = {}
    parts: list[bytes] = []
    for outcome in outcomes:
        key = (outcome.action, outcome.status)
        known = rendered.get(key) if outcome.error is None else None
        if known is None:
            filtered = filters.apply({"items": [_item(outcome, style)]})
            kept = (filtered or {}).get("items") or []
            known = orjson.dumps(kept[0]) if kept else b""
            inner = kept[0].get(outcome.action, {}) if kept else {}
            if outcome.error is None and _INDEPENDENT.issuperset(inner):
                rendered[key] = known
        if known:
            parts.append(known)
    kept_head = orjson.dumps(filters.apply(head) or {})[1:-1]
    items_text = b'"items":[' + b",".join(parts) + b"]" if parts else b""
    return b"{" + b",".join(part for part in (kept_head, items_text) if part) + b"}"
