"""``add_host``: says more of the machine than its name, which every record has."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from logship.processors.add_fields import AddFields

__all__ = ["add_host"]


def add_host(options: Mapping[str, Any]) -> AddFields:
    """Return a processor that adds ``host.architecture`` and ``host.os.*``; looked up once.

    What a record says of its own host is kept.
    """
    system = platform.uname()
    facts = {
        "host.architecture": system.machine,
        "host.os.type": system.system.lower(),
        "host.os.kernel": system.release,
    }
    return AddFields(facts, overwrites=False)
