"""What is appended is there whole, or not at all."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

import pytest

from logship.durable import append_whole, on_new_line, sync_directory


@pytest.mark.parametrize("synced", [False, True])
def test_appended_to_the_end(tmp_path: Path, *, synced: bool) -> None:
    """Wherever the descriptor stands, the data follows what is there."""
    path = tmp_path / "file"
    path.write_bytes(b"one\n")
    descriptor = os.open(path, os.O_RDWR)
    append_whole(descriptor, b"two\n", synced=synced)
    append_whole(descriptor, b"", synced=synced)
    os.close(descriptor)
    assert path.read_bytes() == b"one\ntwo\n"


def test_nothing_is_left_of_what_found_no_room(tmp_path: Path) -> None:
    """A write that stops in the middle, as on a full disk, leaves the file as it was."""
    path, limit = tmp_path / "file", 4096
    path.write_bytes(b"one\n")
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            descriptor = os.open(path, os.O_RDWR)
            try:
                append_whole(descriptor, bytes(2 * limit), synced=True)
            except OSError:
                status = 0
        finally:
            os._exit(status)
    _, ended = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(ended) == 0
    assert path.read_bytes() == b"one\n"


@pytest.mark.parametrize(
    ("before", "after"), [(b"", b"x\n"), (b"one\n", b"x\n"), (b"one\nto", b"\nx\n")]
)
def test_torn_line_hides_not_the_next(tmp_path: Path, before: bytes, after: bytes) -> None:
    """Behind a line that a crash cut short another begins."""
    path = tmp_path / "file"
    path.write_bytes(before)
    descriptor = os.open(path, os.O_RDONLY)
    assert on_new_line(descriptor, b"x\n") == after
    os.close(descriptor)


def test_only_folders_are_synced(tmp_path: Path) -> None:
    """One that is not there is an error; nothing is said to be durable then."""
    sync_directory(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "nowhere")
