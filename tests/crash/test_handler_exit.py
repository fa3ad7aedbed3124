"""How applications end, and what becomes of their records: delivered, or spooled and said."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.application import FussyFake, at_most, envelopes, run, start
from tests.support.wait import wait_until


@pytest.fixture
def server() -> Iterator[FussyFake]:
    with FussyFake() as fake:
        yield fake


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


LOG_MANY = """
slowest = 0.0
for number in range(500):
    began = time.perf_counter()
    log.info("record %d", number, extra={"number": number})
    slowest = max(slowest, time.perf_counter() - began)
say("slowest", slowest)
say("constructor", constructor_seconds)
"""


def messages(count: int) -> Counter[str]:
    return Counter(f"record {number}" for number in range(count))


@pytest.mark.parametrize("swallows", [False, True])
def test_a_server_that_never_answers(server: FussyFake, spool: Path, swallows: bool) -> None:
    """Nothing blocks, the rest is spooled in time, and a later start stores it exactly once.

    Also when the server had applied the last request before it hung.
    """
    server.swallows = swallows
    server.fault = "" if swallows else "hang"
    wait = "sys.stdin.readline()\n" if swallows else ""
    script = LOG_MANY + wait + "finish()\n"
    with start(script, server.url, spool_dir=str(spool), exit_deadline="1s") as application:
        if swallows:
            wait_until(lambda: len(server.documents) == 500, lambda: str(len(server.documents)))
            application.go_on()
        ended = application.end()
    assert ended.status == 0
    assert "0 records delivered, 500 spooled" in ended.err
    assert ended.exit_seconds <= at_most(1.5)
    assert ended.said["constructor"] <= at_most(0.05)
    assert ended.said["slowest"] <= at_most(0.005)
    waiting = envelopes(spool)
    assert Counter(envelope["doc"]["message"] for envelope in waiting) == messages(500)
    server.stop()
    server.swallows, server.fault = False, ""
    server.start()
    later = run('log.info("later")\nfinish()\n', server.url, spool_dir=str(spool))
    assert (later.status, later.err) == (0, "")
    assert server.found() == messages(500) + Counter(["later"])
    assert {(e["index"], e["id"]) for e in waiting} < server.documents.keys()
    assert envelopes(spool) == []
    print(
        f"constructor {ended.said['constructor'] * 1e3:.1f} ms, slowest log() "
        f"{ended.said['slowest'] * 1e3:.1f} ms, over {ended.exit_seconds:.2f} s"
    )


@pytest.mark.parametrize(
    "ending",
    [
        "sys.exit(0)",
        "raise ValueError('nobody catches this')",
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); os.kill(os.getpid(), 15)",
        "logging.shutdown(); os._exit(0)",
        "handler.flush(20); os._exit(0)",
        "log.removeHandler(handler); del handler",
    ],
)
def test_ways_to_end(server: FussyFake, ending: str) -> None:
    """However an application ends on its own accord, its records are delivered."""
    ended = run(f"{LOG_MANY}finish()\n{ending}\n", server.url, exit_deadline="20s")
    assert ended.status == ("ValueError" in ending)
    assert server.found() == messages(500)
    assert "logship" not in ended.err


def test_records_of_exit_handlers(server: FussyFake) -> None:
    """What is logged in atexit functions is delivered, whether they run before ours or after."""
    script = """
import atexit
atexit.register(lambda: log.info("registered last, runs first"))
log.info("ordinary")
finish()
"""
    before = """
import atexit, logging
atexit.register(lambda: logging.getLogger("app").info("runs last"))
"""
    ended = run(script, server.url, exit_deadline="20s", before=before)
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == Counter(["registered last, runs first", "ordinary", "runs last"])


def test_the_first_record_comes_when_no_thread_can_be_started(server: FussyFake) -> None:
    """Where the interpreter allows no new thread any more, the exiting one ships."""
    script = """
import atexit
def last():
    def refuse(self):
        raise RuntimeError("can't create new thread at interpreter shutdown")
    threading.Thread.start = refuse
    log.info("the only one")
atexit.register(last)
finish()
"""
    ended = run(script, server.url, exit_deadline="20s")
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == Counter(["the only one"])


def test_other_threads_log_while_the_interpreter_ends(server: FussyFake) -> None:
    """Daemon threads that never stop logging keep nobody from exiting, and lose nothing before."""
    script = """
def write(name):
    number = 0
    while True:
        log.info("%s %d", name, number)
        number += 1
        time.sleep(0.001)
for name in ("a", "b"):
    threading.Thread(target=write, args=(name,), daemon=True).start()
time.sleep(0.3)
for number in range(500):
    log.info("record %d", number)
finish()
"""
    ended = run(script, server.url, exit_deadline="10s")
    assert ended.status == 0
    assert "Traceback" not in ended.err
    assert ended.exit_seconds < 9
    found = server.found()
    assert messages(500) <= found
    for name in ("a", "b"):
        numbers = sorted(int(m.split()[1]) for m in found if m.startswith(f"{name} "))
        assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize("ending", ["", "say('flushed', handler.flush(20)); os._exit(0)"])
def test_the_end_comes_while_another_thread_starts_ours(server: FussyFake, ending: str) -> None:
    """A record whose thread is just being started by someone else is waited for."""
    script = """
start, is_starting = threading.Thread.start, threading.Event()
def start_slowly(thread):
    if thread.name == "logship-handler":
        is_starting.set()
        time.sleep(0.5)  # what a slow start of a thread is here
    start(thread)
threading.Thread.start = start_slowly
threading.Thread(target=log.info, args=("first",), daemon=True).start()
is_starting.wait()
log.info("second")
finish()
"""
    ended = run(script + ending, server.url, exit_deadline="10s")
    assert ended.said.get("flushed", True)
    assert server.found() == Counter(["first", "second"]), ended.err


@pytest.mark.parametrize("others", ["", "busy"])
def test_finalisers_at_the_very_end(server: FussyFake, others: str) -> None:
    """What a ``__del__`` logs when no thread can be started any more delays no end, and is said.

    Also while a daemon thread was stopped in the middle of a record of its own.
    """
    script = """
class Left:
    def __del__(self, log=log):
        log.info("too late")
def write():
    while True:
        log.debug("busy")
        time.sleep(0.0001)
if "OTHERS":
    threading.Thread(target=write, daemon=True).start()
import types
sys.modules["kept"] = types.ModuleType("kept")
sys.modules["kept"].kept = [Left() for _ in range(100)]
log.info("in time")
finish()
"""
    options = {"exit_deadline": "2s", "overflow": "drop_low_levels"}
    ended = run(script.replace("OTHERS", others), server.url, **options)
    assert ended.status == 0
    assert ended.exit_seconds <= at_most(3)
    assert ended.err.count("what is logged while Python itself ends") == 1
    found = server.found()
    assert (found["in time"], found["too late"]) == (1, 0)


def test_an_absent_server_is_said_once(server: FussyFake) -> None:
    """Without a spool the end says in one line what was lost; with one, what was spooled."""
    server.stop()
    ended = run(LOG_MANY + "finish()\n", server.url, exit_deadline="700ms")
    lines = ended.err.splitlines()
    assert lines[-1].startswith("logship: 0 records delivered, 0 spooled, 500 lost.")
    assert ended.exit_seconds <= at_most(2)
    assert len(lines) <= 2  # while it ran, that the server cannot be reached


def test_several_handlers_share_one_deadline(server: FussyFake, spool: Path) -> None:
    """Six handlers and a server that hangs: the end takes one deadline, not six."""
    server.fault = "hang"
    script = f"""
for number in range(5):
    other = LogshipHandler(hosts={server.url!r}, spool_dir={str(spool)!r}, exit_deadline="800ms")
    log.addHandler(other)
log.info("one for each")
finish()
"""
    ended = run(script, server.url, spool_dir=str(spool), exit_deadline="800ms")
    assert ended.exit_seconds < 3.5
    assert [envelope["doc"]["message"] for envelope in envelopes(spool)] == ["one for each"] * 6


SAYING_WHEN_AT_EXIT = """
import atexit
atexit.register(say, "ending", True)  # runs first, just before the waiting
"""


def test_an_interrupt_ends_the_waiting(server: FussyFake, spool: Path) -> None:
    """Ctrl-C while the end waits for a server that hangs: spooled and said at once."""
    server.fault = "hang"
    with start(
        SAYING_WHEN_AT_EXIT + LOG_MANY, server.url, spool_dir=str(spool), exit_deadline="60s"
    ) as application:
        wait_until(lambda: server.arrived, "no request arrived")
        application.wait_for("ending")
        application.process.send_signal(signal.SIGINT)
        ended = application.end(20)
    assert "500 spooled" in ended.err
    assert "Traceback" not in ended.err
    assert len(envelopes(spool)) == 500


def test_two_later_starts_at_once(server: FussyFake, spool: Path) -> None:
    """Processes that share a spool ship each file once, and take none from one that still runs."""
    server.stop()
    for _ in range(2):
        run(LOG_MANY + "finish()\n", server.url, spool_dir=str(spool), exit_deadline="500ms")
    assert len(envelopes(spool)) == 1000
    server.start()
    script = 'log.info("later")\nfinish()\n'
    with (
        start(script, server.url, spool_dir=str(spool), exit_deadline="20s") as one,
        start(script, server.url, spool_dir=str(spool), exit_deadline="20s") as other,
    ):
        assert (one.end().err, other.end().err) == ("", "")
    assert sum(server.found().values()) == 1002
    assert max(server.copies.values()) == 1
    assert list(spool.glob("*.ndjson")) == []


OUTAGE = """
log.info("before")
assert handler.flush(30)
say("started", True)
sys.stdin.readline()
for number in range(3000):
    log.info("record %d", number)
    if number % 50 == 0:
        time.sleep(0.02)
say("stats", [handler.stats().spooled, handler.stats().dropped])
sys.stdin.readline()
wait_until(lambda: handler.stats().delivered == 3001)
finish()
"""


def test_a_full_queue_goes_to_the_spool_and_comes_back(server: FussyFake, spool: Path) -> None:
    """Overflow "spool": an outage longer than the queue is deep drops nothing."""
    options = {"overflow": "spool", "spool_dir": str(spool), "max_records": 1000}
    with start(OUTAGE, server.url, **options) as application:
        application.wait_for("started")
        server.stop()
        application.go_on()
        spooled, dropped = application.wait_for("stats")
        assert spooled >= 1000
        assert dropped == {}
        server.start()
        application.go_on()
        ended = application.end()
    assert ended.status == 0, ended.err
    assert server.found() == messages(3000) + Counter(["before"])
    assert list(spool.glob("*.ndjson")) == []


BURST = """
log.info("before")
assert handler.flush(30)
say("started", True)
sys.stdin.readline()
def burst(first):
    for number in range(first, first + 1500):
        log.info("record %d", number)
threads = [threading.Thread(target=burst, args=(first,)) for first in range(0, 6000, 1500)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
say("dropped", handler.stats().dropped)
sys.stdin.readline()
wait_until(lambda: handler.stats().delivered == 6001)
finish()
"""


def test_a_burst_goes_to_the_spool(server: FussyFake, spool: Path) -> None:
    """Overflow "spool": threads that log as fast as they can drop nothing, and all comes back."""
    options = {"overflow": "spool", "spool_dir": str(spool), "max_records": 1000}
    with start(BURST, server.url, **options) as application:
        application.wait_for("started")
        server.stop()
        application.go_on()
        assert application.wait_for("dropped") == {}
        server.start()
        application.go_on()
        ended = application.end()
    assert ended.status == 0, ended.err
    assert server.found() == messages(6000) + Counter(["before"])


def test_what_a_killed_process_had_spooled_is_shipped(server: FussyFake, spool: Path) -> None:
    """SIGKILL lets go of the lock, and nothing else does: the next start ships what was there."""
    options = {"overflow": "spool", "spool_dir": str(spool), "max_records": 1000}
    with FussyFake() as gone, start(OUTAGE, gone.url, **options) as application:
        application.wait_for("started")
        gone.stop()
        application.go_on()
        spooled, _ = application.wait_for("stats")
        other = run('log.info("other")\nfinish()\n', server.url, spool_dir=str(spool))
        assert (other.err, server.found()) == ("", Counter(["other"]))
        application.process.send_signal(signal.SIGKILL)
        application.end()
    ended = run('log.info("later")\nfinish()\n', server.url, spool_dir=str(spool))
    assert (ended.status, ended.err) == (0, "")
    assert sum(server.found().values()) >= spooled + 2
    assert list(spool.glob("*.ndjson")) == []


def test_a_line_cut_short_costs_only_itself(server: FussyFake, spool: Path) -> None:
    """A torn envelope is said and kept aside; the others of its file are shipped."""
    server.stop()
    run(LOG_MANY + "finish()\n", server.url, spool_dir=str(spool), exit_deadline="500ms")
    (file,) = spool.glob("*.ndjson")
    file.write_bytes(file.read_bytes()[:-30])
    server.start()
    ended = run('log.info("later")\nfinish()\n', server.url, spool_dir=str(spool))
    assert server.found() == messages(499) + Counter(["later"])
    assert f"{file}:500: no envelope" in ended.err
    (kept,) = spool.iterdir()
    assert kept == file.with_suffix(".unreadable")
    assert kept.read_bytes().count(b"\n") == 0


def test_a_spool_has_bounds(server: FussyFake, spool: Path) -> None:
    """What the folder has no room for is lost, and said to be."""
    server.stop()
    ended = run(
        LOG_MANY + "finish()\n",
        server.url,
        spool_dir=str(spool),
        spool_max_bytes="20KiB",
        exit_deadline="500ms",
    )
    kept = len(envelopes(spool))
    assert 0 < kept < 500
    assert sum(path.stat().st_size for path in spool.glob("*.ndjson")) <= 20 << 10
    assert f"{kept} spooled to {spool}, {500 - kept} lost" in ended.err
    assert "is full" in ended.err


def test_a_spool_that_cannot_be_made_is_said(server: FussyFake, tmp_path: Path) -> None:
    """A wrong folder costs the records only when they cannot be delivered, and is said."""
    (tmp_path / "file").write_text("")
    spool = str(tmp_path / "file" / "spool")
    fine = run(LOG_MANY + "finish()\n", server.url, spool_dir=spool, exit_deadline="10s")
    assert server.found() == messages(500)
    assert "spool_dir" in fine.err
    server.stop()
    ended = run(LOG_MANY + "finish()\n", server.url, spool_dir=spool, exit_deadline="500ms")
    assert "500 lost" in ended.err


def test_a_pause_is_cut_short_at_the_end(server: FussyFake) -> None:
    """A server that is back just before the end gets everything, however long the pause was."""
    server.fault, server.retry_after = "503", "600"
    script = LOG_MANY + "sys.stdin.readline()\nfinish()\n"
    with start(script, server.url, exit_deadline="20s") as application:
        application.wait_for("constructor")
        wait_until(lambda: server.bulks, "no request arrived")
        server.fault = ""
        application.go_on()
        ended = application.end()
    assert ended.status == 0
    assert server.found() == messages(500)
    assert ended.exit_seconds <= at_most(1.0)


class Closed(FussyFake):
    """One of its indices is closed."""

    is_closed = True

    def _store(self, lines: list[bytes], fault: str) -> list[bytes]:
        items = []
        for action, source in zip(lines[0:-1:2], lines[1::2], strict=True):
            if self.is_closed and b'"all-closed' in action:
                items.append(INDEX_CLOSED)
            else:
                items += super()._store([action, source, b""], fault)
        return items


INDEX_CLOSED = (
    b'{"create":{"status":400,"error":{"type":"index_closed_exception","reason":"closed"}}}'
)


def test_a_closed_index_keeps_no_other_back(spool: Path) -> None:
    """Its records wait, and are spooled at the end; those of other indices are delivered."""
    script = """
for number in range(200):
    kind = "closed" if number % 2 else "open"
    log.info("record %d", number, extra={"kind": kind})
wait_until(lambda: handler.stats().delivered == 100)
finish()
"""
    log_later = 'log.info("x", extra={"kind": "later"})\nfinish()\n'
    options = {"index": "all-{kind}-%Y", "extra_field": None, "spool_dir": str(spool)}
    with Closed() as server:
        ended = run(script, server.url, exit_deadline="1s", **options)
        assert ended.status == 0
        assert server.found("kind") == {"open": 100}
        assert "100 records delivered, 100 spooled" in ended.err
        server.is_closed = False
        later = run(log_later, server.url, exit_deadline="30s", **options)
        assert (later.status, later.err) == (0, "")
        assert server.found("kind") == {"open": 100, "closed": 100, "later": 1}
    assert envelopes(spool) == []
