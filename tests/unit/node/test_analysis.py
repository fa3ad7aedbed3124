"""Words of a text, as a real standard analyzer splits them."""

from __future__ import annotations

import pytest

from logship.node.analysis import Analyzers, index_pieces, indexed_text, standard
from logship.node.errors import NodeError


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("GET /Index.html 200", ["get", "index.html", "200"]),
        ("foo:bar web-1 v1.2 a_b a.1", ["foo:bar", "web", "1", "v1.2", "a_b", "a", "1"]),
        ("1,234 3:45 10.0.0.1:80", ["1,234", "3", "45", "10.0.0.1", "80"]),
        ("don't user@host.com foo..bar", ["don't", "user", "host.com", "foo", "bar"]),
        ("漢字abc ひらがな カタカナ", ["漢", "字", "abc", "ひ", "ら", "が", "な", "カタカナ"]),
        ("résumé İstanbul", ["résumé", "istanbul"]),
        ("12a.b a1.b2 key=val 5ms #tag", ["12a.b", "a1", "b2", "key", "val", "5ms", "tag"]),
        ("", []),
        ("--- ... ___", []),
    ],
)
def test_words(text: str, tokens: list[str]) -> None:
    """Recorded from a real server."""
    assert standard(text) == tokens


def test_very_long_words_are_cut() -> None:
    """Into pieces of 255 characters."""
    assert [len(token) for token in standard("x" * 600)] == [255, 255, 90]


def test_the_full_text_index_sees_what_queries_ask_for() -> None:
    """Whatever the script: the runs of a token are runs of the text."""
    for text in ("Größe Straße", "İstanbul K-Wert", "naïve web_1 漢字abc", "a\0b"):
        runs = set(index_pieces(indexed_text([text])))
        for token in standard(text):
            assert set(index_pieces(token)) <= runs, token


def test_custom_analyzers() -> None:
    """Of tokenizers and the lowercase filter; others are refused by name."""
    analyzers = Analyzers(
        {
            "analyzer": {"a": {"tokenizer": "whitespace", "filter": ["lowercase"]}},
            "normalizer": {"n": {"type": "custom", "filter": ["lowercase"]}},
        }
    )
    assert analyzers.analyzer("a", "f")("GET /A-b") == ["get", "/a-b"]
    assert analyzers.normalizer("n", "f")("ERROR") == "error"
    with pytest.raises(NodeError, match=r"failed to find filter under name \[stemmer\]"):
        Analyzers({"analyzer": {"a": {"tokenizer": "standard", "filter": ["stemmer"]}}})
    with pytest.raises(NodeError, match=r"analyzer \[nope\] has not been configured"):
        analyzers.analyzer("nope", "f")
