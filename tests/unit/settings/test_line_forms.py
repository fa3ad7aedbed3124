"""Encodings and delimiters: what is possible, and what is said about what is not."""

from __future__ import annotations

from encodings.aliases import aliases

import pytest

from logship.lines import trail_bytes
from logship.settings.line_forms import check_encoding, check_line_form
from tests.unit.settings.conftest import Load, Mistakes


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("UTF8", "utf-8"), ("utf-8-sig", "utf-8"), ("utf_16le", "utf-16-le"), ("utf-16", "utf-16"),
        ("latin-1", "iso8859-1"), ("windows-1252", "cp1252"), ("Shift-JIS", "shift_jis"),
        ("euc-jp", "euc_jp"), ("gbk", "gbk"), ("ibm037", "cp037"),
    ],
)  # fmt: skip
def test_encodings_by_any_of_their_names(given: str, meant: str) -> None:
    """What Python knows by any spelling is kept as the one name that it has there."""
    assert check_encoding(given) == meant
    assert check_line_form(meant, "\n") == ""


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("utf-8x", 'unknown encoding "utf-8x"; did you mean "utf-8"?'),
        ("klingon", 'unknown encoding "klingon"; write for example utf-8, utf-16, latin-1, '
                    "cp1252, shift_jis or gbk"),
        ("base64", '"base64" is no encoding of texts; write for example utf-8, utf-16, latin-1, '
                   "cp1252, shift_jis or gbk"),
        ("iso-2022-jp", '"iso-2022-jp" is not possible: what a byte means there depends on all '
                        "that came before, so reading cannot go on in the middle of a file; let "
                        "it be written in utf-8"),
    ],
)  # fmt: skip
def test_wrong_encodings(encoding: str, message: str, mistakes: Mistakes) -> None:
    """An unknown name has a suggestion, and what cannot work a reason, at its place."""
    text = f"sources:\n  - paths: /a.log\n    encoding: {encoding}\n"
    assert mistakes(text) == [f"logship.yaml:3:5: sources[0].encoding: {message}"]


@pytest.mark.parametrize(
    ("delimiter", "message"),
    [
        ('""', 'is empty; write "\\n" for lines'),
        (
            r"'\n'",
            "has a backslash and a letter in it; in double quotes they are one character: "
            r'"\n"',
        ),
        (f'"{"x" * 65}"', "has 65 characters; at most 64 are possible"),
        ('"a\\0"', 'has a NUL character beside others; only "\\0" alone is possible'),
        ("[a]", "expected a text, found a list"),
    ],
)
def test_wrong_delimiters(delimiter: str, message: str, mistakes: Mistakes) -> None:
    """What ends no line is refused at its place."""
    text = f"sources:\n  - paths: /a.log\n    delimiter: {delimiter}\n"
    assert mistakes(text) == [f"logship.yaml:3:5: sources[0].delimiter: {message}"]


@pytest.mark.parametrize(
    ("encoding", "delimiter", "message"),
    [
        ("gbk", "|||", '"|||" may be the end of one character and more in gbk'),
        ("latin-1", "€", '"€" cannot be written in iso8859-1'),
    ],
)
def test_delimiters_that_do_not_go_with_the_encoding(
    encoding: str, delimiter: str, message: str, mistakes: Mistakes
) -> None:
    """A delimiter that could be part of characters, or is none there, is refused with that."""
    text = f'sources:\n  - paths: /a.log\n    encoding: {encoding}\n    delimiter: "{delimiter}"\n'
    assert mistakes(text) == [f"logship.yaml:4:5: sources[0].delimiter: {message}"]


def test_lines_are_safe_in_every_encoding_that_is_taken() -> None:
    """No character of them holds a line feed, and text comes back as it was written."""
    taken = 0
    for name in sorted(set(aliases.values()) - {"mbcs", "dbcs"}):
        try:
            encoding = check_encoding(name)
        except ValueError:
            continue
        taken += 1
        if not encoding.startswith("utf"):
            assert "\n".encode(encoding)[0] not in trail_bytes(encoding), encoding
        assert "a\nb".encode(encoding).decode(encoding) == "a\nb"
    assert taken > 70


def test_a_source_of_another_form(load: Load) -> None:
    """Encoding, delimiter and what happens to long lines are settings of a source."""
    loaded = load(
        'sources: [{paths: /a.log, encoding: utf16, delimiter: "\\r\\n", long_lines: skip}]\n'
    )
    (source,) = loaded.settings.sources
    assert (source.encoding, source.delimiter, source.long_lines) == ("utf-16", "\r\n", "skip")
