"""Reads the characters of a query: words with their escapes, phrases, regular expressions."""

from __future__ import annotations

import re
from dataclasses import dataclass

from logship.errors import QueryError

__all__ = ["Raw", "Reader"]

_BOOST = re.compile(r"\^\d+(?:\.\d+)?(?=[\s()]|$)")
_FUZZY = re.compile(r"~\d*(?:\.\d+)?(?=[\s()\^]|$)")
_REGEXP = re.compile(r"/((?:[^\s/\\]|\\.)+)/(?=[\s)]|$)")
_REGEXP_SIGNS = re.compile(r"[*+?|\\\[\](){}]")
_FIELD = re.compile(r"[^\W\d][\w.@/-]*|@[\w.@/-]+")
_COMPARISON = re.compile(r"\s*(?:[<>]=?|!=)")
_WORD_ENDS = frozenset('()"')


@dataclass(frozen=True, slots=True)
class Raw:
    """A word as read.

    Attributes:
        text: Without the escapes.
        pattern: With ``*`` and ``?`` as wildcards, literal ones escaped.
        has_wildcards: Whether *pattern* has any.
        is_escaped: Whether there was an escape, so that it is no operator.
        position: Where it begins.
    """

    text: str
    pattern: str
    has_wildcards: bool
    is_escaped: bool
    position: int


class Reader:
    """A place in the text of a query that moves forward."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    def error(self, what: str, position: int | None = None) -> QueryError:
        """Return the error for *position*, by default where reading has come to."""
        return QueryError(what, self.text, self.position if position is None else position)

    def skip_space(self) -> None:
        """Move to the next character that is not white space."""
        text, position = self.text, self.position
        while position < len(text) and text[position].isspace():
            position += 1
        self.position = position

    def peek(self) -> str:
        """Return the next character, empty at the end."""
        return self.text[self.position : self.position + 1]

    def take(self, *candidates: str) -> str:
        """Move past the first of *candidates* that comes next and return it, else empty."""
        for candidate in candidates:
            if self.text.startswith(candidate, self.position):
                self.position += len(candidate)
                return candidate
        return ""

    def phrase(self) -> str:
        """Read a phrase in double quotes and return what is between them."""
        start = self.position
        self.position += 1
        pieces: list[str] = []
        while (character := self.peek()) != '"':
            if character == "\\":
                pieces.append(self._escaped())
            elif character:
                pieces.append(character)
                self.position += 1
            else:
                raise self.error('the quote is not closed; add a " at its end', start)
        self.position += 1
        self._suffix()
        return "".join(pieces)

    def regexp(self) -> str | None:
        """Read ``/re/`` and return what is between the slashes; None when there is none.

        A path like ``/health/`` has nothing that only an expression would have, and
        is left to be read as a word.
        """
        found = _REGEXP.match(self.text, self.position)
        if found is None or not _REGEXP_SIGNS.search(found[1]):
            return None
        self.position = found.end()
        return found[1]

    def field(self) -> str | None:
        """Read a field name together with its colon; None, unmoved, when there is none.

        A name before a comparison (``status >= 400``) counts; the comparison is left.
        ``http://`` is the beginning of a word, and so is ``10:05``.
        """
        start = self.position
        name = self._field_name()
        if name:
            self.skip_space()
            if self.peek() == ":" and not self.text.startswith("://", self.position):
                self.position += 1
                return name
            if name[-1] != "-" and _COMPARISON.match(self.text, self.position):
                return name
        self.position = start
        return None

    def word(self, ends: frozenset[str] = _WORD_ENDS) -> Raw:
        """Read up to white space or one of *ends*; the text may come out empty."""
        start = self.position
        pieces: list[str] = []
        pattern: list[str] = []
        wild = escaped = False
        while (character := self.peek()) and not character.isspace() and character not in ends:
            if character == "\\":
                literal = self._escaped()
                pieces.append(literal)
                pattern.append(f"\\{literal}" if literal in "*?\\" else literal)
                escaped = True
                continue
            if self.position > start and character in "^~" and self._suffix():
                break
            pieces.append(character)
            pattern.append(character)
            wild = wild or character in "*?"
            self.position += 1
        return Raw("".join(pieces), "".join(pattern), wild, escaped, start)

    def boost(self) -> None:
        """Move past ``^2``: it changes the order of hits, and logs are ordered by time."""
        found = _BOOST.match(self.text, self.position)
        if found is not None:
            self.position = found.end()

    def _suffix(self) -> bool:
        start = self.position
        if _FUZZY.match(self.text, start):
            raise self.error(r"similar words (~) are not supported; use * or write \~", start)
        self.boost()
        return self.position > start

    def _escaped(self) -> str:
        literal = self.text[self.position + 1 : self.position + 2]
        if not literal:
            raise self.error("nothing follows the backslash; write \\\\ for a backslash")
        self.position += 2
        return literal

    def _field_name(self) -> str:
        if self.take("*:"):
            self.position -= 1
            return "*"
        pieces: list[str] = []
        while True:
            found = _FIELD.match(self.text, self.position) if not pieces else None
            if found is None and pieces:
                found = re.compile(r"[\w.@/-]+").match(self.text, self.position)
            if found is not None:
                pieces.append(found[0])
                self.position = found.end()
            elif self.peek() == "\\" and self.position + 1 < len(self.text):
                pieces.append(self._escaped())
            else:
                return "".join(pieces)
