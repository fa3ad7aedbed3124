"""The search client and command over HTTP, against a server that plays prepared replies."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web

from logship.errors import BadReply, ConnectionFailed, ErrorReply
from logship.search import AsyncLogSearch, LogSearch, SearchResult

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
START_MS = 1_795_257_000_000


class FakeServer:
    """Holds records, newest first, and answers ``_search`` from them whatever the query asks.

    Of the query only ``search_after`` and a limit on the time are honoured: what paging needs.
    """

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.requests: list[tuple[str, str, Any]] = []
        self.has_pit = True
        self.open_pits: set[str] = set()
        self.answer: web.Response | dict[str, Any] | None = None
        self.hangs = False
        self.released = asyncio.Event()
        self.url = ""

    def add(self, count: int, *, per_millisecond: int = 1, **fields: Any) -> None:
        """Add *count* records, each later than the one before or in the same millisecond."""
        for number in range(len(self.records), len(self.records) + count):
            moment = START_MS + number // per_millisecond
            source = {"@timestamp": moment, "message": f"message {number}", **fields}
            self.records.insert(0, {"_index": "logs-1", "_id": str(number), "_source": source})

    async def respond(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read() or b"null")
        self.requests.append((request.method, request.path_qs, body))
        if self.hangs:
            await self.released.wait()
        if isinstance(self.answer, web.Response):
            return self.answer
        if request.path.endswith("/_pit"):
            return self._pit(request, body)
        return web.json_response({**self._search(body), **(self.answer or {})})

    def _pit(self, request: web.Request, body: Any) -> web.Response:
        if not self.has_pit:
            return web.json_response({"error": "no handler found"}, status=400)
        if request.method == "DELETE":
            self.open_pits.remove(body["id"])
            return web.json_response({"succeeded": True})
        self.open_pits.add("view-1")
        return web.json_response({"id": "view-1"})

    def _search(self, body: dict[str, Any]) -> dict[str, Any]:
        ordered = [(self._sort(number), one) for number, one in enumerate(self.records)]
        if "search_after" in body:
            assert "pit" in body, "without a fixed view search_after can skip records"
            ordered = [one for one in ordered if one[0][2] > body["search_after"][2]]
        for clause in body["query"].get("bool", {}).get("filter", []):
            newest = clause.get("range", {}).get("@timestamp", {}).get("lte")
            if newest is not None:
                ordered = [one for one in ordered if one[0][0] <= newest]
        hits = [{**one, "sort": sort} for sort, one in ordered[: body["size"]]]
        return {
            "took": 1,
            "timed_out": False,
            "_shards": {"total": 2, "successful": 2, "failed": 0},
            "hits": {"total": {"value": len(self.records), "relation": "eq"}, "hits": hits},
            **({"pit_id": "view-1"} if "pit" in body else {}),
        }

    def _sort(self, number: int) -> list[int]:
        return [self.records[number]["_source"]["@timestamp"], 0, number]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A running fake on a thread of its own."""
    fake = FakeServer()
    with running(fake):
        yield fake


@contextmanager
def running(fake: FakeServer) -> Iterator[None]:
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(_application(fake), shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        fake.url = f"http://{host}:{port}"

    async def stop() -> None:
        await runner.cleanup()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(fake.released.set)
        asyncio.run_coroutine_threadsafe(stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _application(fake: FakeServer) -> web.Application:
    application = web.Application(client_max_size=1 << 24)
    application.router.add_route("*", "/{path:.*}", fake.respond)
    return application


def search(server: FakeServer, *arguments: Any, **options: Any) -> SearchResult:
    with LogSearch(server.url, now=lambda: NOW) as client:
        return client.search(*arguments, **options)


def numbers(result: SearchResult) -> list[int]:
    return [int(record.id) for record in result.records]


def test_search(server: FakeServer) -> None:
    """The newest records come back oldest first, with where they are stored."""
    server.add(5, level="INFO")
    result = search(server, "message", limit=3)
    assert numbers(result) == [2, 3, 4]
    assert result.records[0] == {
        "@timestamp": START_MS + 2,
        "message": "message 2",
        "level": "INFO",
    }
    assert result.records[0].index == "logs-1"
    assert (result.total, result.total_is_exact, result.is_partial) == (5, True, False)
    ((method, path, body),) = server.requests
    assert (method, path) == ("POST", "/logs-*/_search?ignore_unavailable=true")
    assert body["size"] == 3
    assert body["query"]["bool"]["filter"][1]["range"]["@timestamp"]["gte"] == (
        "2026-11-21T11:45:00.000Z"
    )


def test_newest_first(server: FakeServer) -> None:
    """Asked for, the order is the other way round."""
    server.add(3)
    assert numbers(search(server, reverse=True)) == [2, 1, 0]


def test_index_names_are_encoded(server: FakeServer) -> None:
    """What cannot stand in a path does not change the request."""
    with LogSearch(server.url, index="a-*,b?c/../d", now=lambda: NOW) as client:
        client.search()
    assert server.requests[0][1].startswith("/a-*,b%3Fc%2F..%2Fd/_search")


@pytest.mark.parametrize("has_pit", [True, False])
@pytest.mark.parametrize(
    ("stored", "limit", "expected"),
    [(25_000, None, 25_000), (25_000, 15_000, 15_000), (20_000, None, 20_000), (12, None, 12)],
)
def test_more_than_a_page(
    server: FakeServer, has_pit: bool, stored: int, limit: int | None, expected: int
) -> None:
    """Every record comes once, however many there are, and the server's view is given back."""
    server.has_pit = has_pit
    server.add(stored, per_millisecond=7)
    result = search(server, limit=limit)
    assert numbers(result) == list(range(stored - expected, stored))
    assert not server.open_pits


def test_the_view_is_closed_after_a_failure(server: FakeServer) -> None:
    """Also when a page fails, the server does not keep its view."""
    server.records = [{"_id": "1"}]  # a hit without _index or time
    with pytest.raises((BadReply, ErrorReply)):
        search(server, limit=None)
    assert [method for method, path, _ in server.requests] == ["POST", "POST", "DELETE"]
    assert not server.open_pits


def test_partial_results_are_said(server: FakeServer) -> None:
    """Failed shards and a server out of time are part of the result."""
    server.add(1)
    reason = {"type": "x", "reason": "disk on fire"}
    server.answer = {
        "timed_out": True,
        "_shards": {"total": 3, "failed": 1, "failures": [{"reason": reason}]},
    }
    result = search(server)
    assert result.is_partial
    assert (result.timed_out, result.failed_shards, result.failure) == (True, 1, "disk on fire")


@pytest.mark.parametrize(
    "text",
    [
        "<html>",
        "[]",
        "null",
        '{"hits": 5}',
        '{"hits": {"hits": [{}]}}',
        '{"hits": {"hits": [null]}}',
    ],
)
def test_replies_of_something_else(server: FakeServer, text: str) -> None:
    """What is no reply to a search is said to be none."""
    server.answer = web.Response(text=text, content_type="application/json")
    with pytest.raises(BadReply):
        search(server)


def test_refusals(server: FakeServer) -> None:
    """A refusal carries the status and the reason."""
    error = {"type": "security_exception", "reason": "missing authentication"}
    server.answer = web.json_response({"error": error, "status": 401}, status=401)
    with pytest.raises(ErrorReply, match="missing authentication") as caught:
        search(server)
    assert caught.value.status == 401


def test_async_twin(server: FakeServer) -> None:
    """The async client finds the same."""
    server.add(3)

    async def find() -> SearchResult:
        async with AsyncLogSearch(server.url, now=lambda: NOW) as client:
            return await client.search(limit=2)

    assert numbers(asyncio.run(find())) == [1, 2]


def test_inside_a_running_loop(server: FakeServer) -> None:
    """The sync client works in a notebook, where a loop is already running."""
    server.add(1)

    async def notebook() -> SearchResult:
        return search(server)

    assert numbers(asyncio.run(notebook())) == [0]


def test_shared_between_threads(server: FakeServer) -> None:
    """One client serves several threads."""
    server.add(3)
    found: list[list[int]] = []
    with LogSearch(server.url, now=lambda: NOW) as client:
        threads = [
            threading.Thread(target=lambda: found.append(numbers(client.search())))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert found == [[0, 1, 2]] * 4


def test_closed() -> None:
    """A closed client says so; closing twice is fine."""
    client = LogSearch("http://127.0.0.1:1")
    client.close()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.search()


def test_no_server() -> None:
    """Where nothing listens, the error is one of connection."""
    with LogSearch("http://127.0.0.1:1") as client, pytest.raises(ConnectionFailed):
        client.search()


# The command, as a process of its own.


def command(
    *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "logship.cli.main", "search", *arguments],
        capture_output=True,
        text=True,
        env=process_environment(environment or {}),
        timeout=30,
        check=False,
    )


def process_environment(extra: dict[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("LOGSHIP_")}
    return {**kept, "TZ": "UTC", **extra}


def test_command_prints_what_it_finds(server: FakeServer) -> None:
    """Records go to standard output, oldest first; the resolved range to standard error."""
    server.add(3, level="INFO", service="api", trace_id="ab" * 16)
    done = command("--url", server.url, "-n", "2", "hello", "world")
    assert done.returncode == 0
    assert done.stdout.splitlines() == [
        f"2026-11-21 10:30:00.001 INFO  api message 1  trace={'ab' * 16}",
        f"2026-11-21 10:30:00.002 INFO  api message 2  trace={'ab' * 16}",
    ]
    said = done.stderr.splitlines()
    assert said[0].startswith(f"logs-* on {server.url}, 20")
    assert said[0].endswith(" to now (UTC)")
    assert said[1] == "the newest 2 of 3; -n all prints all"
    clauses = server.requests[0][2]["query"]["bool"]["filter"]
    assert clauses[0]["bool"]["filter"][1]["match"]["message"]["query"] == "world"


def test_command_takes_the_connection_from_the_environment(server: FakeServer) -> None:
    """Without flags the environment says where Elasticsearch is and which indices count."""
    server.add(1)
    environment = {"LOGSHIP_ES_URL": server.url, "LOGSHIP_INDEX": "app-%Y.%m.%d"}
    done = command("-q", "-o", "json", "-S", "-2h", environment=environment)
    assert json.loads(done.stdout)["message"] == "message 0"
    assert (done.returncode, done.stderr) == (0, "")
    assert server.requests[0][1].startswith("/app-*/_search")


def test_command_counts(server: FakeServer) -> None:
    """``--count`` prints the exact number."""
    server.add(7)
    done = command("--url", server.url, "--count")
    assert (done.returncode, done.stdout) == (0, "7\n")
    assert server.requests[0][2]["track_total_hits"] is True


def test_command_finds_nothing(server: FakeServer) -> None:
    """Nothing found is status 1, and says what to try."""
    done = command("--url", server.url)
    assert (done.returncode, done.stdout) == (1, "")
    assert "nothing found; -S 24h looks further back" in done.stderr


def test_command_partial(server: FakeServer) -> None:
    """A result that may lack records is status 3, also where nothing else is said."""
    server.add(1)
    server.answer = {"timed_out": True}
    done = command("--url", server.url, "-q", "-o", "short")
    assert done.returncode == 3
    assert done.stdout == "2026-11-21 10:30:00.000 message 0\n"
    assert done.stderr == "logship search: the result is incomplete: the server ran out of time\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["level:"], "logship search: the value of level is missing\n  level:\n        ^\n"),
        (["-S", "soon"], "this is no time"),
        (["-z", "Mars/Olympus"], "there is no such time zone"),
        (["-l", "loud"], "there is no such level"),
        (["-w", "user"], "a condition is written FIELD=VALUE"),
        (["-n", "0"], '"0" is no number of records; write 200 or all'),
        (["--url", "http://127.0.0.1:1"], "--url or LOGSHIP_ES_URL says where it is"),
        (["--url", "http://[broken"], "logship search: "),
        (["--nonsense"], "--nonsense"),
    ],
)
def test_command_mistakes(arguments: list[str], said: str) -> None:
    """A mistake is status 2 and says what to do; nothing goes to standard output."""
    done = command(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_command_refused(server: FakeServer) -> None:
    """A refusal names what is missing."""
    server.answer = web.json_response({"error": {"type": "x", "reason": "who?"}}, status=401)
    done = command("--url", server.url)
    assert done.returncode == 2
    assert "who?" in done.stderr
    assert "LOGSHIP_ES_API_KEY" in done.stderr


def test_command_dry_run() -> None:
    """``--dry-run`` prints the request, sends nothing and shows no secret."""
    done = command("--url", "http://me:secret@127.0.0.1:1", "--api-key", "secret", "--dry-run", "a")
    assert done.returncode == 0
    first, authorization, *body = done.stdout.splitlines()
    assert first == "POST http://***@127.0.0.1:1/logs-*/_search?ignore_unavailable=true"
    assert authorization == "Authorization: ***"
    assert json.loads("\n".join(body))["size"] == 200
    assert "secret" not in done.stdout + done.stderr


def test_command_help_needs_no_http() -> None:
    """``--help`` comes without loading an HTTP client, and shows examples."""
    code = (
        "import sys; from logship.cli.main import main\n"
        "try:\n  main(['search', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'aiohttp', 'orjson', 'elastic_transport'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert "examples:" in done.stdout


def test_command_colors(server: FakeServer) -> None:
    """Colours come when asked for, and never by themselves outside a terminal."""
    server.add(1, level="ERROR")
    assert "\x1b[1;31mERROR" in command("--url", server.url, "--color", "always").stdout
    assert "\x1b" not in command("--url", server.url).stdout


def test_command_interrupted(server: FakeServer) -> None:
    """Ctrl-C ends it with 130, without a traceback."""
    server.hangs = True
    process = subprocess.Popen(
        [sys.executable, "-m", "logship.cli.main", "search", "-q", "--url", server.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment({}),
    )
    deadline = time.monotonic() + 20
    while not server.requests:
        assert time.monotonic() < deadline, "no request came"
        assert process.poll() is None, process.communicate()
        threading.Event().wait(0.01)
    process.send_signal(signal.SIGINT)
    stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (130, b"", b"")


def test_command_reader_goes_away(server: FakeServer) -> None:
    """A reader that has seen enough ends the output quietly."""
    server.add(5000, filler="x" * 200)
    process = subprocess.Popen(
        [sys.executable, "-m", "logship.cli.main", "search", "-q", "-n", "all", "-o", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=process_environment({"LOGSHIP_ES_URL": server.url}),
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        assert b"message 0" in process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.wait(20) == 0
