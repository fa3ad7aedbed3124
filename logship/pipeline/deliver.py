"""The second loop: batches go out, and every document ends delivered or in a dead letter.

What a mapping refuses is changed and rides in a later batch before it becomes a dead letter.
What the cluster keeps out is held apart (see `logship.pipeline.held`).

Retries are for ever, with full jitter. A batch in back-off holds no slot. While the server
refuses whole requests only one batch at a time probes it, in turns. A batch that fails while
others go through is alone to blame: it waits for itself and stops nobody.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from logship.buffer import Buffer
from logship.interfaces import Clock, DeadLetters, Sink
from logship.model import BatchResult, Documents, Refusal
from logship.pipeline.burial import Burial, Letter
from logship.pipeline.held import Held
from logship.pipeline.held_groups import of_record
from logship.pipeline.keeping import Keeping
from logship.pipeline.reports import Nobody
from logship.pipeline.rescues import Rescued, Rescues
from logship.pipeline.sizes import Sizes
from logship.pipeline.slots import Slots
from logship.pipeline.trouble import Trouble

__all__ = ["Delivery", "Totals"]

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 10.0
LONGEST_ATTEMPT = 17  # the pause after it is as long as it may be
# Two, so that one which alone is to blame does not stop the other; and one more after so many
# failures, in case all of them are.
PROBING_BATCHES, FAILURES_PER_PROBE = 2, 16
# A batch of which more than this is put off gets nowhere, and waits longer every time. One that
# gets on is soon sent again: a shard's queue that was full is often free a moment later.
STUCK_SHARE = 0.98
# What has got nowhere so often waits together, and is sent in batches as full as it makes: a
# shard that takes nothing for an hour must not be asked once for every batch of that hour.
ATTEMPTS_ALONE = 4
FAILURES_PER_HALVING = 3


@dataclass(slots=True)
class Totals:
    """What became of the records so far.

    ``retried`` counts every attempt but the first, ``rejected`` what was refused for good, and
    ``rescued`` those of ``delivered`` that are stored changed, for the sake of a mapping.
    """

    delivered: int = 0
    rescued: int = 0
    retried: int = 0
    held: int = 0
    rejected: int = 0
    dead_letters: int = 0
    dropped: int = 0


class Delivery:
    """Takes batches from the buffer and sends them until everything is settled.

    Belongs to one event loop.

    Attributes:
        totals: What became of the records so far.
    """

    def __init__(
        self,
        buffer: Buffer,
        sink: Sink,
        dead_letters: DeadLetters | None,
        *,
        max_in_flight: int,
        clock: Clock,
        jitter: random.Random | None = None,
        keeping: Keeping | None = None,
        target: str = "Elasticsearch",
        longest_pause_seconds: Callable[[], float] = lambda: LONGEST_PAUSE_SECONDS,
        letters_fate: str = "they are in the dead-letter file",
    ) -> None:
        self.totals = Totals()
        self._buffer, self._sink = buffer, sink
        self._slots, self._sizes = Slots(max_in_flight), Sizes(buffer, clock)
        self._rescues = Rescues(buffer, clock)
        self._clock, self._jitter = clock, jitter or random.Random()
        self._trouble = Trouble(target, clock)
        self._target, self._longest_pause_seconds = target, longest_pause_seconds
        self._burial: Burial | None = None
        if dead_letters is not None:
            self._burial = Burial(dead_letters, self._trouble, fate=letters_fate, pause=self._pause)
        self._held = Held(
            buffer,
            keeping or Keeping(),
            clock=clock,
            jitter=self._jitter,
            target=target,
            pause_seconds=longest_pause_seconds,
            may_probe=lambda: not self.trouble,
            give_up=self._give_up,
            changed=lambda: self._changed.set(),
        )
        self._tasks: asyncio.TaskGroup | None = None
        self._turn = asyncio.Lock()
        self._outstanding = 0
        self._stuck: list[Documents] = []
        self._changed = asyncio.Event()
        self._hurried = asyncio.Event()
        self._successes = 0

    async def open(self) -> None:
        """Take up what earlier runs held, so that it is counted; :meth:`run` does it, too."""
        await self._held.open()

    def report_trouble(self, trouble: str) -> None:
        """Take note of why nothing can go out before the loop begins; empty: it can."""
        self._trouble.why = trouble

    @property
    def trouble(self) -> str:
        """Why nothing goes out at present, one line; empty while all is well."""
        return self._trouble.why

    @property
    def held(self) -> int:
        """How many documents wait in the files of held documents."""
        return self._held.parked

    @property
    def unconfirmed(self) -> int:
        """How many records were read and neither delivered nor are in a file."""
        return self._buffer.used_records - self._held.borrowed

    def hurry(self) -> None:
        """End the pauses that are under way: what waits is tried again at once."""
        self._hurried.set()
        self._hurried = asyncio.Event()
        self._trouble.hurry()
        self._held.hurry()

    def park(self) -> None:
        """Park what is held, now and from now on at once: the end is near."""
        self._held.end()

    async def run(self) -> None:
        """Deliver until the buffer is closed and everything that was in it is settled.

        What stays held is parked by then, where there are files for it. Cancelled, what is
        under way may have been stored; it is not settled.
        """
        async with asyncio.TaskGroup() as group:
            self._tasks = group
            keeper = group.create_task(self._held.run(self._launch))
            while await self._more():
                await self._slots.acquire()
                probing = PROBING_BATCHES + self._trouble.failures // FAILURES_PER_PROBE
                if self.trouble and self._outstanding >= probing:
                    # What waits in the buffer makes fuller batches later.
                    self._slots.release()
                    self._changed.clear()
                    await self._changed.wait()
                    continue
                self._outstanding += 1
                group.create_task(self._deliver(self._buffer.take()))
            keeper.cancel()

    def _launch(self, batch: Documents, put_off: int = 0) -> None:
        """Send *batch* beside what is in the buffer."""
        assert self._tasks is not None
        self._outstanding += 1
        self._tasks.create_task(self._deliver(batch, has_slot=False, put_off=put_off))

    def _wait_together(self, stuck: Sequence[Documents]) -> None:
        """Send *stuck* with all that gets nowhere either, after one long pause for all of it."""
        if not self._stuck:
            assert self._tasks is not None
            self._outstanding += 1
            self._tasks.create_task(self._send_together())
        self._stuck += stuck

    async def _send_together(self) -> None:
        await self._pause(LONGEST_ATTEMPT)
        stuck, self._stuck = self._stuck, []
        for batch in self._buffer.regroup(stuck):
            self._launch(batch, put_off=ATTEMPTS_ALONE)
        self._outstanding -= 1

    def _give_up(self, documents: Documents, refusal: Refusal) -> None:
        """Make dead letters of what was held for too long."""
        refusals = [replace(refusal, position=i) for i in range(len(documents))]
        self._bury(documents, [(documents.document(one.position), one) for one in refusals])

    async def _more(self) -> bool:
        """Wait for a batch. What is under way may put something back, also after the close."""
        while not await self._buffer.ready():
            if not self._outstanding and self._held.is_done:
                return False
            self._changed.clear()
            await self._changed.wait()
        return True

    async def _deliver(self, batch: Documents, *, has_slot: bool = True, put_off: int = 0) -> None:
        """Send *batch*, for which a slot may be taken, and what is left of it, until nothing is.

        Args:
            put_off: How often all of it got nowhere so far.
        """
        waiting = self._prepared(batch) if has_slot else [batch]
        if not waiting:
            self._slots.release()
        suspected = 0
        others = -1  # requests that had gone well when this batch last failed
        try:
            while waiting:
                batch = waiting.pop()
                result = await self._send(batch, has_slot=has_slot)
                has_slot, is_suspect, pauses = False, False, 0
                if result.verdict in ("retry", "pause"):
                    is_alone = 0 <= others < self._successes
                    is_suspect = is_alone or result.is_internal
                    suspected += is_suspect
                    if is_alone:
                        pauses = suspected
                        self._trouble.put_off(len(batch), result.cause)
                    else:
                        self._enter_trouble(result)
                        # Its own wait: others may end the trouble before it is over.
                        pauses = int(result.retry_after_seconds is not None)
                    others = self._successes
                rest = self._settle(batch, result)
                if rest and result.verdict == "items":
                    is_stuck = len(result.retryable) > STUCK_SHARE * len(batch)
                    pauses = put_off = put_off + 1 if is_stuck else 1
                    if put_off > ATTEMPTS_ALONE:
                        self._wait_together(rest)
                        rest, pauses = [], 0
                if is_suspect and suspected >= FAILURES_PER_HALVING:
                    waiting[:0] = _halves(batch)  # whatever else there is has the next turn
                else:
                    waiting += rest
                if pauses:
                    await self._pause(pauses, result.retry_after_seconds)
        finally:
            self._outstanding -= 1
            self._changed.set()

    def _prepared(self, batch: Documents) -> list[Documents]:
        """Return what of a new batch is to be sent, changed where it would be refused."""
        rest = self._held.divert(batch)
        self.totals.held += len(batch) - (0 if rest is None else len(rest))
        return [] if rest is None else [self._rescues.ahead(rest)]

    async def _send(self, batch: Documents, *, has_slot: bool) -> BatchResult:
        if not has_slot:
            await self._slots.acquire()
        if self.trouble:
            self._slots.release()
            return await self._probe(batch)
        try:
            return await self._attempt(batch)
        finally:
            self._slots.release()

    async def _probe(self, batch: Documents) -> BatchResult:
        """One attempt in trouble: waiting batches take turns, each after a pause."""
        async with self._turn:
            if self.trouble:
                await self._pause(self._trouble.failures, self._trouble.wish)
            await self._slots.acquire()
            try:
                return await self._attempt(batch)
            finally:
                self._slots.release()

    async def _attempt(self, batch: Documents) -> BatchResult:
        started = self._clock.monotonic()
        result = await self._sink.write(batch)
        now = self._clock.monotonic()
        if result.verdict == "items" and result.was_sent:
            self._successes += 1
            self._leave_trouble(started)
            self._sizes.worked(batch.size_bytes)
            if not result.retryable:
                self._slots.succeeded(batch.size_bytes, started, now)
        if result.verdict == "retry" or (result.verdict == "items" and result.retryable):
            self._slots.overloaded(started, now)
        if result.is_too_large:
            self._sizes.refused(batch.size_bytes)
        return result

    def _enter_trouble(self, result: BatchResult) -> None:
        self._trouble.enter(result)
        self._changed.set()

    def _leave_trouble(self, attempt_started: float) -> None:
        if self._trouble.leave(attempt_started):
            self._changed.set()
            self._held.wake()

    def _settle(self, batch: Documents, result: BatchResult) -> list[Documents]:
        """Pay for what is done; return what is to be sent again."""
        if result.verdict == "split":
            self._trouble.halved(len(batch), result.cause)
            return _halves(batch)
        if result.verdict != "items":
            self.totals.retried += len(batch)
            return [batch]
        if len(result.delivered) == len(batch):
            self._delivered(batch)
            return []
        if result.delivered:
            self._delivered(batch.select(result.delivered))
        if result.rejected or result.held:
            rejected = self._held.sort(batch, result)
            held = len(result.held) + len(result.rejected) - len(rejected)
            self.totals.held += held
            self.totals.retried += held
            if rejected:
                self._reject(batch, rejected)
        again = result.retryable
        self.totals.retried += len(again)
        if again:
            self._trouble.put_off(len(again), result.cause)
        return [batch.select(again)] if again else []

    def _delivered(self, documents: Documents) -> None:
        self._pay(documents)
        self.totals.delivered += sum(
            count for receipt, count in documents.runs if not isinstance(receipt, Nobody)
        )
        self.totals.rescued += sum(
            isinstance(of_record(receipt), Rescued) for receipt, _ in documents.runs
        )

    def _pay(self, documents: Documents) -> None:
        documents.settle()
        self._buffer.release(documents.size_bytes, len(documents))

    def _reject(self, batch: Documents, refusals: Sequence[Refusal]) -> None:
        """Try again, changed, or settle once it is safe in the dead-letter file."""
        letters = self._rescues.put_back(batch, refusals)
        self._changed.set()
        if letters:
            positions = [refusal.position for _, refusal in letters]
            self._bury(batch.select(positions), letters)

    def _bury(self, documents: Documents, letters: Sequence[Letter]) -> None:
        """Settle *documents* once they are safe in the dead-letter file, as *letters*.

        Nothing waits for that but the end: the disk may be full, and others can go on.
        """
        self.totals.rejected += len(letters)
        if self._burial is None:
            self.totals.dropped += len(letters)
            self._pay(documents)
            return
        if self._burial.add(documents, letters):
            assert self._tasks is not None
            self._outstanding += 1
            self._tasks.create_task(self._bury_all(self._burial))

    async def _bury_all(self, burial: Burial) -> None:
        await burial.run(self._buried)
        self._outstanding -= 1
        self._changed.set()

    def _buried(self, documents: Documents) -> None:
        self.totals.dead_letters += len(documents)
        self._pay(documents)

    async def _pause(self, attempt: int, wish: float | None = None) -> None:
        """Full jitter: anything up to a bound that doubles, or as long as the server wishes."""
        doublings = min(attempt, LONGEST_ATTEMPT) - 1
        bound = min(self._longest_pause_seconds(), FIRST_PAUSE_SECONDS * 2**doublings)
        seconds = self._jitter.uniform(0, bound)
        if wish is not None:
            seconds = max(seconds, min(wish, 600.0))
        try:
            async with asyncio.timeout(seconds):
                await self._hurried.wait()
        except TimeoutError:
            pass


def _halves(batch: Documents) -> list[Documents]:
    """Return the second half and the first, which is to go first; one document as it is."""
    middle = len(batch) // 2
    return [batch.part(middle, len(batch)), batch.part(0, middle)] if middle else [batch]
