"""The options of queries: which there are, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from logship.node.errors import Json, illegal_argument, parsing


def known(name: str, body: Mapping[str, Any], *members: str) -> None:
    """Refuse members that the query *name* does not have.

    Raises:
        NodeError: Names the first.
    """
    for key in body:
        if key not in members:
            raise parsing(f"[{name}] query does not support [{key}]")


def field_and_options(name: str, body: Mapping[str, Any], short: str) -> tuple[str, Json]:
    """Take ``{"field": value}`` and ``{"field": {…}}`` apart.

    Raises:
        NodeError: There is not exactly one field.
    """
    paths = [key for key in body if key not in {"boost", "_name"}]
    if len(paths) != 1:
        raise parsing(
            f"[{name}] query doesn't support multiple fields, found [{paths[0]}] and [{paths[1]}]"
            if len(paths) > 1
            else f"[{name}] query malformed, no field"
        )
    value = body[paths[0]]
    if isinstance(value, Mapping):
        return paths[0], dict(value)
    if isinstance(value, list):
        raise parsing(f"[{name}] query does not support array of values")
    return paths[0], {short: value}


def operator_of(options: Mapping[str, Any]) -> str:
    """Return ``and`` or ``or``.

    Raises:
        NodeError: It is neither.
    """
    operator = str(options.get("operator", "or")).lower()
    if operator not in {"and", "or"}:
        raise illegal_argument(
            f"No enum constant org.elasticsearch.index.query.Operator.{operator.upper()}"
        )
    return operator


def minimum_of(wanted: Any, count: int) -> int:
    """Return how many of *count* clauses ``minimum_should_match`` asks for.

    Raises:
        NodeError: It is no number, percentage or condition.
    """
    text = str(wanted).strip()
    result = count
    if "<" in text:
        for condition in text.split():
            limit, _, below = condition.partition("<")
            if count > int(limit):
                result = minimum_of(below, count)
        return result
    match = re.fullmatch(r"(-?\d+)(%?)", text)
    if match is None:
        raise illegal_argument(f'For input string: "{text}"')
    number = int(match[1])
    if match[2]:
        number = int(count * number / 100)
        return count + number if match[1].startswith("-") else number
    return count + number if number < 0 else number
