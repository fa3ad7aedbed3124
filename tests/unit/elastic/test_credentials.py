from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest

from logship.elastic.credentials import Credentials
from logship.settings.model import ElasticsearchSettings
from tests.unit.elastic.conftest import write

SECRET, OTHER = "b2xkLWlkOm9sZC1rZXk=", "bmV3LWlkOm5ldy1rZXk="


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """A file with a key in it."""
    return write(tmp_path / "key", SECRET + "\n")


def from_file(path: Path) -> Credentials:
    return Credentials(ElasticsearchSettings(api_key=SECRET, api_key_file=path))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (ElasticsearchSettings(), {}),
        (ElasticsearchSettings(api_key="k"), {"authorization": "ApiKey k"}),
        (ElasticsearchSettings(bearer_token="t"), {"authorization": "Bearer t"}),
        (
            ElasticsearchSettings(username="u", password="ü:x"),
            {"authorization": "Basic " + base64.b64encode("u:ü:x".encode()).decode()},
        ),
    ],
)
def test_header(settings: ElasticsearchSettings, expected: dict[str, str]) -> None:
    """Each way to authenticate has its header."""
    assert Credentials(settings).header() == expected


def test_changed_file(key_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A key that is replaced in its file is used from the next request on, and not shown."""
    credentials = from_file(key_file)
    assert credentials.header() == {"authorization": f"ApiKey {SECRET}"}
    with caplog.at_level(logging.INFO):
        write(key_file, OTHER)
        assert credentials.header() == {"authorization": f"ApiKey {OTHER}"}
    assert [record.getMessage() for record in caplog.records] == [
        f"elasticsearch.api_key_file: {key_file} has changed and was read again."
    ]


def test_key_in_two_parts(key_file: Path) -> None:
    """A new key may come in either of its forms."""
    credentials = from_file(key_file)
    write(key_file, "new-id:new-key")
    assert credentials.header() == {"authorization": f"ApiKey {OTHER}"}


def test_other_secrets(tmp_path: Path) -> None:
    """Passwords and bearer tokens are read again as well."""
    path = write(tmp_path / "secret", "one")
    by_password = Credentials(
        ElasticsearchSettings(username="u", password="one", password_file=path)
    )
    by_token = Credentials(ElasticsearchSettings(bearer_token="one", bearer_token_file=path))
    write(path, "two")
    assert by_password.header() == {"authorization": "Basic dTp0d28="}
    assert by_token.header() == {"authorization": "Bearer two"}


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "with space", None])
def test_unusable_file(
    key_file: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """What cannot be a key, as a file half written or gone, is said once; the last key stays."""
    credentials = from_file(key_file)
    credentials.header()
    if content is None:
        key_file.unlink()
    else:
        write(key_file, content)
    for _ in range(3):
        assert credentials.header() == {"authorization": f"ApiKey {SECRET}"}
    assert len(caplog.records) == 1
    assert str(key_file) in caplog.text
    assert "stays" in caplog.text
    assert not content or content.strip() not in caplog.text or not content.strip()
    write(key_file, OTHER)
    assert credentials.header() == {"authorization": f"ApiKey {OTHER}"}
