"""How a text falls into words, as Elasticsearch's standard analyzer would cut it."""

from __future__ import annotations

import re

__all__ = ["is_text_field", "words_of"]

# Fields that hold prose: words of them are matched, in any case. All others match as a whole.
TEXT_FIELDS = frozenset(
    {"message", "error.message", "error.stack_trace", "event.original", "parse_error"}
)

# After Unicode TR 29: letters hold together over . : ' and digits over . , ; while
# ideographs and hiragana stand alone.
_ALONE = "\u3040-\u309f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_PART = rf"[^\W{_ALONE}]+"
_WORD = re.compile(
    rf"[{_ALONE}]"
    rf"|{_PART}(?:(?:(?<=[^\W\d_])[.:'’·](?=[^\W\d_{_ALONE}])|(?<=\d)[.,;'](?=\d)){_PART})*"
)


def words_of(text: str) -> list[str]:
    """Return the words of *text* in lower case, in order; empty when it is all punctuation."""
    return _WORD.findall(text.lower())


def is_text_field(field: str, default_fields: tuple[str, ...]) -> bool:
    """Whether *field* is matched word by word rather than as a whole."""
    return field in TEXT_FIELDS or field in default_fields
