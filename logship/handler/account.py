"""What became of a handler's records: the account that is kept, and the counters people read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from logship.handler.drops import Tally, by_level, by_reason
from logship.handler.queue import Queue

if TYPE_CHECKING:
    from logship.handler.letters import Letters

__all__ = ["Account", "HandlerStats", "stats_of"]


@dataclass(slots=True)
class Account:
    """What became of a handler's records, over all its shippers. Beside the queue's own counts.

    Attributes:
        prefixes: What the ids of its documents begin with.
        spooled: Records that are in the spool.
        recovered: Records of other processes that were delivered from there.
        handed_on: Records that another handler of this process took over.
        lost: Records that were given up.
        letters: What was refused for good.
        reported: What was reported as dropped.
        reported_until: Epoch seconds of the last drop that was.
    """

    prefixes: set[str]
    spooled: int = 0
    recovered: int = 0
    handed_on: int = 0
    lost: int = 0
    letters: Letters | None = None
    reported: Tally = field(default_factory=Counter)
    reported_until: float = 0.0

    @property
    def rejected(self) -> int:
        """Records that were refused for good."""
        return 0 if self.letters is None else self.letters.own

    def is_own(self, document_id: str) -> bool:
        """Whether that is the id of a document of this handler."""
        return document_id[:16] in self.prefixes


@dataclass(frozen=True, slots=True)
class HandlerStats:
    """Counters of one handler, since it was made or since the fork.

    ``emitted`` is the sum of all others but ``recovered`` and ``dropped_levels``.

    Attributes:
        emitted: Records that were offered, reports of drops included.
        delivered: Records that are stored.
        rejected: Records that Elasticsearch refused for good.
        waiting: Records queued or under way.
        spooled: Records that wait in ``spool_dir``.
        handed_on: Records that another handler took over when this one was closed.
        lost: Records that could neither be delivered nor spooled when it was closed.
        recovered: Records of other processes that were found in ``spool_dir`` and delivered.
        dropped: Records that were dropped, by reason: ``queue_full``, ``too_large`` (more than
            all may take together), ``unreadable``, or ``too_late`` (logged while Python itself
            ends, as by ``__del__``).
        dropped_levels: The same by level.
    """

    emitted: int
    delivered: int
    rejected: int
    waiting: int
    spooled: int = 0
    handed_on: int = 0
    lost: int = 0
    recovered: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    dropped_levels: dict[str, int] = field(default_factory=dict)


def stats_of(queue: Queue, account: Account) -> HandlerStats:
    """Return the counters as they are now."""
    tally = queue.drops.copy()
    gone = account.rejected + account.spooled + account.handed_on + account.lost
    settled, dropped, emitted = queue.settled_records, queue.dropped, queue.emitted
    return HandlerStats(
        emitted=emitted,
        delivered=max(0, settled - gone),
        rejected=account.rejected,
        waiting=max(0, emitted - settled - dropped),
        spooled=account.spooled,
        handed_on=account.handed_on,
        lost=account.lost,
        recovered=account.recovered,
        dropped=by_reason(tally),
        dropped_levels=by_level(tally),
    )
