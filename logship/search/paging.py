"""The requests of one search: a single page, or page after page of one fixed view."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import orjson

from logship.elastic import Elastic
from logship.errors import ElasticError, ErrorReply
from logship.search.request import PAGE_RECORDS, Request
from logship.search.result import FoundRecord, Page, SearchResult, read_page

__all__ = ["count", "count_body", "find", "search_path"]

PIT_KEEP_ALIVE = "2m"
_NO_SUCH_ENDPOINT = frozenset({400, 404, 405, 501})


def search_path(index: str) -> str:
    """Return the path of ``_search`` for an index pattern, percent-encoded."""
    return f"/{_quoted(index)}/_search"


async def find(elastic: Elastic, index: str, request: Request) -> SearchResult:
    """Return what *request* finds, newest first.

    The server sorts by milliseconds; within one, records are brought into the order of their
    own times, and those of one file into that of their lines.

    More than 10,000 records come in pages. The server keeps its view of the indices fixed
    meanwhile (PIT); where it cannot, pages overlap in their last millisecond, so that no
    record is missed, and each is taken once.

    Raises:
        ElasticError: A request did not end well; what was found before it is lost.
    """
    if request.limit is not None and request.limit <= PAGE_RECORDS:
        return _in_order((await _page(elastic, search_path(index), request.body)).result)
    async with _fixed_view(elastic, index) as pit_id:
        if pit_id is None:
            return _in_order(await _overlapping(elastic, search_path(index), request))
        return _in_order(await _in_view(elastic, pit_id, request))


def _in_order(found: SearchResult) -> SearchResult:
    if not all(_is_utc(record.get("@timestamp")) for record in found.records):
        return found  # texts of other zones do not compare like their times
    return replace(found, records=sorted(found.records, key=_moment, reverse=True))


def _is_utc(time: object) -> bool:
    return isinstance(time, str) and time.endswith(("Z", "+00:00"))


def _moment(record: FoundRecord) -> tuple[str, str, int]:
    time = str(record["@timestamp"])
    fraction = time[20:].removesuffix("Z").removesuffix("+00:00") if time[19:20] == "." else ""
    offset = record.get("log.offset")
    return time[:19], fraction.ljust(9, "0"), offset if isinstance(offset, int) else 0


async def count(elastic: Elastic, index: str, request: Request) -> SearchResult:
    """Return the exact ``total`` of *request*, without records.

    Raises:
        ElasticError: The request did not end well.
    """
    return (await _page(elastic, search_path(index), count_body(request))).result


def count_body(request: Request) -> dict[str, Any]:
    """Return the body that counts what *request* finds."""
    return {"query": request.body["query"], "size": 0, "track_total_hits": True}


async def _page(elastic: Elastic, path: str, body: dict[str, Any]) -> Page:
    params: dict[str, str | int | bool] = {} if "pit" in body else {"ignore_unavailable": True}
    reply = await elastic.request("POST", path, orjson.dumps(body), params=params)
    return read_page(reply.json())


async def _in_view(elastic: Elastic, pit_id: str, request: Request) -> SearchResult:
    body = {**request.body, "pit": {"id": pit_id, "keep_alive": PIT_KEEP_ALIVE}}
    page = await _page(elastic, "/_search", body)
    found = page.result
    while page.last_sort is not None and len(page.result.records) == body["size"]:
        body["size"] = _next_size(request, found)
        if body["size"] == 0:
            break
        body["search_after"] = page.last_sort
        body["pit"] = {"id": page.pit_id or body["pit"]["id"], "keep_alive": PIT_KEEP_ALIVE}
        page = await _page(elastic, "/_search", body)
        found = _joined(found, page.result, page.result.records)
    return found


async def _overlapping(elastic: Elastic, path: str, request: Request) -> SearchResult:
    body = {**request.body, "size": PAGE_RECORDS}
    page = await _page(elastic, path, body)
    found = page.result
    seen = {(record.index, record.id) for record in found.records}
    while page.last_sort is not None and len(page.result.records) == PAGE_RECORDS:
        newest = page.last_sort[0]
        if newest is None or _next_size(request, found) == 0:
            break
        until = {"range": {"@timestamp": {"lte": newest}}}
        body["query"] = {"bool": {"filter": [request.body["query"], until]}}
        page = await _page(elastic, path, body)
        fresh = [one for one in page.result.records if (one.index, one.id) not in seen]
        if not fresh:
            break
        seen.update((record.index, record.id) for record in fresh)
        found = _joined(found, page.result, fresh)
    return replace(found, records=found.records[: request.limit])


def _next_size(request: Request, found: SearchResult) -> int:
    if request.limit is None:
        return PAGE_RECORDS
    return max(0, min(request.limit - len(found.records), PAGE_RECORDS))


def _joined(found: SearchResult, more: SearchResult, records: list[FoundRecord]) -> SearchResult:
    return replace(
        found,
        records=found.records + records,
        took_ms=found.took_ms + more.took_ms,
        timed_out=found.timed_out or more.timed_out,
        failed_shards=max(found.failed_shards, more.failed_shards),
        failure=found.failure or more.failure,
    )


@asynccontextmanager
async def _fixed_view(elastic: Elastic, index: str) -> AsyncIterator[str | None]:
    """Give the id of a view of the indices; None where the server has no such thing."""
    params: dict[str, str | int | bool] = {
        "keep_alive": PIT_KEEP_ALIVE,
        "ignore_unavailable": True,
    }
    try:
        reply = (await elastic.request("POST", f"/{_quoted(index)}/_pit", params=params)).json()
    except ErrorReply as error:
        if error.status not in _NO_SUCH_ENDPOINT:
            raise
        reply = None
    pit_id = reply.get("id") if isinstance(reply, dict) else None
    try:
        yield pit_id if isinstance(pit_id, str) else None
    finally:
        if pit_id is not None:
            try:
                await elastic.request("DELETE", "/_pit", orjson.dumps({"id": pit_id}))
            except ElasticError:
                pass  # it expires by itself


def _quoted(index: str) -> str:
    return quote(index, safe="*,")
