r"""Text for a terminal: harmless, measured, coloured.

What applications log is not trusted: characters that a terminal would obey are shown as
escapes (``\x1b``).
"""

from __future__ import annotations

import re
import unicodedata

__all__ = ["columns_of", "one_line", "padded", "styled", "visible", "visible_json", "wrapped"]

# Line separators, and what turns the writing direction.
_DECEPTIVE = "\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[\x00-\x08\x0b-\x1f\x7f-\x9f{_DECEPTIVE}\ud800-\udfff]")
_UNSAFE_IN_JSON = re.compile(f"[\x7f-\x9f{_DECEPTIVE}]")


def visible(text: str) -> str:
    """Return *text* with all but tabs and newlines among its control characters escaped."""
    return _UNSAFE.sub(_escaped, text)


def visible_json(text: str) -> str:
    """Return JSON *text* with the same characters as JSON's own escapes, so it means the same."""
    return _UNSAFE_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """Return *text*, made visible, with marks where its lines end."""
    return visible(text.strip("\n")).replace("\n", " ↵ ").replace("\t", " ")


def styled(text: str, style: str) -> str:
    """Return *text* in a style given as the numbers of an SGR sequence; empty leaves it."""
    return f"\x1b[{style}m{text}\x1b[0m" if style and text else text


def padded(text: str, columns: int, *, cut: bool) -> str:
    """Return *text* filled with spaces to *columns*; what is longer is cut where *cut* is set."""
    if cut and columns_of(text) > columns:
        while columns_of(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - columns_of(text))


def wrapped(text: str, first: int, columns: int) -> list[str]:
    """Return *text* in lines that break at spaces.

    Args:
        text: Without newlines.
        first: Columns there are for the first line.
        columns: Columns there are for each further one. A longer word keeps a line of its own.
    """
    first_word, *words = text.split(" ")
    lines, room = [first_word], first
    for word in words:
        longer = f"{lines[-1]} {word}"
        if columns_of(longer) <= room or not lines[-1].strip():
            lines[-1] = longer
        else:
            lines.append(word)
            room = columns
    return lines


def columns_of(text: str) -> int:
    """Return how many columns *text* takes: two for wide characters, none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF")
        for one in text
    )


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"
