"""Text to tokens, close to Elasticsearch's standard analyzer.

Words are split as Unicode's word boundaries do for the usual scripts: ``index.html`` and
``10.0.0.1`` stay one token, ``web-1`` becomes two, ideographs stand alone. Tokens longer
than 255 characters are cut into pieces of that length.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from logship.node.errors import illegal_argument

Analyzer = Callable[[str], list[str]]

_LETTER_JOINT = "[.':\u00b7\u2018\u2019\u2024\u2027\ufe52\uff07\uff0e]"
_DIGIT_JOINT = "[.,;'\u2018\u2019\u2024\ufe50\ufe52\uff07\uff0c\uff0e]"
_ALONE = "\u3041-\u3096\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"


def _words(word: str, letter: str) -> re.Pattern[str]:
    return re.compile(
        rf"{word}+(?:(?:(?<={letter}){_LETTER_JOINT}(?={letter})"
        rf"|(?<=\d){_DIGIT_JOINT}(?=\d)){word}+)*"
    )


_ASCII = _words("[A-Za-z0-9_]", "[A-Za-z]")
_UNICODE = _words(r"\w", r"[^\W\d_]")
_IDEOGRAPHS = re.compile(rf"[{_ALONE}]|" + _words(rf"[^\W{_ALONE}]", rf"[^\W\d_{_ALONE}]").pattern)
_HAS_IDEOGRAPH = re.compile(f"[{_ALONE}]")
_TERM_CHARACTERS = 255


def standard(text: str) -> list[str]:
    """Return the lower-case words of *text* in their order."""
    if text.isascii():
        words = _ASCII.findall(text.lower())
    elif _HAS_IDEOGRAPH.search(text):
        words = _lowered(_IDEOGRAPHS.findall(text))
    else:
        words = _lowered(_UNICODE.findall(text))
    if len(text) > _TERM_CHARACTERS:
        words = [piece for word in words for piece in _pieces(word)]
    return [word for word in words if word.strip("_")] if "_" in text else words


def _lowered(words: list[str]) -> list[str]:
    # As Lucene: letter by letter, so that a dotted capital I does not grow a second character.
    return [_lower(word) for word in words]


def _lower(text: str) -> str:
    return text.lower().replace("i\u0307", "i")


def _pieces(word: str) -> list[str]:
    return [word[at : at + _TERM_CHARACTERS] for at in range(0, len(word), _TERM_CHARACTERS)]


def _simple(text: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[^\W\d_]+", text)]


def _whitespace(text: str) -> list[str]:
    return text.split()


def _keyword(text: str) -> list[str]:
    return [text]


_BUILT_IN: dict[str, Analyzer] = {
    "standard": standard,
    "default": standard,
    "simple": _simple,
    "whitespace": _whitespace,
    "keyword": _keyword,
}
_TOKENIZERS: dict[str, Analyzer] = {
    "standard": lambda text: _UNICODE.findall(text),
    "whitespace": _whitespace,
    "keyword": _keyword,
    "lowercase": _simple,
    "letter": lambda text: re.findall(r"[^\W\d_]+", text),
}


class Analyzers:
    """The analyzers and normalizers that an index may name.

    Args:
        settings: The index settings' ``analysis`` object, nested.

    Raises:
        NodeError: It uses a tokenizer or filter that the node does not have.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._analyzers = dict(_BUILT_IN)
        self._normalizers: dict[str, Callable[[str], str]] = {"lowercase": str.lower}
        for name, definition in _table(settings, "analyzer").items():
            self._analyzers[name] = _custom(name, definition)
        for name, definition in _table(settings, "normalizer").items():
            filters = _filters(name, definition.get("filter", []))
            self._normalizers[name] = str.lower if "lowercase" in filters else str

    def analyzer(self, name: str, field: str) -> Analyzer:
        """Return the analyzer *name*.

        Raises:
            NodeError: There is none.
        """
        if name not in self._analyzers:
            raise _missing("analyzer", name, field)
        return self._analyzers[name]

    def names(self) -> frozenset[str]:
        """Return the names of all analyzers."""
        return frozenset(self._analyzers)

    def normalizer(self, name: str, field: str) -> Callable[[str], str]:
        """Return the normalizer *name*.

        Raises:
            NodeError: There is none.
        """
        if name not in self._normalizers:
            raise _missing("normalizer", name, field)
        return self._normalizers[name]


def _missing(what: str, name: str, field: str) -> Exception:
    from logship.node.errors import mapper_parsing

    return mapper_parsing(
        f"{what} [{name}] has not been configured in mappings for field [{field}]"
    )


def _table(settings: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    table = settings.get(kind, {})
    return table if isinstance(table, Mapping) else {}


def _filters(name: str, filters: Any) -> list[str]:
    names = [filters] if isinstance(filters, str) else list(filters)
    for one in names:
        if one not in {"lowercase", "trim"}:
            raise illegal_argument(
                f"Custom analyzer [{name}] failed to find filter under name [{one}]"
            )
    return names


def _custom(name: str, definition: Mapping[str, Any]) -> Analyzer:
    kind = definition.get("type", "custom")
    if kind in _BUILT_IN:
        return _BUILT_IN[kind]
    if kind != "custom":
        raise illegal_argument(f"Unknown analyzer type [{kind}] for [{name}]")
    tokenizer = definition.get("tokenizer")
    if tokenizer not in _TOKENIZERS:
        raise illegal_argument(
            f"Custom analyzer [{name}] failed to find tokenizer under name [{tokenizer}]"
        )
    tokens = _TOKENIZERS[tokenizer]
    if "lowercase" in _filters(name, definition.get("filter", [])):
        return standard if tokenizer == "standard" else lambda text: _lowered(tokens(text))
    return tokens


@lru_cache(maxsize=1024)
def index_pieces(token: str) -> tuple[str, ...]:
    """Return the runs of ASCII letters and digits in *token*, as the full-text index has them."""
    return tuple(re.findall(r"[a-z0-9]+", _lower(token)))


def indexed_text(texts: list[str]) -> str:
    """Return what the full-text index stores for the strings of one document.

    Everything beyond ASCII becomes a separator, after lowering, so that this text and
    `index_pieces` of a query's tokens always agree on where a run begins and ends.
    """
    text = "\n".join(texts)
    if text.isascii():
        return text.replace("\0", " ") if "\0" in text else text
    return _lower(text).encode("ascii", "replace").decode("ascii").replace("\0", " ")
