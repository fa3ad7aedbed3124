"""Imports beside an application that must not notice.

A thread that only computes keeps the interpreter for 5 ms at a time, and importing the HTTP
client computes for half a second: whatever the application calls meanwhile could take that
much longer.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["importing_gently"]

TURN_SECONDS = 0.002


@contextmanager
def importing_gently() -> Iterator[None]:
    """Let threads take shorter turns, whatever this one does inside.

    The length of a turn is one for all threads; what the application sets meanwhile stays.
    """
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, TURN_SECONDS))
    shorter = sys.getswitchinterval()
    try:
        yield
    finally:
        if sys.getswitchinterval() == shorter:
            sys.setswitchinterval(before)
