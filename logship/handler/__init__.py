"""The Python logging handler: the agent's pipeline inside an application."""

from __future__ import annotations

from logship.handler.handler import HandlerStats, LogshipHandler

__all__ = ["HandlerStats", "LogshipHandler"]
