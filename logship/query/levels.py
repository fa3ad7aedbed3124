"""The order of log levels, under every name they go by."""

from __future__ import annotations

__all__ = ["LEVELS", "is_level_field", "level_rank", "names_between"]

# Lowest first; the first name of each is the one that is stored, the others are what
# applications write.
LEVELS: tuple[tuple[str, ...], ...] = (
    ("TRACE", "TRC", "FINEST", "FINER"),
    ("DEBUG", "DBG", "FINE", "VERBOSE"),
    ("INFO", "INF", "INFORMATION", "INFORMATIONAL"),
    ("NOTICE",),
    ("WARNING", "WARN", "WRN"),
    ("ERROR", "ERR", "SEVERE"),
    ("CRITICAL", "CRIT", "FATAL", "PANIC", "DPANIC", "ALERT", "EMERG", "EMERGENCY"),
)
_LEVEL_FIELDS = frozenset({"level", "log.level"})
_RANKS = {name: rank for rank, names in enumerate(LEVELS) for name in names}


def is_level_field(field: str) -> bool:
    """Whether *field* holds a level, so that its values have the order of levels."""
    return field in _LEVEL_FIELDS


def level_rank(name: str) -> int | None:
    """Return the place of *name* among the levels, in any case; None for an unknown one."""
    return _RANKS.get(name.upper())


def names_between(lowest: int, highest: int) -> list[str]:
    """Return every name of the levels ranked *lowest* to *highest*, both included."""
    return [name for names in LEVELS[max(lowest, 0) : highest + 1] for name in names]
