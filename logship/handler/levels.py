"""Levels as applications name them, and one of our own for requests."""

from __future__ import annotations

import difflib
import logging

from logship.schema.levels import standard_level

__all__ = ["HTTP", "level_number"]

HTTP = 15  # requests one by one: less than INFO, more than DEBUG
# Here, where every class of ours that a configuration may name comes by: a handler's level is
# looked up right after its class.
logging.addLevelName(HTTP, "HTTP")
_NUMBERS = {"TRACE": 5, "NOTICE": 25}


def level_number(name: int | str) -> int:
    """Return the number of a level: a number, or a name in any case and usual spelling.

    Raises:
        ValueError: There is no such level.
    """
    if isinstance(name, int):
        return name
    text = name.strip()
    if text.isdigit():
        return int(text)
    known = {**logging.getLevelNamesMapping(), **_NUMBERS}
    upper = text.upper()
    number = known.get(upper, known.get(standard_level(upper) or ""))
    if number is None:
        close = difflib.get_close_matches(upper, known, 1)
        hint = f'; did you mean "{close[0]}"?' if close else f"; use one of {', '.join(known)}"
        raise ValueError(f'unknown level "{name}"{hint}')
    return number
