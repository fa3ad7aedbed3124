"""Waiting in tests: for a condition, with a deadline that says what it saw."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["wait_until"]


def wait_until(
    holds: Callable[[], object], what: Callable[[], object] | str, *, seconds: float = 15.0
) -> None:
    """Return as soon as *holds* is true.

    Raises:
        AssertionError: It was not within *seconds*; says *what* was the case then.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            seen = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {seconds:g} s: {seen}")
        time.sleep(0.005)
