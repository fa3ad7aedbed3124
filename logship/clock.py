"""The machine's own time, where nobody gives another."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]


class SystemClock:
    """A :class:`logship.interfaces.Clock` that shows what the machine's clocks do."""

    monotonic = staticmethod(time.monotonic)
    time = staticmethod(time.time)
