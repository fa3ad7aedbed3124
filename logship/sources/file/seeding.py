"""Gives new contents their seeds: durable rows, before the first line is sent."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from logship.checkpoints.rows import FileRow
from logship.checkpoints.store import CheckpointStore
from logship.ids import TAIL_BYTES, first_line_digest, make_seed, tail_digest
from logship.interfaces import ChooseFormat, Clock
from logship.lines import PLAIN, LineForm
from logship.sources.file.identity import Candidate, find_first_line
from logship.sources.file.log_file import LogFile
from logship.sources.file.tailer import day_of

__all__ = ["Beginning", "Seeding", "say_formats"]

log = logging.getLogger(__name__)

HEAD_BYTES = 32 << 10


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a new content begins with.

    Attributes:
        first_line: The first non-empty line, its first KiB at the most.
        position: Offset from which it is to be read.
        tail: The bytes before that.
        head: The first bytes, enough for some lines, in UTF-8 and with ``\\n``.
    """

    path: str
    candidate: Candidate
    first_line: bytes
    position: int
    tail: bytes
    head: bytes

    @classmethod
    def of(
        cls,
        file: LogFile,
        path: str,
        position: int,
        *,
        or_incomplete: bool,
        form: LineForm = PLAIN,
    ) -> Beginning | None:
        """Return the beginning of an open file; None without a first line. Blocking.

        Raises:
            OSError: It cannot be read.
        """
        candidate = file.look()
        start = file.find_data(0)
        if start is None:
            return None
        form = form.resolved(candidate.fingerprint)
        start -= start % form.unit  # the first byte of a character may be NUL
        line = find_first_line(candidate.read_at, start, or_incomplete=or_incomplete, form=form)
        if not line:
            return None
        count = min(TAIL_BYTES, position)
        tail = candidate.read_at(position - count, count)
        head = form.as_plain(candidate.read_at(start, HEAD_BYTES), start)
        return cls(path, candidate, line, position, tail, head)


class Seeding:
    """Adds new contents to the store, each with a seed that no other content has.

    One for all sources: two files that begin alike must not get the same seed at once.

    Attributes:
        boot_id: Names this boot of the machine; empty when unknown.
    """

    def __init__(
        self,
        store: CheckpointStore,
        *,
        host_id: str,
        boot_id: str,
        clock: Clock,
        choose_format: ChooseFormat = lambda head: "",
    ) -> None:
        self._store, self._clock, self._choose_format = store, clock, choose_format
        self._host_id, self.boot_id = host_id, boot_id
        self._lock = asyncio.Lock()

    async def add(self, source: str, beginnings: Sequence[Beginning]) -> list[FileRow]:
        """Return the rows of new contents, in order; they are durable.

        Raises:
            sqlite3.Error: They are not; none of them may be sent.
        """
        digests = [first_line_digest(beginning.first_line) for beginning in beginnings]
        async with self._lock:
            known = await asyncio.gather(*map(self._store.salts, digests))
            taken = {digest for digest, salts in zip(digests, known, strict=True) if salts}
            rows = []
            for beginning, digest in zip(beginnings, digests, strict=True):
                salt = secrets.token_bytes(8) if digest in taken else b""
                taken.add(digest)
                rows.append(self._row(source, beginning, digest, salt))
            return await asyncio.gather(*map(self._store.add, rows))

    def _row(self, source: str, beginning: Beginning, digest: bytes, salt: bytes) -> FileRow:
        candidate, now = beginning.candidate, self._clock.time()
        return FileRow(
            id=0,
            source=source,
            path=beginning.path,
            device=candidate.device,
            inode=candidate.inode,
            fingerprint=candidate.fingerprint,
            first_line=digest,
            salt=salt,
            seed=make_seed(self._host_id, beginning.first_line, salt),
            offset=beginning.position,
            tail=tail_digest(beginning.tail),
            last_time=None,
            size=candidate.size,
            boot=self.boot_id,
            confirmed_at=now,
            format=self._choose_format(beginning.head),
            day_marks=((0, day_of(now)),),
        )


def say_formats(source: str, rows: Sequence[FileRow]) -> None:
    """Log what the new files of a source were taken for, each format once."""
    paths: dict[str, list[str]] = {}
    for row in rows:
        paths.setdefault(row.format, []).append(row.path)
    for format_, named in paths.items():
        others = f" and {len(named) - 1} more new files are" if len(named) > 1 else " is"
        what = "JSON or text, line by line" if format_ == "auto" else format_
        log.info("Source %s: %s%s read as %s.", source, named[0], others, what)
