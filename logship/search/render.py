"""Records as lines for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any

import orjson

from logship.query.dates import span_of
from logship.query.fields import values_of
from logship.query.synonyms import spellings
from logship.search.result import FoundRecord
from logship.search.terminal import (
    columns_of,
    one_line,
    padded,
    styled,
    visible,
    visible_json,
    wrapped,
)

__all__ = ["Look", "PrettyLines", "json_line", "local_time", "short_line"]

SERVICE_COLUMNS = 16
STACK_HEAD, STACK_TAIL = 4, 12
INDENT = "    "
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LEVEL_TEXTS = {"WARNING": "WARN", "CRITICAL": "CRIT", "NOTICE": "NOTE"}
_LEVEL_STYLES = {
    "CRITICAL": "1;97;41",
    "ERROR": "1;31",
    "WARNING": "1;33",
    "NOTICE": "36",
    "INFO": "32",
    "DEBUG": "34",
    "TRACE": "2",
}
_MESSAGE_STYLES = {"CRITICAL": "1;31", "ERROR": "31", "DEBUG": "2", "TRACE": "2"}
_SERVICE_STYLE, _DIM = "36", "2"

# What is said after the message, in this order: the name it is said under, and its field.
_NOTABLE = (
    ("error", "error.type"),
    ("cause", "error.message"),
    ("method", "method"),
    ("path", "path"),
    ("status", "status"),
    ("took", "duration_ms"),
    ("user", "user_id"),
    ("request", "request_id"),
    ("trace", "trace_id"),
)


@dataclass(frozen=True, slots=True)
class Look:
    """How records are shown.

    Attributes:
        color: Whether colours are used.
        columns: Width of the terminal; None is no terminal, and nothing is shortened.
        zone: Of the times shown.
        fields: Shown after the message instead of the notable ones; empty is those.
        with_date: Whether the date stands before the time.
    """

    color: bool = False
    columns: int | None = None
    zone: tzinfo = UTC
    fields: Sequence[str] = ()
    with_date: bool = True


def json_line(record: FoundRecord, fields: Sequence[str] = ()) -> str:
    """Return *record* as one line of JSON, with ``_index`` and ``_id`` at its end.

    With *fields*, only those, under the names given; absent ones are left out. A field is found
    under each of its spellings.
    """
    whole = {**record, "_index": record.index, "_id": record.id}
    if fields:
        found = {field: _values(whole, field) for field in fields}
        whole = {field: one[0] if len(one) == 1 else one for field, one in found.items() if one}
    return visible_json(orjson.dumps(whole, default=str).decode())


def _values(record: Mapping[str, Any], field: str) -> list[Any]:
    return next(filter(None, (values_of(record, one) for one in spellings(field))), [])


def short_line(record: FoundRecord, look: Look) -> str:
    """Return *record* as one line: time, level, service, message."""
    level = _paint(_level_text(record), _LEVEL_STYLES.get(_level(record), ""), look)
    parts = [_time(record, look), level, one_line(_service(record)), one_line(_message(record))]
    return " ".join(part for part in parts if part)


def local_time(record: Mapping[str, Any], zone: tzinfo) -> datetime | None:
    """Return the record's ``@timestamp`` in *zone*; None when it has none that can be read."""
    text = _text(record, "@timestamp")
    span = None if text.startswith("now") else span_of(text, _EPOCH)
    return None if span is None else span[0].astimezone(zone)


class PrettyLines:
    """Turns records into lines for people; remembers how wide the service column has become."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._service_columns = 0

    def measure(self, records: Sequence[FoundRecord]) -> None:
        """Make the service column fit *records*, so that messages begin below one another."""
        widest = max((columns_of(one_line(_service(one))) for one in records), default=0)
        self._service_columns = max(self._service_columns, min(widest, SERVICE_COLUMNS))

    def lines(self, record: FoundRecord) -> list[str]:
        """Return the lines of *record*: the first with its message, more for a stack trace."""
        look = self.look
        self.measure([record])
        head, used = self._head(record)
        style = _MESSAGE_STYLES.get(_level(record), "")
        texts = visible(_message(record)).expandtabs(4).rstrip().split("\n")
        message = self._broken(texts[0], used)
        for text in texts[1:]:
            message += self._broken(text, len(INDENT))
        if len(message) > 1:
            used = len(INDENT)
        used += columns_of(message[-1])
        lines = [_paint(text, style, look) for text in message]
        lines[0] = f"{head} {lines[0]}"
        for number, text in enumerate(self._notes(record, used, is_single=len(texts) == 1)):
            if number == 0:
                lines[-1] += _paint(text, _DIM, look)
            else:
                lines.append(_paint(text, _DIM, look))
        stack = visible(_text(record, "error.stack_trace")).expandtabs(4).strip("\n")
        if stack:
            lines += [_paint(line.rstrip(), _DIM, look) for line in self._cut(stack.split("\n"))]
        return [lines[0], *(INDENT + line for line in lines[1:])]

    def _head(self, record: FoundRecord) -> tuple[str, int]:
        """What stands before the message, and how many columns it takes with the space after."""
        look = self.look
        cut = look.columns is not None
        level = _level_text(record)
        service = padded(one_line(_service(record)), self._service_columns, cut=cut)
        parts = [
            _time(record, look),
            _paint(level, _LEVEL_STYLES.get(_level(record), ""), look) + " " * (5 - len(level)),
            *([_paint(service, _SERVICE_STYLE, look)] if service else []),
        ]
        columns = (24 if look.with_date else 13) + max(5, len(level)) + 1
        return " ".join(parts), columns + (columns_of(service) + 1 if service else 0)

    def _broken(self, text: str, used: int) -> list[str]:
        columns = self.look.columns
        if columns is None:
            return [text]
        return wrapped(text, columns - used, columns - len(INDENT))

    def _notes(self, record: FoundRecord, used: int, *, is_single: bool) -> list[str]:
        """What goes behind the message, which may be nothing, and the lines after it."""
        notes = _notes(record, self.look)
        columns = self.look.columns
        lines = [""]
        for note in notes:
            fits = columns is None or used + 2 + columns_of(note) <= columns
            if fits and (is_single or len(lines) > 1):
                lines[-1] += f"  {note}" if used > len(INDENT) else note
                used += 2 + columns_of(note)
            else:
                lines.append(note)
                used = len(INDENT) + columns_of(note)
        return lines

    def _cut(self, stack: list[str]) -> list[str]:
        hidden = len(stack) - STACK_HEAD - STACK_TAIL
        if self.look.columns is None or hidden < 2:
            return stack
        note = f"… {hidden} more lines; -o json has them all"
        return [*stack[:STACK_HEAD], note, *stack[-STACK_TAIL:]]


def _notes(record: FoundRecord, look: Look) -> list[str]:
    named = [(field, field) for field in look.fields] or list(_NOTABLE)
    if not look.fields and not _text(record, "message"):
        return []
    notes = []
    for name, field in named:
        texts = (_text(record, one) for one in spellings(field))
        text = next(filter(None, texts), "")
        if not look.fields:
            text = _note_text(name, text, record, look)
        if text:
            shown = one_line(text)
            value = f'"{shown}"' if " " in shown else shown
            notes.append(f"{one_line(name)}={value}")
    return notes


def _note_text(name: str, text: str, record: FoundRecord, look: Look) -> str:
    if name == "cause" and text in _message(record):
        return ""
    if name == "took" and text:
        return f"{text}ms"
    return text[:8] if name == "trace" and look.columns is not None else text


def _message(record: FoundRecord) -> str:
    """A record without a message says what it has instead."""
    shown = ("@timestamp", "@ingested", "level", "service")
    return _text(record, "message") or " ".join(
        f"{name}={text}"
        for name, text in _flat("", {key: record[key] for key in record if key not in shown})
    )


def _flat(prefix: str, record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{key}.", value)
        else:
            yield prefix + key, _value_text(value)


def _service(record: FoundRecord) -> str:
    return _text(record, "service.name") or _text(record, "service")


def _level(record: FoundRecord) -> str:
    return (_text(record, "level") or _text(record, "log.level")).upper()


def _level_text(record: FoundRecord) -> str:
    level = _level(record)
    return one_line(_LEVEL_TEXTS.get(level, level))


def _time(record: FoundRecord, look: Look) -> str:
    time = local_time(record, look.zone)
    if time is None:
        text = one_line(_text(record, "@timestamp")) or "-"
        return text.ljust(23 if look.with_date else 12)
    shape = "%Y-%m-%d %H:%M:%S.%f" if look.with_date else "%H:%M:%S.%f"
    return _paint(time.strftime(shape)[:-3], _DIM, look)


def _paint(text: str, style: str, look: Look) -> str:
    return styled(text, style) if look.color else text


def _text(record: Mapping[str, Any], field: str) -> str:
    if isinstance(record, FoundRecord) and field in ("_id", "_index"):
        return record.id if field == "_id" else record.index
    return " ".join(map(_value_text, values_of(record, field)))


def _value_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return orjson.dumps(value, default=str).decode()
