"""What is queued is delivered when an ASGI server shuts the application down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette

import logship
from tests.support.elastic_fake import ElasticFake

log = logging.getLogger("app.lifespan")


@pytest.fixture
def fake() -> Iterator[ElasticFake]:
    with ElasticFake() as running:
        handler = logship.LogshipHandler(hosts=running.url, batch_age="1h")
        log.addHandler(handler)
        log.setLevel("INFO")
        yield running
        log.removeHandler(handler)
        log.setLevel("NOTSET")
        handler.close()


async def live(app: Any, fake: ElasticFake, seen: list[tuple[str, int]]) -> None:
    """Start and stop *app* as a server does; keep each answer with what is delivered then."""
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> dict[str, Any]:
        return {"type": next(messages)}

    async def send(message: dict[str, Any]) -> None:
        seen.append((message["type"], len(fake.documents)))
        log.info("after %s", message["type"])

    await logship.ASGIMiddleware(app)({"type": "lifespan"}, receive, send)  # type: ignore[arg-type]


def test_application_with_lifespan(fake: ElasticFake) -> None:
    """Everything up to the end of its shutdown is stored when the server hears of that."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        log.info("starting")
        yield
        log.info("stopping")

    seen: list[tuple[str, int]] = []
    asyncio.run(live(Starlette(lifespan=lifespan), fake, seen))
    assert seen == [("lifespan.startup.complete", 0), ("lifespan.shutdown.complete", 3)]
    assert fake.found() == {"starting": 1, "after lifespan.startup.complete": 1, "stopping": 1}


@pytest.mark.parametrize("receives", [False, True])
def test_application_without(fake: ElasticFake, receives: bool) -> None:
    """One that knows no lifespan is answered for."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if receives:
            await receive()
        raise ValueError("only http")

    seen: list[tuple[str, int]] = []
    asyncio.run(live(app, fake, seen))
    assert seen == [("lifespan.startup.complete", 0), ("lifespan.shutdown.complete", 1)]


def test_application_that_fails(fake: ElasticFake) -> None:
    """A startup that fails goes on to the server, and a later exception, too."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    seen: list[tuple[str, int]] = []
    with pytest.raises(ValueError, match="no database"):
        asyncio.run(live(Starlette(lifespan=lifespan), fake, seen))
    assert [kind for kind, _ in seen] == ["lifespan.startup.failed"]


def test_records_afterwards(fake: ElasticFake) -> None:
    """A record that comes after the shutdown is shipped as ever."""
    seen: list[tuple[str, int]] = []
    asyncio.run(live(Starlette(), fake, seen))
    (handler,) = log.handlers
    assert isinstance(handler, logship.LogshipHandler)
    assert handler.flush(timeout=10)
    assert fake.found()["after lifespan.shutdown.complete"] == 1
