"""``LogSearch`` and its async twin."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from types import TracebackType
from typing import Any, Self, TypeVar

from logship.elastic import Elastic
from logship.search import paging
from logship.search.request import DEFAULT_INDEX, Request, Time, Wanted, build_request
from logship.search.result import SearchResult
from logship.search.times import local_zone, parse_zone
from logship.settings.model import ElasticsearchSettings

__all__ = ["AsyncLogSearch", "LogSearch"]

T = TypeVar("T")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class AsyncLogSearch:
    """Finds records in Elasticsearch. Belongs to the event loop that first uses it.

    Nothing is contacted before the first search. Use it as an async context manager, or
    ``close`` it.

    Args:
        url: Of Elasticsearch, or several of one cluster.
        index: Where to look: names, wildcards, comma-separated.
        api_key: Instead of *username* and *password*.
        timezone: Of times that carry no zone: ``Europe/Berlin``, ``utc``; None is this machine's.
        settings: The whole connection; *url* and what else belongs to it are ignored then.
        now: The clock that relative times count from.
    """

    def __init__(
        self,
        url: str | Sequence[str] = "http://localhost:9200",
        *,
        index: str = DEFAULT_INDEX,
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timezone: str | tzinfo | None = None,
        settings: ElasticsearchSettings | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self.settings = settings or ElasticsearchSettings(
            hosts=(url,) if isinstance(url, str) else tuple(url),
            api_key=api_key,
            username=username,
            password=password,
        )
        self.index = index
        self.zone = _zone(timezone)
        self._now = now
        self._elastic = Elastic(self.settings)

    async def search(
        self,
        query: str = "",
        *,
        since: Time | None = None,
        until: Time | None = None,
        level: str | None = None,
        service: str | None = None,
        host: str | None = None,
        logger: str | None = None,
        trace: str | None = None,
        where: Sequence[str] = (),
        limit: int | None = 200,
        reverse: bool = False,
        fields: Sequence[str] = (),
        lucene: bool = False,
    ) -> SearchResult:
        """Return the newest records that match, oldest first.

        Args:
            query: ``level:ERROR and service:api``; empty finds everything.
            since: ``1h``, ``yesterday 14:00``, a datetime; itself included. None is 15
                minutes before the end, unless *query* names a time or *trace* is given.
            until: The end of the range, itself excluded; None is open.
            level: This level and above.
            service: Of one service; *host* and *logger* likewise.
            trace: A trace id, or a ``traceparent`` header.
            where: ``FIELD=VALUE`` and the like, all of which must hold.
            limit: At most this many, the newest; None is all of them.
            reverse: Newest first instead.
            fields: Only these of each record; empty is all.
            lucene: Hand *query* to Elasticsearch's own ``query_string``.

        Raises:
            QueryError: Something given cannot be read.
            ConnectionFailed: There was no reply.
            ErrorReply: Elasticsearch refused.
            BadReply: The reply is none of Elasticsearch.

        On cancellation nothing stays open but, for up to two minutes, the server's own view
        of a search of more than 10,000 records.
        """
        wanted = Wanted(
            query, since, until, level, service, host, logger, trace, where, limit, lucene
        )
        return await self.find(self.plan(wanted, fields), reverse=reverse)

    def plan(self, wanted: Wanted, fields: Sequence[str] = ()) -> Request:
        """Return the request for *wanted*, with every time resolved now.

        Raises:
            QueryError: Something in it cannot be read.
        """
        return build_request(wanted, now=self._now(), zone=self.zone, fields=fields)

    async def find(self, request: Request, *, reverse: bool = False) -> SearchResult:
        """Send *request* and return what it finds; as ``search`` in all else."""
        result = await paging.find(self._elastic, self.index, request)
        return result if reverse else replace(result, records=result.records[::-1])

    async def count(self, request: Request) -> SearchResult:
        """Return the exact ``total`` of *request*, without records; as ``search`` in all else."""
        return await paging.count(self._elastic, self.index, request)

    async def close(self) -> None:
        """Close the connections."""
        await self._elastic.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


class LogSearch:
    """Finds records in Elasticsearch, from ordinary code; may be shared between threads.

    It works in notebooks and inside a running event loop as well: the requests have a thread
    of their own, which begins with the first search. Use it as a context manager, or
    ``close`` it.

    Takes the arguments of ``AsyncLogSearch``.
    """

    def __init__(
        self,
        url: str | Sequence[str] = "http://localhost:9200",
        *,
        index: str = DEFAULT_INDEX,
        api_key: str | None = None,
        username: str | None = None,
        password: str | None = None,
        timezone: str | tzinfo | None = None,
        settings: ElasticsearchSettings | None = None,
        now: Callable[[], datetime] = _utc_now,
    ) -> None:
        self._search = AsyncLogSearch(
            url,
            index=index,
            api_key=api_key,
            username=username,
            password=password,
            timezone=timezone,
            settings=settings,
            now=now,
        )
        self._lock = threading.Lock()
        self._is_closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def search(
        self,
        query: str = "",
        *,
        since: Time | None = None,
        until: Time | None = None,
        level: str | None = None,
        service: str | None = None,
        host: str | None = None,
        logger: str | None = None,
        trace: str | None = None,
        where: Sequence[str] = (),
        limit: int | None = 200,
        reverse: bool = False,
        fields: Sequence[str] = (),
        lucene: bool = False,
    ) -> SearchResult:
        """Return the newest records that match, oldest first; see ``AsyncLogSearch.search``."""
        return self._run(
            self._search.search(
                query,
                since=since,
                until=until,
                level=level,
                service=service,
                host=host,
                logger=logger,
                trace=trace,
                where=where,
                limit=limit,
                reverse=reverse,
                fields=fields,
                lucene=lucene,
            )
        )

    def close(self) -> None:
        """Close the connections and end the thread; a second call does nothing."""
        with self._lock:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            self._is_closed = True
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._search.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._is_closed:
                work.close()
                raise RuntimeError("this LogSearch is closed; make a new one")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="logship-search", daemon=True
                )
                self._thread.start()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


def _zone(timezone: str | tzinfo | None) -> tzinfo:
    if timezone is None:
        return local_zone()
    return parse_zone(timezone) if isinstance(timezone, str) else timezone
