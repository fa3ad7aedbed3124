"""Documents that wait in files of envelopes: the format, the folders, and who may touch what."""

from logship.spool.claim import BadLine, Claim
from logship.spool.envelope import envelope, envelopes
from logship.spool.folder import Spool

__all__ = ["BadLine", "Claim", "Spool", "envelope", "envelopes"]
