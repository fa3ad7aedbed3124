from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.settings.conftest import Load, Mistakes

SOURCES = "sources: [{paths: /app.log}]\n"
SECRET = "hunter2hunter2"

RIGHT = [
    f"elasticsearch: {{api_key: {SECRET}}}",
    f"elasticsearch: {{bearer_token: {SECRET}}}",
    f"elasticsearch: {{username: u, password: {SECRET}}}",
    f"elasticsearch: {{hosts: 'http://u:{SECRET}@localhost:9200'}}",
    "elasticsearch: {api_key: '${SECRET}'}",
    "elasticsearch: {api_key_file: secret.txt}",
    f"elasticsearch: {{api_key: {SECRET}, proxy: 'http://u:{SECRET}@proxy:3128'}}",
]
WRONG = [
    f"elasticsearch: {{api_kye: {SECRET}}}",
    f"elasticsearch: {{api_key: [{SECRET}]}}",
    f"elasticsearch: {{api_key: '{SECRET} {SECRET}'}}",
    f'elasticsearch: {{api_key: "{SECRET}\\n"}}',
    f"elasticsearch: {{api_key: '{SECRET}${{'}}",
    f"elasticsearch: {{password: {SECRET}}}",
    f"elasticsearch: {{password: *{SECRET}}}",
    f"elasticsearch: {{password: !{SECRET} x}}",
    f"elasticsearch: {{password: !{SECRET}!a x}}",
    f"elasticsearch: {{password: &{SECRET} x, username: &{SECRET} x}}",
    f"elasticsearch: {{username: u, password: {SECRET}, bearer_token: {SECRET}}}",
    f"elasticsearch: {{hosts: 'htp://u:{SECRET}@localhost'}}",
    f"elasticsearch: {{hosts: 'http://u:{SECRET}/@localhost:x'}}",
    f"elasticsearch: {{hosts: 'http://u:{SECRET}@localhost/?a=b'}}",
    f"elasticsearch: {{hosts: 'http://u:{SECRET}@a', api_key: {SECRET}}}",
    f"elasticsearch: {{hosts: ['http://u:{SECRET}@a', 'http://v:{SECRET}@b']}}",
    f"elasticsearch: {{api_key: {SECRET}, api_key_file: secret.txt}}",
    "elasticsearch: {api_key_file: two_lines.txt}",
    f"elasticsearch: {{api_key: {SECRET}, api_key: {SECRET}}}",
    f"elasticsearch: {SECRET}",
    f"elasticsearch: {{proxy: 'u:{SECRET}@proxy:3128'}}",
    f"elasticsearch: {{proxy: 'socks5://u:{SECRET}@proxy'}}",
    f"elasticsearch: {{proxy: 'http://u:{SECRET}@proxy:x'}}",
    f"elasticsearch: {{proxy: 'http://u:{SECRET}@proxy/a'}}",
    f"elasticsearch: {{proxy: ['http://u:{SECRET}@proxy']}}",
    f"elasticsearch: {{proxy: 'https://u:{SECRET}@proxy', ca_fingerprint: {'ab' * 32}}}",
]


@pytest.fixture(autouse=True)
def _secret_files(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text(f"{SECRET}\n")
    (tmp_path / "two_lines.txt").write_text(f"{SECRET}\n{SECRET}\n")
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "large.txt").write_text("x" * 100_000)
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe")


@pytest.mark.parametrize("text", RIGHT)
def test_a_secret_is_not_in_the_repr_of_settings(text: str, load: Load) -> None:
    """Settings can be logged: secrets are left out, and taken out of URLs."""
    loaded = load(f"{text}\n{SOURCES}", {"SECRET": SECRET})
    held = loaded.settings.elasticsearch
    assert SECRET in (held.api_key, held.password, held.bearer_token)
    assert SECRET not in repr(loaded)


@pytest.mark.parametrize("text", WRONG)
def test_a_secret_is_in_no_message(text: str, mistakes: Mistakes) -> None:
    """What is wrong with a secret, or beside it, is said without quoting it."""
    found = mistakes(f"{text}\n{SOURCES}")
    assert found
    assert not any(SECRET in mistake for mistake in found)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("{api_key_file: absent.txt}", 'api_key_file: cannot read "{}/absent.txt": No such file'),
        ("{api_key_file: empty.txt}", 'the content of "{}/empty.txt" is empty'),
        ("{api_key_file: large.txt}", '"{}/large.txt" is too large to hold a secret'),
        ("{api_key_file: bytes.txt}", '"{}/bytes.txt" is not UTF-8'),
        ("{api_key_file: two_lines.txt}", 'the content of "{}/two_lines.txt" contains a line end'),
        (
            "{api_key: a, api_key_file: secret.txt}",
            "api_key_file: api_key is given as well; keep one of the two",
        ),
        (
            "{bearer_token_file: secret.txt, api_key_file: secret.txt}",
            "bearer_token_file: api_key_file is given as well; keep one way to authenticate",
        ),
    ],
)
def test_what_can_be_wrong_with_a_secret_file(
    key: str, expected: str, mistakes: Mistakes, tmp_path: Path
) -> None:
    """A file that cannot give a secret is a mistake at its setting."""
    found = mistakes(f"elasticsearch: {key}\n{SOURCES}")
    assert len(found) == 1
    assert expected.format(tmp_path) in found[0]


@pytest.mark.parametrize(
    ("text", "attribute"),
    [
        ("{api_key_file: secret.txt}", "api_key"),
        ("{username: u, password_file: secret.txt}", "password"),
        ("{bearer_token_file: secret.txt}", "bearer_token"),
    ],
)
def test_secrets_from_files(text: str, attribute: str, load: Load) -> None:
    """The line end of the file is no part of the secret."""
    loaded = load(f"elasticsearch: {text}\n{SOURCES}")
    assert getattr(loaded.settings.elasticsearch, attribute) == SECRET


def test_an_api_key_in_two_parts_is_encoded(load: Load) -> None:
    """Both forms that Elasticsearch shows for a key work."""
    loaded = load(f"elasticsearch: {{api_key: 'id:key'}}\n{SOURCES}")
    assert loaded.settings.elasticsearch.api_key == "aWQ6a2V5"


def test_a_password_is_taken_as_written(load: Load) -> None:
    """A password that looks like a number keeps its zeros."""
    loaded = load(f"elasticsearch: {{username: 007, password: 0012}}\n{SOURCES}")
    assert loaded.settings.elasticsearch.username == "007"
    assert loaded.settings.elasticsearch.password == "0012"


def test_credentials_in_a_url_are_decoded(load: Load) -> None:
    """What URLs escape is unescaped for basic authentication."""
    loaded = load(SOURCES, {"LOGSHIP_ES_URL": "https://ada:p%40ss@es.example:9243/path/"})
    assert loaded.settings.elasticsearch.hosts == ("https://es.example:9243/path",)
    assert loaded.settings.elasticsearch.username == "ada"
    assert loaded.settings.elasticsearch.password == "p@ss"


def test_the_file_of_a_secret_is_known(load: Load, tmp_path: Path) -> None:
    """Whoever uses a secret from a file can read it again."""
    held = load(f"elasticsearch: {{api_key_file: secret.txt}}\n{SOURCES}").settings.elasticsearch
    assert held.api_key_file == tmp_path / "secret.txt"
    assert (held.password_file, held.bearer_token_file) == (None, None)
