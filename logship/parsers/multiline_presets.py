"""Where multiline events begin: by a pattern, or as a language's runtime writes its traces.

A preset is a small machine over lines. The first line of an event decides its state; a line
for which the state has a rule goes on with the event and may change the state; any other
begins the next event. Empty lines change the state as ``gaps`` says, else they end the event.
A line that begins with ``{`` is JSON and an event of its own.

Between events the machines are in one of three states: ``record`` after a line that begins
like a log record, to which a trace may belong; ``plain`` after any other; ``None`` at first.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from logship.parsers.multiline import Grouping

__all__ = ["PRESETS", "by_continuation", "by_end", "by_filebeat", "by_start"]


def by_start(pattern: str) -> Grouping:
    """Return a grouping by lines that begin an event: those in which *pattern* is found.

    Raises:
        ValueError: *pattern* is no regular expression; the text says what is wrong where.
    """
    return _by_beginning(pattern, matches=True)


def by_continuation(pattern: str) -> Grouping:
    """Return a grouping by lines that go on with the one before. Raises like by_start."""
    return _by_beginning(pattern, matches=False)


def by_end(pattern: str) -> Grouping:
    """Return a grouping by lines that end an event. Raises like by_start."""
    return _by_ending(pattern, matches=True)


def by_filebeat(pattern: str, *, negate: bool, match: Literal["after", "before"]) -> Grouping:
    """Return the grouping that Filebeat's three settings mean. Raises like by_start.

    Source: Filebeat reference, "Manage multiline messages".
    """
    if match == "after":
        return _by_beginning(pattern, matches=negate)
    return _by_ending(pattern, matches=negate)


def _by_beginning(pattern: str, *, matches: bool) -> Grouping:
    search = _compile(pattern).search

    def begins(lines: Sequence[bytes], state: str | None) -> tuple[list[int], str | None]:
        return [i for i, line in enumerate(lines) if (search(line) is not None) is matches], None

    return begins


def _by_ending(pattern: str, *, matches: bool) -> Grouping:
    search = _compile(pattern).search

    def begins(lines: Sequence[bytes], state: str | None) -> tuple[list[int], str | None]:
        found = [i for i, line in enumerate(lines, 1) if (search(line) is not None) is matches]
        return found, None

    return begins


# Filebeat's own examples are written with POSIX classes, which Python does not know.
_POSIX = {
    "space": r"\s", "blank": r" \t", "digit": "0-9", "alpha": "A-Za-z", "alnum": "A-Za-z0-9",
    "upper": "A-Z", "lower": "a-z", "word": r"\w", "xdigit": "0-9A-Fa-f",
    "punct": r"!-/:-@\[-`{-~",
}  # fmt: skip


def _compile(pattern: str) -> re.Pattern[bytes]:
    plain = re.sub(r"\[:(\w+):\]", lambda name: _POSIX.get(name[1], name[0]), pattern)
    try:
        return re.compile(plain.encode())
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {error}") from None


Match = re.Match[bytes]
Rules = Mapping[str, bytes]

_PLAIN, _ENDED = "plain", "ended"

# A log record's beginning: a date, a time of day, a level, or a logger's own mark. In colour,
# perhaps. Every quantifier below is bounded or cannot backtrack far: lines may be hostile.
_HEAD = (
    rb"(?:\x1b\[[\d;]{0,20}m)?[\[(<*]?(?:"
    rb"\d{4}[-/.]?\d\d[-/.]?\d\d[T ,]|\d\d:\d\d:\d\d"
    rb"|\d\d?[-/. ](?:\d\d|[A-Z][a-z]{2})[-/. ]\d{2,4}\b"
    rb"|(?:[A-Z][a-z]{2},? )?[A-Z][a-z]{2} [ \d]?\d[ ,]"
    rb"|(?:TRACE|DEBUG|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|CRIT(?:ICAL)?|FATAL|SEVERE)\b"
    rb"|[A-Z], \[|[IWEF]\d{4} \d\d:|(?:trce|dbug|info|warn|fail|crit): |(?:time|ts|level|lvl)="
    rb")"
)
_INDENTED = rb"[ \t]"
_END = rb"[ \t\r]*$"


class _Machine:
    """Groups lines by the rules of a preset; a :data:`Grouping`.

    Args:
        first: State → what the first line of an event looks like that begins in it.
        rules: State → state → what a line looks like that leads from one to the other.
        gaps: State → state after an empty line. Where there is none, the event is over.
    """

    def __init__(
        self, first: Rules, rules: Mapping[str, Rules], gaps: Mapping[str, str] | None = None
    ) -> None:
        self._first = _one_of({**first, "record": _HEAD})
        self._rules: dict[str | None, Callable[[bytes], Match | None]] = {
            state: _one_of(rules[state]) for state in rules
        }
        reached = [state for ways in rules.values() for state in ways]
        for state in (*first, *reached, "record", _PLAIN, _ENDED, None):
            self._rules.setdefault(state, _nothing)
        self._gaps = gaps or {}

    def __call__(self, lines: Sequence[bytes], state: str | None) -> tuple[list[int], str | None]:
        begins: list[int] = []
        for number, line in enumerate(lines):
            if line.startswith(b"{"):
                begins.append(number)
                state = None
                continue
            match = self._rules[state](line)
            if match is not None:
                state = match.lastgroup
            elif line.strip():
                begins.append(number)
                match = self._first(line)
                state = _PLAIN if match is None else match.lastgroup
            elif state is not None:
                state = self._gaps.get(state, _ENDED)
        if begins and state is None:
            begins.append(len(lines))
        return begins, state


def _one_of(patterns: Rules) -> Callable[[bytes], Match | None]:
    named = [b"(?P<%s>%s)" % (name.encode(), pattern) for name, pattern in patterns.items()]
    return re.compile(b"|".join(named)).match


def _nothing(line: bytes) -> Match | None:
    return None


def _java() -> Grouping:
    exception = (
        rb"(?:[\w$]{1,200}\.){1,50}[\w$]{0,200}(?:Exception|Error|Throwable|Failure|Fault)"
        rb"[\w$]{0,50}(?:[:\s]|$)"
    )
    frame = (
        rb"[ \t]+at [\w$.</\[(]|[ \t]+\.\.\. \d+ |[ \t]*(?:Caused by|Suppressed|Wrapped by): "
        rb"|[ \t]*\[CIRCULAR REFERENCE|[ \t]+- (?:locked|waiting|parking|None)"
    )
    # java.util.logging writes a record in two lines: time and method, level and message.
    jul = rb"[A-Z][a-z]{2} \d\d?, \d{4} \d\d?:\d\d:\d\d (?:[AP]M )?\S+ \S+" + _END
    return _Machine(
        {"trace": rb'(?:Exception in thread "[^"]*" )?' + exception, "jul": jul},
        {
            "jul": {"record": rb"(?:SEVERE|WARNING|INFO|CONFIG|FINE|FINER|FINEST): "},
            "record": {"trace": exception + b"|" + frame},
            "plain": {"trace": frame},
            "trace": {"trace": frame},
        },
    )


def _python() -> Grouping:
    traceback = rb"Traceback \(most recent call last\):"
    group = rb"  \+ Exception Group Traceback \(most recent call last\):"
    frame = rb'  File ".*", line \d+'
    # A message may go on: SQLAlchemy names the statement, a database the place in it.
    more = (
        rb"\[(?:SQL|parameters|cached since)\b|\(Background on this error at: |LINE \d+: "
        rb"|(?:DETAIL|HINT|CONTEXT): |[ \t]+\^" + _END
    )
    linked = rb"During handling of the above exception|The above exception was the direct cause"
    return _Machine(
        {"frames": traceback, "group": group},
        {
            "record": {
                "frames": traceback + b"|" + frame,
                "group": group,
                "record": rb"(?:future|task|handle|protocol|transport): <",  # asyncio's report
            },
            "plain": {"frames": frame},
            # The first line that is not indented is the exception itself.
            "frames": {"frames": _INDENTED, "done": rb"(?!" + _HEAD + rb")\S"},
            "group": {"group": _INDENTED},
            "done": {"linked": linked, "done": more},
            "over": {"linked": linked, "done": more},
            "linked": {"frames": traceback, "group": group},
        },
        {"done": "over", "over": "over", "linked": "linked"},
    )


def _go() -> Grouping:
    panic = rb"panic: |fatal error: |unexpected fault address |SIG[A-Z]+: |runtime: "
    dump = rb"goroutine \d+ .*\[.*\]:|runtime stack:"
    registers = rb"[a-z][a-z0-9]{1,7} +0x[0-9a-f]+" + _END
    call = rb"(?=[^\s(.]*\.|panic\()[^\s(]*+\(.*\)" + _END
    exit_status = rb"exit status \d+" + _END
    return _Machine(
        {"panic": panic, "dump": dump},
        {
            "record": {"dump": dump},
            "panic": {
                "panic": panic + rb"|[ \t]|\[signal |\[recovered|PC=|stack: ",
                "dump": dump,
            },
            "dump": {
                "dump": rb"\t|created by |\.\.\.|\[originating |goroutine running on|"
                + b"|".join((call, exit_status, dump, registers))
            },
            "over_dump": {"dump": b"|".join((exit_status, dump, registers))},
        },
        {"panic": "panic", "dump": "over_dump", "over_dump": "over_dump"},
    )


def _node() -> Grouping:
    source = rb"(?:/|file://|node:|[A-Za-z]:\\|\S{1,300}\.[cm]?[jt]sx?:)\S*:\d+" + _END
    error = (
        rb"(?:Uncaught )?(?:[A-Za-z][\w$.]{0,200})?(?:Error|Exception)\w{0,50}"
        rb"(?: \[[\w.]{1,100}\])?(?::|" + _END + rb")"
    )
    frame = rb"[ \t]+at "
    version = rb"Node\.js v\d|\(Use `node "
    return _Machine(
        {"source": source, "error": error},
        {
            "record": {"error": error + b"|" + frame},
            "plain": {"error": frame},
            "source": {
                "source": _INDENTED,
                "error": error + rb"|Uncaught |Thrown at:|" + version,
            },
            "error": {"error": rb"[ \t}\]]|Require stack:|- /|Thrown at:|" + version},
            "over_error": {"error": version},
        },
        {"source": "source", "error": "over_error", "over_error": "over_error"},
    )


def _ruby() -> Grouping:
    error = rb"\S+:\d+:in [`'].*\([\w:]{1,200}\)" + _END
    error += rb"|Traceback \(most recent call last\):"
    called = rb"[ \t]+(?:\d+: )?from |[ \t]+\.\.\. \d+ levels"
    frame = rb"[ \t]*\S+:\d+:in [`'][^']*'" + _END
    rails = rb"[A-Z][\w:]* \(.*\):" + _END
    return _Machine(
        {"error": error, "rails": rails},
        {
            "record": {"frames": frame + b"|" + called},
            "plain": {"frames": frame + b"|" + called},
            "error": {"called": called, "frames": frame},
            # The cause follows its consequence.
            "called": {"called": called + b"|" + error},
            "frames": {"frames": frame + b"|" + called},
            "rails": {"frames": frame, "rails": _INDENTED},
            "over_frames": {"causes": rb"Causes:"},
            "causes": {"rails": rails, "causes": _INDENTED},
        },
        {
            "rails": "rails", "frames": "over_frames", "over_frames": "over_frames",
            "causes": "causes",
        },
    )  # fmt: skip


def _dotnet() -> Grouping:
    exception = (
        rb"(?:[\w`]{1,200}\.){1,50}[\w`+]{0,200}"
        rb"(?:Exception|Error|Failure)[\w`]{0,50}(?: \(0x[0-9A-Fa-f]+\))?(?:[:\s]|$)"
    )
    frame = rb"[ \t]+(?:at |---> |--- |\(Inner Exception #\d+\))|--- End of "
    return _Machine(
        {
            "trace": rb"(?:Unhandled [Ee]xception[.:] )?" + exception,
            "console": rb"(?:trce|dbug|info|warn|fail|crit): ",
        },
        {
            "console": {"console": _INDENTED},
            "record": {"trace": exception + b"|" + frame},
            "plain": {"trace": frame},
            "trace": {"trace": frame},
        },
    )


def _php() -> Grouping:
    trace = (
        rb"(?:PHP )?Stack trace:|#\d+ |\[stacktrace\]|\[previous exception\]|[ \t]+thrown in "
        rb"|PHP +\d+\. |\"\}"
    )
    following = rb"Next [\w\\]+"
    return _Machine(
        {},
        {
            "record": {"trace": trace},
            "plain": {"trace": trace},
            "trace": {"trace": trace + b"|" + following},
            "over_trace": {"trace": following},
        },
        {"trace": "over_trace", "over_trace": "over_trace"},
    )


def _indented() -> Grouping:
    return _Machine(
        {},
        {"record": {"record": _INDENTED}, "plain": {"plain": _INDENTED}},
        {"record": "record", "plain": "plain"},
    )


PRESETS: Mapping[str, Grouping] = {
    "java": _java(),
    "python": _python(),
    "go": _go(),
    "node": _node(),
    "ruby": _ruby(),
    "dotnet": _dotnet(),
    "php": _php(),
    "indented": _indented(),
}
