"""Sends what lies in one spool folder, file by file, each removed when all of it is settled.

Reads and removes on the loop: spools lie on local disks, and a thread that takes a lock could
not be told to let go of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from logship.model import Documents
from logship.spool import Claim, Spool

__all__ = ["Put", "Shipping"]

log = logging.getLogger(__name__)

FILES_AT_ONCE = 64

# Puts documents where they are delivered from; returns when there was room.
Put = Callable[[Documents], Awaitable[None]]


class Shipping:
    """Claims the files of a spool folder one after another and puts their documents on the way.

    A file is removed when all of its documents are settled, also when that is later than the
    call that put them there, until :meth:`close`. What was begun and not finished is sent again
    by the next one; ids make that harmless.

    Args:
        spool: Used by this one alone, as far as files are claimed.
        settled: Called with a file and how many of its documents were settled just now.

    """

    def __init__(
        self,
        spool: Spool,
        put: Put,
        settled: Callable[[Path, int], None] = lambda path, count: None,
    ) -> None:
        self._spool, self._put, self._on_settled = spool, put, settled
        self._files: set[_File] = set()
        self._room = asyncio.Event()

    @property
    def files(self) -> int:
        """How many files are under way."""
        return len(self._files)

    async def ship(self) -> int:
        """Put all there is on the way, but for files that others hold; return how many files.

        Raises:
            OSError: Files cannot be read. All others are on the way; the next call tries again.

        Cancelled, what was put is delivered nevertheless; its file stays for the next one.
        """
        count = 0
        failed: dict[Path, OSError] = {}
        while True:
            while len(self._files) >= FILES_AT_ONCE:
                self._room.clear()
                await self._room.wait()
            claim = self._spool.claim()
            if claim is None:
                break
            if claim.path in failed:  # all others had their turn
                self._spool.give_up(claim)
                break
            try:
                await self._ship(claim)
                count += 1
            except OSError as error:
                failed[claim.path] = error
        if failed:
            raise OSError(f"cannot read {_names(failed)}")
        return count

    def close(self) -> None:
        """Let others have what is not settled."""
        files, self._files = self._files, set()
        for file in files:
            self._spool.give_up(file.claim)

    async def _ship(self, claim: Claim) -> None:
        file = _File(claim, self._settled)
        self._files.add(file)
        try:
            for documents in claim.read(file):
                file.owed += len(documents)
                await self._put(documents)
        except OSError:
            self._files.discard(file)
            self._spool.give_up(claim)
            raise
        file.is_read = True
        self._settled(file, 0)

    def _settled(self, file: _File, count: int) -> None:
        if count and self._on_settled is not None:
            self._on_settled(file.claim.path, count)
        if file not in self._files or not file.is_read or file.owed:
            return
        self._files.discard(file)
        self._room.set()
        try:
            kept = self._spool.remove(file.claim)
        except OSError as error:
            log.error(
                "%s cannot be removed: %s. All of it is delivered; the next start sends it again, "
                "which changes nothing.",
                file.claim.path,
                error.strerror,
            )
        else:
            if kept is not None:
                _say_bad_lines(file.claim, kept)


class _File:
    """One file on its way, and the receipt of its documents."""

    def __init__(self, claim: Claim, settled: Callable[[_File, int], None]) -> None:
        self.claim, self._on_settled = claim, settled
        self.owed = 0
        self.is_read = False

    def settle(self, count: int) -> None:
        """Count documents that are delivered, or refused for good."""
        self.owed -= count
        self._on_settled(self, count)


def _names(failed: Mapping[Path, OSError]) -> str:
    return ", ".join(f"{path} ({error.strerror or error})" for path, error in failed.items())


def _say_bad_lines(claim: Claim, kept: Path) -> None:
    first, *more = claim.first_bad
    others = ""
    if claim.bad_lines > 1:
        numbers = ", ".join(str(line.number) for line in more)
        rest = claim.bad_lines - len(claim.first_bad)
        others = f"; so are lines {numbers}" + (f" and {rest} more" if rest else "")
    log.error(
        "%s:%d: no envelope (%s)%s. A crash cuts the last line of a file short. "
        "They are kept in %s; all other lines are delivered.",
        claim.path,
        first.number,
        first.why,
        others,
        kept,
    )
