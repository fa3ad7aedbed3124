"""Level names: every common spelling becomes one of the standard upper-case names."""

from __future__ import annotations

from logship.schema.encode import safe_text

__all__ = ["LEVELS", "standard_level"]

LEVELS = ("TRACE", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL")

# bunyan's and pino's numbers; Python's own (10 to 50) mean the same up to ERROR's neighbours
# only by name, and are written as names by every Python JSON formatter.
_NUMBERS: dict[float, str] = {
    10: "TRACE",
    20: "DEBUG",
    30: "INFO",
    40: "WARNING",
    50: "ERROR",
    60: "CRITICAL",
}
_SPELLINGS = {
    "TRC": "TRACE",
    "FINEST": "TRACE",
    "FINER": "TRACE",
    "VERBOSE": "DEBUG",
    "FINE": "DEBUG",
    "DBG": "DEBUG",
    "INFORMATION": "INFO",
    "INFORMATIONAL": "INFO",
    "INF": "INFO",
    "WARN": "WARNING",
    "WRN": "WARNING",
    "ERR": "ERROR",
    "SEVERE": "ERROR",
    "FATAL": "CRITICAL",
    "CRIT": "CRITICAL",
    "PANIC": "CRITICAL",
    "DPANIC": "CRITICAL",
    "ALERT": "CRITICAL",
    "EMERG": "CRITICAL",
    "EMERGENCY": "CRITICAL",
    **{name: name for name in LEVELS},
    **{str(number): name for number, name in _NUMBERS.items()},
}


def standard_level(value: object) -> str | None:
    """Return the standard name for a level as an application wrote it.

    Args:
        value: Text in any case, or one of bunyan's and pino's numbers.

    Returns:
        One of :data:`LEVELS`; other text in upper case; None when *value* is no level.
    """
    if isinstance(value, str):
        if value in _SPELLINGS:
            return _SPELLINGS[value]
        upper = value.strip().upper()
        return _SPELLINGS.get(upper, upper) or None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return _NUMBERS.get(value) or safe_text(value).upper()
    return None
