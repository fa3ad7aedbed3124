"""``logfmt``: ``level=info ts=2026-11-21T10:00:00Z msg="order placed" user=5 retry``.

Keys and values are joined by ``=`` and divided by blanks. Values with blanks stand in double
quotes, with JSON's escapes. A key alone is true. Values stay text: ``1.10`` may be a version.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from logship.parsers.json import unparsed
from logship.parsers.text import INVALID_UTF8, decode
from logship.schema.flat import add_tag, move_to_extra

__all__ = ["looks_like_logfmt", "parse_logfmt"]

# How much of a line its pairs have to cover.
_COVERED = 0.75

_TOKEN = re.compile(
    r'(?P<key>[^\s="]+)=(?:"(?P<quoted>(?:[^"\\]|\\.)*+)"(?=\s|$)|(?P<bare>\S*))|(?P<word>\S+)',
    re.DOTALL,
)
_is_key = re.compile(r"[A-Za-z_@][\w@./-]*").fullmatch
# Some loggers leave the quotes out around their texts.
_TEXTS = frozenset(("msg", "message", "err", "error"))
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}


def parse_logfmt(line: bytes) -> dict[str, Any]:
    """Return the record of the pairs on *line*.

    What is no logfmt (see :func:`looks_like_logfmt`; here one pair alone will do as well) is
    kept whole as ``message``, with a ``parse_error``. What is neither pair nor key, and
    keys that come again, go to ``extra.logfmt_rest``. Bytes that are not UTF-8 are replaced and
    the record is tagged ``invalid_utf8``. Never raises.
    """
    text, replaced = decode(line)
    found = _read(text)
    if found is None or (found.pairs < 2 and found.words):
        return unparsed(line, "not logfmt")
    record = found.record
    if found.rest:
        move_to_extra(record, "logfmt_rest", " ".join(found.rest))
    if replaced:
        add_tag(record, INVALID_UTF8)
    return record


def looks_like_logfmt(line: bytes) -> bool:
    """Whether *line* begins with a pair, has two or more, and they make up most of it."""
    found = _read(decode(line)[0])
    return found is not None and found.pairs >= 2


@dataclass(slots=True)
class _Found:
    """What is on a line.

    Attributes:
        covered, words: Characters within pairs, and outside.
        rest: What is neither pair nor key, or comes again.
    """

    record: dict[str, Any] = field(default_factory=dict)
    pairs: int = 0
    covered: int = 0
    words: int = 0
    rest: list[str] = field(default_factory=list)


def _read(text: str) -> _Found | None:
    found = _Found()
    record = found.record
    open_text = ""
    texts: dict[str, list[str]] = {}
    commas = 0
    for token in _TOKEN.finditer(text):
        key, quoted, bare, word = token.groups()
        if key is not None and _is_key(key):
            open_text = ""
            if key in record:
                found.rest.append(token[0])
            else:
                record[key] = bare if quoted is None else _unescaped(quoted)
                open_text = key if bare and key in _TEXTS else ""
            commas += (bare or "").endswith(",")
            found.pairs += 1
            found.covered += len(token[0])
        elif not found.pairs:
            return None
        elif open_text:
            texts.setdefault(open_text, []).append(token[0])
            found.covered += len(token[0])
        else:
            found.words += len(token[0])
            if word is not None and _is_key(word) and word not in record:
                record[word] = True
            else:
                found.rest.append(token[0])
    for name, more in texts.items():
        record[name] = " ".join((record[name], *more))
    is_most = found.covered >= _COVERED * (found.covered + found.words)
    # "a=1, b=2" is somebody's prose.
    return found if found.pairs and is_most and 2 * commas <= found.pairs else None


def _unescaped(quoted: str) -> str:
    if "\\" not in quoted:
        return quoted
    try:
        return str(orjson.loads(f'"{quoted}"'))
    except orjson.JSONDecodeError:  # as \x1b, or a line break within the quotes
        return _ESCAPE.sub(lambda escape: _ESCAPED.get(escape[1], escape[1]), quoted)
