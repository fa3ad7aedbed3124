"""Writing so that it is there after a crash, whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["append_whole", "on_new_line", "sync_directory"]


def append_whole(descriptor: int, data: bytes, *, synced: bool = False) -> None:
    """Append all of *data* to a file, or nothing. Blocking.

    Args:
        synced: Whether it has to survive a power cut, too, before this returns.

    Raises:
        OSError: The file is as long as it was before.
    """
    before = os.lseek(descriptor, 0, os.SEEK_END)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        if synced:
            os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


def on_new_line(descriptor: int, data: bytes) -> bytes:
    """Return *data* as it is to be appended to lines of which a crash may have torn the last.

    Raises:
        OSError: The file, which has to be open for reading, too, cannot be read.
    """
    size = os.fstat(descriptor).st_size
    is_torn = size and os.pread(descriptor, 1, size - 1) != b"\n"
    return b"\n" + data if is_torn else data


def sync_directory(directory: Path) -> None:
    """Make the names in *directory* durable: a new one may be gone after a power cut. Blocking.

    Raises:
        OSError: They may not be durable.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
