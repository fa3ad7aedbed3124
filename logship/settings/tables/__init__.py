"""Every setting, as data: its name, which values it takes, and what it does.

The loader, ``logship schema`` and the tests all derive from the tables here. Defaults are
not here: they stand in `logship.settings.model`.
"""

from logship.settings.tables.whole import SECTIONS, SETTINGS, belongs

__all__ = ["SECTIONS", "SETTINGS", "belongs"]
