"""The spool source: ships the envelopes that handlers left in spool folders."""

from logship.sources.spool.shipping import Shipping
from logship.sources.spool.source import SpoolSource, spool_files, spool_folders

__all__ = ["Shipping", "SpoolSource", "spool_files", "spool_folders"]
