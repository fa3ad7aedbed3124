"""SIGKILL between any two steps of a rotation: every line is stored once.

The agent has read some lines whose delivery was refused when it is killed. The next one finds the
rotation half done, and sees the rest of it; or it comes when all is over.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.elastic_fake import ElasticFake
from tests.support.killing import Scene
from tests.support.wait import wait_until
from tests.support.writer import NumberedWriter

LINES = 50
POINTS = {
    "create": ("renamed", "created"),
    "copytruncate": ("half copied", "copied", "truncated"),
    "compress": ("renamed", "created", "half compressed", "compressed", "unlinked"),
}

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("pattern", ["app.log*", "app.log"])
@pytest.mark.parametrize("style", POINTS)
def test_between_two_steps(tmp_path: Path, style: str, pattern: str) -> None:
    """Whether the globs name the rotated files or not, and whatever else is there already."""
    with ElasticFake() as fake:
        # A copy that rests half done for longer than rotate_wait is a file of its own.
        scene = Scene(tmp_path, fake, pattern=pattern, rotate_wait="60s")
        writer = NumberedWriter(scene.logs / "app.log", random.Random(1))
        process = scene.agent()
        try:
            for number, point in enumerate(POINTS[style]):
                _write(writer, scene)
                scene.arrive()
                fake.fault, bulks = "503", fake.bulks
                _write(writer, scene)
                wait_until(
                    lambda: fake.bulks > bulks,  # noqa: B023
                    scene.difference,
                    seconds=60,
                )
                steps = writer.rotating(style)
                for step in steps:
                    if step == point:
                        break
                process.kill()
                fake.fault = ""
                scene.written = writer.written
                if (number + len(pattern)) % 2:
                    process = scene.agent()
                    scene.arrive()
                    assert set(steps) == set(POINTS[style][number + 1 :])
                else:
                    assert set(steps) == set(POINTS[style][number + 1 :])
                    process = scene.agent()
                    scene.arrive()
            writer.close()
            process.signal()
            assert process.wait(60) == 0, process.stderr
        finally:
            if process.is_running:
                process.kill()
        scene.exactly_once()


def _write(writer: NumberedWriter, scene: Scene) -> None:
    """Append lines, of which the last may lack its end."""
    writer.write(LINES)
    scene.written = writer.written - 1
