"""Settings that decide ids and indices may change between two runs; nothing doubles by that.

What an earlier run read and did not see confirmed may be stored already, under the ids and in
the indices of its own settings. Routed by others, the same bytes would be stored once more:
another index name, another division into events, and ids are compared with nothing. So each
source *finishes*: what may have been read before goes out once more under the old settings, and
only from where that is confirmed do the new ones hold.

Nothing is looked up. Writes are ``create``, so to send is to look up: 409 says that a document is
there, and what is not there is stored by the same request, under the id that it would have had.
That needs no privilege to read, sees what no refresh has made visible, and is right also when a
request of the killed run is applied while this one starts.

How far an earlier run can have read is bounded by ``read_limits`` in the checkpoint store: the
size of the buffer is no bound, as one batch that has to wait holds the checkpoint back while
all others go on. The limit is noted before anything behind it is given out, with a margin of
``READ_LIMIT_BYTES``, and a file's end is a limit, too. So a backlog that nobody read yet goes by
the new settings.

Where the old settings end is no new kind of mark: it is the confirmed offset.

- The routing is kept before anything is read by it. Killed before that: nothing was sent.
- Killed while it finishes: the old routing is still the one that is kept; the next run
  finishes again, from the checkpoint on, whatever its own settings are by then.
- Finished: everything given out is confirmed. Checkpoints and the new routing become durable
  in one transaction; only then is anything read by it. Killed right before: it finishes again,
  and finds nothing or what was written since. Killed right after: nothing is under way.

The boundary suits both. It lies where an event of the old grouping begins; one whose end was
not in sight was never given out, unless a split mark says where it ended, and then the boundary
lies there. Salts and seeds belong to the file, so another ``agent.id`` changes no id of a file
that is known. Documents that are held or dead letters have index and id, and keep them.

What this cannot help is said in one line: files that are not there to be finished, should they
come back; old settings that this version cannot read; and ids that Elasticsearch chose.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

from logship.checkpoints.rows import FileRow
from logship.checkpoints.store import CheckpointStore
from logship.interfaces import Clock
from logship.model import Chunk, Documents
from logship.route import AutoRoute, Route, Routing, RoutingError
from logship.settings.model import Settings, SourceSettings
from logship.sources.file import FileSource

__all__ = ["CountedRoute", "RoutingChange", "take_over"]

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.05
AGAIN_SECONDS = 1.0


class CountedRoute:
    """A route that counts what it makes.

    Attributes:
        documents: So many so far.
    """

    def __init__(self, route: Route | AutoRoute) -> None:
        self._route, self.documents = route, 0

    def __call__(self, chunk: Chunk, state: Any) -> tuple[Documents, int]:
        """As :meth:`logship.interfaces.Route.__call__`."""
        documents, end = self._route(chunk, state)
        self.documents += len(documents)
        return documents, end

    def pending_start(self, state: Any) -> int | None:
        """As :meth:`logship.interfaces.Route.pending_start`."""
        return self._route.pending_start(state)

    def flush(self, state: Any, day: str) -> Documents:
        """As :meth:`logship.interfaces.Route.flush`."""
        documents = self._route.flush(state, day)
        self.documents += len(documents)
        return documents


class RoutingChange:
    """What one source has to finish before its new settings hold.

    Attributes:
        old: The routings to be finished, in order.
    """

    def __init__(
        self, store: CheckpointStore, new: Routing, kept: Sequence[Routing], *, host_name: str,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._store, self._new, self._kept = store, new, list(kept)
        self._host_name, self._clock = host_name, clock
        self.old = [routing for routing in kept if new.changes(routing)]

    async def finish(
        self,
        read: Callable[[SourceSettings, CountedRoute], Awaitable[FileSource]],
        is_stopping: Callable[[], bool],
    ) -> bool:
        """Finish the old routings, until the new one is durable.

        Args:
            read: Reads what may be under way of a source, by a route, and returns the source.

        Returns:
            False when the agent stops before; then the next run finishes what is left.
        """
        for old in self.old:
            route = self._begin(old)
            source = await read(old.source, route)
            if not await self._settled(old, source, is_stopping):
                return False
            self._report(old, source, route)
        return not is_stopping()

    def _begin(self, old: Routing) -> CountedRoute:
        """Say that *old* is finished now, and return its route."""
        log.info(
            "Source %s: other settings decide now where records are stored (%s). What was read "
            "before and is not confirmed goes by the old ones first.",
            self._new.source.name,
            ", ".join(self._new.changes(old)),
        )
        return CountedRoute(old.compiled(host_name=self._host_name, clock=self._clock))

    async def _settled(
        self, old: Routing, source: FileSource, is_stopping: Callable[[], bool]
    ) -> bool:
        """Wait until all that *source* gave out is confirmed, and note durably that it is."""
        contents = list(source.contents.values())
        while not all(content.tracker.is_idle for content in contents):
            if is_stopping():
                return False
            await asyncio.sleep(LOOK_SECONDS)
        rest = [routing for routing in self._kept if routing is not old]
        after = rest if any(map(self._new.changes, rest)) else [self._new]
        while True:
            try:
                await self._store.save(
                    [content.checkpoint() for content in contents],
                    {_key(self._new.source.name): _text(after)},
                )
            except sqlite3.Error as error:
                for content in contents:
                    content.unsaved()
                if is_stopping():
                    return False
                log.debug("That the old settings are finished cannot be noted yet: %s", error)
                await asyncio.sleep(AGAIN_SECONDS)
            else:
                self._kept = after
                return True

    def _report(self, old: Routing, source: FileSource, route: CountedRoute) -> None:
        """Say what became of *old*."""
        name = self._new.source.name
        log.info(
            "Source %s: %d records went by the old settings; the new ones hold from here on.",
            name, route.documents,
        )  # fmt: skip
        if old.ids == "none" and route.documents:
            log.warning(
                "Source %s: up to %d of them may be stored twice: with delivery.ids: none nothing "
                "tells what is there already.",
                name, route.documents,
            )  # fmt: skip
        finished = {id_ for id_, c in source.contents.items() if c.gone_at is None}
        left = [row for row in self._store.files(name) if row.id not in finished and _window(row)]
        if left:
            log.warning(
                "Source %s: %s could not be read to finish it. When it can be, records behind its "
                "checkpoint may be stored twice, up to %d bytes in all.",
                name, _files(left), sum(map(_window, left)),
            )  # fmt: skip


def take_over(
    store: CheckpointStore,
    settings: Settings,
    source: SourceSettings,
    is_named: Callable[[str], object],
    *,
    host_name: str,
    clock: Clock,
) -> RoutingChange | None:
    """Give *source* what it knew before, also under names that are no more.

    Args:
        is_named: Whether a path belongs to *source*.

    Returns:
        What has to be finished first; None when the settings decide as they did. Then the
        routing is durable.
    """
    names = {one.name for one in settings.sources}
    new = Routing.of(settings, source, host_name)
    kept = _kept(store, source.name, source.name)
    before = sorted({name for name, path in store.others(names) if is_named(path)})
    for name in before:
        kept += [one for one in _kept(store, name, source.name) if one not in kept]
    if not (before or store.files(source.name)):
        kept = []  # nothing was read by them
    kept = [one for one in kept if not new.changes(one) or _is_sound(one, store, clock)]
    change = RoutingChange(store, new, kept, host_name=host_name, clock=clock)
    text = _text(kept if change.old else [new])
    if store.meta(_key(source.name)) != text:
        store.set_meta(_key(source.name), text)
    store.adopt(source.name, names, is_named)
    left = {name for name, _ in store.others(names)}
    for name in set(before) - left:
        store.drop_meta(_key(name))
    return change if change.old else None


def _kept(store: CheckpointStore, name: str, becomes: str) -> list[Routing]:
    text = store.meta(_key(name))
    if text is None:
        return []
    try:
        return [Routing.from_json(one).named(becomes) for one in json.loads(text)]
    except (RoutingError, ValueError, TypeError) as error:
        _say_unknown(becomes, str(error), store.files(name))
        return []


def _is_sound(old: Routing, store: CheckpointStore, clock: Clock) -> bool:
    """Whether a route can be made of *old*; says so when not."""
    try:
        old.compiled(host_name="", clock=clock)
    except RoutingError as error:
        _say_unknown(old.source.name, str(error), store.files(old.source.name))
        return False
    return True


def _say_unknown(name: str, why: str, rows: Collection[FileRow]) -> None:
    rows = [row for row in rows if _window(row)]
    if rows:
        log.warning(
            "Source %s: the settings of the run before cannot be told (%s). If they were others, "
            "what it had under way may be stored twice: up to %d bytes of %s.",
            name, why, sum(map(_window, rows)), _files(rows),
        )  # fmt: skip


def _window(row: FileRow) -> int:
    """How many bytes behind the checkpoint may have been read before, as far as is known."""
    return max(0, min(row.size, row.read_limit) - row.offset)


def _files(rows: Sequence[FileRow]) -> str:
    return rows[0].path + (f" (and {len(rows) - 1} others)" if len(rows) > 1 else "")


def _key(name: str) -> str:
    return f"routing {name}"


def _text(routings: Sequence[Routing]) -> str:
    return json.dumps([routing.as_json() for routing in routings], sort_keys=True)
