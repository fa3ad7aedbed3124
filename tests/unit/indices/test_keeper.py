"""What the agent does for its indices: retention at the start and daily, and one warning."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import orjson
import pytest

from logship.elastic import Elastic, Reply
from logship.errors import ConnectionFailed, ErrorReply
from logship.indices.keeper import IndexKeeper
from logship.indices.listing import expired, list_indices
from logship.settings.model import DAY_SECONDS, IndexSettings
from tests.support.fakes import FakeClock

RETENTION = IndexSettings(retention_seconds=30 * DAY_SECONDS)
STREAM = IndexSettings(data_stream="s", retention_seconds=30 * DAY_SECONDS)
FORBIDDEN = ErrorReply(403, "security_exception", "no")


class Server:
    """Lists and deletes indices, and takes lifecycles; fails where it is told to.

    Attributes:
        indices: Which there are.
        asked: Requests so far, as ``METHOD path``.
        fails: Beginning of a request → what it is answered with.
    """

    def __init__(self, *indices: str, templates: list[Any] | None = None) -> None:
        self.indices = list(indices)
        self.templates = templates or []
        self.asked: list[str] = []
        self.bodies: list[bytes | None] = []
        self.fails: dict[str, Exception] = {}

    async def request(
        self, method: str, path: str, body: bytes | None = None, **options: Any
    ) -> Reply:
        self.asked.append(f"{method} {path}")
        self.bodies.append(body)
        for beginning, error in self.fails.items():
            if self.asked[-1].startswith(beginning):
                raise error
        answer: Any = {"acknowledged": True}
        if path.startswith("/_cat/indices/"):
            answer = [{"index": name, "status": "open"} for name in self.indices]
        elif path == "/_index_template":
            answer = {"index_templates": self.templates}
        elif method == "DELETE":
            self.indices.remove(path[1:])
        return Reply(200, {}, orjson.dumps(answer))


def days(*names: str) -> list[str]:
    return [f"logs-{name}" for name in names]


def keep(
    server: Server,
    index: IndexSettings,
    *,
    passes: int = 1,
    between: Callable[[int], None] = lambda _: None,
    clock: FakeClock | None = None,
) -> list[float]:
    """Let a keeper pass so often; returns how long it wanted to pause after each."""
    pauses: list[float] = []

    async def pause_for(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == passes:
            raise asyncio.CancelledError
        between(len(pauses))

    keeper = IndexKeeper(
        cast(Elastic, server),
        index,
        clock=clock or FakeClock(),
        jitter=random.Random(1),
        pause_for=pause_for,
    )

    async def run() -> None:
        with pytest.raises(asyncio.CancelledError):
            await keeper.run()
        assert keeper.passed.is_set()

    asyncio.run(run())
    return pauses


def said(caplog: pytest.LogCaptureFixture, level: str) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelname == level]


@pytest.fixture(autouse=True)
def _everything_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", logger="logship")


def test_old_indices_go_by_the_end_of_their_day(caplog: pytest.LogCaptureFixture) -> None:
    """On 21 November at noon, what ended 30 days before that is gone, and each is logged."""
    server = Server(*days("2026.11.21", "2026.10.22", "2026.10.21", "2020.01.01", "old"))
    keep(server, RETENTION)
    assert server.indices == days("2026.11.21", "2026.10.22", "old")
    assert [line.split(":")[0] for line in said(caplog, "INFO")] == [
        "Deleted the index logs-2020.01.01",
        "Deleted the index logs-2026.10.21",
    ]
    assert said(caplog, "WARNING") == []


def test_the_newest_stays() -> None:
    """However old, also when the clock is a century ahead."""
    server = Server(*days("2019.01.01", "2019.01.02"))
    keep(server, RETENTION)
    assert server.indices == days("2019.01.02")
    far = FakeClock(datetime(2126, 1, 1, tzinfo=UTC).timestamp())
    server = Server(*days("2026.11.20", "2026.11.21"))
    keep(server, RETENTION, clock=far)
    assert server.indices == days("2026.11.21")


def test_daily_with_jitter() -> None:
    """Pauses are about a day, and no two agents the same."""
    server = Server(*days("2026.11.21", "2026.10.22"))
    clock = FakeClock()
    pauses = keep(server, RETENTION, passes=3, between=lambda _: clock.advance(DAY_SECONDS),
                  clock=clock)  # fmt: skip
    assert all(0.75 * DAY_SECONDS <= pause <= 1.25 * DAY_SECONDS for pause in pauses)
    assert len(set(pauses)) == 3
    assert server.indices == days("2026.11.21")


@pytest.mark.parametrize("error", [FORBIDDEN, ConnectionFailed("refused")])
@pytest.mark.parametrize("where", ["GET /_cat", "DELETE"])
def test_failures_are_one_warning(
    error: Exception, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails is said once, tried again within about an hour, and then done."""
    server = Server(*days("2026.11.21", "2020.01.01"))
    server.fails[where] = error

    def mend(passed: int) -> None:
        if passed == 2:
            server.fails.clear()

    pauses = keep(server, RETENTION, passes=3, between=mend)
    (warning,) = said(caplog, "WARNING")
    assert f"index.retention cannot be applied ({error})" in warning
    assert ("monitor and delete_index" in warning) == (error is FORBIDDEN)
    assert [pause < 2 * 3600 for pause in pauses] == [True, True, False]
    assert server.indices == days("2026.11.21")


def test_another_agent_was_faster() -> None:
    """An index that is gone already is no failure."""
    server = Server(*days("2026.11.21", "2020.01.01", "2020.01.02"))
    server.fails["DELETE /logs-2020.01.01"] = ErrorReply(404, "index_not_found_exception", "x")
    keep(server, RETENTION)
    assert server.indices == days("2026.11.21", "2020.01.01")


def test_one_index_that_cannot_be_deleted(caplog: pytest.LogCaptureFixture) -> None:
    """An index that something keeps does not keep the others, and is said."""
    server = Server(*days("2026.11.21", "2020.01.01", "2020.01.02"))
    block = ErrorReply(403, "cluster_block_exception", "index [logs-2020.01.01] blocked by: x")
    server.fails["DELETE /logs-2020.01.01"] = block
    keep(server, RETENTION)
    assert server.indices == days("2026.11.21", "2020.01.01")
    (warning,) = said(caplog, "WARNING")
    assert "index [logs-2020.01.01] blocked by" in warning
    assert "needs" not in warning


@pytest.mark.parametrize("pattern", ["{service}-logs", "logs"])
def test_names_without_a_date_are_listed(pattern: str) -> None:
    """They can be looked at, and nothing of them tells an age."""
    server = Server("api-logs", "logs", "other")
    rows = asyncio.run(list_indices(cast(Elastic, server), IndexSettings(name=pattern)))
    assert [row.name for row in rows] == ["api-logs" if "{" in pattern else "logs"]
    assert expired(rows, 1.0, datetime(2126, 1, 1, tzinfo=UTC)) == []


def test_list_behind_a_wrong_address() -> None:
    """A 404 of something else than Elasticsearch is no empty list."""
    server = Server()
    server.fails["GET /_cat"] = ErrorReply(404, "", "page not found")
    with pytest.raises(ErrorReply):
        asyncio.run(list_indices(cast(Elastic, server), IndexSettings()))


def test_lifecycle_of_a_stream(caplog: pytest.LogCaptureFixture) -> None:
    """A data stream's retention is its lifecycle; no index is listed or deleted."""
    server = Server()
    keep(server, STREAM)
    assert server.asked[1:] == ["PUT /_data_stream/s/_lifecycle"]
    assert server.bodies[1] == b'{"data_retention":"30d"}'
    server.fails["PUT"] = ErrorReply(404, "index_not_found_exception", "not there yet")
    keep(server, STREAM)
    assert said(caplog, "WARNING") == []


@pytest.mark.parametrize("status", [400, 405])
def test_server_without_lifecycles(status: int, caplog: pytest.LogCaptureFixture) -> None:
    """It is one clear line, however often it is tried."""
    server = Server()
    server.fails["PUT"] = ErrorReply(status, "", "no handler found for uri [/_data_stream/s]")
    keep(server, STREAM, passes=3)
    (warning,) = said(caplog, "WARNING")
    assert "This server has no lifecycles of data streams" in warning


def test_no_retention_touches_nothing() -> None:
    """Without the setting nothing is listed, deleted or set."""
    for index in (IndexSettings(), IndexSettings(data_stream="s")):
        server = Server(*days("2020.01.01", "2020.01.02"))
        keep(server, index)
        assert server.asked == ["GET /_index_template"]
    keep(server, IndexSettings(template=False))
    assert server.asked == ["GET /_index_template"]


def test_template_that_wins_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """One warning names it; one that cannot be looked for is none."""
    strong = {"index_patterns": ["logs-*"], "priority": 900, "data_stream": {}}
    server = Server(templates=[{"name": "strong", "index_template": strong}])
    keep(server, IndexSettings())
    (warning,) = said(caplog, "WARNING")
    assert warning.startswith("The index template strong (logs-*, priority 900) wins")
    server.fails["GET /_index_template"] = FORBIDDEN
    keep(server, IndexSettings())
    assert len(said(caplog, "WARNING")) == 1
