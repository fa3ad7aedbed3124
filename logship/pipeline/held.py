"""Documents that the cluster keeps out for now: held in memory, then in files, until they go.

They are kept in groups, one for each index and reason. A group is probed with one document at
growing intervals; when that one goes, so does the rest. What waits for too long, or fills too
much of the buffer, is parked: written to files, and only then settled. So nothing is lost by a
crash at any point, and what is sent twice for it has its id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import orjson

from logship.buffer import Buffer
from logship.interfaces import Clock
from logship.model import STAMP_BYTES, BatchResult, Documents, Refusal, merge
from logship.pipeline.held_groups import Group, Probe, of_record
from logship.pipeline.keeping import Keeping
from logship.sinks.elasticsearch.reply import is_unfamiliar
from logship.sinks.held_files import HeldFile, HeldFiles, Line

__all__ = ["Held"]

log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.25
TAKEN_RECORDS, TAKEN_BYTES = 5000, 2 << 20
LOOK_SECONDS = 60.0
LINGER_SECONDS = 10.0  # what fails again so soon is probed at the intervals it had
SAY_AGAIN_SECONDS = 10.0
# What an index says to whatever it is sent: only probes need to hear it again. For a primary that
# is not there the answer takes its time, and all others in the request wait for it.
_OF_WHOLE_INDEX = frozenset(
    (
        "cluster_block_exception",
        "index_closed_exception",
        "index_not_found_exception",
        "invalid_alias_name_exception",
        "routing_missing_exception",
        "security_exception",
        "unavailable_shards_exception",
        "validation_exception",
    )
)


class Held:
    """Keeps what is held until it goes, or is given up. Belongs to one event loop.

    Args:
        pause_seconds: The longest pause between two probes.
        may_probe: Whether requests are answered at all.
        give_up: Makes dead letters of documents, for a reason, and settles them.
        changed: Called when documents may be in the buffer, or nothing is held any more.
    """

    def __init__(
        self,
        buffer: Buffer,
        keeping: Keeping,
        *,
        clock: Clock,
        jitter: random.Random,
        target: str,
        pause_seconds: Callable[[], float],
        may_probe: Callable[[], bool],
        give_up: Callable[[Documents, Refusal], None],
        changed: Callable[[], None],
    ) -> None:
        self._buffer, self._keeping, self._clock = buffer, keeping, clock
        self._jitter, self._target = jitter, target
        self._pause_seconds, self._may_probe = pause_seconds, may_probe
        self._give_up, self._changed = give_up, changed
        self._groups: dict[tuple[str, str], Group] = {}
        self._news = asyncio.Event()
        self._is_ending = self._is_parking = self._is_urgent = False
        self._is_opened = keeping.files is None
        self._park_after = self._say_after = float("-inf")

    @property
    def parked(self) -> int:
        """How many documents are in the files."""
        return sum(file.left for group in self._groups.values() for file in group.files)

    @property
    def borrowed(self) -> int:
        """How many of those are in the buffer or under way as well."""
        return sum(file.under_way for group in self._groups.values() for file in group.files)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it has to be waited for: all is gone, or parked and was tried."""
        return self._is_opened and not self._is_parking and not any(
            group.documents
            or group.is_under_way
            or not (self._is_ending or (group.failures and not group.is_open))
            for group in self._groups.values() if not group.is_empty
        )  # fmt: skip

    def hurry(self) -> None:
        """Probe everything that waits at once."""
        for group in self._groups.values():
            group.due = float("-inf")
        self._news.set()

    def wake(self) -> None:
        """Look at everything again."""
        self._news.set()

    def end(self) -> None:
        """Park all at once, and probe nothing any more."""
        self._is_ending = True
        self._news.set()

    def sort(self, batch: Documents, result: BatchResult) -> Sequence[Refusal]:
        """Take what is held of *batch*, and return what is rejected.

        What a probe is refused for in the way that its group is held for is held once more.
        """
        receipts = [receipt for receipt, count in batch.runs for _ in range(count)]
        held, rejected = list(result.held), []
        for refusal in result.rejected:
            receipt = receipts[refusal.position]
            if isinstance(receipt, Probe) and _is_held_for(receipt.group, refusal):
                held.append(refusal)
            else:
                rejected.append(refusal)
                if isinstance(receipt, Probe):
                    receipt.passed()
        batch.runs = [(of_record(receipt), count) for receipt, count in batch.runs]
        kept: dict[tuple[str, str], list[Refusal]] = {}
        for refusal in held:
            receipt = receipts[refusal.position]
            if isinstance(receipt, Probe):
                self._failed(receipt.group, refusal)
                receipt.end()
                receipt = receipt.receipt
            if isinstance(receipt, Line):
                self._give_back(batch, refusal, receipt)
            else:
                key = (_index_of(batch.heads[refusal.position]), refusal.type)
                kept.setdefault(key, []).append(refusal)
        for key, refusals in kept.items():
            self._keep(key, batch, refusals)
        self._news.set()
        return rejected

    def divert(self, batch: Documents) -> Documents | None:
        """Hold what an index is known to keep out, unsent; return what is left, None: nothing."""
        closed = {
            group.index: group
            for group in self._groups.values()
            if group.refusal and group.type in _OF_WHOLE_INDEX
            if not (group.is_open or group.is_empty)
        }
        if not closed or any(isinstance(receipt, Line) for receipt, _ in batch.runs):
            return batch
        indices = {head: _index_of(head) for head in set(batch.heads)}
        if closed.keys().isdisjoint(indices.values()):
            return batch
        held: dict[str, list[int]] = {}
        rest: list[int] = []
        for position, head in enumerate(batch.heads):
            index = indices[head]
            (held.setdefault(index, []) if index in closed else rest).append(position)
        for index, positions in held.items():
            self._add(closed[index], batch.select(positions))
        self._news.set()
        return batch.select(rest) if rest else None

    async def run(self, launch: Callable[[Documents], None]) -> None:
        """Probe, park and send on what is held, until cancelled.

        Args:
            launch: Sends documents at once.
        """
        await self.open()
        while True:
            self._news.clear()
            await self._park()
            probes: list[Documents] = []
            for group in list(self._groups.values()):
                try:
                    await self._advance(group, probes)
                except OSError as error:
                    group.due = self._clock.monotonic() + self._pause_seconds()
                    self._say(f"Cannot read held records: {error}. They are tried again.")
            if probes:
                launch(merge(probes))
            self._changed()
            await self._rest()

    async def open(self) -> None:
        """Take up what earlier runs parked; once."""
        if self._is_opened or self._keeping.files is None:
            return
        try:
            files = await self._keeping.do(self._keeping.files.open)
        except OSError as error:
            self._say(f"Cannot read held records: {error}. The next start tries it again.")
            files = []
        for file in files:
            self._adopt(self._group(file.index, file.type), file)
        self._is_opened = True

    def _group(self, index: str, type_: str) -> Group:
        return self._groups.setdefault((index, type_), Group(index, type_))

    def _adopt(self, group: Group, file: HeldFile) -> None:
        if file not in group.files:
            group.files.append(file)
            file.on_change = self._news.set

    def _keep(self, key: tuple[str, str], batch: Documents, refusals: list[Refusal]) -> None:
        is_new = key not in self._groups
        group = self._group(*key)
        documents = batch.select(sorted(refusal.position for refusal in refusals))
        self._add(group, documents)
        if is_new:
            self._failed(group, refusals[0])
            self._say(
                f"{self._target} keeps records of {group.index} out "
                f"({group.type}: {refusals[0].reason[:300]}). They are held and tried again; "
                "those of other indices go on."
            )
        elif group.is_open:
            self._failed(group, refusals[0])
        group.refusal = refusals[0]

    def _add(self, group: Group, documents: Documents) -> None:
        group.since = group.since if group.documents else self._clock.monotonic()
        group.documents.append(documents)

    def _failed(self, group: Group, refusal: Refusal) -> None:
        group.refusal, group.is_open = refusal, False
        group.failures += 1
        bound = FIRST_PAUSE_SECONDS * 2 ** min(group.failures - 1, 16)
        pause = self._jitter.uniform(0, min(bound, self._pause_seconds()))
        group.due = self._clock.monotonic() + pause

    def _give_back(self, batch: Documents, refusal: Refusal, line: Line) -> None:
        """What came from a file stays there; the next turn is that of another file."""
        for group in self._groups.values():
            if line.file in group.files:
                if group.is_open:
                    self._failed(group, refusal)
                if group.files[0] is line.file:
                    group.files.rotate(-1)
        size = STAMP_BYTES + sum(len(column[refusal.position]) for column in batch.columns)
        self._buffer.release(size, 1)
        line.give_back()

    async def _park(self) -> None:
        """Write to files what has waited for long enough, or all when it is too much."""
        files, now = self._keeping.files, self._clock.monotonic()
        held_bytes = sum(group.size_bytes for group in self._groups.values())
        self._is_urgent = self._is_ending or 4 * held_bytes >= self._buffer.max_bytes
        if files is None or now < self._park_after:
            return
        self._is_parking = True
        try:
            for group in list(self._groups.values()):
                is_old = now - group.since >= self._keeping.after_seconds
                if group.documents and (is_old or self._is_urgent):
                    await self._park_group(files, group)
        except OSError as error:
            self._park_after = self._clock.monotonic() + self._pause_seconds()
            self._say(f"Cannot park held records: {error}. They wait in memory.")
        finally:
            self._is_parking = False

    async def _park_group(self, files: HeldFiles, group: Group) -> None:
        is_first = not group.files
        documents, group.documents = merge(group.documents), []
        try:
            file = await self._keeping.do(lambda: files.append(group.index, group.type, documents))
        except BaseException:
            group.documents.insert(0, documents)
            raise
        self._adopt(group, file)
        documents.settle()
        self._buffer.release(documents.size_bytes, len(documents))
        log.log(
            logging.INFO if is_first else logging.DEBUG,
            "%d records of %s wait in %s; more may follow. They go by themselves.",
            len(documents),
            group.index,
            files.directory,
        )

    async def _advance(self, group: Group, probes: list[Documents]) -> None:
        """Do what is next for one group."""
        files = self._keeping.files
        if files is not None:
            for file in [file for file in group.files if not file.left]:
                await self._keeping.do(partial(files.remove, file))
                group.files.remove(file)
        if group.is_under_way:
            return
        now = self._clock.monotonic()
        if group.is_empty:
            if now >= group.opened_at + LINGER_SECONDS:
                del self._groups[group.index, group.type]
                if group.is_open:
                    log.info("%s has taken all held records of %s.", self._target, group.index)
        elif self._is_ending:
            return
        elif group.is_open:
            await self._send_on(group)
        elif not await self._is_given_up(group) and group.due <= now and self._may_probe():
            await self._probe(group, probes)

    async def _is_given_up(self, group: Group) -> bool:
        """Give up what was held for too long; only what was refused in this run."""
        limit = self._keeping.limit_seconds
        if limit is None or group.refusal is None:
            return False
        if group.documents and self._clock.monotonic() >= group.since + limit:
            waiting, group.documents = group.documents, []
            for documents in waiting:
                self._give_up(documents, group.refusal)
            return True
        if group.files and self._clock.time() >= group.turn_to_oldest().grown_at + limit:
            documents = await self._take(group, TAKEN_RECORDS)
            self._buffer.charge(documents.size_bytes, len(documents))
            self._give_up(documents, group.refusal)
            return True
        return False

    async def _send_on(self, group: Group) -> None:
        waiting, group.documents = group.documents, []
        for documents in waiting:
            self._buffer.requeue(documents, since=float("-inf"))
        if group.files:
            documents = await self._take(group, TAKEN_RECORDS)
            if len(documents):
                self._buffer.charge(documents.size_bytes, len(documents))
                self._buffer.requeue(documents, since=float("-inf"))

    async def _probe(self, group: Group, probes: list[Documents]) -> None:
        if group.documents:
            first = group.documents[0]
            documents = first.part(0, 1)
            group.documents[:1] = [first.part(1, len(first))] if len(first) > 1 else []
        else:
            documents = await self._take(group, 1)
            if not len(documents):
                return
            self._buffer.charge(documents.size_bytes, len(documents))
        group.probe = Probe(group, documents.runs[0][0], self._clock, self._news.set)
        documents.runs = [(group.probe, 1)]
        probes.append(documents)

    async def _take(self, group: Group, records: int) -> Documents:
        """Return what comes next of a group's files; nothing is under way of them."""
        file = group.files[0]
        now = self._clock.monotonic()
        try:
            documents = await self._keeping.do(lambda: file.take(records, TAKEN_BYTES, now))
        except FileNotFoundError:
            if self._keeping.files is not None:
                self._keeping.files.forget(file)
            group.files.popleft()
            raise
        if not len(documents):
            self._news.set()
        return documents

    async def _rest(self) -> None:
        """Wait for news, or until a group is due."""
        now, keeping = self._clock.monotonic(), self._keeping
        moments = [now + min(LOOK_SECONDS, (keeping.limit_seconds or LOOK_SECONDS) / 4)]
        is_probing = self._may_probe() and not self._is_ending
        for group in self._groups.values():
            if group.is_empty:
                moments.append(group.opened_at + LINGER_SECONDS)
            elif is_probing and not group.is_under_way and not group.is_open:
                moments.append(group.due)
            if group.documents and keeping.files is not None:
                since = now if self._is_urgent else group.since + keeping.after_seconds
                moments.append(max(since, self._park_after))
        try:
            async with asyncio.timeout(max(0.0, min(moments) - now)):
                await self._news.wait()
        except TimeoutError:
            pass

    def _say(self, text: str) -> None:
        now = self._clock.monotonic()
        if now >= self._say_after:
            self._say_after = now + SAY_AGAIN_SECONDS
            log.warning(text)
        else:
            log.info(text)


def _is_held_for(group: Group, refusal: Refusal) -> bool:
    return refusal.type == group.type and is_unfamiliar(refusal)


@lru_cache(256)
def _index_of(head: bytes) -> str:
    index: str = orjson.loads(head + b'"}}')["create"]["_index"]
    return index
