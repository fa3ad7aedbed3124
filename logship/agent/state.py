"""Opens what a run finds in its state folder: the host's id, and the checkpoints."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping
from pathlib import Path

from logship.checkpoints.store import CheckpointStore
from logship.errors import StateError
from logship.host import HostId, host_id
from logship.interfaces import Clock

__all__ = ["open_state"]

log = logging.getLogger(__name__)


def open_state(
    directory: Path, configured: str | None, environment: Mapping[str, str], clock: Clock
) -> tuple[HostId, CheckpointStore]:
    """Return the host's id and the open store; says what a person should know of either. Blocking.

    Args:
        directory: The state folder, locked.
        configured: The setting ``agent.id``.
        environment: For the host's id.

    Raises:
        StateError: The folder cannot be used; nothing is left open.
    """
    store = None
    try:
        host = host_id(configured, environment, directory)
        store = CheckpointStore(directory, now=clock.time)
        _report(store, host)
    except (OSError, sqlite3.Error) as error:
        if store is not None:
            store.close_now()
        what = getattr(error, "strerror", None) or error
        raise StateError(
            f"{directory}: the state folder cannot be used ({what}). "
            "Make it writable, or choose another with --state-dir."
        ) from error
    return host, store


def _report(store: CheckpointStore, host: HostId) -> None:
    if store.moved_aside is not None:
        log.error(
            "%s was damaged or of another version of logship: it was moved to %s and a new "
            "one begun. Files are read again; their ids keep that from doubling records.",
            store.path,
            store.moved_aside,
        )
    known = store.meta("host_id")
    if known is None:
        store.set_meta("host_id", host.id)
    elif known != host.id:
        log.warning(
            "The host's id is now %s (from %s); it was %s. Files that are known keep their "
            "ids.",
            host.id, host.origin, known,
        )  # fmt: skip
        store.set_meta("host_id", host.id)
    if host.origin.startswith("random"):
        log.warning(
            "This machine has no id: a random one is %s. "
            "Set agent.id so that it survives the loss of that folder.",
            host.origin.removeprefix("random, "),
        )
