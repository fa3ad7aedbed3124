"""Strict JSON, for what a fast parser does not tell: where and what exactly is wrong.

Only texts that a fast parser refused, or that may hold a key twice, come here. Messages
and columns are those of the parser inside Elasticsearch, which counts bytes from 1.
"""

from __future__ import annotations

import re
from typing import Any

from logship.node.errors import Json, NodeError, illegal_argument, parsing

Path = tuple[str | int, ...]
Span = tuple[int, int]

_SPACE = re.compile(rb"[ \t\r\n]*")
_NUMBER = re.compile(rb"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?")
_WORD = re.compile(rb"[A-Za-z0-9_$]+")
_PLAIN = re.compile(rb'[^"\\\x00-\x1f]*')
NEWLINE = b"\n"
_MAX_DEPTH = 300
_SNIPPET = 500
_TOKENS = "was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')"


class JsonFault(Exception):
    """The first mistake in a JSON text.

    Attributes:
        what: The message without place.
        is_end: Whether the text ended too early.
        at: Byte offset of the mistake.
        last: Byte offset of the last token that could be read.
        path: Of the field in whose text the mistake is; None when it is elsewhere.
        is_outside: Whether it stands before or after the document, not in it.
        extra: The kind of a whole value behind the first one; empty when that is not it.
    """

    def __init__(self, what: str, data: bytes, at: int, last: int, *, is_end: bool = False) -> None:
        super().__init__(what)
        self.what, self.data, self.at, self.last, self.is_end = what, data, at, last, is_end
        self.path: Path | None = None
        self.is_outside = False
        self.extra = ""

    def cause(self) -> Json:
        """Return the error object with the one of the parser below it."""
        place = _place(self.data, self.at)
        snippet = _snippet(self.data)
        cut = len(self.data) - _SNIPPET
        quoted = f'"{snippet}"' + (f"[truncated {cut} bytes]" if cut > 0 else "")
        line, column = place[1:-1].split(":")
        full = f"{self.what}\n at [Source: (byte[]){quoted}; line: {line}, column: {column}]"
        if self.is_end:
            return {
                "type": "x_content_e_o_f_exception",
                "reason": f"{place} Unexpected end of file",
                "caused_by": {"type": "json_e_o_f_exception", "reason": full},
            }
        return {
            "type": "x_content_parse_exception",
            "reason": f"{place} {full}",
            "caused_by": {"type": "json_parse_exception", "reason": full},
        }

    def as_request_error(self) -> NodeError:
        """Return the refusal of a request whose body this is."""
        if self.extra:
            return parsing(f"Unexpected token [{self.extra}] found after the main object.")
        cause = self.cause()
        return NodeError(400, cause["type"], cause["reason"], caused_by=cause["caused_by"])

    def as_document_error(self) -> NodeError:
        """Return the refusal of a document whose source this is."""
        if self.extra:
            return illegal_argument(
                f"Malformed content, found extra data after parsing: {self.extra}"
            )
        cause = self.cause()
        if self.is_outside:
            reason = f"{_place(self.data, self.at)} {cause['reason']}"
        else:
            reason = f"{_place(self.data, self.last)} failed to parse: {cause['reason']}"
        return NodeError(400, "document_parsing_exception", reason, caused_by=cause)


def _snippet(data: bytes) -> str:
    text = data[:_SNIPPET].decode("utf-8", "replace")
    return re.sub(r"[\x00-\x09\x0b\x0c\x0e-\x1f]", lambda one: f"\\u{ord(one[0]):04X}", text)


def _place(data: bytes, at: int) -> str:
    begin = data.rfind(b"\n", 0, at)
    return f"[{data.count(NEWLINE, 0, at) + 1}:{at - begin}]"


class Scanner:
    """Reads one JSON text from its beginning to its end.

    Args:
        data: The text, UTF-8.
        keep: Whether to remember where each value begins and ends.

    Raises:
        JsonFault: At the first mistake; from `run`.
    """

    def __init__(self, data: bytes, *, keep: bool = False) -> None:
        self._data, self._at, self._last = data, 0, 0
        self.spans: dict[Path, Span] | None = {} if keep else None
        self.keys: dict[Path, int] = {}
        self._path: list[str | int] = []
        self._opened = (0, "Object")

    def run(self) -> None:
        """Read it all; nothing but white space may follow the value."""
        self._skip()
        if self._data[self._at : self._at + 1] != b"{":
            self._read_outside()
        else:
            self._value(0)
        self._skip()
        if (start := self._at) < len(self._data):
            self._read_outside()
            fault = self._fault("more than one value", start)
            fault.extra = _KINDS.get(self._data[start : start + 1], "VALUE_NUMBER")
            raise fault

    def _read_outside(self) -> None:
        try:
            self._value(0)
        except JsonFault as fault:
            fault.is_outside = True
            raise

    def _skip(self) -> None:
        match = _SPACE.match(self._data, self._at)
        self._at = match.end() if match else self._at

    def _fault(self, what: str, at: int) -> JsonFault:
        return JsonFault(what, self._data, at, self._last)

    def _end(self) -> JsonFault:
        start, kind = self._opened
        snippet = _snippet(self._data)
        line, column = _place(self._data, start)[1:-1].split(":")
        what = (
            f"Unexpected end-of-input: expected close marker for {kind} (start marker at "
            f'[Source: (byte[])"{snippet}"; line: {line}, column: {column}])'
        )
        return JsonFault(what, self._data, len(self._data), self._last, is_end=True)

    def _value(self, depth: int) -> None:
        self._skip()
        data, start = self._data, self._at
        if start >= len(data):
            raise self._end()
        first = data[start : start + 1]
        if depth > _MAX_DEPTH:
            raise self._fault(f"Document nesting depth ({depth}) exceeds the maximum", start)
        if first in {b"{", b"["}:
            self._last, outer = start, self._opened
            self._at += 1
            if first == b"{":
                self._opened = (start, "Object")
                self._members(depth)
            else:
                self._opened = (start, "Array")
                self._elements(depth)
            self._opened = outer
        elif first == b'"':
            self._string()
            self._last = start
        else:
            self._scalar(start)
            self._last = start
        if self.spans is not None:
            self.spans[tuple(self._path)] = (start, self._at)

    def _scalar(self, start: int) -> None:
        data = self._data
        first = data[start]
        if first == 0x2D or 0x30 <= first <= 0x39:
            match = _NUMBER.match(data, start)
            if match is None:
                raise self._fault("Unexpected character in a numeric value", start + 1)
            self._at = match.end()
            following = data[self._at : self._at + 1]
            if following.isdigit():
                raise self._fault("Invalid numeric value: Leading zeroes not allowed", start + 1)
            if following and following not in b" \t\r\n,]}":
                raise self._fault(
                    f"{_character(following)}: Expected space separating root-level values",
                    self._at,
                )
            return
        match = _WORD.match(data, start)
        word = match[0] if match else b""
        if word in {b"true", b"false", b"null"}:
            self._at = start + len(word)
            return
        if word in {b"NaN", b"Infinity"}:
            raise self._fault(
                f"Non-standard token '{word.decode()}': enable "
                "`JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS` to allow",
                start + len(word),
            )
        if word:
            end = start + len(word)
            text = word.decode()
            # The parser has taken the character after the token, if there is one.
            at = min(end + 1, len(data))
            raise self._fault(f"Unrecognized token '{text}': {_TOKENS}", at)
        raise self._fault(
            f"{_character(data[start : start + 1])}: expected a valid value {_TOKENS[14:]}",
            start,
        )

    def _string(self) -> str:
        data, start = self._data, self._at
        at = start + 1
        while True:
            match = _PLAIN.match(data, at)
            at = match.end() if match else at
            if at >= len(data):
                self._at = at
                fault = self._within("Unexpected end-of-input in VALUE_STRING", start, at)
                fault.is_end = True
                raise fault
            if data[at] == 0x22:
                break
            if data[at] != 0x5C:
                raise self._within(
                    f"Illegal unquoted character ((CTRL-CHAR, code {data[at]})): has to be "
                    "escaped using backslash to be included in string value",
                    start,
                    at,
                )
            if data[at + 1 : at + 2] not in _ESCAPABLE:
                shown = chr(data[at + 1])
                what = f"Unrecognized character escape '{shown}' (code {data[at + 1]})"
                raise self._within(what, start, at + 1)
            at += 2
        self._at = at + 1
        raw = data[start + 1 : at]
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            bad = start + 1 + error.start
            what = f"Invalid UTF-8 start byte 0x{data[bad]:02x}"
            raise self._within(what, start, bad + 1) from None
        return _unescaped(text) if "\\" in text else text

    def _within(self, what: str, start: int, at: int) -> JsonFault:
        """A mistake inside a string: the parser met it when the field's value was asked for."""
        fault = self._fault(what, at)
        fault.path, fault.last = tuple(self._path), start
        return fault

    def _members(self, depth: int) -> None:
        seen: set[str] = set()
        self._skip()
        if self._data[self._at : self._at + 1] == b"}":
            self._at += 1
            return
        while True:
            self._skip()
            start = self._at
            if start >= len(self._data):
                raise self._end()
            character = self._data[start : start + 1]
            if character != b'"':
                what = "was expecting double-quote to start field name"
                raise self._fault(f"{_character(character)}: {what}", start)
            name = self._string()
            if name in seen:
                raise self._fault(f"Duplicate field '{name}'", self._at)
            seen.add(name)
            self._last = start
            self._expect(b":", "was expecting a colon to separate field name and value")
            self._path.append(name)
            if self.spans is not None:
                self.keys[tuple(self._path)] = start
            self._value(depth + 1)
            self._path.pop()
            if self._expect(b",}", "was expecting comma to separate Object entries") == b"}":
                return

    def _elements(self, depth: int) -> None:
        self._skip()
        if self._data[self._at : self._at + 1] == b"]":
            self._at += 1
            return
        number = 0
        while True:
            self._path.append(number)
            self._value(depth + 1)
            self._path.pop()
            number += 1
            if self._expect(b",]", "was expecting comma to separate Array entries") == b"]":
                return

    def _expect(self, wanted: bytes, what: str) -> bytes:
        self._skip()
        found = self._data[self._at : self._at + 1]
        if not found:
            raise self._end()
        if found not in wanted:
            raise self._fault(f"{_character(found)}: {what}", self._at)
        self._at += 1
        return found


def _character(found: bytes) -> str:
    shown = found.decode("utf-8", "replace")
    return f"Unexpected character ('{shown}' (code {found[0]}))"


_KINDS = {b"{": "START_OBJECT", b"[": "START_ARRAY", b'"': "VALUE_STRING", b"n": "VALUE_NULL",
          b"t": "VALUE_BOOLEAN", b"f": "VALUE_BOOLEAN"}  # fmt: skip
_ESCAPABLE = frozenset(b'"\\/bfnrtu'[at : at + 1] for at in range(9))
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


def _unescaped(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        escape = match[1]
        return chr(int(escape[1:], 16)) if escape[0] == "u" else _ESCAPES.get(escape, escape)

    return re.sub(r"\\(u[0-9a-fA-F]{4}|.)", one, text)


def check(data: bytes) -> None:
    """Read *data* strictly, duplicate keys included.

    Raises:
        JsonFault: It is not JSON, or holds a key twice in one object.
    """
    Scanner(data).run()


def span(data: bytes, path: Path) -> Span:
    """Return where the value at *path* begins and ends, as byte offsets; (0, 0) if absent."""
    scanner = Scanner(data, keep=True)
    try:
        scanner.run()
    except JsonFault:
        pass
    spans: dict[Path, Span] = scanner.spans or {}
    return spans.get(path, (0, 0))


def key_offset(data: bytes, path: Path) -> int:
    """Return where the last key of *path* begins, as a byte offset."""
    scanner = Scanner(data, keep=True)
    try:
        scanner.run()
    except JsonFault:
        pass
    return scanner.keys.get(path, 0)


def count_keys(value: Any) -> int:
    """Return the number of keys in *value* and in all below it."""
    if isinstance(value, dict):
        return len(value) + sum(count_keys(one) for one in value.values())
    if isinstance(value, list):
        return sum(count_keys(one) for one in value)
    return 0
