"""The bounded queue between reading and sending."""

from __future__ import annotations

from logship.buffer.buffer import Buffer

__all__ = ["Buffer"]
