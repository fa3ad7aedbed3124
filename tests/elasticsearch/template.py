"""Indices with logship's own template, for tests."""

from __future__ import annotations

from logship.settings.model import IndexSettings
from logship.sinks.elasticsearch.template import index_template, template_name
from tests.elasticsearch.client import Client

__all__ = ["put_own_template"]


def put_own_template(client: Client, name: str) -> str:
    """Put the template for daily indices that begin with *name*; returns one of them."""
    index = IndexSettings(name=f"{name}-%Y.%m.%d", replicas=0)
    path = f"/_index_template/{template_name(index)}"
    answer = client.request("PUT", path, index_template(index))
    assert (answer.status, answer.json) == (200, {"acknowledged": True})
    return f"{name}-2026.11.21"
