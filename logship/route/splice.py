"""The short way: whole chunks, and single lines, of JSON that is shipped as it stands.

Hot: list operations over a whole chunk, because a Python loop around every record would
cost more than all of them together. Guarded by ``make bench`` and its steps.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Any

import orjson
from msgspec import UNSET

from logship.ids import event_ids
from logship.model import STAMP_BYTES, Chunk, Documents
from logship.route.look import Look
from logship.route.plain_times import is_plain_time, joined_plain_times
from logship.route.state import RouteState
from logship.schema.encode import encode_record

__all__ = ["HOST", "OFFSET", "PATH", "Splice", "context_of"]

HOST, PATH, OFFSET = "host.name", "log.file.path", "log.offset"
# After this many chunks in a row without a single plain record, look only now and then.
PATIENCE, LOOK_AGAIN = 4, 32

_ZEROS = ("0" * 32, "0" * 16)

Head = Callable[[str, RouteState], bytes | None]


class Splice:
    """Ships JSON records as their own bytes, with logship's fields before them.

    Args:
        constants: Field → (value, whether it overwrites a record's own) that a source adds.
        head_of: (UTC time, state) → head, or None when the time is not believed.
    """

    def __init__(
        self,
        host_name: str,
        constants: dict[str, tuple[Any, bool]],
        head_of: Head,
        key_length: int,
        *,
        stable_ids: bool,
    ) -> None:
        self._host_name, self._constants = host_name, constants
        self._head_of, self._key_length = head_of, key_length
        self._stable_ids = stable_ids
        self._look = Look(tuple(constants))
        self._is_ordered = False
        self._in_vain = 0

    def whole(self, chunk: Chunk, state: RouteState) -> Documents | None:
        """Return the documents of *chunk*, or None when not every line is plain."""
        data = chunk.data
        if not data.startswith(b"{") or not data.endswith(b"\n"):
            return None
        looks = self._look.at_all(data)
        if looks is None:
            return None
        lines = data.split(b"\n")
        lines.pop()
        count = len(lines)
        # The decoder does not care where lines end. Where all begin and end with a brace, no
        # record goes over several: "}" is never followed by "{" inside of one.
        if count != len(looks) or {line[:1] for line in lines} != {b"{"} or not _end(lines):
            return None
        times = [look.time for look in looks]
        heads = self._heads(times, state)
        context = self._context(state, self._presence(looks))
        if (
            heads is None
            or context is None
            or not _are_lower([look.trace for look in looks])
            or not _are_lower([look.span for look in looks])
        ):
            return None
        offsets = list(accumulate([len(line) + 1 for line in lines[:-1]], initial=chunk.start))
        ids = [b""] * count
        if self._stable_ids:
            ids = event_ids(offsets, list(map(zlib.crc32, lines)))
        numbers = [b"%d," % offset for offset in offsets]
        bodies = [line[1:] for line in lines]
        state.last_time = times[-1]
        size = len(data) - 2 * count + count * (STAMP_BYTES + len(context) + len(ids[0]))
        size += sum(map(len, heads)) + sum(map(len, numbers))
        if not self._is_ordered:
            self._learn_order(lines[0])
        contexts = [context] * count
        return Documents(heads, ids, contexts, numbers, bodies, [], size, chunk.read_at)

    def one(self, line: bytes, state: RouteState) -> tuple[bytes, bytes, bytes] | None:
        """Return (head, context, body) of one line, or None when it is not plain."""
        look = self._look.at(line)
        if look is None or not is_plain_time(look.time):
            return None
        if not (_are_lower((look.trace,)) and _are_lower((look.span,))):
            return None
        head = self._head_of(look.time, state)
        context = self._context(state, self._presence((look,)))
        if head is None or context is None:
            return None
        state.last_time = look.time
        return head, context, line[1:]

    def is_worth_a_look(self) -> bool:
        """Whether the next chunk may hold plain records, as far as the last ones tell."""
        return self._in_vain < PATIENCE or self._in_vain % LOOK_AGAIN == 0

    def looked(self, found: int) -> None:
        """Say how many plain records the chunk had."""
        self._in_vain = 0 if found else self._in_vain + 1

    def _learn_order(self, line: bytes) -> None:
        """Look for the fields in the order in which this source's records have them."""
        self._is_ordered = True
        try:
            order = list(orjson.loads(line))
        except orjson.JSONDecodeError:  # a number such as 1e999, which only msgspec takes
            return
        self._look = Look(tuple(self._constants), order)

    def _heads(self, times: Sequence[str], state: RouteState) -> list[bytes] | None:
        """Return the head of each time's record; None when a time is not plain or believed."""
        length = self._key_length
        joined = joined_plain_times(times)
        if joined is not None and joined.count(times[0][:length].encode()) == len(times):
            head = self._head_of(times[0], state)
            return None if head is None else [head] * len(times)
        if joined is None and not all(map(is_plain_time, times)):
            return None
        made: dict[str, bytes] = {}
        for time in times:
            if time[:length] not in made:
                head = self._head_of(time, state)
                if head is None:
                    return None
                made[time[:length]] = head
        return [made[time[:length]] for time in times]

    def _presence(self, looks: Sequence[Any]) -> tuple[bool, ...] | None:
        """Which constants the records bring themselves; None when they differ in that."""
        there = []
        for number in range(len(self._constants)):
            value = attrgetter(f"constant_{number}")
            absent = sum([value(look) is UNSET for look in looks])
            if 0 < absent < len(looks):
                return None
            there.append(not absent)
        return tuple(there)

    def _context(self, state: RouteState, there: tuple[bool, ...] | None) -> bytes | None:
        """Return what goes before records that bring the constants *there* themselves."""
        if there is None:
            return None
        if there in state.contexts:
            return state.contexts[there]
        added: dict[str, Any] = {HOST: self._host_name}
        for present, (name, (value, overwrites)) in zip(
            there, self._constants.items(), strict=True
        ):
            if not present:
                added[name] = value
            elif overwrites:
                return None
        return context_of(state, there, added)


def _end(lines: Sequence[bytes]) -> bool:
    """Whether every line ends with a closing brace, or one and a carriage return."""
    if {line[-1:] for line in lines} == {b"}"}:
        return True
    return all(line.endswith((b"}", b"}\r")) for line in lines)


def _are_lower(ids: Sequence[Any]) -> bool:
    """Whether trace or span ids, some perhaps absent, are as they are to be stored.

    Their lengths are right already. Upper-case letters are to become lower-case ones, and ids
    of zeros alone to be removed.
    """
    present = [id_ for id_ in ids if id_ is not UNSET] if UNSET in ids else ids
    joined = "".join(present)
    return joined == joined.lower() and set(present).isdisjoint(_ZEROS)


def context_of(state: RouteState, key: object, added: dict[str, Any]) -> bytes:
    """Return what logship adds before a record, up to the offset's number; made once."""
    context = state.contexts.get(key)
    if context is None:
        # A path may hold bytes that are no text.
        path = state.path.encode("utf-8", "backslashreplace").decode()
        context = encode_record({**added, PATH: path, OFFSET: 0})[1:-2]
        state.contexts[key] = context
    return context
