"""``json``: one JSON object per line."""

from __future__ import annotations

import json
from typing import Any

import orjson

from logship.parsers.text import INVALID_UTF8, decode

__all__ = ["parse_json", "unparsed"]


def parse_json(line: bytes) -> dict[str, Any]:
    """Return the object on *line*.

    Anything else is kept whole as ``message``, with ``parse_error`` saying what was wrong.
    Bytes that are not UTF-8 are replaced and the record is tagged ``invalid_utf8``. Never raises.
    """
    try:
        value = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        return _second_try(line, error)
    return value if isinstance(value, dict) else unparsed(line, "not a JSON object")


def unparsed(line: bytes, reason: str) -> dict[str, Any]:
    """Return the record of a line that could not be parsed."""
    text, replaced = decode(line)
    record: dict[str, Any] = {"message": text, "parse_error": reason}
    if replaced:
        record["tags"] = [INVALID_UTF8]
    return record


def _second_try(line: bytes, error: orjson.JSONDecodeError) -> dict[str, Any]:
    """What orjson refuses and is worth having: replaced bytes, lone surrogates, NaN."""
    text, replaced = decode(line.removeprefix(b"\xef\xbb\xbf").strip())
    value = _loosely(text)
    if value is None:
        return unparsed(line, f"{error.msg} (character {error.pos})")
    if not isinstance(value, dict):
        return unparsed(line, "not a JSON object")
    if replaced:
        tags = value.get("tags")
        kept = tags if isinstance(tags, list) else [] if tags is None else [tags]
        value["tags"] = [*kept, INVALID_UTF8]
    return value


def _loosely(text: str) -> Any:
    """What the standard library reads, with lone surrogates replaced; None when it cannot."""
    try:
        readable = json.dumps(json.loads(text, parse_constant=str), ensure_ascii=False)
        return orjson.loads(readable.encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
