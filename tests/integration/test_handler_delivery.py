"""The handler against a server on loopback, in processes of its own: nothing is lost or doubled.

``LOGSHIP_TEST_LONG=1`` runs the forms that take ten seconds and more.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator

import orjson
import pytest

from tests.support.application import FussyFake, at_most, by_id, run, start

LONG = bool(os.environ.get("LOGSHIP_TEST_LONG"))


@pytest.fixture
def server() -> Iterator[FussyFake]:
    with FussyFake() as fake:
        yield fake


LOG_MANY = """
count = {count}
for number in range(count):
    log.info("record %d", number, extra={{"number": number}})
finish()
"""


def messages(count: int) -> Counter[str]:
    return Counter(f"record {number}" for number in range(count))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_normal_exit_delivers_everything(server: FussyFake, host: str) -> None:
    """2,500 records and a normal exit: all are stored, soon, also where a name must be resolved."""
    ended = run(LOG_MANY.format(count=2500), f"http://{host}:{server.port}")
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == messages(2500)
    assert ended.exit_seconds <= at_most(1.5)
    print(f"{host}: over {ended.exit_seconds:.2f} s after the last record")


@pytest.mark.parametrize("fault", ["throttle", "503", "cut", "garbage"])
def test_two_bad_answers_lose_and_double_nothing(server: FussyFake, fault: str) -> None:
    """Whatever the first two bulk requests meet: 300 of 300, each stored once."""
    server.script.extend((fault, fault))
    ended = run(LOG_MANY.format(count=300), server.url, exit_deadline="30s")
    assert ended.status == 0
    assert server.found() == messages(300)
    assert server.bulks >= 3


def test_a_server_that_comes_up_late_gets_everything() -> None:
    """Refused at start and up later: everything is delivered, and the application never noticed."""
    server = FussyFake()
    try:
        server.start()
        server.stop()
        script = """
slowest = 0.0
for number in range(200):
    began = time.perf_counter()
    log.info("record %d", number)
    slowest = max(slowest, time.perf_counter() - began)
    time.sleep(0.0005)
say("constructor", constructor_seconds)
say("slowest", slowest)
say("waits", handler.stats().waiting)
sys.stdin = None
wait_until(lambda: handler.stats().delivered == 200, 60)
finish()
"""
        with start(script, server.url) as application:
            assert application.wait_for("waits") == 200
            if LONG:
                import time

                time.sleep(10)
            server.start()
            ended = application.end()
        assert ended.status == 0, ended.err
        assert server.found() == messages(200)
    finally:
        server.close()


def test_logging_everything_does_not_feed_on_itself(server: FussyFake) -> None:
    """Root at DEBUG and one record: one document, at most one request more, no logger muted."""
    script = f"""
seen = []
class Seen(logging.Handler):
    def emit(self, record):
        seen.append(record.name)
root = logging.getLogger()
root.setLevel(logging.DEBUG)
log.removeHandler(handler)
root.addHandler(handler)
other = LogshipHandler(hosts={server.url!r}, batch_age="100ms", template=False)
root.addHandler(other)
root.addHandler(Seen())
logging.getLogger("mine").debug("the only one")
wait_until(lambda: handler.stats().delivered and other.stats().delivered)
time.sleep({12 if LONG else 1.2})
say("seen", sorted(set(seen)))
finish()
"""
    ended = run(script, server.url, batch_age="100ms", template=False)
    assert ended.status == 0, ended.err
    # Two handlers, so two documents, and neither ships what the other's thread has to say.
    assert server.found() == {"the only one": 2}
    assert server.requests.count("POST /_bulk") <= 3
    assert {"mine", "elastic_transport.transport"} <= set(ended.said["seen"])


def test_a_poison_record_costs_only_itself(server: FussyFake, tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A record that Elasticsearch refuses is kept as a dead letter; the other 199 are stored."""
    server.poison = b"poison"
    script = """
for number in range(200):
    log.info("poison" if number == 100 else "record %d" % number)
finish()
"""
    ended = run(script, server.url, spool_dir=str(tmp_path / "spool"))
    assert ended.status == 0
    assert sum(server.found().values()) == 199
    (letters,) = (tmp_path / "spool" / "dead-letters").glob("*.ndjson")
    (letter,) = map(orjson.loads, letters.read_bytes().splitlines())
    assert letter["doc"]["message"] == "poison"
    assert letter["type"] == "document_parsing_exception"
    assert "199 records delivered, 0 spooled, 0 lost, 1 rejected" in ended.err


def test_a_refused_record_without_a_folder_is_counted_and_reported(server: FussyFake) -> None:
    """Without a spool_dir the refusal is said on stderr and in one document, not repeated."""
    server.poison = b"poison"
    script = """
log.warning("poison")
log.info("fine")
finish()
"""
    ended = run(script, server.url)
    assert "document_parsing_exception" in ended.err
    reports = [doc for doc in server.documents.values() if doc["logger"] == "logship"]
    assert [doc["extra"]["dropped_by_reason"] for doc in reports] == [{"rejected": 1}]
    assert [doc["extra"]["dropped_by_level"] for doc in reports] == [{"WARNING": 1}]


ODD = """
class Sour:
    def __str__(self):
        raise ValueError("no text")
class Deep(dict):
    pass
own = {}
own["own"] = own
log.info("object", extra={"thing": object(), "own": own})
log.info("keys", extra={"keys": {(1, 2): "tuple", None: "none", 3: "int", "é": "text"}})
log.info("numbers", extra={"numbers": [float("nan"), float("inf"), 2**80, -(2**70)]})
log.info("sour", extra={"sour": Sour()})
log.info("surrogate \\ud800", extra={"bytes": b"\\xff\\x00"})
log.info("wrong %d", "format")
log.info("many %s", "arguments", "too")
log.info(Sour())
log.info("level", extra={"level": "mine", "@timestamp": "mine", "service": "mine"})
log.info("x" * 10_000_000)
deep = []
for _ in range(5000):
    deep = [deep]
log.info("deep", extra={"deep": deep})
try:
    raise KeyError("cause")
except KeyError as cause:
    try:
        raise ValueError("effect") from cause
    except ValueError:
        log.exception("failed")
log.info("last")
finish()
"""


def test_whatever_is_on_a_record_it_is_stored(server: FussyFake) -> None:
    """Objects, odd keys, numbers, cycles, huge messages: each record is stored, none other lost."""
    ended = run(ODD, server.url, service="shop")
    documents = by_id(server)
    assert ended.status == 0
    assert len(documents) == 13, ended.err
    by_message = {doc["message"][:20]: doc for doc in documents}
    assert by_message["object"]["extra"]["own"]["own"] == "…"
    assert by_message["keys"]["extra"]["keys"]["(1, 2)"] == "tuple"
    assert by_message["numbers"]["extra"]["numbers"] == [None, None, str(2**80), str(-(2**70))]
    assert "whose str() raised ValueError" in by_message["sour"]["extra"]["sour"]
    assert "format" in by_message["wrong %d ('format',)"]["message"]
    mine = by_message["level"]
    assert (mine["level"], mine["service"]) == ("INFO", "shop")
    assert mine["extra"] == {"level": "mine", "@timestamp": "mine", "service": "mine"}
    assert len(by_message["x" * 20]["message"]) == 10_000_000
    failed = by_message["failed"]
    assert (failed["error.type"], failed["error.message"]) == ("ValueError", "effect")
    assert "KeyError: 'cause'" in failed["error.stack_trace"]


def test_a_small_queue_is_no_slow_one(server: FussyFake) -> None:
    """Few records may wait in memory, and yet many go in a second: a full queue waits for none."""
    script = """
log.info("record 0")
assert handler.flush(30)
for number in range(1, 3001):
    log.info("record %d", number)
finish()
"""
    options = {"max_records": 400, "overflow": "block", "max_block": "20s", "batch_age": "10s"}
    ended = run(script, server.url, exit_deadline="20s", **options)
    assert ended.err == ""
    assert server.found() == Counter(f"record {number}" for number in range(3001))


def test_a_burst_fits_into_the_default_bounds(server: FussyFake) -> None:
    """20,000 at once, and 50 ms for each bulk request: nothing is lost."""
    server.delay_seconds = 0.05
    script = """
import resource
for number in range(20_000):
    log.info("record %d", number, extra={"number": number, "text": "some text", "ok": True})
say("dropped", handler.stats().dropped)
handler.flush(30)
say("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
finish()
"""
    ended = run(script, server.url, exit_deadline="30s")
    assert (ended.status, ended.err) == (0, "")
    assert ended.said["dropped"] == {}
    assert server.found() == messages(20_000)
    print(f"peak memory {ended.said['peak']} MB")


def test_threads_and_loops_at_once(server: FussyFake) -> None:
    """8 threads and 3 loops log at once: every record once, in order per thread and task."""
    script = f"""
import asyncio
until = time.monotonic() + {10 if LONG else 0.7}
counts = {{}}
def write(name):
    number = 0
    while time.monotonic() < until:
        log.info("%s %d", name, number)
        number += 1
        counts[name] = number
        if number % 20 == 0:
            time.sleep(0.005)
async def tasks(name):
    async def write(name):
        number = 0
        while time.monotonic() < until:
            log.info("%s %d", name, number)
            number += 1
            counts[name] = number
            if number % 20 == 0:
                await asyncio.sleep(0.005)
    await asyncio.gather(*[write(f"{{name}}-task{{i}}") for i in range(3)])
threads = [threading.Thread(target=write, args=(f"thread{{i}}",)) for i in range(8)]
threads += [threading.Thread(target=lambda i=i: asyncio.run(tasks(f"loop{{i}}"))) for i in range(3)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
say("counts", counts)
finish()
"""
    ended = run(script, server.url, exit_deadline="60s", max_records=1_000_000, max_bytes="1GiB")
    assert (ended.status, ended.err) == (0, "")
    found: dict[str, list[int]] = {}
    for document in by_id(server):
        name, number = document["message"].split()
        found.setdefault(name, []).append(int(number))
    assert found == {name: list(range(count)) for name, count in ended.said["counts"].items()}
    assert len(found) == 8 + 9
    names = {document.get("process.task.name") for document in server.documents.values()}
    assert len(names) == 10  # of nine tasks, and none
