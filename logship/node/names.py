"""Names and ids: which index names are allowed, and how ids are made."""

from __future__ import annotations

import base64
import os
import re
from datetime import UTC, datetime, timedelta

from logship.node.dates import add_units, date_format, floor_unit
from logship.node.errors import NodeError, illegal_argument

MAX_ID_BYTES = 512
_FORBIDDEN = re.compile(r"[ \"*,/<>?\\|]")
_DATE_MATH = re.compile(
    r"<([^<>{}]*)\{now((?:[+-]\d+[yMwdhms]|/[yMwdhms])*)(?:\{([^{}|]+)\})?\}([^<>{}]*)>"
)


def new_id() -> str:
    """Return a random document id: 20 characters that need no escaping in a URL."""
    return base64.urlsafe_b64encode(os.urandom(15)).decode()


def new_uuid() -> str:
    """Return a random identifier of 22 characters for an index or the cluster."""
    return base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")


def invalid_index_name(name: str, why: str) -> NodeError:
    """Return the 400 for an index name."""
    return NodeError(
        400,
        "invalid_index_name_exception",
        f"Invalid index name [{name}], {why}",
        extra={"index_uuid": "_na_", "index": name},
    )


def check_index_name(name: str) -> None:
    """Accept *name* for a new index, alias or data stream.

    Raises:
        NodeError: Elasticsearch would not allow it.
    """
    if not name:
        raise invalid_index_name(name, "must not be empty")
    if _FORBIDDEN.search(name):
        raise invalid_index_name(
            name,
            "must not contain the following characters [' ','\"','*',',','/','<','>','?','\\','|']",
        )
    if name in {".", ".."}:
        raise invalid_index_name(name, "must not be '.' or '..'")
    if "#" in name:
        raise invalid_index_name(name, "must not contain '#'")
    if ":" in name:
        raise invalid_index_name(name, "must not contain ':'")
    if name[0] in "_-+":
        raise invalid_index_name(
            name,
            f"must not start with '{name[0]}'."
            if name[0] == "_"
            else "must not start with '_', '-', or '+'",
        )
    if name.lower() != name:
        raise invalid_index_name(name, "must be lowercase")
    if len(name.encode()) > 255:
        raise invalid_index_name(name, f"index name is too long, ({len(name.encode())} > 255)")


def without_date_math(name: str, now: datetime | None = None) -> str:
    """Return *name* with ``<logs-{now/d}>`` written out.

    Raises:
        NodeError: It begins with ``<`` but is no such expression.
    """
    if not name.startswith("<"):
        return name
    match = _DATE_MATH.fullmatch(name)
    if match is None:
        raise illegal_argument(f"invalid dynamic name expression [{name}].")
    before, math, pattern, after = match.groups()
    moment = now or datetime.now(UTC)
    for sign, count, unit, rounding in re.findall(r"([+-])(\d+)([yMwdhms])|/([yMwdhms])", math):
        if rounding:
            moment = floor_unit(moment, rounding)
        else:
            moment = add_units(moment, int(sign + count), unit)
    seconds = int((moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))
    text = date_format(pattern or "yyyy.MM.dd").text_of(seconds * 1_000_000_000)
    return f"{before}{text}{after}"
