"""How texts fall into words."""

from __future__ import annotations

import pytest

from logship.query.words import words_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("-- !! --", []),
        ("Connection refused", ["connection", "refused"]),
        ("db-1.example.com:5432", ["db", "1", "example.com", "5432"]),
        ("user_id=42", ["user_id", "42"]),
        ("it's 3.14, 1,000", ["it's", "3.14", "1,000"]),
        ("/api/v1/users?id=7", ["api", "v1", "users", "id", "7"]),
        ("java.lang.Error: x", ["java.lang.error", "x"]),
        ("end. Next", ["end", "next"]),
        ("日本語 ok", ["日", "本", "語", "ok"]),
        ("Straße", ["straße"]),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Words are cut where Elasticsearch's standard analyzer cuts them."""
    assert words_of(text) == expected
