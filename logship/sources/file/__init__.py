"""Tailing files: finding them, recognising them, reading them."""

from __future__ import annotations

from logship.sources.file.seeding import Seeding
from logship.sources.file.source import FileSource

__all__ = ["FileSource", "Seeding"]
