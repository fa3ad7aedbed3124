"""The handler as configurations make it, and as neighbours in one process meet it."""

from __future__ import annotations

import ssl
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.application import FussyFake, run, start
from tests.support.certificates import Authority, has_openssl


@pytest.fixture
def server() -> Iterator[FussyFake]:
    with FussyFake() as fake:
        yield fake


DICT = """
import logging.config
handler.close()
log.removeHandler(handler)
URL = json.loads(sys.argv[1])["hosts"]

def configure(**more):
    logging.config.dictConfig({
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"ship": {"class": "logship.LogshipHandler", "level": "INFO", "hosts": URL,
                              "service": "shop", "exit_deadline": "20s", **more}},
        "root": {"level": "DEBUG", "handlers": ["ship"]},
    })

def threads():
    return [t for t in threading.enumerate() if t.name == "logship-handler"]
"""


def test_configured_again_and_again(server: FussyFake) -> None:
    """dictConfig with records pending, ten times: none is lost, no thread stays, nobody waits."""
    script = """
slowest = 0.0
for number in range(10):
    began = time.perf_counter()
    configure()
    slowest = max(slowest, time.perf_counter() - began)
    log.info("record %d", number)
    log.debug("below the handler's level")
say("slowest", slowest)
wait_until(lambda: len(threads()) <= 1)
finish()
"""
    ended = run(DICT + script, server.url)
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == Counter(f"record {number}" for number in range(10))
    assert ended.said["slowest"] < 2.0


def test_configured_again_while_the_server_is_away(server: FussyFake) -> None:
    """What the old handler could not deliver in its time, the new one takes over."""
    server.stop()
    script = """
configure(exit_deadline="200ms")
log.info("old")
configure(exit_deadline="20s")
log.info("new")
wait_until(lambda: len(threads()) == 1)
say("waits", logging.getLogger().handlers[0].stats().waiting)
sys.stdin.readline()
finish()
"""
    with start(DICT + script, server.url) as application:
        assert application.wait_for("waits") == 2
        server.start()
        application.go_on()
        ended = application.end()
    assert ended.status == 0
    assert server.found() == Counter(["old", "new"])


EVERY_ARGUMENT = """
import inspect, logging.config
handler.close()
log.removeHandler(handler)
given = json.loads(sys.argv[1])
assert given.keys() == inspect.signature(LogshipHandler).parameters.keys()
logging.config.dictConfig({
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"ship": {"class": "logship.LogshipHandler", **given}},
    "root": {"level": "DEBUG", "handlers": ["ship"]},
})
ship = logging.getLogger().handlers[0]
logging.log(logship.HTTP, "a request", extra={"order": 1})
logging.debug("below the handler's level")
assert ship.flush(20)
finish()
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if not has_openssl():
        pytest.skip("needs openssl to make certificates")
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.mark.parametrize("trusts", [True, False])
def test_every_argument_from_dict_config(
    authority: Authority, tmp_path: Path, trusts: bool
) -> None:
    """All of them at once, over TLS: by a certificate of its own authority, or unchecked."""
    pair = authority.sign(f"server-{trusts}")
    server = FussyFake()
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(pair.certificate, pair.key)
    with server:
        ended = run(
            EVERY_ARGUMENT,
            server.url,
            service="shop",
            environment="test",
            index="all-{service}-%Y.%m",
            api_key="id:key",
            username=None,
            password=None,
            max_bytes="4MiB",
            max_records=1000,
            overflow="block",
            batch_age="20ms",
            exit_deadline=20,
            extra_field=None,
            template=False,
            level="HTTP",
            spool_dir=str(tmp_path / "spool"),
            spool_max_bytes="1MiB",
            max_block="200ms",
            ca_certs=str(authority.certificate) if trusts else None,
            verify=trusts,
        )
    assert (ended.status, ended.err) == (0, "")
    (((index, _), document),) = server.documents.items()
    assert index == f"all-shop-{document['@timestamp'][:7].replace('-', '.')}"
    named = {name: document[name] for name in ("message", "level", "environment", "order")}
    expected = {"message": "a request", "level": "HTTP", "environment": "test", "order": 1}
    assert named == expected


def test_a_certificate_that_is_not_trusted(authority: Authority) -> None:
    """Nothing is sent; what is wrong is said, with what to do."""
    pair = authority.sign("untrusted")
    server = FussyFake()
    server.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.tls.load_cert_chain(pair.certificate, pair.key)
    with server:
        ended = run("log.info('one')\nfinish()\n", server.url, exit_deadline="3s")
    assert server.documents == {}
    assert "certificate" in ended.err
    assert "1 lost" in ended.err


def test_file_config(server: FussyFake, tmp_path: Path) -> None:
    """fileConfig makes it too."""
    file = tmp_path / "logging.ini"
    file.write_text(
        f"""
[loggers]
keys = root
[handlers]
keys = ship
[formatters]
keys =
[logger_root]
level = INFO
handlers = ship
[handler_ship]
class = logship.LogshipHandler
kwargs = {{"hosts": "{server.url}", "service": "shop", "exit_deadline": "20s"}}
"""
    )
    script = f"""
import logging.config
for _ in range(3):
    logging.config.fileConfig({str(file)!r})
    logging.info("from the file's handler")
finish()
"""
    ended = run(script, server.url)
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == {"from the file's handler": 3}
    assert {doc["service"] for doc in server.documents.values()} == {"shop"}


def test_a_logger_keeps_a_handler_that_was_closed(server: FussyFake) -> None:
    """A record that comes after close begins anew: it is delivered, too."""
    script = """
log.info("before")
handler.close()
log.info("after")
finish()
"""
    ended = run(script, server.url, exit_deadline="20s")
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == Counter(["before", "after"])


def test_a_handler_that_was_forgotten(server: FussyFake) -> None:
    """Nobody refers to the handler any more: what it was given is delivered."""
    script = """
log.info("remembered")
log.removeHandler(handler)
del handler
gc.collect()
finish()
"""
    ended = run(script, server.url, exit_deadline="20s")
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == Counter(["remembered"])


def test_finalisers_and_signal_handlers_that_log(server: FussyFake) -> None:
    """A __del__ or a signal handler that logs inside of a logging call deadlocks nothing."""
    script = """
class Talker:
    def __del__(self):
        log.info("deleted")
def make():
    talker = Talker()
    talker.me = talker
def on_alarm(*_):
    global alarms
    alarms += 1
    log.info("alarm")
alarms = 0
gc.set_threshold(5)
signal.signal(signal.SIGALRM, on_alarm)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for number in range(3000):
    make()
    log.info("record %d", number, extra={"some": [{}, {}, {}]})
signal.setitimer(signal.ITIMER_REAL, 0)
gc.set_threshold(700, 10, 10)
gc.collect()
say("alarms", alarms)
finish()
"""
    ended = run(script, server.url, exit_deadline="20s")
    assert ended.status == 0, ended.err
    found = server.found()
    assert found.pop("deleted") == 3000
    assert found.pop("alarm") == ended.said["alarms"] > 0
    assert found == Counter(f"record {number}" for number in range(3000))


def test_drops_are_reported_as_one_document(server: FussyFake) -> None:
    """What gave way while the server was away is one document when it is back, by level."""
    server.stop()
    script = """
for number in range(300):
    log.log(10 * (1 + number % 3), "record %d", number)
say("stats", [handler.stats().dropped, handler.stats().dropped_levels])
sys.stdin.readline()
wait_until(lambda: handler.stats().waiting == 0)
log.info("after")
handler.flush(20)
finish()
"""
    options = {"max_records": 100, "overflow": "drop_low_levels", "exit_deadline": "20s"}
    with start(script, server.url, **options) as application:
        dropped, levels = application.wait_for("stats")
        assert dropped == {"queue_full": 200}
        assert levels == {"INFO": 100, "DEBUG": 100}
        server.start()
        application.go_on()
        ended = application.end()
    assert ended.status == 0, ended.err
    (report,) = [doc for doc in server.documents.values() if doc["logger"] == "logship"]
    assert report["level"] == "WARNING"
    assert report["extra"]["dropped_records"] == 200
    assert report["extra"]["dropped_by_level"] == {"INFO": 100, "DEBUG": 100}
    kept = [doc for doc in server.documents.values() if doc["logger"] == "app"]
    assert Counter(doc["level"] for doc in kept) == {"WARNING": 100, "INFO": 1}


def test_blocking_is_bounded(server: FussyFake) -> None:
    """Overflow "block": a full queue makes callers wait, and lets them go in time."""
    server.stop()
    script = """
for number in range(10):
    log.info("record %d", number)
began = time.monotonic()
log.info("one too many")
say("waited", time.monotonic() - began)
say("dropped", handler.stats().dropped)
sys.stdin.readline()
log.info("after")
finish()
"""
    options = {"max_records": 10, "overflow": "block", "max_block": "300ms"}
    with start(script, server.url, exit_deadline="20s", **options) as application:
        waited = application.wait_for("waited")
        assert 0.29 <= waited < 3
        assert application.wait_for("dropped") == {"queue_full": 1}
        server.start()
        application.go_on()
        ended = application.end()
    assert ended.status == 0, ended.err


def test_imports_stay_light(server: FussyFake) -> None:
    """Making a handler loads neither the HTTP client nor asyncio, and contacts nobody."""
    script = """
say("heavy", [name for name in ("aiohttp", "elastic_transport", "yaml", "asyncio")
              if name in sys.modules])
finish()
"""
    ended = run(script, server.url)
    assert ended.said["heavy"] == []
    assert server.requests == []
