"""Ships what earlier processes left in the spool, and what this one put there meanwhile."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import orjson

from logship.buffer import Buffer
from logship.handler.spool import Claim, Spool
from logship.model import Documents, action_head

__all__ = ["Recovery"]

log = logging.getLogger(__name__)

LINES_AT_ONCE, BYTES_AT_ONCE = 500, 1 << 20
FILES_AT_ONCE = 16
LOOK_SECONDS = 10.0
GATE_SECONDS = 0.05


class _Envelope(msgspec.Struct):
    index: str
    id: str
    doc: msgspec.Raw


_decode = msgspec.json.Decoder(_Envelope).decode


class Recovery:
    """Claims the files of the spool one after another and puts their documents into the buffer.

    A file is removed when all of its documents are settled. Cancelled, files stay as they are
    and are shipped again by the next one; ids make that harmless.

    Args:
        may_go: Whether there is room beside what is new.
        recovered: Called with a file and how many of its documents were settled.

    Attributes:
        is_busy: Whether something may be there that is not settled yet.
    """

    def __init__(
        self,
        spool: Spool,
        buffer: Buffer,
        may_go: Callable[[], bool],
        recovered: Callable[[Path, int], None],
    ) -> None:
        self.is_busy = True
        self._spool, self._buffer = spool, buffer
        self._may_go, self._recovered = may_go, recovered
        self._files: set[_File] = set()
        self._news = asyncio.Event()

    def look(self) -> None:
        """Say that there is a file now."""
        self.is_busy = True
        self._news.set()

    async def run(self) -> None:
        """Look for files, now and again, until cancelled."""
        try:
            while True:
                self._news.clear()
                claim = self._spool.claim() if len(self._files) < FILES_AT_ONCE else None
                if claim is not None:
                    self.is_busy = True
                    if await self._ship(claim):
                        continue
                elif not self._files:
                    self.is_busy = False
                await self._rest(GATE_SECONDS if self._files else LOOK_SECONDS)
        finally:
            for file in list(self._files):
                self._spool.give_up(file.claim)
            self._files.clear()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _ship(self, claim: Claim) -> bool:
        """Put all of a file's documents into the buffer; whether that could be done."""
        file = _File(claim, self._settled)
        self._files.add(file)
        try:
            for portion in _portions(claim.lines()):
                documents = _documents(portion, file)
                file.unreadable += len(portion) - len(documents)
                if len(documents):
                    while not self._may_go():  # noqa: ASYNC110 - asked rarely, depends on much
                        await asyncio.sleep(GATE_SECONDS)
                    file.owed += len(documents)
                    await self._buffer.put(documents)
        except OSError as error:
            log.error("Cannot read %s: %s. It is tried again.", claim.path, error)
            self._files.discard(file)
            self._spool.give_up(claim)
            return False
        file.is_read = True
        self._settled(file, 0)
        return True

    def _settled(self, file: _File, count: int) -> None:
        if count:
            self._recovered(file.claim.path, count)
        if file not in self._files or not file.is_read or file.owed:
            return
        self._files.discard(file)
        self._spool.remove(file.claim, is_readable=not file.unreadable)
        if file.unreadable:
            log.error(
                "%d lines of %s are no envelopes (a crash cuts the last one short); the rest is "
                "shipped, and the file is kept as %s.",
                file.unreadable,
                file.claim.path,
                file.claim.path.with_suffix(".unreadable").name,
            )


class _File:
    """One file on its way, and the receipt of its documents."""

    def __init__(self, claim: Claim, settled: Callable[[_File, int], None]) -> None:
        self.claim, self._on_settled = claim, settled
        self.owed = self.unreadable = 0
        self.is_read = False

    def settle(self, count: int) -> None:
        """Count documents that are delivered, or refused for good."""
        self.owed -= count
        self._on_settled(self, count)


def _portions(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    portion: list[bytes] = []
    size = 0
    for line in lines:
        portion.append(line)
        size += len(line)
        if len(portion) >= LINES_AT_ONCE or size >= BYTES_AT_ONCE:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion


def _documents(lines: list[bytes], file: _File) -> Documents:
    heads: list[bytes] = []
    ids: list[bytes] = []
    bodies: list[bytes] = []
    for line in lines:
        try:
            envelope = _decode(line)
        except (msgspec.MsgspecError, ValueError):
            continue
        doc = bytes(envelope.doc).strip()
        is_object = doc.startswith(b"{") and doc[1:-1].strip()
        if not (envelope.index and envelope.id and is_object):
            continue
        heads.append(action_head(envelope.index, b"", with_id=True))
        ids.append(orjson.dumps(envelope.id)[1:-1])
        bodies.append(doc[1:])
    nothing = [b""] * len(bodies)
    columns = (heads, ids, nothing, nothing, bodies)
    return Documents.of(columns, time.monotonic(), [(file, len(bodies))])
