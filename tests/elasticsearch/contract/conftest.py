"""Every test here runs against both servers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.elasticsearch.client import Client
from tests.support.real_elasticsearch import unwanted

# Without a real server these tests would only be skipped, each with a line of its own; those
# that need nothing else say why there is none.
REAL = pytest.param("real", marks=pytest.mark.real_es)
SERVERS = ["node"] if unwanted() else ["node", REAL]


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> str:
    """Where the server under test answers."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def client(server: str) -> Iterator[Client]:
    """A client of the server under test."""
    with Client(server) as one:
        yield one
