from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
from logship.cli.lean import without_other_clients

before = set(sys.modules)
with without_other_clients():
    import logship.agent
assert "elastic_transport" in set(sys.modules) - before
unused = [name for name in sys.modules if name.partition(".")[0] in ("httpx", "requests")]
assert unused == [], unused
import httpx
with without_other_clients():
    import httpx as same
assert sys.modules["httpx"] is httpx is same
"""


def test_only_what_is_used_is_imported() -> None:
    """Nothing of the other HTTP libraries is loaded, and whoever wants them still gets them."""
    subprocess.run([sys.executable, "-c", PROGRAM], check=True)
