"""The dead-letter files: what Elasticsearch refuses for good, with its reason.

NDJSON, one object a line, in ``dead-letters/YYYY-MM-DD.ndjson`` by the day of refusal (UTC)::

    {"at", "index", "id", "status", "type", "reason", "source", "offset", "doc"}

``doc`` is the document as it was sent, without the ingest stamp; (``index``, ``id``) is its
key. A line that a crash cut short is not settled and will be written again.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

import orjson

from logship.durable import append_whole, on_new_line, sync_directory
from logship.interfaces import Clock
from logship.model import Document, Refusal
from logship.schema.times import utc_text

__all__ = ["DeadLetterFiles"]


class DeadLetterFiles:
    """Appends to the dead-letter files of one folder; synced before it returns.

    Attributes:
        written: Dead letters so far.
    """

    def __init__(
        self, directory: Path, *, clock: Clock, pool: Executor | None, max_bytes: int
    ) -> None:
        self._directory, self._clock, self._pool = directory, clock, pool
        self._max_bytes = max_bytes
        self._lock = asyncio.Lock()
        self._synced: Path | None = None
        self.written = 0

    async def write(self, documents: Sequence[tuple[Document, Refusal]]) -> None:
        """Return when all of *documents* are on disk.

        Raises:
            OSError: They are not (disk full, bound reached); nothing may be settled.

        Cancelled, they may or may not be on disk; written again, they keep their keys.
        """
        now = utc_text(self._clock.time())
        data = b"".join(_line(document, refusal, now) for document, refusal in documents)
        async with self._lock:
            loop = asyncio.get_running_loop()
            if self._pool is None:
                self._append(data, now[:10])
            else:
                await loop.run_in_executor(self._pool, self._append, data, now[:10])
        self.written += len(documents)

    def _append(self, data: bytes, day: str) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = sum(file.stat().st_size for file in self._directory.glob("*.ndjson"))
        if held + len(data) > self._max_bytes:
            raise OSError(
                f"{self._directory} is full: {held} bytes of {self._max_bytes} "
                "(dead_letters.max_bytes); replay or purge dead letters"
            )
        path = self._directory / f"{day}.ndjson"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            # Handlers in several processes may share the folder; a failed write of one cuts the
            # file back to where it began.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            is_new = os.fstat(descriptor).st_size == 0
            append_whole(descriptor, on_new_line(descriptor, data), synced=True)
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(path)) from error
        finally:
            os.close(descriptor)
        if is_new or self._synced != path:
            # A name that is not synced can be gone after a power cut, with all that it names.
            sync_directory(self._directory)
            sync_directory(self._directory.parent)
            self._synced = path


def _line(document: Document, refusal: Refusal, now: str) -> bytes:
    doc: orjson.Fragment | str = orjson.Fragment(document.source)
    try:
        parsed = orjson.loads(document.source)
        source, offset = parsed.get("log.file.path"), parsed.get("log.offset")
    except orjson.JSONDecodeError:
        source = offset = None
        doc = document.source.decode("utf-8", "replace")
    entry = {
        "at": now,
        "index": document.index,
        "id": document.id,
        "status": refusal.status,
        "type": refusal.type,
        "reason": refusal.reason,
        "source": source,
        "offset": offset,
        "doc": doc,
    }
    return orjson.dumps(entry) + b"\n"
