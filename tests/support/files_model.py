"""A model of log files: what happens to them at random, and which lines must be stored after it.

One seed is one schedule: `play` is repeatable but for how far the agent has come at each step.
What the model expects depends on that only where a step destroys lines: those that are not
stored by then may be lost, and every other line must be there. Nothing may be there twice.
"""

from __future__ import annotations

import asyncio
import fnmatch
import gzip
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from logship.agent import Agent
from logship.settings.model import Settings
from tests.support.agent import quick_settings
from tests.support.elastic_fake import ElasticFake
from tests.support.wait import wait_until

__all__ = ["Body", "FilesModel", "play"]

BANNER = "service started"
SERVICES = ("app.log", "web.log")
LINK = "link.log"
GLOBS = (("*.log",), ("*.log*",), ("*.log*", "app*"))
QUIET_SECONDS = 0.8  # longer than every wait in `quick_settings`
SETTLE_SECONDS = 30.0
forkserver = multiprocessing.get_context("forkserver")
forkserver.set_forkserver_preload(["pytest", __name__])


def run_agent(settings: Settings, log: str, *, once: bool) -> None:
    """Run an agent in a process of its own, until it is done or gets SIGTERM."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 2)

    async def main() -> None:
        agent = Agent(settings, once=once, environment={})
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, agent.stop)
        await agent.run()

    asyncio.run(main())


@dataclass(eq=False)
class Body:
    """What one file holds since it was made or truncated last.

    Attributes:
        lines: The complete ones.
        half: A line that has no end yet.
        is_copy: Whether it may be known under another inode only.
        is_forgotten: Whether the store that knew it is lost.
    """

    lines: list[str] = field(default_factory=list)
    half: str = ""
    is_copy: bool = False
    is_forgotten: bool = False


class FilesModel:
    """A folder with log files, agents that come and go, and what is to be stored.

    Its verbs are steps of a schedule; they do at once what they say, ``settle`` waits.

    Attributes:
        must: Messages that are to be stored, as often as it is.
        may: Those that may be besides, because nobody may have seen them.
        files: Path, relative to the folder → what lies there.
        story: What was done, for people.
        same_banner: Whether every file begins with the same line.
        timed: Whether every line has a time of its own.
    """

    def __init__(
        self, directory: Path, *, globs: tuple[str, ...] = ("*.log",), same_banner: bool = True,
        timed: bool = False,
    ) -> None:  # fmt: skip
        self.logs, self.state = directory / "logs", directory / "state"
        self.logs.mkdir(parents=True)
        self.globs, self.same_banner, self.timed = globs, same_banner, timed
        self.log = directory / "stderr"
        self.fake = ElasticFake().start()
        self.must: Counter[str] = Counter()
        self.may: Counter[str] = Counter()
        self.files: dict[str, Body] = {}
        self.story: list[str] = [f"globs {globs}"]
        self._process: multiprocessing.process.BaseProcess | None = None
        self._numbers = count()

    # The agent

    def up(self, *, once: bool = False) -> None:
        """Start an agent, when none runs."""
        if self._process is not None and not self.fake.on_bulk:
            return
        self._end()
        settings = quick_settings(self.fake.url, [self.logs / g for g in self.globs], self.state)
        self._process = forkserver.Process(
            target=run_agent, args=(settings, str(self.log)), kwargs={"once": once}
        )
        self._process.start()

    def down(self) -> None:
        """Stop the agent as SIGTERM does."""
        if self._process is not None:
            self._process.terminate()
            self._end(20)

    def kill(self) -> None:
        """Kill the agent now."""
        self._end()

    def kill_when_it_sends(self) -> None:
        """Kill the agent as soon as it sends something; what it sends is stored."""
        if self._process is not None:
            self.fake.on_bulk = self._process.kill

    def _end(self, seconds: float = 0.0) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.join(seconds)
            is_late = process.is_alive()
            process.kill()
            process.join()
            process.close()
            assert not (is_late and seconds), f"the agent did not end: {self.said}"
        self.fake.on_bulk = None

    def lose_store(self) -> None:
        """Delete the state folder while no agent runs."""
        self.down()
        for name, body in self.files.items():
            body.is_forgotten = True
            if not self.is_named(name):
                self._unsure(body)
        shutil.rmtree(self.state, ignore_errors=True)

    @property
    def said(self) -> str:
        """What agents wrote to standard error."""
        return self.log.read_text() if self.log.exists() else ""

    # Files

    def is_named(self, name: str) -> bool:
        """Whether the globs name a file of this name."""
        return any(fnmatch.fnmatch(name, pattern) for pattern in self.globs)

    def new_message(self) -> str:
        """Return a message that there was not before."""
        return f"line {next(self._numbers)}"

    def line(self, message: str) -> bytes:
        """Return *message* as a line."""
        number = "".join(filter(str.isdigit, message)) or "0"
        if not self.timed and int(number) % 3:
            return f"{message}\n".encode()
        second = int(number) % 60
        stamp = time.strftime(f"%Y-%m-%dT00:00:{second:02}Z", time.gmtime())
        return json.dumps({"@timestamp": stamp, "message": message}).encode() + b"\n"

    def create(self, name: str) -> None:
        """Make a file; its first line and another one come in one piece."""
        self.files[name] = Body()
        first = [BANNER] if self.same_banner else [self.new_message()]
        self.append(name, *first, self.new_message())

    def append(self, name: str, *messages: str) -> None:
        """Append lines, the end of a half one before them."""
        body, data = self.files[name], b""
        if body.half:
            data, messages = b" and its end\n", (f"{body.half} and its end", *messages)
            whole, body.half = messages[0], ""
            messages = messages[1:]
            self._expect(name, body, whole)
        for message in messages:
            self._expect(name, body, message)
        self._write(name, data + b"".join(map(self.line, messages)))

    def half(self, name: str) -> None:
        """Append a line without its end (plain text)."""
        body = self.files[name]
        if not body.half and not self.timed:
            body.half = f"half {next(self._numbers)}"
            self._write(name, body.half.encode())

    def rename(self, name: str, other: str) -> None:
        """Rename a file; whatever is at the other name is deleted by it."""
        self._moved(name, other)
        (self.logs / name).rename(self.logs / other)

    def _moved(self, name: str, other: str) -> None:
        if other in self.files:
            self.delete(other)
        body = self.files.pop(name)
        if not self.is_named(other) and (body.is_copy or not self.is_known(body)):
            self._unsure(body)
        self.files[other] = body

    def delete(self, name: str) -> None:
        """Delete a file."""
        self._unsure(self.files.pop(name))
        (self.logs / name).unlink()

    def truncate(self, name: str, *, hole: bool = False) -> None:
        """Truncate a file and write to it; with *hole*, where the writer was before."""
        body = self.files[name]
        self._unsure(body)
        self._begin_anew(name, (self.logs / name).stat().st_size if hole else 0)

    def copytruncate(self, name: str, copy: str, *, is_torn: bool = False) -> None:
        """Copy a file, truncate it, and write to it; *is_torn*: the copy is made in two pieces."""
        if copy in self.files:
            self.delete(copy)
        body = self.files[name]
        if not self.is_named(copy) and not self.is_known(body):
            self._unsure(body)
        data = (self.logs / name).read_bytes()
        with (self.logs / copy).open("wb", buffering=0) as file:
            if is_torn:
                file.write(data[: len(data) // 2])
            file.write(data[file.tell() :])
        self.files[copy] = Body(list(body.lines), is_copy=True)
        self._begin_anew(name, 0)

    def compress(self, name: str) -> None:
        """Compress a file that nobody writes to any more; its original is deleted after that."""
        self._moved(name, f"{name}.gz")
        path = self.logs / name
        archive, status = self.logs / f"{name}.gz", path.stat()
        archive.write_bytes(gzip.compress(path.read_bytes()))
        os.utime(archive, ns=(status.st_atime_ns, status.st_mtime_ns))
        path.unlink()

    def switch_link(self, name: str) -> None:
        """Let a symbolic link lead to a new file; what is written goes there from now on."""
        if name in self.files:
            self._unsure(self.files.pop(name))
        target = self.logs.parent / f"target{next(self._numbers)}"
        new = self.logs.parent / "link"
        new.symlink_to(target)
        new.rename(self.logs / name)
        self.create(name)

    def power_cut(self, name: str, keep: int) -> None:
        """Kill the agent, reboot the machine, and lose all but *keep* lines of a file.

        A short file is seen by an agent before it grows again: that it is the same could else
        not be told from one that was begun anew with the same lines.
        """
        self.up()
        wait_until(lambda: self._is_in_store(name), self.difference)
        self.kill()
        body = self.files[name]
        lost, body.lines = body.lines[keep:], body.lines[:keep]
        self._unsure(Body(lost))
        with (self.logs / name).open("r+b") as file:
            for _ in range(keep):
                file.readline()
            file.truncate(file.tell())
        with self._database() as database:
            database.execute("UPDATE files SET boot = 'another'")
        if (self.logs / name).stat().st_size < 1024:  # else it is known again when it has grown
            self.up()
            wait_until(lambda: not self._is_of_another_boot(name), self.difference)

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self.state / "checkpoints.db", timeout=5)
        try:
            with database:
                yield database
        finally:
            database.close()

    def _is_in_store(self, name: str) -> bool:
        if not (self.state / "checkpoints.db").exists():
            return False
        try:
            with self._database() as database:
                query = "SELECT 1 FROM files WHERE path = ? AND gone_at IS NULL"
                return database.execute(query, (str(self.logs / name),)).fetchone() is not None
        except sqlite3.OperationalError:  # it is being made
            return False

    def _is_of_another_boot(self, name: str) -> bool:
        query = "SELECT 1 FROM files WHERE path = ? AND boot = 'another' AND gone_at IS NULL"
        with self._database() as database:
            return database.execute(query, (str(self.logs / name),)).fetchone() is not None

    def restore(self, name: str, keep: int) -> None:
        """Put a backup in place of a file: its first *keep* lines, which may be stored again."""
        body = self.files[name]
        lost, body.lines = body.lines[keep:], body.lines[:keep]
        self._unsure(Body(lost))
        self.may.update(body.lines)
        lines = (self.logs / name).read_bytes().splitlines(keepends=True)
        (self.logs / "backup.tmp").write_bytes(b"".join(lines[:keep]))
        (self.logs / "backup.tmp").rename(self.logs / name)
        body.is_copy = True

    def save_as_editors_do(self, name: str) -> None:
        """Write the file with one more line under another name and rename it over the first."""
        body = self.files[name]
        message = self.new_message()
        data = (self.logs / name).read_bytes() + self.line(message)
        (self.logs / "save.tmp").write_bytes(data)
        self._expect(name, body, message)
        body.is_copy = True
        (self.logs / "save.tmp").rename(self.logs / name)

    def _begin_anew(self, name: str, position: int) -> None:
        body = self.files[name] = Body()
        messages = [BANNER] if self.same_banner else []
        messages += [self.new_message(), self.new_message()]
        for message in messages:
            self._expect(name, body, message)
        with (self.logs / name).open("r+b", buffering=0) as file:
            file.truncate(0)
            file.seek(position)
            file.write(b"".join(map(self.line, messages)))

    def _write(self, name: str, data: bytes) -> None:
        with (self.logs / name).open("ab", buffering=0) as file:
            file.write(data)

    # What is to be stored

    def _expect(self, name: str, body: Body, message: str) -> None:
        body.lines.append(message)
        is_read = self.is_named(name)  # what is written to files elsewhere comes too late, perhaps
        (self.must if is_read else self.may)[message] += 1

    def is_known(self, body: Body) -> bool:
        """Whether an agent has seen the file: a line that is in no other is stored."""
        found = self.fake.found()
        return not body.is_forgotten and any(found[line] for line in body.lines if line != BANNER)

    def _unsure(self, body: Body) -> None:
        """What is not stored of *body* may be lost from here on."""
        found = self.fake.found()
        for line in body.lines:
            is_stored = found[line] if line != BANNER else self.is_known(body)
            if not is_stored and self.must[line]:
                self.must[line] -= 1
                self.may[line] += 1
        if body.half:
            self.may[body.half] += 1

    def is_complete(self) -> bool:
        """Whether everything that must be stored is."""
        return not self.must - self.fake.found()

    def difference(self) -> str:
        """Say what is missing and what is too much."""
        found = self.fake.found()
        missing, extra = self.must - found, found - self.must - self.may
        story = "\n  ".join(self.story)
        return (
            f"missing {sorted(missing.items())[:9]}, too much {sorted(extra.items())[:9]}\n"
            f"  {story}\n{self.said[-2000:]}"
        )

    def check(self) -> None:
        """See that nothing is missing and nothing too much."""
        found = self.fake.found()
        assert not self.must - found, self.difference()
        assert not found - self.must - self.may, self.difference()

    def settle(self) -> None:
        """Wait, with an agent, until everything is stored; nothing is twice."""
        self.up()
        wait_until(self.is_complete, self.difference, seconds=SETTLE_SECONDS)
        self.check()

    def finish(self) -> None:
        """End every half line and see, also after a last run, what is stored."""
        for name, body in self.files.items():
            if body.half:
                self.append(name)
        self.fake.script.clear()
        self.settle()
        self._be_quiet()
        self.check()
        self.down()
        self.up(once=True)
        self._end(SETTLE_SECONDS)
        self.check()

    def _be_quiet(self) -> None:
        """Wait until nothing has been stored for longer than any file is waited for."""
        seen = (len(self.fake.documents), time.monotonic())

        def is_quiet() -> bool:
            nonlocal seen
            if len(self.fake.documents) != seen[0]:
                seen = (len(self.fake.documents), time.monotonic())
            return time.monotonic() - seen[1] > QUIET_SECONDS

        wait_until(is_quiet, self.difference, seconds=SETTLE_SECONDS)

    def close(self) -> None:
        """End everything."""
        self._end()
        self.fake.close()


Step = Callable[["Player"], None]


class Player:
    """Chooses the steps of one schedule."""

    def __init__(self, model: FilesModel, rng: random.Random, *, can_lose_store: bool) -> None:
        self.model, self.rng = model, rng
        self._dates = count(1)
        self._aways = count(1)
        steps: list[tuple[Callable[[], None], int]] = [
            (self.append, 30), (self.half, 8), (self.rotate, 10), (self.copytruncate, 8),
            (self.truncate, 5), (self.delete, 5), (self.away, 4), (self.save, 4),
            (self.down, 6), (self.kill, 6), (self.up, 12), (self.trouble, 4), (self.settle, 6),
            (self.compress, 6), (self.switch_link, 3), (self.power_cut, 3),
        ]  # fmt: skip
        # A restored file begins like the one that was there; without the store it is that one.
        steps.append((self.lose_store, 6) if can_lose_store else (self.restore, 2))
        self._steps, self._weights = zip(*steps, strict=True)

    def play(self, steps: int) -> None:
        """Play so many steps."""
        for name in SERVICES:
            self.model.create(name)
        if self.rng.random() < 0.8:
            self.up()
        for _ in range(steps):
            self.rng.choices(self._steps, self._weights)[0]()

    def _say(self, text: str) -> None:
        self.model.story.append(text)

    def _service(self) -> str:
        """Choose a service; its file is made when it is not there."""
        name = self.rng.choice(SERVICES)
        if name not in self.model.files:
            self._say(f"create {name}")
            self.model.create(name)
        return name

    def _whole_service(self) -> str:
        """Choose a service whose last line has its end; mostly wait until it is stored."""
        name = self._service()
        if self.model.files[name].half:
            self._say(f"end the half line of {name}")
            self.model.append(name)
        if self.rng.random() < 0.4:
            self.settle()
            if self.rng.random() < 0.3:
                self.down()
        return name

    def append(self) -> None:
        plain = [name for name in self.model.files if not name.endswith(".gz")]
        name = self.rng.choice([self._service(), *plain])
        lines = [self.model.new_message() for _ in range(self.rng.choice([1, 2, 5, 40]))]
        self._say(f"append {len(lines)} lines to {name}")
        self.model.append(name, *lines)

    def half(self) -> None:
        name = self._service()
        self._say(f"append half a line to {name}")
        self.model.half(name)

    def _cascade(self, name: str) -> None:
        for number in (2, 1):
            for ending in ("", ".gz"):
                if f"{name}.{number}{ending}" in self.model.files:
                    self.model.rename(f"{name}.{number}{ending}", f"{name}.{number + 1}{ending}")

    def rotate(self) -> None:
        name = self._whole_service()
        is_new = self.rng.random() < 0.7
        self._say(f"rotate {name}{', create it' if is_new else ''}")
        self._cascade(name)
        self.model.rename(name, f"{name}.1")
        if is_new:
            self.model.create(name)

    def copytruncate(self) -> None:
        name = self._whole_service()
        stem, _, ending = name.rpartition(".")
        date = f"{next(self._dates):02}"
        copy = self.rng.choice(
            [f"{name}.1", f"{name}-202611{date}", f"{stem}-2026-11-{date}.{ending}"]
        )
        is_torn = self.rng.random() < 0.3
        if self.model.files[name].is_copy:  # twice between two looks is followed, else
            self._say(f"copytruncate {name} to {copy}")
        if copy.endswith(".1"):
            self._cascade(name)
        self.model.copytruncate(name, copy, is_torn=is_torn)

    def truncate(self) -> None:
        name, hole = self._whole_service(), self.rng.random() < 0.3
        self._say(f"truncate {name}{', leaving a hole' if hole else ''}")
        self.model.truncate(name, hole=hole)

    def delete(self) -> None:
        name, is_new = self._service(), self.rng.random() < 0.6
        self._say(f"delete {name}{', create it' if is_new else ''}")
        self.model.delete(name)
        if is_new:
            self.model.create(name)

    def away(self) -> None:
        name = self._whole_service()
        other = f"away{next(self._aways)}.old"
        self._say(f"rename {name} to {other}")
        self.model.rename(name, other)

    def save(self) -> None:
        name = self._whole_service()
        self._say(f"save {name} as editors do")
        self.model.save_as_editors_do(name)

    def compress(self) -> None:
        archived = (*SERVICES, LINK)
        names = [name for name in self.model.files if name not in archived and name[-3:] != ".gz"]
        if not names:
            return
        name = self.rng.choice(names)
        if self.model.files[name].half:
            self.model.append(name)
        self._say(f"compress {name}")
        self.model.compress(name)

    def switch_link(self) -> None:
        if LINK in self.model.files:
            if self.model.files[LINK].half:
                self.model.append(LINK)
            if self.rng.random() < 0.6:
                self.settle()
        self._say(f"switch {LINK}")
        self.model.switch_link(LINK)

    def power_cut(self) -> None:
        name, keep = self._settled_service()
        self._say(f"power cut: {keep} lines of {name} are left")
        self.model.power_cut(name, keep)

    def restore(self) -> None:
        name, keep = self._settled_service()
        if self.rng.random() < 0.5:
            self.down()
        self._say(f"restore {name} to its first {keep} lines")
        self.model.restore(name, keep)

    def _settled_service(self) -> tuple[str, int]:
        name = self._service()
        if self.model.files[name].half:
            self.model.append(name)
        self.settle()
        # Nothing but the banner of all files could be any of them.
        return name, self.rng.randint(2, len(self.model.files[name].lines))

    def down(self) -> None:
        self._say("stop the agent")
        self.model.down()

    def kill(self) -> None:
        at_once = self.rng.random() < 0.5
        self._say(f"kill the agent{'' if at_once else ' when it sends'}")
        if at_once:
            self.model.kill()
        else:
            self.model.kill_when_it_sends()

    def up(self) -> None:
        self._say("start the agent")
        self.model.up()

    def trouble(self) -> None:
        faults = self.rng.choices(["cut", "503", "throttle", "garbage"], k=2)
        self._say(f"faults {faults}")
        self.model.fake.script.extend(faults)

    def settle(self) -> None:
        self._say("settle")
        self.model.settle()

    def lose_store(self) -> None:
        self._say("lose the store")
        self.model.lose_store()


def play(seed: int, directory: Path) -> FilesModel:
    """Play the schedule of *seed* in *directory* and see what is stored after it.

    Raises:
        AssertionError: A line is missing or there twice; says which, and what was done.
    """
    rng = random.Random(seed)
    can_lose_store = rng.random() < 0.25
    model = FilesModel(
        directory,
        globs=rng.choice(GLOBS),
        same_banner=not can_lose_store and rng.random() < 0.5,
        timed=can_lose_store or rng.random() < 0.3,
    )
    try:
        Player(model, rng, can_lose_store=can_lose_store).play(rng.choice([4, 8, 14]))
        model.story.append("finish")
        model.finish()
    finally:
        model.close()
    return model
