"""Lines become records. A parser never raises: bad input is a record too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logship.parsers.auto import parse_auto
from logship.parsers.json import parse_json
from logship.parsers.text import parse_text

__all__ = ["PARSERS", "Parser"]

Parser = Callable[[bytes], dict[str, Any]]

PARSERS: dict[str, Parser] = {"auto": parse_auto, "json": parse_json, "text": parse_text}
