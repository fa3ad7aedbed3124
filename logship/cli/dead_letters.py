"""``logship dead-letters``: what Elasticsearch refused, looked at, sent again, removed."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from logship.cli.command import add_command
from logship.cli.options import positive_duration
from logship.cli.state_options import add_connection_options, add_state_options, load_state

if TYPE_CHECKING:
    from datetime import datetime

    from logship.settings.load import Loaded
    from logship.sinks.dead_letter import DeadLetter
    from logship.sinks.dead_letter_box import DeadLetterBox, Snapshot

__all__ = ["add_parser"]

DONE, NOTHING = 0, 1

DESCRIPTION = """\
What Elasticsearch refused for good is kept with its reason, once for each index and id.
Look at it, send it again after the cause was mended, or remove it. All of this works beside
a running agent.
"""
EPILOG = """\
examples:
  logship dead-letters list -c logship.yaml
  logship dead-letters list --reason mapper --since 24h -o json | jq .reason
  logship dead-letters show 0Jq2mZ-mk1v0000000000001
  logship dead-letters replay                        after the mapping was mended
  logship dead-letters replay --as-text user --drop-field debug.raw
  logship dead-letters purge --older-than 30d

Every "logship ship" target has a state folder of its own: name it with --state-dir.

exit status:
  0 done, 1 nothing found, 2 error, 3 some documents stay dead letters after a replay
"""
LIST = """\
List the dead letters, oldest first: when they were refused (local time), the error type, the
file and offset they come from, index and id, and Elasticsearch's reason.
"""
SHOW = """\
Show dead letters whole, with the document as it was sent. Name it by INDEX/ID, as "list"
does, or by the id alone; one that begins with - comes after --.
"""
REPLAY = """\
Send dead letters again, under the same index and id. What is stored then is no dead letter
any more, also when it was stored before. What is refused once more stays. Documents can be
repaired first: fields left out, or sent as text.
"""
PURGE = """\
Remove dead letters for good: all of them, or those that the filters name. What was removed
is counted by error type.
"""


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "dead-letters",
        "what Elasticsearch refused: list, show, send again, remove",
        DESCRIPTION,
        epilog=EPILOG,
    )
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    listing = add_command(verbs, "list", "show one line for each", LIST, run_list)
    _add_shared(listing)
    _add_filters(listing)

    show = add_command(verbs, "show", "show dead letters whole", SHOW, run_show)
    _add_shared(show)
    show.add_argument("id", metavar="ID", help="INDEX/ID, or the id alone")

    replay = add_command(verbs, "replay", "send them again", REPLAY, run_replay)
    _add_shared(replay)
    _add_filters(replay)
    _add_repairs(replay)
    _add_connection(replay)

    purge = add_command(verbs, "purge", "remove them for good", PURGE, run_purge)
    _add_shared(purge)
    _add_filters(purge)
    purge.add_argument(
        "--older-than",
        metavar="TIME",
        type=positive_duration,
        help="only those refused longer ago, for example 30d",
    )
    purge.add_argument("--dry-run", action="store_true", help="only say what would be removed")


def run_list(arguments: argparse.Namespace) -> int:
    """Print the dead letters that match; returns the exit status."""
    from logship.cli.dead_letter_text import json_line, table

    loaded = load_state(arguments)
    wanted = _filter(arguments, loaded)
    with _snapshot(_box(loaded)) as snapshot:
        found = (letter for letter in snapshot if wanted(letter))
        lines = map(json_line, found) if arguments.output == "json" else table(found)
        return _printed(lines, _box(loaded))


def run_show(arguments: argparse.Namespace) -> int:
    """Print the dead letters of one document; returns the exit status."""
    from logship.cli.dead_letter_text import json_line, whole

    box = _box(load_state(arguments))
    with _snapshot(box) as snapshot:
        found = (
            letter
            for letter in snapshot
            if arguments.id in (letter.id, f"{letter.index}/{letter.id}")
        )
        lines = map(json_line if arguments.output == "json" else whole, found)
        return _printed(lines, box)


def run_replay(arguments: argparse.Namespace) -> int:
    """Send dead letters again and print what became of them; returns the exit status."""
    from logship.cli.dead_letter_run import replay_all

    loaded = load_state(arguments)
    wanted = _filter(arguments, loaded)
    box = _box(loaded)
    if not box.files():
        print(f"logship: no dead letters in {box.directory}", file=sys.stderr)
        return DONE
    return replay_all(box, loaded.settings, wanted, arguments)


def run_purge(arguments: argparse.Namespace) -> int:
    """Remove dead letters and print what was removed; returns the exit status."""
    from logship.cli.dead_letter_run import purge_all

    loaded = load_state(arguments)
    wanted = _filter(arguments, loaded)
    box = _box(loaded)
    if not box.files():
        print(f"logship: no dead letters in {box.directory}", file=sys.stderr)
        return DONE
    return purge_all(box, wanted, arguments)


def _box(loaded: Loaded) -> DeadLetterBox:
    from logship.sinks.dead_letter_box import DeadLetterBox

    return DeadLetterBox(loaded.settings.state_dir / "dead-letters")


def _snapshot(box: DeadLetterBox) -> Snapshot:
    from logship.errors import StateError
    from logship.sinks.dead_letter_box import Snapshot

    try:
        snapshot = Snapshot(box)
    except OSError as error:
        place = error.filename or box.directory
        raise StateError(f"{place}: cannot be read: {error.strerror}") from error
    for name, count in snapshot.unreadable.items():
        plural = "s" if count > 1 else ""
        print(
            f"logship: {box.directory / name}: {count} line{plural} cannot be read", file=sys.stderr
        )
    return snapshot


def _printed(lines: Iterator[str], box: DeadLetterBox) -> int:
    count = 0
    for line in lines:
        print(line)
        count += 1
    if not count:
        print(f"logship: no such dead letters in {box.directory}", file=sys.stderr)
    return DONE if count else NOTHING


def _filter(arguments: argparse.Namespace, loaded: Loaded) -> Callable[[DeadLetter], bool]:
    """What tells whether a dead letter is meant.

    Raises:
        LogshipError: The time, or the source, cannot be understood.
    """
    from datetime import UTC, datetime, timedelta

    from logship.search.times import parse_time

    tests: list[Callable[[DeadLetter], bool]] = []
    now = datetime.now(UTC)
    if arguments.reason:
        text = arguments.reason.casefold()
        tests.append(lambda letter: text in f"{letter.type}: {letter.reason}".casefold())
    if arguments.since:
        since = parse_time(arguments.since, now=now)
        tests.append(lambda letter: (at := _moment(letter)) is not None and at >= since)
    older_than = getattr(arguments, "older_than", None)
    if older_than is not None:
        horizon = now - timedelta(seconds=older_than)
        tests.append(lambda letter: (at := _moment(letter)) is None or at < horizon)
    if arguments.source:
        is_of_source = _source(arguments.source, loaded)
        tests.append(lambda letter: bool(is_of_source(letter.source)))
    return lambda letter: all(test(letter) for test in tests)


def _moment(letter: DeadLetter) -> datetime | None:
    from datetime import UTC, datetime

    try:
        at = datetime.fromisoformat(letter.at)
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _source(text: str, loaded: Loaded) -> Callable[[str], object]:
    """What tells whether a path belongs to a source, or is what a glob names."""
    import os

    from logship.errors import LogshipError
    from logship.sources.file.discovery import names

    for source in loaded.settings.sources:
        if source.name == text:
            return names(source.paths)
    if "/" in text or "*" in text or os.path.exists(text):
        return names([os.path.abspath(text)])
    known = ", ".join(source.name for source in loaded.settings.sources)
    raise LogshipError(
        f'--source: there is no source "{text}"; '
        + (f"there are {known}" if known else "the settings name none, give a path or -c FILE")
    )


def _add_shared(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o",
        "--output",
        choices=("table", "json"),
        default="table",
        help="for people, or one JSON object per line (default: table)",
    )
    add_state_options(parser)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    # A private attribute, but the only way to let "--since -2h" be a value and not an option.
    parser._negative_number_matcher = re.compile(r"-\d.*")
    group = parser.add_argument_group("which")
    group.add_argument(
        "--reason", metavar="TEXT", help="whose error type or reason has this text, in any case"
    )
    group.add_argument(
        "--since", metavar="TIME", help="refused since then: 15m, 14:05, yesterday, 2026-11-21"
    )
    group.add_argument(
        "--source", metavar="NAME", help="from this source of the settings, or this path or glob"
    )


def _add_repairs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("repairs")
    group.add_argument(
        "--drop-field",
        metavar="FIELD",
        action="append",
        default=[],
        help="send without this field, for example extra.debug; repeatable",
    )
    group.add_argument(
        "--as-text",
        metavar="FIELD",
        action="append",
        default=[],
        help="send this field as text, objects as their JSON; repeatable",
    )


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("connection")
    add_connection_options(group)
    group.add_argument(
        "--timeout",
        metavar="TIME",
        type=positive_duration,
        default=60.0,
        help="give up after this long without progress (default: 1m)",
    )
