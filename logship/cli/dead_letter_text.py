"""Dead letters as text: lines for people and for programs."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

import orjson

from logship.search.terminal import one_line, padded, visible, visible_json
from logship.sinks.dead_letter import DeadLetter
from logship.sinks.dead_letter_replay import Reasons, Replayed

__all__ = ["counts", "json_line", "replayed_json", "replayed_text", "table", "whole"]

NARROWEST = 40


def json_line(letter: DeadLetter) -> str:
    """Return a dead letter as one JSON object, its document included."""
    entry: dict[str, object] = {
        "at": letter.at,
        "index": letter.index,
        "id": letter.id,
        "status": letter.status,
        "type": letter.type,
        "reason": letter.reason,
        "source": letter.source or None,
        "offset": letter.offset,
        "doc": orjson.Fragment(letter.document) if letter.document else None,
    }
    return visible_json(orjson.dumps(entry).decode())


def table(letters: Iterable[DeadLetter]) -> Iterator[str]:
    """Yield two lines for each: where it belongs, and why it is not there.

    On a terminal reasons are cut at its width.
    """
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 0
    for letter in letters:
        place = letter.source or "-"
        if letter.offset is not None:
            place += f":{letter.offset}"
        yield one_line(f"{_local(letter.at)}  {letter.index}/{letter.id}  {place}")
        reason = "  " + one_line(_why(letter.type, letter.reason))
        yield padded(reason, max(width, NARROWEST), cut=True).rstrip() if width else reason


def whole(letter: DeadLetter) -> str:
    """Return everything of a dead letter, its document indented."""
    place = letter.source or "unknown"
    if letter.offset is not None:
        place += f", offset {letter.offset}"
    document = "what was sent is no JSON object"
    if letter.document:
        parsed = orjson.loads(letter.document)
        document = orjson.dumps(parsed, option=orjson.OPT_INDENT_2).decode()
    lines = [
        f"refused   {_local(letter.at)}",
        f"index     {letter.index}",
        f"id        {letter.id}",
        f"source    {place}",
        f"status    {letter.status}",
        f"type      {letter.type}",
        f"reason    {letter.reason}",
    ]
    return "\n".join([*map(one_line, lines), visible_json(visible(document)), ""])


def counts(kinds: Mapping[str, int]) -> Iterator[str]:
    """Yield a line for each kind, the most frequent first."""
    for kind, count in sorted(kinds.items(), key=lambda item: (-item[1], item[0])):
        yield f"{count:>8}  {one_line(kind)}"


def replayed_text(result: Replayed) -> Iterator[str]:
    """Yield what became of a replay, with the reasons of what stays."""
    yield (
        f"delivered {result.delivered}, already there {result.already_there}, "
        f"refused again {result.refused.total}, held {result.held.total}, left {result.left}"
    )
    for reasons in (result.refused, result.held):
        kinds = sorted(reasons.kinds.items(), key=lambda item: -item[1][0])
        for (type_, reason), (count, example) in kinds:
            yield f"{count:>8}  {one_line(_why(type_, reason))}"
            yield f"          for example {one_line(example)}"


def replayed_json(result: Replayed) -> str:
    """Return what became of a replay as one JSON object."""
    return visible_json(
        orjson.dumps(
            {
                "delivered": result.delivered,
                "already_there": result.already_there,
                "refused": result.refused.total,
                "held": result.held.total,
                "left": result.left,
                "reasons": [*_reasons(result.refused), *_reasons(result.held)],
            }
        ).decode()
    )


def _reasons(reasons: Reasons) -> Iterator[dict[str, object]]:
    for (type_, reason), (count, example) in reasons.kinds.items():
        yield {"type": type_, "reason": reason, "count": count, "example": example}


def _why(type_: str, reason: str) -> str:
    return f"{type_}: {reason}" if type_ and reason else type_ or reason or "no reason given"


def _local(at: str) -> str:
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        return at or "-"
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
