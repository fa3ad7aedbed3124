"""Which texts can be ``index.name`` or ``index.data_stream``.

What Elasticsearch accepts, and what its own templates would not capture.

Sources: Elasticsearch 8 reference, "Create index API", path parameters; "Avoid index pattern
collisions" under "Index templates".
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

from logship.settings.tree import quote

__all__ = ["ELASTICS_OWN", "check_data_stream", "check_index_name", "date_parts"]

ELASTICS_OWN = ("logs-*-*", "metrics-*-*", "traces-*-*", "synthetics-*-*")
MAX_BYTES = 255
# Those of a data stream's own indices: .ds-NAME-2026.11.21-000001
MAX_STREAM_BYTES = MAX_BYTES - len(".ds--2026.11.21-000001")
_DIRECTIVES = {
    "%Y": "2026",
    "%y": "26",
    "%m": "11",
    "%d": "21",
    "%H": "16",
    "%j": "325",
    "%G": "2026",
    "%V": "47",
}
_JODA = {"yyyy": "%Y", "YYYY": "%Y", "xxxx": "%G", "MM": "%m", "dd": "%d", "HH": "%H", "ww": "%V"}
_JODA_DATE = re.compile(r"%\{\+([^{}]*)\}")
_WORD = re.compile(r"[A-Za-z]+")
_PERCENT = re.compile(r"%.?", re.DOTALL)
_FIELD = re.compile(r"\{([^{}]*)\}")
_FIELD_NAME = re.compile(r"[A-Za-z_@][A-Za-z0-9_@.-]*\Z")
_LATER = frozenset({"@ingested", "event.ingested", "log.file.path", "log.offset"})
_ILLEGAL = re.compile(r'[\\/*?"<>| ,#:]|[^\x20-\uffff]|[\x7f-\xa0]')


def check_index_name(pattern: str) -> str:
    """Return *pattern* when every name it gives is an index that logship can own.

    Raises:
        ValueError: What is wrong with it and what to write.
    """
    literal = _FIELD.sub("", _without_dates(pattern, keep=False))
    if literal != literal.lower():
        raise ValueError(
            f"{quote(pattern)} has upper-case letters; Elasticsearch takes only lower-case names"
        )
    illegal = _ILLEGAL.search(literal)
    if illegal:
        raise ValueError(f"{quote(pattern)} contains {quote(illegal[0])}, which no index name may")
    for field in _FIELD.findall(_without_dates(pattern, keep=False)):
        if not _FIELD_NAME.match(field):
            raise ValueError(f"{quote(pattern)} names no field in {quote('{' + field + '}')}")
        if field in _LATER:
            raise ValueError(
                f"{quote(pattern)} names {quote(field)}, which a record gets only after its index "
                "was chosen; write for example {service} or {host.name}"
            )
    if "{" in literal or "}" in literal:
        raise ValueError(f'{quote(pattern)} has a "{{" or "}}" without its other half')
    if not re.search("[a-z0-9]", literal):
        raise ValueError(
            f"{quote(pattern)} has no fixed text, so its template would match other indices; "
            'write for example "app-%Y.%m.%d"'
        )
    example = _without_dates(pattern, keep=True)
    if example[0] in "-_+.":
        raise ValueError(f"{quote(pattern)} begins with {quote(example[0])}, which it may not")
    if len(_FIELD.sub("x", example).encode()) > MAX_BYTES:
        raise ValueError(f"is longer than {MAX_BYTES} bytes")
    _refuse_captured(pattern, example)
    return pattern


def check_data_stream(name: str) -> str:
    """Return *name* when a data stream can have it.

    Raises:
        ValueError: What is wrong with it and what to write.
    """
    if "%" in name or "{" in name:
        raise ValueError(
            f"{quote(name)} has a date or a field; a data stream has one name, for example "
            '"logs-app-default" (dates and fields go into index.name)'
        )
    if name != name.lower():
        raise ValueError(f"{quote(name)} has upper-case letters, which no data stream may have")
    illegal = _ILLEGAL.search(name)
    if illegal:
        raise ValueError(f"{quote(name)} contains {quote(illegal[0])}, which no data stream may")
    if name[0] in "-_+.":
        raise ValueError(f"{quote(name)} begins with {quote(name[0])}, which it may not")
    if len(name.encode()) > MAX_STREAM_BYTES:
        raise ValueError(f"is longer than {MAX_STREAM_BYTES} bytes")
    return name


def date_parts(pattern: str) -> set[str]:
    """Return the letters of the date parts in a checked pattern: ``{"Y", "m", "d"}``."""
    found: set[str] = set()

    def note(match: re.Match[str]) -> str:
        found.add(match[0][1:])
        return ""

    dated = _JODA_DATE.sub(lambda match: _WORD.sub(lambda word: _JODA[word[0]], match[1]), pattern)
    _PERCENT.sub(note, dated)
    return found


def _refuse_captured(pattern: str, example: str) -> None:
    # A field's value may hold a dash of its own, so it stands for one here.
    name = _FIELD.sub("x-x", example)
    for template in ELASTICS_OWN:
        if fnmatchcase(name, template):
            owner = template.partition("-")[0]
            raise ValueError(
                f"{quote(pattern)} gives names such as {quote(name)}, and Elastic's own data "
                f"stream templates ({template}) would capture them; "
                f'write for example "app-{owner}-%Y.%m.%d"'
            )


def _without_dates(pattern: str, *, keep: bool) -> str:
    """*pattern* with its dates cut out, or replaced by those of an example day."""

    def word(match: re.Match[str]) -> str:
        if match[0] not in _JODA:
            raise ValueError(
                f"{quote(pattern)} has the unknown date part {quote(match[0])}; "
                f"known are {' '.join(_JODA)}"
            )
        return _JODA[match[0]]

    def from_joda(match: re.Match[str]) -> str:
        return _WORD.sub(word, match[1])

    def value(match: re.Match[str]) -> str:
        if match[0] not in _DIRECTIVES:
            raise ValueError(
                f"{quote(pattern)} has the unknown date part {quote(match[0])}; "
                f"known are {' '.join(_DIRECTIVES)} and %{{+yyyy.MM.dd}}"
            )
        return _DIRECTIVES[match[0]] if keep else ""

    return _PERCENT.sub(value, _JODA_DATE.sub(from_joda, pattern))
