"""The handler through forks: each process ships its own records, once, and none of another's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.application import FussyFake, run, start
from tests.support.wait import wait_until


@pytest.fixture
def server() -> Iterator[FussyFake]:
    with FussyFake() as fake:
        yield fake


FORK = """
def work(count, name):
    for number in range(count):
        log.info("%s %d", name, number)

def fork(ending):
    child = os.fork()
    if child == 0:
        work(50, "child")
        gc.collect()
        ending()
    return child

def reap(child):
    _, status = os.waitpid(child, 0)
    assert status == 0, status
"""


def expected(**counts: int) -> Counter[str]:
    return Counter(f"{name} {number}" for name, count in counts.items() for number in range(count))


def leave_by_flush() -> str:
    return "lambda: (handler.flush(20), os._exit(0))"


def test_a_child_forked_from_an_idle_parent(server: FussyFake) -> None:
    """Started, settled, forked: 50 of 50 of the child, and the parent goes on as before."""
    script = """
work(100, "parent")
assert handler.flush(20)
reap(fork(sys.exit))
work(10, "later")
finish()
"""
    ended = run(FORK + script, server.url, exit_deadline="20s")
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == expected(parent=100, child=50, later=10)
    assert max(server.copies.values()) == 1
    assert len({doc["process.pid"] for doc in server.documents.values()}) == 2


def test_a_child_forked_at_the_first_record(server: FussyFake) -> None:
    """Forked while the shipping thread is importing, records pending: nothing hangs or is mixed up.

    A module that is half imported when a process forks can never be imported in the child.
    """
    script = """
work(100, "parent")
wait_until(lambda: "elastic_transport" in sys.modules)
child = fork(sys.exit)
work(100, "other")
reap(child)
finish()
"""
    ended = run(FORK + script, server.url, exit_deadline="20s")
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == expected(parent=100, child=50, other=100)
    assert max(server.copies.values()) == 1


@pytest.mark.parametrize("ending", ["sys.exit", leave_by_flush()])
def test_a_child_forked_with_a_request_in_flight(server: FussyFake, ending: str) -> None:
    """A request is on its way, more waits: the child takes neither connection nor records along."""
    server.delay_seconds = 0.25
    script = f"""
work(100, "parent")
sys.stdin.readline()
work(100, "pending")
children = [fork({ending}) for _ in range(3)]
work(100, "other")
for child in children:
    reap(child)
finish()
"""
    with start(FORK + script, server.url, exit_deadline="20s") as application:
        wait_until(lambda: server.arrived, "no request arrived")
        application.go_on()
        ended = application.end()
    assert (ended.status, ended.err) == (0, "")
    wanted = expected(parent=100, pending=100, other=100)
    for number in range(50):
        wanted[f"child {number}"] = 3
    assert server.found() == wanted
    assert max(server.copies.values()) == 1


def test_children_of_children(server: FussyFake) -> None:
    """A grandchild is nobody's double either."""
    script = """
work(10, "parent")
child = os.fork()
if child == 0:
    work(10, "child")
    grandchild = os.fork()
    if grandchild == 0:
        work(10, "grandchild")
        sys.exit()
    reap(grandchild)
    sys.exit()
reap(child)
finish()
"""
    ended = run(FORK + script, server.url, exit_deadline="20s")
    assert (ended.status, ended.err) == (0, "")
    assert server.found() == expected(parent=10, child=10, grandchild=10)


def test_prefork(server: FussyFake) -> None:
    """A master logs, forks workers that log and end on SIGTERM as servers do, and logs on."""
    script = """
work(5, "master")
def serve():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    work(50, "worker")
    os.write(ready, b".")
    while True:
        signal.pause()
gone, ready = os.pipe()
workers = []
for _ in range(3):
    worker = os.fork()
    if worker == 0:
        serve()
    workers.append(worker)
for _ in workers:
    os.read(gone, 1)
for worker in workers:
    os.kill(worker, signal.SIGTERM)
for worker in workers:
    reap(worker)
work(5, "again")
finish()
"""
    ended = run(FORK + script, server.url, exit_deadline="20s")
    assert (ended.status, ended.err) == (0, "")
    wanted = expected(master=5, again=5)
    for number in range(50):
        wanted[f"worker {number}"] = 3
    assert server.found() == wanted


MULTIPROCESSING = """
import multiprocessing, pathlib, tempfile, runpy
module = pathlib.Path(tempfile.mkdtemp()) / "shop.py"
module.write_text('''
import json, logging, logship
log = logging.getLogger("shop")
log.setLevel(logging.DEBUG)
def configure(options):
    if not log.handlers:
        log.addHandler(logship.LogshipHandler(**options))
def work(options):
    configure(options)
    for number in range(50):
        log.info("child %d", number)
''')
sys.path.insert(0, str(module.parent))
import shop
options = json.loads(sys.argv[1])
shop.configure(options)
for number in range(100):
    shop.log.info("parent %d", number)
context = multiprocessing.get_context({way!r})
children = [context.Process(target=shop.work, args=(options,)) for _ in range(2)]
for child in children:
    child.start()
for child in children:
    child.join()
    assert child.exitcode == 0, child.exitcode
finish()
"""


@pytest.mark.parametrize("way", ["fork", "forkserver", "spawn"])
def test_multiprocessing(server: FussyFake, way: str) -> None:
    """Whichever way children are made: 50 of each and the parent's, though they end in os._exit."""
    ended = run(MULTIPROCESSING.format(way=way), server.url, exit_deadline="20s")
    assert (ended.status, ended.err) == (0, "")
    wanted = expected(parent=100)
    for number in range(50):
        wanted[f"child {number}"] = 2
    assert server.found() == wanted
    assert max(server.copies.values()) == 1
