"""A source of type spool: what handlers left is shipped once, as it was made, by the agent."""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path

import orjson
import pytest

from logship.model import action_head
from logship.spool import Spool, envelope
from tests.support.agent import AgentProcess
from tests.support.application import FussyFake, envelopes, run, start
from tests.support.wait import wait_until

LEAVE_MANY = """
for number in range(500):
    log.info("number %d", number)
finish()
"""
KEEP_A_FILE = """
from pathlib import Path
from logship.model import action_head
from logship.spool import Spool, envelope
head = action_head("made-2020.01.02", b"living-", with_id=True)
lines = [envelope(head, b"%03d" % number, b'{"message":"living"}') for number in range(20)]
spool = Spool(Path(json.loads(sys.argv[1])["spool_dir"]), max_bytes=1 << 20, name="living")
assert spool.append(lines, sync=False) == (20, "")
say("spooled", True)
sys.stdin.readline()
"""
NAME = "20261121T193000-7-test-0.ndjson"


class World:
    """A server, spool folders and agents that ship them."""

    def __init__(self, directory: Path, server: FussyFake) -> None:
        self.directory, self.server = directory, server
        self.spool = directory / "spool"
        self._log = directory / "stderr"

    def agent(self, *flags: str, paths: str = "", batch_records: int = 200) -> AgentProcess:
        settings = self.directory / "logship.yaml"
        settings.write_text(
            f"elasticsearch: {{hosts: [{self.server.url}], timeout: 5s}}\n"
            f"sources: [{{type: spool, paths: ['{paths or self.spool}'], scan_interval: 100ms}}]\n"
            f"delivery: {{batch_age: 50ms, batch_records: {batch_records}}}\n"
            f"state_dir: {self.directory / 'state'}\n"
            "shutdown_timeout: 4s\n"
        )
        return AgentProcess("run", "-c", settings, *flags, log=self._log)

    def leave(self, count: int, *, folder: Path | None = None, first: int = 0) -> Path:
        """Write a file of envelopes as a handler does, and return it."""
        spool = Spool(folder or self.spool, max_bytes=1 << 30, name=f"test{first}")
        head = action_head("made-2020.01.02", b"handler-", with_id=True)
        lines = [
            envelope(head, b"%06d" % number, b'{"message":"%d"}' % number)
            for number in range(first, first + count)
        ]
        assert spool.append(lines, sync=False) == (count, "")
        spool.finish()
        (file,) = (folder or self.spool).glob(f"*-test{first}-*.ndjson")
        return file


@pytest.fixture
def world(tmp_path: Path) -> World:
    with FussyFake() as server:
        yield World(tmp_path, server)


def numbers(count: int) -> Counter[str]:
    return Counter(str(number) for number in range(count))


def test_what_a_handler_left_is_shipped_as_it_was_made(world: World) -> None:
    """Index and id are the handler's; the files are gone when all of them are answered for."""
    world.server.stop()
    ended = run(LEAVE_MANY, world.server.url, spool_dir=str(world.spool), exit_deadline="300ms",
                index="made-by-handler-%Y")  # fmt: skip
    assert "500 spooled" in ended.err
    left = {(entry["index"], entry["id"]): entry["doc"] for entry in envelopes(world.spool)}
    world.server.start()
    with world.agent("--once") as agent:
        assert agent.wait() == 0, agent.stderr
    stored = {
        key: {name: value for name, value in document.items() if name != "@ingested"}
        for key, document in world.server.documents.items()
    }
    assert len(left) == 500
    assert stored == left
    assert list(world.spool.iterdir()) == []
    assert "delivered 500" in agent.stderr


def test_a_file_of_a_living_process_is_left_alone(world: World) -> None:
    """The lock says who owns a file; a process that is killed lets go of it."""
    with start(KEEP_A_FILE, world.server.url, spool_dir=str(world.spool)) as application:
        application.wait_for("spooled")
        (file,) = world.spool.glob("*.ndjson")
        with world.agent("--once") as agent:
            assert agent.wait() == 0, agent.stderr
        assert (file.exists(), world.server.documents) == (True, {})
        with world.agent() as agent:
            other = world.leave(10, first=9000)
            wait_until(lambda: not other.exists(), lambda: agent.stderr)
            assert (file.exists(), len(world.server.documents)) == (True, 10)
            application.process.send_signal(signal.SIGKILL)
            application.end()
            wait_until(lambda: not file.exists(), lambda: agent.stderr)
        assert world.server.found()["living"] == 20
        assert set(world.server.copies.values()) == {1}


@pytest.mark.slow
def test_killed_agents_ship_everything_once(world: World) -> None:
    """A file is removed after Elasticsearch has answered for all of it, and not before."""
    world.server.delay_seconds = 0.02
    for part in range(6):
        world.leave(1000, first=1000 * part)
    everything = {entry["id"] for entry in envelopes(world.spool)}
    assert len(everything) == 6000
    for _ in range(6):
        with world.agent(batch_records=100) as agent:
            before = world.server.bulks
            wait_until(lambda then=before: world.server.bulks >= then + 8, lambda: agent.stderr)
            agent.kill()
        waiting = {entry["id"] for entry in envelopes(world.spool)}
        stored = {id_ for _, id_ in world.server.documents}
        assert everything <= waiting | stored
    with world.agent("--once") as agent:
        assert agent.wait() == 0, agent.stderr
    assert world.server.found() == numbers(6000)
    assert list(world.spool.iterdir()) == []


def test_answers_are_waited_for(world: World) -> None:
    """Through refusals, cut connections and unreadable answers nothing is removed too early."""
    world.server.script.extend(["503", "throttle", "cut", "garbage", "throttle"])
    removed_early = []
    file = world.leave(1000)

    def note() -> None:
        if not file.exists() and len(world.server.documents) < 1000:
            removed_early.append(world.server.bulks)

    world.server.on_bulk = note
    with world.agent("--once") as agent:
        assert agent.wait() == 0, agent.stderr
    assert (world.server.found(), removed_early) == (numbers(1000), [])
    assert not file.exists()


def test_bad_lines_are_said_once_and_cost_only_themselves(world: World) -> None:
    """They are named by file and line, kept beside, and the next run says nothing."""
    file = world.leave(500)
    lines = file.read_bytes().splitlines(keepends=True)
    lines[10] = b"no JSON\n"
    lines[20] = b'{"index":"a","id":"b"}\n'
    lines[-1] = lines[-1][:-5]
    file.write_bytes(b"".join(lines))
    for _ in range(2):
        with world.agent("--once") as agent:
            assert agent.wait() == 0, agent.stderr
    expected = numbers(500) - Counter(["10", "20", "499"])
    assert world.server.found() == expected
    said = (world.directory / "stderr").read_text()
    assert said.count(f"{file}:11: no envelope") == 1
    assert said.count("so are lines 21, 500") == 1
    assert said.count("no envelope") == 1
    kept = file.with_suffix(".unreadable")
    assert list(world.spool.iterdir()) == [kept]
    assert kept.read_bytes() == lines[10] + lines[20] + lines[-1]


def test_what_is_refused_becomes_a_dead_letter(world: World) -> None:
    """With the handler's index and id, and its file does not wait for it."""
    world.server.poison = b'"77"'
    world.leave(100)
    with world.agent("--once") as agent:
        assert agent.wait() == 3, agent.stderr
    assert world.server.found() == numbers(100) - Counter(["77"])
    (letters,) = (world.directory / "state" / "dead-letters").glob("*.ndjson")
    letter = orjson.loads(letters.read_bytes())
    assert (letter["index"], letter["id"]) == ("made-2020.01.02", "handler-000077")
    assert list(world.spool.iterdir()) == []


def test_other_files_are_none_of_its_business(world: World) -> None:
    """Logs, dead letters and files under way in the same folder stay as they are."""
    file = world.leave(3)
    line = file.read_bytes().splitlines(keepends=True)[0]
    others = [
        "app.ndjson",
        "2026-11-21.ndjson",
        "20261121T193000-1-x-0.new",
        "dead-letters/a.ndjson",
    ]
    for name in others:
        (world.spool / name).parent.mkdir(exist_ok=True)
        (world.spool / name).write_bytes(line)
    with world.agent("--once", paths=f"{world.spool}*") as agent:
        assert agent.wait() == 0, agent.stderr
    assert world.server.found() == numbers(3)
    assert {str(p.relative_to(world.spool)) for p in world.spool.rglob("*") if p.is_file()} == {
        *others
    }


def test_folders_that_come_later_are_found(world: World) -> None:
    """Globs name folders, also such as are made later, and many files go at once."""
    with world.agent(paths=f"{world.directory}/spools/*") as agent:
        world.leave(10, folder=world.directory / "spools" / "a")
        wait_until(lambda: len(world.server.documents) == 10, lambda: agent.stderr)
        for number in range(150):
            world.leave(1, folder=world.directory / "spools" / "b", first=10 + number)
        wait_until(lambda: len(world.server.documents) == 160, lambda: agent.stderr)
        wait_until(lambda: not list(world.directory.glob("spools/*/*")), lambda: agent.stderr)
    assert world.server.found() == numbers(160)
    assert set(world.server.copies.values()) == {1}


def test_files_that_cannot_be_opened_are_said(world: World) -> None:
    """They are said once, stay where they are, and ``--once`` does not call that complete."""
    file = world.leave(3)
    link = world.spool / NAME
    link.symlink_to(file)
    with world.agent("--once") as agent:
        assert agent.wait() == 3
    assert agent.stderr.count(f"{link} cannot be shipped") == 1
    assert world.server.found() == numbers(3)
    assert list(world.spool.iterdir()) == [link]


def test_what_comes_while_it_stops_is_shipped(world: World) -> None:
    """An application writes its last envelopes after the signal that ends both."""
    with world.agent() as agent:
        world.leave(1)
        wait_until(lambda: len(world.server.documents) == 1, lambda: agent.stderr)
        agent.signal()
        wait_until(lambda: "Stopping" in agent.stderr, lambda: agent.stderr)
        world.leave(5, first=1)
        began = time.monotonic()
        assert agent.wait() == 0, agent.stderr
        assert time.monotonic() - began < 10
    assert world.server.found() == numbers(6)
    assert list(world.spool.iterdir()) == []


def test_an_outage_loses_nothing(world: World) -> None:
    """What an agent could not deliver when it was stopped is there for the next one."""
    world.server.stop()
    world.leave(300)
    with world.agent() as agent:
        wait_until(lambda: "Nothing is lost" in agent.stderr, lambda: agent.stderr)
        agent.signal()
        agent.wait()
    assert len(envelopes(world.spool)) == 300
    with world.agent() as agent:
        wait_until(lambda: "Nothing is lost" in agent.stderr, lambda: agent.stderr)
        world.server.start()
        wait_until(lambda: len(world.server.documents) == 300, lambda: agent.stderr)
    assert world.server.found() == numbers(300)
