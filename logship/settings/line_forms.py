"""Encodings and delimiters: which ones files can be divided into lines by."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from encodings.aliases import aliases
from typing import Any

from logship.lines import line_form, trail_bytes
from logship.settings.kinds import Scalar, text_of
from logship.settings.reading import Reading, Wrong, did_you_mean
from logship.settings.tree import Node, quote

__all__ = ["Delimiter", "check_encoding", "check_line_form"]

LONGEST = 64
_EXAMPLES = "; write for example utf-8, utf-16, latin-1, cp1252, shift_jis or gbk"
# What a byte means there depends on all that came before: reading cannot begin in the middle.
_STATEFUL = re.compile(r"utf-7|hz|iso2022.*")
_OF_NO_FILE = ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined")
_UTF = re.compile(r"utf-(?:8|16|32)(?:-[lb]e)?")


def check_encoding(text: str) -> str:
    """Return the name that Python has for an encoding in which lines can be found."""
    try:
        codec = codecs.lookup(text)
    except (LookupError, ValueError):
        known = {name.replace("_", "-") for names in aliases.items() for name in names}
        known -= {"mbcs", "dbcs"}  # of Windows
        meant = did_you_mean(text.replace("_", "-"), sorted(known))
        meant = meant if "?" in meant else _EXAMPLES
        raise ValueError(f"unknown encoding {quote(text)}{meant}") from None
    name = codec.name
    if name.replace("_", "-") in _OF_NO_FILE or not getattr(codec, "_is_text_encoding", True):
        raise ValueError(f"{quote(text)} is no encoding of texts{_EXAMPLES}")
    if _STATEFUL.fullmatch(name):
        raise ValueError(
            f"{quote(text)} is not possible: what a byte means there depends on all that came "
            "before, so reading cannot go on in the middle of a file; let it be written in utf-8"
        )
    return "utf-8" if name == "utf-8-sig" else name


def check_line_form(encoding: str, delimiter: str) -> str:
    """Return why lines cannot be found by this delimiter in this encoding; empty if they can."""
    try:
        first = line_form(encoding, delimiter).delimiter[0]
    except UnicodeEncodeError:
        return f"{quote(delimiter)} cannot be written in {encoding}"
    if delimiter != "\n" and not _UTF.fullmatch(encoding) and first in trail_bytes(encoding):
        return f"{quote(delimiter)} may be the end of one character and more in {encoding}"
    return ""


@dataclass(frozen=True, slots=True)
class Delimiter(Scalar):
    """What ends a line: a text, white space and control characters included."""

    noun = "a text"

    def convert(self, node: Node, path: str, reading: Reading) -> str:
        """Return the text."""
        text = text_of(node, self)
        if not text:
            raise Wrong('is empty; write "\\n" for lines')
        if len(text) > LONGEST:
            raise Wrong(f"has {len(text)} characters; at most {LONGEST} are possible")
        if re.search(r"\\[nrt0]", text):
            raise Wrong(
                "has a backslash and a letter in it; in double quotes they are one character: "
                f'"{text}"'
            )
        if "\0" in text and text != "\0":
            raise Wrong('has a NUL character beside others; only "\\0" alone is possible')
        return text

    def schema(self) -> dict[str, Any]:
        """A text."""
        return {"type": "string", "minLength": 1, "maxLength": LONGEST}
