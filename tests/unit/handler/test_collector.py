"""``LogCollector`` on its own: what it sends, and what it asks for."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from aiohttp import web

import logship

HITS = [
    {"_index": "logs-2026.11.21", "_id": "b", "_source": {"@timestamp": "2026-11-21T10:00:00Z"}},
    {"_index": "logs-2026.11.21", "_id": "a", "_source": {"message": "no time"}},
]


class Level(enum.Enum):
    WARN = "warn"


class Searched:
    """Answers every search with ``HITS`` and keeps what was asked.

    Attributes:
        asked: (path with its query, body) of each request.
    """

    def __init__(self, reply: bytes | None = None, status: int = 200) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self._reply = orjson.dumps({"hits": {"hits": HITS}}) if reply is None else reply
        self._status = status

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.read()
        if request.path.endswith("_search"):
            self.asked.append((request.path, orjson.loads(body)))
            return self._json(self._reply, self._status)
        return self._json(b"{}", 200)

    def run(self, work: Callable[[logship.LogCollector], Awaitable[Any]]) -> Any:
        async def main() -> Any:
            app = web.Application()
            app.router.add_route("*", "/{path:.*}", self.answer)
            runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.0)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            port = runner.addresses[0][1]
            collector = logship.LogCollector("orders", f"http://127.0.0.1:{port}")
            try:
                return await work(collector)
            finally:
                await collector.close()
                await runner.cleanup()

        return asyncio.run(main())

    def _json(self, body: bytes, status: int) -> web.Response:
        return web.Response(
            body=body,
            status=status,
            content_type="application/json",
            headers={"X-Elastic-Product": "Elasticsearch"},
        )

    def search(self, *args: Any, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.run(lambda one: one.search_logs(*args, **options))
        return found


class TestSearch:
    def test_hits(self) -> None:
        """The hits come back as they are, with ``timestamp`` in each source that has a time."""
        found = Searched().search("order")
        assert [hit["_id"] for hit in found] == ["b", "a"]
        assert found[0]["_source"]["timestamp"] == "2026-11-21T10:00:00Z"
        assert found[1]["_source"] == {"message": "no time"}

    def test_request(self) -> None:
        """Query, range, level and service all hold; newest first."""
        server = Searched()
        server.search(
            "order AND status:[500 TO 599]",
            start_time=datetime(2026, 11, 20, 23, tzinfo=UTC),
            end_time=datetime(2026, 11, 21, 1),  # noqa: DTZ001 - without a zone it is UTC
            level=Level.WARN,
            service="orders",
            limit=7,
        )
        ((path, body),) = server.asked
        assert path == "/logs-2026.11.20,logs-2026.11.21/_search"
        assert body["size"] == 7
        assert body["sort"] == [{"@timestamp": {"order": "desc", "unmapped_type": "date"}}]
        assert body["query"]["bool"] == {
            "must": [{"query_string": {"query": "order AND status:[500 TO 599]"}}],
            "filter": [
                {
                    "range": {
                        "@timestamp": {
                            "gte": "2026-11-20T23:00:00+00:00",
                            "lte": "2026-11-21T01:00:00+00:00",
                        }
                    }
                },
                {"terms": {"level": ["WARNING", "warning"]}},
                {"term": {"service": "orders"}},
            ],
        }

    @pytest.mark.parametrize("query", ["", "*", "  "])
    def test_everything(self, query: str) -> None:
        """An empty query finds everything, over all indices, 100 by default."""
        server = Searched()
        server.search(query)
        ((path, body),) = server.asked
        assert path == "/logs-2*.*.*/_search"
        assert body["query"] == {"bool": {"filter": []}}
        assert body["size"] == 100

    @pytest.mark.parametrize(
        ("start", "end", "path"),
        [
            ("2026-11-21T10:00:00", "2026-11-21T11:00:00Z", "/logs-2026.11.21/_search"),
            (
                datetime(2026, 11, 21, 23, tzinfo=timezone(-timedelta(hours=2))),
                datetime(2026, 11, 22, 1, tzinfo=timezone(-timedelta(hours=2))),
                "/logs-2026.11.22/_search",
            ),
            ("2026-01-01", "2026-11-21", "/logs-2*.*.*/_search"),
            ("2026-11-22", "2026-11-21", "/logs-2*.*.*/_search"),
            ("now-1h", None, "/logs-2*.*.*/_search"),
            (None, "2026-11-21", "/logs-2*.*.*/_search"),
        ],
    )
    def test_indices(
        self, start: datetime | str | None, end: datetime | str | None, path: str
    ) -> None:
        """Days are UTC's; what is long or only Elasticsearch understands goes to all indices."""
        server = Searched()
        server.search("x", start, end)
        assert server.asked[0][0] == path

    def test_open_end(self) -> None:
        """Without an end today and tomorrow are looked at: other clocks may be ahead."""
        server = Searched()
        now = datetime.now(UTC)
        server.search("x", now)
        if datetime.now(UTC).date() == now.date():
            names = [f"logs-{now + timedelta(days=day):%Y.%m.%d}" for day in (0, 1)]
            assert server.asked[0][0] == f"/{','.join(names)}/_search"

    @pytest.mark.parametrize(
        ("reply", "status"), [(b"<html>", 200), (b"[]", 200), (b"{}", 200), (b"{}", 400)]
    )
    def test_errors(self, reply: bytes, status: int, caplog: pytest.LogCaptureFixture) -> None:
        """Whatever goes wrong is logged, and nothing is found."""
        with caplog.at_level(logging.ERROR):
            assert Searched(reply, status).search("order") == []
        assert "Searching for 'order' failed" in caplog.text

    def test_wrong_arguments(self, caplog: pytest.LogCaptureFixture) -> None:
        """So are arguments that make no sense."""
        assert Searched().search("order", limit="many") == []
        assert "failed" in caplog.text

    def test_times_as_text(self) -> None:
        """Text goes to Elasticsearch as it is, which rounds a day's end up in a range."""
        server = Searched()
        server.search("x", "2026-11-20", "2026-11-21")
        (only,) = server.asked[0][1]["query"]["bool"]["filter"]
        assert only["range"]["@timestamp"] == {"gte": "2026-11-20", "lte": "2026-11-21"}

    def test_no_server(self, caplog: pytest.LogCaptureFixture) -> None:
        """So is a server that is not there."""

        async def main() -> list[dict[str, Any]]:
            collector = logship.LogCollector("orders", "http://127.0.0.1:1")
            found = await collector.search_logs("order")
            await collector.close()
            return found

        assert asyncio.run(main()) == []
        assert "failed" in caplog.text
