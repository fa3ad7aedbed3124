"""SIGKILL at each point on the way of a line: after a restart every line is stored once."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.agent import AgentProcess
from tests.support.elastic_fake import ElasticFake
from tests.support.killing import Scene, read_bytes, waits_for_the_store
from tests.support.wait import wait_until

MANY = 2000  # lines; they fit into one batch
DEADLINE = 60.0  # seconds, on a machine that has much else to do
MakeScene = Callable[..., Scene]


def shows_where_threads_wait() -> bool:
    with subprocess.Popen(["sleep", "10"]) as process:
        try:
            wchan = Path(f"/proc/{process.pid}/wchan")
            wait_until(lambda: "nanosleep" in wchan.read_text(), "-", seconds=5)
        except (OSError, AssertionError):
            return False
        finally:
            process.kill()
        return True


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not shows_where_threads_wait(), reason="/proc does not show what threads wait for"
    ),
]


@pytest.fixture
def make_scene(tmp_path: Path) -> Iterator[MakeScene]:
    with ElasticFake() as fake:
        yield lambda **options: Scene(tmp_path, fake, **options)


def wait_for(process: AgentProcess, holds: Callable[[], object]) -> None:
    wait_until(lambda: holds() or not process.is_running, lambda: process.stderr, seconds=DEADLINE)
    assert process.is_running, process.stderr


def kill_when(process: AgentProcess, holds: Callable[[], object]) -> None:
    wait_for(process, holds)
    process.kill()


def kill_at_the_store(process: AgentProcess) -> None:
    kill_when(process, lambda: waits_for_the_store(process))


def test_after_reading_while_the_batch_waits(make_scene: MakeScene) -> None:
    """What was read and is not sent is read again."""
    scene = make_scene(delivery={"batch_age": "1h"})
    scene.write()
    with scene.agent() as process:
        wait_for(process, lambda: scene.rows("SELECT 1 FROM files"))
        _kill_when_read(scene, process)
    assert not scene.fake.documents
    assert scene.offset() == 0
    scene.exactly_once()


def test_after_reading_while_connections_are_refused(make_scene: MakeScene) -> None:
    """What waits for a server that is away is read again."""
    scene = make_scene()
    scene.write()
    with scene.agent() as process:
        scene.arrive()
        scene.fake.stop()
        _kill_when_read(scene, process)
    scene.fake.start()
    assert len(scene.fake.documents) == 1
    scene.exactly_once()


def _kill_when_read(scene: Scene, process: AgentProcess) -> None:
    begin, size = read_bytes(process), (scene.logs / "app.log").stat().st_size
    scene.write(MANY)
    more = (scene.logs / "app.log").stat().st_size - size
    kill_when(process, lambda: read_bytes(process) >= begin + more)


def test_after_sending_before_the_answer(make_scene: MakeScene) -> None:
    """Whatever became of the request, stored or not, nobody has heard of it."""
    scene = make_scene()
    scene.write()
    for fault in ("", "cut", "hang", "503", "throttle", "garbage"):
        with scene.agent_at_rest() as process:
            before = scene.offset()
            scene.fake.script.append(fault)
            scene.fake.on_bulk = process.process.kill
            scene.write(MANY)
            process.process.wait(DEADLINE)
        scene.fake.on_bulk = None
        assert scene.offset() == before, fault
    scene.exactly_once()


@pytest.mark.parametrize("is_settled", [False, True])
def test_after_the_answer_before_the_save(make_scene: MakeScene, is_settled: bool) -> None:
    """Killed as the answer goes out, or when the next request shows that it was taken in."""
    scene = make_scene(delivery={"batch_records": 100, "max_in_flight": 1})
    scene.write()
    with scene.agent_at_rest() as process:
        before, bulks = scene.offset(), scene.fake.bulks
        with scene.store_locked():  # so that no save can be in time
            if is_settled:
                scene.fake.on_bulk = lambda: _kill_after(scene, process, bulks + 1)
            else:
                scene.fake.on_answered = process.process.kill
            scene.write(MANY)
            process.process.wait(DEADLINE)
    scene.fake.on_bulk = scene.fake.on_answered = None
    assert len(scene.fake.documents) >= 101
    assert scene.offset() == before
    scene.exactly_once()
    assert sum(scene.fake.copies.values()) > scene.written, "nothing was sent again"


def _kill_after(scene: Scene, process: AgentProcess, bulks: int) -> None:
    if scene.fake.bulks > bulks:
        process.process.kill()


def test_in_the_save_that_waits(make_scene: MakeScene) -> None:
    """Everything is delivered, and the transaction that says so has not begun."""
    scene = make_scene()
    scene.write()
    with scene.agent_at_rest() as process:
        before = scene.offset()
        with scene.store_locked():
            scene.write(MANY)
            scene.arrive()
            kill_at_the_store(process)
    assert scene.offset() == before
    scene.exactly_once()
    assert sum(scene.fake.copies.values()) == 1 + 2 * MANY


def test_in_the_save_that_is_written(make_scene: MakeScene, tmp_path: Path) -> None:
    """Killed as soon as a transaction reaches the disk, the store is in order and not behind."""
    scene = make_scene()
    log = tmp_path / "state" / "checkpoints.db-wal"
    confirmed = 0
    for _ in range(3):
        scene.write()
        with scene.agent_at_rest() as process:
            before = log.stat()
            scene.write(MANY)
            kill_when(process, lambda: log.stat() != before)  # noqa: B023
        assert scene.rows("PRAGMA integrity_check") == [("ok",)]
        assert confirmed <= scene.offset() <= (scene.logs / "app.log").stat().st_size
        confirmed = scene.offset()
    scene.exactly_once()


def test_while_a_new_file_is_noted(make_scene: MakeScene) -> None:
    """Nothing of a file is sent before its seed is durable."""
    scene = make_scene()
    scene.write(name="known.log")
    with scene.agent_at_rest("known.log") as process:
        with scene.store_locked():
            scene.write(MANY)
            kill_at_the_store(process)
        assert len(scene.fake.documents) == 1
    assert len(scene.rows("SELECT 1 FROM files")) == 1
    scene.exactly_once()


def test_while_a_split_is_noted(make_scene: MakeScene) -> None:
    """A line that was not split durably was not sent in two: it is stored whole."""
    scene = make_scene(format="text", incomplete_after="100ms")
    log = scene.logs / "app.log"
    log.write_text("first\n")
    with scene.agent() as process:
        wait_for(process, lambda: scene.fake.documents)
        scene.confirmed()
        with scene.store_locked():
            _append(log, "begun and ")
            kill_at_the_store(process)
        assert len(scene.fake.documents) == 1
    assert not scene.rows("SELECT 1 FROM split_marks")
    _append(log, "ended\n")
    scene.exactly_once(["first", "begun and ended"])


@pytest.mark.parametrize("is_stored", [False, True])
def test_after_a_split_was_noted(make_scene: MakeScene, is_stored: bool) -> None:
    """A line that was split durably is split again at the same place, sent before or not."""
    scene = make_scene(format="text", incomplete_after="100ms")
    log = scene.logs / "app.log"
    log.write_text("first\n")
    with scene.agent() as process:
        wait_for(process, lambda: scene.fake.documents)
        scene.confirmed()
        scene.fake.script.append("" if is_stored else "hang")
        scene.fake.on_bulk = process.process.kill
        _append(log, "begun ")
        process.process.wait(DEADLINE)
    scene.fake.on_bulk = None
    assert len(scene.rows("SELECT 1 FROM split_marks")) == 1
    _append(log, "and ended\n")
    scene.exactly_once(["first", "begun ", "and ended"])


def test_while_a_day_is_noted(make_scene: MakeScene, tmp_path: Path) -> None:
    """What was appended over midnight waits for its day's mark, and is stored once."""
    scene = make_scene()
    log, aside = scene.logs / "app.log", tmp_path / "aside.log"
    scene.write()
    scene.write(name="known.log")
    with scene.agent_at_rest() as process:
        before = scene.offset()
        scene.fake.on_answered = process.process.kill
        scene.write(MANY)
        process.process.wait(DEADLINE)
    scene.fake.on_answered = None
    scene.change("UPDATE day_marks SET day = date(day, '-1 day')")
    scene.write()
    log.rename(aside)  # until the agent is up: it needs the store to begin
    with scene.agent() as process:
        wait_for(process, lambda: len(_days(scene)) == 3)
        with scene.store_locked():
            aside.rename(log)
            kill_at_the_store(process)
    assert len(_days(scene)) == 3
    assert scene.offset() == before
    scene.exactly_once()
    assert len(_days(scene)) > 3


def _days(scene: Scene) -> list[tuple[str]]:
    return scene.rows("SELECT day FROM day_marks")


def _append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize("point", ["signalled", "last lines sent"])
def test_while_it_ends(make_scene: MakeScene, point: str) -> None:
    """Killed after SIGTERM, while a server that hangs has what was read."""
    scene = make_scene()
    scene.write()
    with scene.agent_at_rest() as process:
        scene.fake.fault = "hang"
        bulks = scene.fake.bulks
        scene.write(MANY)
        wait_for(process, lambda: scene.fake.bulks > bulks)
        process.signal(signal.SIGTERM)
        scene.write(MANY)
        if point == "last lines sent":
            wait_for(process, lambda: scene.fake.bulks > bulks + 1)
        assert process.is_running
        process.kill()
    scene.fake.fault = ""
    assert len(scene.fake.documents) == 1
    scene.exactly_once()


def test_in_the_last_save(make_scene: MakeScene) -> None:
    """Killed when everything is delivered after SIGTERM and only the last save is missing."""
    scene = make_scene()
    scene.write()
    with scene.agent_at_rest() as process:
        before = scene.offset()
        with scene.store_locked():
            scene.write(MANY)  # before: an agent that is told to end waits a second for more
            process.signal(signal.SIGTERM)
            scene.arrive()
            kill_at_the_store(process)
    assert scene.offset() == before
    scene.exactly_once()
