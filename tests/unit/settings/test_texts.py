from __future__ import annotations

import pytest

from logship.settings.texts import check_glob, check_host, check_timezone, without_credentials


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:9200", "http://localhost:9200"),
        ("localhost", "http://localhost"),
        ("https://es.example/", "https://es.example"),
        ("https://es.example//", "https://es.example"),
        ("http://1a.b_c:9200/x/%20/~y", "http://1a.b_c:9200/x/%20/~y"),
        ("https://es.example:9243/prefix", "https://es.example:9243/prefix"),
        ("http://[::1]:9200", "http://[::1]:9200"),
        ("http://10.0.0.1:9200", "http://10.0.0.1:9200"),
    ],
)
def test_hosts_become_urls(text: str, expected: str) -> None:
    """A scheme is added, a slash at the end is cut, nothing else changes."""
    assert check_host(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "http:/localhost",
        "http://",
        "http://a b",
        "http://a:b",
        "http://a:",
        "http://a:0",
        "http://a:65536",
        "http://[::1",
        "http://a?b",
        "http://a#b",
        "ftp://a",
        "a,b",
        "https//a:9200",
        "http//a",
        "9200",
        "http://9200",
        "http://...",
        "http://-a",
        "http://a/b c",
        "http://a/ä",
        "http://a/b//c",
    ],
)
def test_what_is_no_host(text: str) -> None:
    """A URL that could never be reached is refused and quoted."""
    with pytest.raises(ValueError, match='"'):
        check_host(text)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a:9200", "http://a:9200"),
        ("http://u:p@a:9200", "http://***@a:9200"),
        ("u:p@a", "***@a"),
        ("http://u:p@q@a", "http://***@a"),
    ],
)
def test_credentials_are_masked(url: str, expected: str) -> None:
    """Whatever stands before an @ is not shown."""
    assert without_credentials(url) == expected


@pytest.mark.parametrize("text", ["*.log", "/a/**/*.log", "[ab].log", "[!a]", "[]a]", "a{b}.log"])
def test_globs(text: str) -> None:
    """What the usual wildcards can express is taken as it is."""
    assert check_glob(text) == text


@pytest.mark.parametrize("text", ["a/", "/a/**", "**", "**.log", "a**/b", "[", "[!]", "{a,b}"])
def test_what_is_no_glob(text: str) -> None:
    """A pattern that would match nothing, or not what it seems to, is refused and quoted."""
    with pytest.raises(ValueError, match='"'):
        check_glob(text)


@pytest.mark.parametrize("text", ["UTC", "Europe/Berlin", "America/New_York"])
def test_time_zones(text: str) -> None:
    """IANA names are known."""
    assert check_timezone(text) == text


@pytest.mark.parametrize("text", ["Europe", "../UTC", "/etc/localtime", "Mars/Olympus", "+1"])
def test_what_is_no_time_zone(text: str) -> None:
    """Folders, paths and other spellings are refused, whatever the machine has on its disk."""
    with pytest.raises(ValueError, match="unknown time zone"):
        check_timezone(text)
