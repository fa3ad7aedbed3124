"""Every test here runs against both servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.elasticsearch.client import Client


@pytest.fixture(scope="session", params=["node", pytest.param("real", marks=pytest.mark.real_es)])
def server(request: pytest.FixtureRequest) -> str:
    """Where the server under test answers."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    """A client of the server under test."""
    with Client(server) as one:
        yield one
