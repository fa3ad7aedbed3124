"""What ``logship dead-letters replay`` and ``purge`` do."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial

import orjson

from logship.cli.dead_letter_text import counts, replayed_json, replayed_text
from logship.clock import SystemClock
from logship.elastic import Elastic
from logship.errors import StateError
from logship.settings.model import Settings
from logship.sinks.dead_letter import DeadLetter
from logship.sinks.dead_letter_box import DeadLetterBox, Snapshot
from logship.sinks.dead_letter_replay import Replay, Replayed
from logship.sinks.document_repair import repaired
from logship.sinks.elasticsearch.request import INGESTED

__all__ = ["purge_all", "replay_all"]

DONE, FAILED, PARTIAL = 0, 2, 3


def replay_all(
    box: DeadLetterBox,
    settings: Settings,
    wanted: Callable[[DeadLetter], bool],
    arguments: argparse.Namespace,
) -> int:
    """Replay, print what became of it, and return the exit status.

    Raises:
        StateError: Another command clears there, or the disk failed.
    """
    # The transport's own warnings would only repeat what is said at the end.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    repair = partial(repaired, drop=arguments.drop_field, as_text=arguments.as_text)
    try:
        with box.locked():
            try:
                result = asyncio.run(_replay(box, settings, wanted, repair, arguments.timeout))
            finally:
                box.compact()
    except OSError as error:
        raise StateError(
            f"{box.directory}: cannot be written: {error.strerror or error}. What was stored and "
            "could not be noted stays listed; replay again when there is space."
        ) from error
    if arguments.output == "json":
        print(replayed_json(result))
    else:
        for line in replayed_text(result):
            print(line)
    if result.trouble:
        print(f"logship: ended early: {result.trouble}", file=sys.stderr)
    if result.is_complete:
        return DONE
    is_hopeless = result.trouble and not (result.delivered or result.already_there)
    return FAILED if is_hopeless else PARTIAL


async def _replay(
    box: DeadLetterBox,
    settings: Settings,
    wanted: Callable[[DeadLetter], bool],
    repair: Callable[[bytes], bytes],
    patience_seconds: float,
) -> Replayed:
    elastic = Elastic(settings.elasticsearch)
    try:
        with Snapshot(box) as snapshot:
            replay = Replay(
                elastic,
                box,
                clock=SystemClock(),
                repair=repair,
                patience_seconds=patience_seconds,
                ingested=INGESTED[settings.schema],
            )
            return await replay.run(letter for letter in snapshot if wanted(letter))
    finally:
        await elastic.close()


def purge_all(
    box: DeadLetterBox, wanted: Callable[[DeadLetter], bool], arguments: argparse.Namespace
) -> int:
    """Remove, print what was removed, and return the exit status.

    Lines that are no entries go when everything is to go.

    Raises:
        StateError: Another command clears there, or the disk failed.
    """
    kinds: Counter[str] = Counter()
    lines: set[bytes] = set()
    freed = 0
    is_all = not (arguments.reason or arguments.since or arguments.source or arguments.older_than)
    try:
        with box.locked():
            with Snapshot(box) as snapshot:
                for letter in snapshot:
                    if wanted(letter):
                        kinds[letter.type or "no type given"] += 1
                        lines.update(letter.lines)
                if is_all and snapshot.unreadable:
                    kinds["lines that cannot be read"] = sum(snapshot.unreadable.values())
                    lines |= snapshot.unreadable_lines()
            if not arguments.dry_run:
                freed = box.compact(lines)
    except OSError as error:
        raise StateError(
            f"{box.directory}: cannot be written: {error.strerror or error}"
        ) from error
    if arguments.output == "json":
        summary = {"removed": kinds.total(), "freed_bytes": freed, "types": dict(kinds)}
        print(orjson.dumps(summary).decode())
        return DONE
    what = "would be removed" if arguments.dry_run else f"removed, {freed} bytes freed"
    print(f"{kinds.total()} dead letters {what}")
    for line in counts(kinds):
        print(line)
    return DONE
