"""Random actions on files, the agent and the server, played against a model of what is stored.

``LOGSHIP_TEST_SEED`` fixes what is random; it is printed when a test fails.
"""

from __future__ import annotations

import os
import random
from itertools import count
from pathlib import Path

import pytest

from tests.support.agent import World
from tests.support.wait import wait_until

SEED = int(os.environ.get("LOGSHIP_TEST_SEED") or 1)
ACTIONS = 70
BANNER = "service started"


class Player:
    """Plays actions. Files are given a banner that is equal in all, then lines of their own."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.halves: dict[str, str] = {}  # per file, a line that has no end yet
        self.names: list[str] = []
        self.numbers = count()
        self.story: list[str] = []

    def play(self, actions: int) -> None:
        world, rng = self.world, self.rng
        world.up()
        self.make()
        for _ in range(actions):
            action = rng.choices(
                [self.append, self.half, self.rotate, self.make, self.truncate, self.delete,
                 self.restart, self.trouble, self.settle],
                [30, 12, 8, 6, 5, 4, 8, 6, 6],
            )[0]  # fmt: skip
            self.story.append(action.__name__)
            action()
        for name in list(self.halves):
            self.append(name)
        self.settle()

    def new_line(self) -> str:
        number = next(self.numbers)
        return f"line {number} " + self.rng.choice(["", "é€😀", "x" * 300, "\0inside", "\t"])

    def append(self, name: str = "") -> None:
        name = name or self.rng.choice(self.names)
        lines = [self.new_line() for _ in range(self.rng.choice([1, 1, 2, 50]))]
        half = self.halves.pop(name, "")
        self.world.append(name, f"{lines[0]}\n".encode())
        self.world.expect(half + lines[0])
        self.world.write(name, *lines[1:])

    def half(self) -> None:
        """Begin a line; in a rotated file it would be shipped as it is."""
        name = self.rng.choice([name for name in self.names if name.endswith(".log")] or [""])
        if not name:
            return
        half = f"half {next(self.numbers)} é"
        cut = self.rng.randrange(1, 4)  # also through the last character
        data = half.encode()
        self.world.append(name, data[:-cut])
        self.world.append(name, data[-cut:])
        self.halves[name] = self.halves.get(name, "") + half

    def make(self, name: str = "") -> None:
        name = name or f"app{next(self.numbers)}.log"
        if len(self.names) < 6 or name in self.names:
            lines = [BANNER, self.new_line()]
            self.world.append(name, "".join(f"{line}\n" for line in lines).encode())
            self.world.expect(*lines)
            if name not in self.names:
                self.names.append(name)

    def rotate(self) -> None:
        """Rename a file, often with those that were renamed before it, and begin it anew."""
        name = self.rng.choice([n for n in self.names if n.endswith(".log")] or [""])
        if not name:
            return
        for number in (2, 1, 0):
            old = f"{name}.{number}" if number else name
            new = f"{name}.{number + 1}"
            if old in self.names and new not in self.names:
                if old in self.halves:
                    self.append(old)
                self.world.rename(old, new)
                self.names[self.names.index(old)] = new
        if name not in self.names and self.rng.random() < 0.9:
            self.make(name)
        if not self.names:
            self.make()

    def truncate(self) -> None:
        """Truncate a file of which everything has been stored, and write to it at once."""
        self.settle()
        name = self.rng.choice(self.names)
        self.halves.pop(name, None)
        size = (self.world.logs / name).stat().st_size
        lines = [BANNER, self.new_line()]
        while self.rng.random() < 0.5 and sum(len(line.encode()) + 1 for line in lines) < size:
            lines.append(self.new_line())
        with (self.world.logs / name).open("r+b", buffering=0) as file:
            file.truncate(0)
            if self.rng.random() < 0.3:
                file.seek(size)  # a writer that goes on where it was
            file.write("".join(f"{line}\n" for line in lines).encode())
        self.world.expect(*lines)

    def delete(self) -> None:
        """Delete a file of which everything has been stored; often make it anew."""
        self.settle()
        name = self.rng.choice(self.names)
        if name in self.halves:
            return
        self.world.delete(name)
        self.names.remove(name)
        if self.rng.random() < 0.6 or not self.names:
            self.make(name)

    def restart(self) -> None:
        """Stop the agent, play a little, start it again."""
        if self.world.agent is None:
            self.world.up()
            return
        self.world.down()
        for action in self.rng.choices([self.append, self.half, self.rotate, self.make], k=3):
            self.story.append(f"down: {action.__name__}")
            action()
        self.world.up()

    def trouble(self) -> None:
        faults = ["cut", "503", "throttle", "garbage"]
        self.world.fake.script.extend(self.rng.choices(faults, k=2))

    def settle(self) -> None:
        """Wait until everything has been stored, and every byte but half lines read."""
        world = self.world
        if world.agent is None:
            world.up()
        wait_until(
            lambda: world.is_complete or not world.agent or not world.agent.is_running,
            lambda: f"{world.difference()}; seed {SEED}: {self.story}",
            seconds=20,
        )
        found, expected = world.fake.found(), world.expected
        assert found == expected, f"{world.difference()}; seed {SEED}: {self.story}"


@pytest.mark.parametrize("run", range(2))
def test_whatever_happens_every_line_is_stored_once(tmp_path: Path, run: int) -> None:
    """Appends, half lines, rotations, truncations, deletions, restarts and faults in any order."""
    with World(tmp_path, "*.log*") as world:
        Player(world, random.Random(SEED + run)).play(ACTIONS)
