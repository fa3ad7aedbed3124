"""How long and how large settings may be at the most, where nothing else bounds them."""

from logship.settings.model import DAY_SECONDS

__all__ = ["HOUR_SECONDS", "TIB", "YEARS_SECONDS"]

HOUR_SECONDS = 3_600.0
YEARS_SECONDS = 36_500 * DAY_SECONDS
TIB = 1 << 40
