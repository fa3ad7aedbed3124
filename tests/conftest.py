"""Settings of all tests.

Random tests draw the same cases in every run, so that what passes once passes again. With
``LOGSHIP_TEST_SEED`` they draw others, and ``LOGSHIP_TEST_EXAMPLES`` says how many times as
many: ``LOGSHIP_TEST_SEED=7 LOGSHIP_TEST_EXAMPLES=20 make test``.
"""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "logship",
    derandomize="LOGSHIP_TEST_SEED" not in os.environ,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=100 * int(os.environ.get("LOGSHIP_TEST_EXAMPLES") or 1),
)
settings.load_profile("logship")

# What a shell starts in the background ignores interrupts, and so would all processes of the
# tests: a program that is started with SIGINT ignored keeps it so.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
