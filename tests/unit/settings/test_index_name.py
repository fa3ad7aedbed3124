from __future__ import annotations

import re

import pytest

from logship.settings.index_name import check_index_name


@pytest.mark.parametrize(
    "pattern",
    [
        "logs-%Y.%m.%d",
        "logs",
        "app-logs-%Y-%m-%d",
        "{service}-logs-%Y.%m.%d",
        "logs-%{+yyyy.MM.dd}",
        "app-%{+xxxx-ww}",
        "app-{log.level}-%G-%V",
        "metrics%Y-%m-%d",
        "größe-%Y",
    ],
)
def test_names_that_are_possible(pattern: str) -> None:
    """What Elasticsearch accepts and does not capture is taken as it is."""
    assert check_index_name(pattern) == pattern


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("logs-%Y-%m-%d", 'names such as "logs-2026-11-21", and Elastic\'s own'),
        ("logs-app-prod", "(logs-*-*) would capture them"),
        ("logs-{service}", 'names such as "logs-x-x"'),
        ("metrics-a-%Y", '"app-metrics-%Y.%m.%d"'),
        ("traces-a-b", "(traces-*-*)"),
        ("synthetics-a-b", "(synthetics-*-*)"),
        ("App-%Y", "has upper-case letters"),
        ("a b-%Y", 'contains " ", which no index name may'),
        ("a*-%Y", 'contains "*"'),
        ("a:b", 'contains ":"'),
        ("a/b", 'contains "/"'),
        ("a\x07b", 'contains "\\x07"'),
        ("_a", 'begins with "_", which it may not'),
        ("-a", 'begins with "-"'),
        (".a", 'begins with "."'),
        ("%Y.%m.%d", "has no fixed text"),
        ("{service}", "has no fixed text"),
        ("a-%M", 'unknown date part "%M"'),
        ("a-%", 'unknown date part "%"'),
        ("a-%%", 'unknown date part "%%"'),
        ("a-%{+yyyy.mm}", 'unknown date part "mm"'),
        ("a-{b", 'has a "{" or "}" without its other half'),
        ("a-}", 'has a "{" or "}" without its other half'),
        ("a-{}", 'names no field in "{}"'),
        ("a-{b c}", 'names no field in "{b c}"'),
        ("a-{log.file.path}", 'names "log.file.path", which a record gets only after its index'),
        ("a-{@ingested}-%Y", 'names "@ingested", which a record gets only after its index'),
        ("a" * 256, "is longer than 255 bytes"),
        ("ä" * 128 + "a", "is longer than 255 bytes"),
    ],
)
def test_names_that_are_refused(pattern: str, expected: str) -> None:
    """What would fail for every document, or be captured, is refused with the reason."""
    with pytest.raises(ValueError, match=re.escape(expected)):
        check_index_name(pattern)
