"""Files by day and size."""

from __future__ import annotations

import json
import logging
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logship.handler.rotation import DailyFileHandler


class Clock:
    def __init__(self, day: str) -> None:
        self.seconds = 0.0
        self.go_to(day)

    def go_to(self, day: str) -> None:
        self.seconds = time.mktime(time.strptime(f"{day} 12:00", "%Y-%m-%d %H:%M"))

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock("2026-11-21")


@pytest.fixture
def handler(tmp_path: Path, clock: Clock) -> Iterator[DailyFileHandler]:
    made = DailyFileHandler(tmp_path, "combined", max_bytes=100, keep_days=14, now=clock)
    yield made
    made.close()


def record(text: str) -> logging.LogRecord:
    return logging.LogRecord("test", logging.INFO, "", 0, text, None, None)


def names(directory: Path) -> list[str]:
    return sorted(os.listdir(directory))


def test_day(handler: DailyFileHandler, tmp_path: Path, clock: Clock) -> None:
    """Each day has a file with its date."""
    handler.handle(record("one"))
    clock.go_to("2026-11-22")
    handler.handle(record("two"))
    handler.handle(record("three"))
    assert (tmp_path / "combined-2026-11-21.log").read_text() == "one\n"
    assert (tmp_path / "combined-2026-11-22.log").read_text() == "two\nthree\n"


def test_nothing_before_the_first_record(handler: DailyFileHandler, tmp_path: Path) -> None:
    """No file is made before there is something to write."""
    assert names(tmp_path) == []


def test_size(handler: DailyFileHandler, tmp_path: Path) -> None:
    """A file never passes its size; the next one has a number, and none is renamed."""
    inodes = {}
    for number in range(25):
        handler.handle(record(f"{number:02d}" + "x" * 27))
        for name in names(tmp_path):
            inode = (tmp_path / name).stat().st_ino
            assert inodes.setdefault(name, inode) == inode
    found = sorted(inodes, key=lambda name: int(name.split(".")[1]) if name.count(".") > 1 else 0)
    assert found[:3] == [f"combined-2026-11-21{part}.log" for part in ("", ".1", ".2")]
    texts = [(tmp_path / name).read_text() for name in found]
    assert [len(text) for text in texts] == [90] * 8 + [30]
    lines = "".join(texts).splitlines()
    assert [int(line[:2]) for line in lines] == list(range(25))


def test_long_line(handler: DailyFileHandler, tmp_path: Path) -> None:
    """A line longer than a file may be has a file of its own."""
    for text in ("a", "b" * 500, "c"):
        handler.handle(record(text))
    sizes = [(tmp_path / name).stat().st_size for name in names(tmp_path)]
    assert sorted(sizes) == [2, 2, 501]


def test_restart_goes_on(handler: DailyFileHandler, tmp_path: Path, clock: Clock) -> None:
    """A restart goes on in the last file, with its line feed mended when it was cut."""
    (tmp_path / "combined-2026-11-21.log").write_text("x" * 50)
    (tmp_path / "combined-2026-11-21.2.log").write_text("cut he")
    handler.handle(record("one"))
    assert (tmp_path / "combined-2026-11-21.2.log").read_text() == "cut he\none\n"
    assert len(names(tmp_path)) == 2


WRITER = """
import os, sys
descriptor = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
print("ready", flush=True)
for _ in range(400):
    os.write(descriptor, b"x" * 100_000 + b"\\n")
"""


def test_line_that_another_process_is_writing(tmp_path: Path) -> None:
    """A file that is opened while another process is in the middle of a line is not torn."""
    path = tmp_path / "all.log"
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    count = 0
    while writer.poll() is None:
        handler = DailyFileHandler(tmp_path, "all", max_bytes=1 << 30, dated=False)
        handler.handle(record("mine"))
        handler.close()
        count += 1
    writer.communicate()
    lines = path.read_bytes().splitlines()
    assert (lines.count(b""), lines.count(b"mine"), len(lines)) == (0, count, 400 + count)


def test_line_that_a_full_disk_cut(tmp_path: Path, clock: Clock) -> None:
    """After a line was cut, by whatever process, the next record begins a line of its own."""
    handler = DailyFileHandler(tmp_path, "all", max_bytes=1 << 20, dated=False, now=clock)
    handler.handle(record("one"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        handler.handle(record("cut here"))
        handler.handle(record("refused"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    with (tmp_path / "all.log").open("a") as other:  # ends the line before we come to it
        other.write("\nanother's\n")
    handler.handle(record("two"))
    handler.close()
    assert (tmp_path / "all.log").read_text() == "one\ncut he\nanother's\ntwo\n"


def test_line_that_a_full_disk_cut_for_another(tmp_path: Path, clock: Clock) -> None:
    """A record that failed makes the next one look whether another process was cut."""
    handler = DailyFileHandler(tmp_path, "all", max_bytes=1 << 20, dated=False, now=clock)
    handler.handle(record("one"))
    with (tmp_path / "all.log").open("a") as other:
        other.write("cut he")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        handler.handle(record("refused"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    handler.handle(record("two"))
    handler.close()
    assert (tmp_path / "all.log").read_text() == "one\ncut he\ntwo\n"


def test_losses_are_said_at_the_end(
    handler: DailyFileHandler, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What was lost since it was said last is said when the handler is closed."""
    (tmp_path / "combined-2026-11-21.log").mkdir()
    for _ in range(5):
        handler.handle(record("lost"))
    assert "1 records lost" in capfd.readouterr().err
    handler.close()
    assert "4 records lost" in capfd.readouterr().err
    handler.close()
    assert capfd.readouterr().err == ""


FORKER = """
import logging, os, sys, threading
from logship.handler.rotation import DailyFileHandler
inside, go_on = threading.Event(), threading.Event()

class Stops(DailyFileHandler):
    def _open_for(self, day, size_bytes):
        super()._open_for(day, size_bytes)
        if threading.current_thread() is not threading.main_thread():
            inside.set()
            go_on.wait()

handler = Stops(sys.argv[1], "all", max_bytes=1 << 20, dated=False)
def log(text):
    handler.handle(logging.LogRecord("test", 20, "", 0, text, None, None))
writer = threading.Thread(target=log, args=["of a thread"])
writer.start()
inside.wait()
child = os.fork()
if not child:
    log("of the child")
    os._exit(0)
os.waitpid(child, 0)
go_on.set()
writer.join()
handler.close()
"""


def test_fork_while_another_thread_writes(tmp_path: Path) -> None:
    """A child that was forked in the middle of another thread's record writes its own ones."""
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORKER, tmp_path], check=True, timeout=30)
    lines = (tmp_path / "all.log").read_text().splitlines()
    assert lines == ["of the child", "of a thread"]


def test_old_files_go(handler: DailyFileHandler, tmp_path: Path, clock: Clock) -> None:
    """Files too old go when a day begins; others and what is not ours stay."""
    old = ["combined-2026-11-06.log", "combined-2026-11-06.3.log"]
    kept = [
        "combined-2026-11-07.log",
        "combined-2026-11-06.log.gz",
        "combined-2026-11-06.log.txt",
        "mycombined-2026-11-06.log",
        "error-2026-11-06.log",
        "combined.log",
    ]
    for name in old + kept:
        (tmp_path / name).write_text("x\n")
    handler.handle(record("one"))
    assert names(tmp_path) == sorted([*kept, "combined-2026-11-21.log"])
    clock.go_to("2026-11-22")
    handler.handle(record("two"))
    assert "combined-2026-11-07.log" not in names(tmp_path)


def test_undated(tmp_path: Path, clock: Clock) -> None:
    """Without a date there are numbers only, and nothing is removed."""
    handler = DailyFileHandler(
        tmp_path, "exceptions", max_bytes=10, keep_days=1, dated=False, now=clock
    )
    for text in ("aaaaaa", "bbbbbb"):
        handler.handle(record(text))
        clock.go_to("2027-01-01")
    handler.close()
    assert names(tmp_path) == ["exceptions.1.log", "exceptions.log"]


def test_removed_file_comes_back(handler: DailyFileHandler, tmp_path: Path) -> None:
    """When someone removes the file, or the directory, the next record makes it anew."""
    handler.handle(record("one"))
    (tmp_path / "combined-2026-11-21.log").unlink()
    handler.handle(record("two"))
    assert (tmp_path / "combined-2026-11-21.log").read_text() == "two\n"


def test_refused_directory(tmp_path: Path) -> None:
    """A handler that could not be made is nothing that the end of the process stumbles over."""
    (tmp_path / "file").touch()
    script = """
import sys
from logship.handler.rotation import DailyFileHandler
try:
    DailyFileHandler(sys.argv[1], "all", max_bytes=100)
except FileExistsError:
    print("refused", flush=True)
"""
    command = [sys.executable, "-c", script, tmp_path / "file"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert (ended.stdout, ended.stderr) == ("refused\n", "")


def test_closed_handler_reopens(handler: DailyFileHandler, tmp_path: Path) -> None:
    """A record after ``close`` is written all the same."""
    handler.handle(record("one"))
    handler.close()
    handler.handle(record("two"))
    assert (tmp_path / "combined-2026-11-21.log").read_text() == "one\ntwo\n"


def test_cannot_write(
    handler: DailyFileHandler, tmp_path: Path, clock: Clock, capfd: pytest.CaptureFixture[str]
) -> None:
    """What cannot be written is said once a minute, the application goes on, and so do we."""
    (tmp_path / "combined-2026-11-21.log").mkdir()
    for _ in range(3):
        handler.handle(record("lost"))
    assert capfd.readouterr().err.count("cannot write log files") == 1
    clock.seconds += 61
    handler.handle(record("lost"))
    assert "3 records lost" in capfd.readouterr().err
    (tmp_path / "combined-2026-11-21.log").rmdir()
    handler.handle(record("kept"))
    assert (tmp_path / "combined-2026-11-21.log").read_text() == "kept\n"


def test_record_born_while_writing(handler: DailyFileHandler, tmp_path: Path) -> None:
    """A record that is logged by a finalizer in the middle of another one waits for its end."""

    class Nested(logging.Formatter):
        def format(self, made: logging.LogRecord) -> str:
            if made.getMessage() == "outer":
                handler.handle(record("inner"))
            return super().format(made)

    handler.setFormatter(Nested())
    handler.handle(record("outer"))
    assert (tmp_path / "combined-2026-11-21.log").read_text() == "inner\nouter\n"


def test_nested_while_opening(tmp_path: Path) -> None:
    """Even one that is born between opening and writing changes nothing under its feet."""
    born = iter([True])
    handler: DailyFileHandler

    def now() -> float:
        if next(born, False):
            handler.handle(record("inner"))
        return time.time()

    handler = DailyFileHandler(tmp_path, "all", max_bytes=1 << 20, now=now)
    handler.handle(record("outer"))
    handler.close()
    (name,) = names(tmp_path)
    assert (tmp_path / name).read_text() == "outer\ninner\n"


PROCESS = """
import logging, sys
from logship.handler.rotation import DailyFileHandler
directory, name = sys.argv[1:]
handler = DailyFileHandler(directory, "all", max_bytes=20_000)
print("ready", flush=True)
sys.stdin.read(1)
for number in range(400):
    text = '{"who": "%s", "number": %d, "pad": "%s"}' % (name, number, "x" * (number % 300))
    handler.handle(logging.LogRecord("test", 20, "", 0, text, None, None))
handler.close()
"""


def test_processes_share(tmp_path: Path) -> None:
    """Several processes write whole lines to the same files, and go to the next one together."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, tmp_path, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        for name in "abc"
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(b"!")
        process.stdin.flush()
    for process in processes:
        process.communicate(timeout=30)
    assert [process.returncode for process in processes] == [0, 0, 0]
    found: dict[str, list[int]] = {"a": [], "b": [], "c": []}
    by_number = sorted(
        os.listdir(tmp_path), key=lambda name: int((name.split(".")[1:-1] or [0])[0])
    )
    for name in by_number:
        for line in (tmp_path / name).read_text().splitlines():
            entry: dict[str, Any] = json.loads(line)
            found[entry["who"]].append(entry["number"])
    assert {who: sorted(numbers) for who, numbers in found.items()} == {
        who: list(range(400)) for who in "abc"
    }
    assert len(by_number) >= 10
