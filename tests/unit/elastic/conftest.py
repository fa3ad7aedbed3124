from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logship.elastic import Elastic, Reply
from logship.settings.model import ElasticsearchSettings
from tests.support.certificates import Authority, has_openssl
from tests.support.http_server import HttpServer


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates of these tests."""
    if not has_openssl():
        pytest.skip("needs openssl to make certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """A server without TLS."""
    with HttpServer() as one:
        yield one


def ask(url: str, count: int = 1, **settings: Any) -> list[Reply]:
    """Send requests one after the other over one connection and return the replies."""

    async def run() -> list[Reply]:
        known = {"hosts": (url,), "timeout_seconds": 5.0, **settings}
        elastic = Elastic(ElasticsearchSettings(**known))
        try:
            return [await elastic.request("GET", f"/{number}") for number in range(count)]
        finally:
            await elastic.close()

    return asyncio.run(run())


def write(path: Path, text: str) -> Path:
    """Write a file anew, as a new file in its place."""
    other = path.with_name(path.name + ".new")
    other.write_text(text)
    return other.rename(path)
