"""``auto``: JSON where a line looks like it, text otherwise. Decided line by line."""

from __future__ import annotations

from typing import Any

from logship.parsers.json import parse_json
from logship.parsers.text import parse_text

__all__ = ["parse_auto"]


def parse_auto(line: bytes) -> dict[str, Any]:
    """Return the record of *line*: a banner among JSON lines is text, not an error.

    What begins like a JSON object but is none (a torn write) keeps its ``parse_error``.
    """
    if line.lstrip()[:1] != b"{":
        return parse_text(line)
    record = parse_json(line)
    if "parse_error" in record and not line.lstrip().startswith((b'{"', b"{}")):
        return parse_text(line)
    return record
