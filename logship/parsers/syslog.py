"""``syslog``: lines as syslog daemons write them, of RFC 3164 and of RFC 5424.

Read are, with or without ``<PRI>`` before them::

    Nov 21 10:00:00 web-1 sshd[123]: text                             RFC 3164, in files
    2026-11-21T10:00:00.123456+01:00 web-1 sshd[123]: text            the same, newer daemons
    <165>1 2026-11-21T10:00:00.003Z web-1 shop 8710 ID47 [id@1 a="b"] text       RFC 5424

The times of the first form have no year. They become ``--11-21T10:00:00`` (ISO 8601:2000,
"truncated representations": a hyphen for what is left out), which no time parser takes for a
time; :func:`with_year` completes it by a content's day mark, which the parser cannot know.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from logship.parsers.json import unparsed
from logship.parsers.text import INVALID_UTF8, decode

__all__ = ["looks_like_syslog", "parse_syslog", "with_year"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LEVELS = ("EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG")
_FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv",
    "ftp", "ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
)  # fmt: skip

_PRI = re.compile(r"<(\d{1,3})>", re.ASCII).match
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)"
_BSD = (
    rf"[*.]?(?P<month>{'|'.join(_MONTHS)}) (?P<day>[ \d]?\d) (?:(?P<year>\d{{4}}) )?"
    r"(?P<clock>\d\d:\d\d:\d\d(?:\.\d{1,9})?)"
)
_HEAD = re.compile(rf"(?:(?P<iso>{_ISO})|{_BSD}) (?P<host>\S{{1,255}})(?: |$)", re.ASCII).match
_TAG = re.compile(r"(?P<app>[^\s:\[\]]{1,128})(?:\[(?P<pid>[^\s\]]{1,128})\])?:(?: |$)").match
_RFC5424 = re.compile(
    rf"1 (?P<iso>-|{_ISO}) (?P<host>\S{{1,255}}) (?P<app>\S{{1,48}}) (?P<pid>\S{{1,128}}) "
    r"(?P<id>\S{1,32}) (?=-(?: |$)|\[)",
    re.ASCII,
).match
_ELEMENT = re.compile(
    r'\[([^\s=\]"]{1,64})((?: [^\s=\]"]{1,64}="(?:[^"\\]|\\.)*+")*+)\]', re.DOTALL
).match
_PARAMETER = re.compile(r' ([^\s=\]"]+)="((?:[^"\\]|\\.)*+)"', re.DOTALL).finditer
_ESCAPE = re.compile(r'\\(["\\\]])')
_YEARLESS = re.compile(r"--(\d\d)-(\d\d)(T.*)", re.ASCII).fullmatch


def parse_syslog(line: bytes) -> dict[str, Any]:
    """Return the record of one line of a syslog daemon.

    ``message`` is the text; ``@timestamp``, ``level``, ``host.name``, ``process.name`` and
    ``process.pid`` (a number) are set as far as the line says them, and ``syslog.facility``,
    ``syslog.procid`` (when it is no number) and ``syslog.msgid``. Structured data goes to
    ``extra``, as ``<id>_<parameter>`` with underscores for dots. A time without year is left
    for :func:`with_year`. Any other line is kept whole as ``message``, with a ``parse_error``.
    Bytes that are not UTF-8 are replaced and the record is tagged ``invalid_utf8``. Never
    raises.

    Source: RFC 3164, sections 4 and 5; RFC 5424, section 6.
    """
    text, replaced = decode(line)
    record: dict[str, Any] = {}
    pri = _PRI(text)
    if pri is not None and int(pri[1]) <= 191:
        facility, severity = divmod(int(pri[1]), 8)
        record["level"], record["syslog.facility"] = _LEVELS[severity], _FACILITIES[facility]
        text = text[pri.end() :]
    if not (record and _read_5424(text, record)) and not _read_3164(text, record):
        if not record:
            return unparsed(line, "not a syslog line")
        record["message"] = text
    if replaced:
        record["tags"] = [INVALID_UTF8]
    return record


def looks_like_syslog(line: bytes) -> bool:
    """Whether *line* is beyond doubt one of a syslog daemon.

    A time and two words are no proof: without ``<PRI>`` a tag has to follow, and after a full
    date one with a process id, or the kernel's.
    """
    text, _ = decode(line)
    pri = _PRI(text)
    if pri is not None:
        rest = text[pri.end() :]
        return int(pri[1]) <= 191 and bool(_RFC5424(rest) or _HEAD(rest))
    head = _HEAD(text)
    tag = _TAG(text, head.end()) if head is not None else None
    if head is None or tag is None:
        return False
    return head["iso"] is None or tag["pid"] is not None or tag["app"] == "kernel"


def with_year(time: str, day: str) -> str | None:
    """Return a time without year as ISO 8601 text with the year that it was written in.

    That is the latest year in which it lies at most a day after *day*: lines are read soon
    after they are written, or long after, but not before. It still carries no zone.

    Args:
        time: As :func:`parse_syslog` leaves it: ``--MM-DDTHH:MM:SS[.fraction]``.
        day: A chunk's day mark: ``YYYY-MM-DD``, or ``first/last``, of which the last counts.

    Returns:
        ``YYYY-MM-DDTHH:MM:SS[.fraction]``; None when *time* has another form or no such day.
    """
    match = _YEARLESS(time)
    if match is None:
        return None
    month, number, clock = int(match[1]), int(match[2]), match[3]
    mark = date.fromisoformat(day[-10:])
    latest = mark + timedelta(days=1) if mark < date.max else mark
    for year in range(latest.year, max(latest.year - 9, 0), -1):  # 1900 was no leap year
        try:
            found = date(year, month, number)
        except ValueError:
            continue
        if found <= latest:
            return f"{found.isoformat()}{clock}"
    return None


def _read_3164(text: str, record: dict[str, Any]) -> bool:
    head = _HEAD(text)
    if head is None:
        return False
    record["@timestamp"] = head["iso"] or _yearless(head)
    rest = head.end()
    tag = _TAG(text, head.start("host"))
    if tag is None:  # else the host was left out, as on the way to a local daemon
        _set_text(record, "host.name", head["host"])
        tag = _TAG(text, rest)
    if tag is not None:
        rest = tag.end()
        _set_text(record, "process.name", tag["app"])
        _set_pid(record, tag["pid"])
    record["message"] = text[rest:]
    return True


def _yearless(head: re.Match[str]) -> str:
    month = _MONTHS.index(head["month"]) + 1
    return f"{head['year'] or '-'}-{month:02}-{int(head['day']):02}T{head['clock']}"


def _read_5424(text: str, record: dict[str, Any]) -> bool:
    head = _RFC5424(text)
    if head is None:
        return False
    if head["iso"] != "-":
        record["@timestamp"] = head["iso"]
    _set_text(record, "host.name", head["host"])
    _set_text(record, "process.name", head["app"])
    _set_text(record, "syslog.msgid", head["id"])
    _set_pid(record, head["pid"])
    rest = head.end()
    extra: dict[str, str] = {}
    element = _ELEMENT(text, rest)
    while element is not None:
        for name, value in (match.groups() for match in _PARAMETER(element[2])):
            key = f"{element[1]}_{name}".replace(".", "_")
            value = _ESCAPE.sub(r"\1", value)
            extra[key] = f"{extra[key]}, {value}" if key in extra else value
        rest = element.end()
        element = _ELEMENT(text, rest)
    if extra:
        record["extra"] = extra
    rest += text.startswith("-", rest)
    record["message"] = text[rest:].removeprefix(" ").removeprefix("\ufeff")
    return True


def _set_text(record: dict[str, Any], name: str, text: str) -> None:
    if text != "-":
        record[name] = text


def _set_pid(record: dict[str, Any], text: str | None) -> None:
    if text is None or text == "-":
        return
    if text.isascii() and text.isdigit() and len(text) < 19:
        record["process.pid"] = int(text)
    else:
        record["syslog.procid"] = text
