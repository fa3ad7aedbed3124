"""The composition root: settings become sources, routes, buffer, delivery and sink."""

from __future__ import annotations

from logship.agent.agent import Agent
from logship.agent.summary import Summary

__all__ = ["Agent", "Summary"]
