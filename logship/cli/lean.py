"""Imports that leave out what logship has no use for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_other_clients"]

UNUSED = ("httpx", "requests")


@contextmanager
def without_other_clients() -> Iterator[None]:
    """Import Elasticsearch's client in this block without the HTTP libraries nobody asked for.

    It imports each that is installed, and we need only aiohttp: the others are 10 MB of memory
    and a fifth of the start. For a process of our own, before it has a second thread: in the
    meantime these libraries seem not to be installed. Afterwards they can be imported.
    """
    left_out = [name for name in UNUSED if name not in sys.modules]
    # None stands for "cannot be imported"; the stubs know only of modules.
    sys.modules.update(dict.fromkeys(left_out))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]
