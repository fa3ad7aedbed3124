from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.certificates import Authority, has_openssl
from tests.unit.settings.conftest import Load, Mistakes

pytestmark = pytest.mark.skipif(not has_openssl(), reason="needs openssl to make certificates")
SOURCES = "sources: [{paths: /app.log}]\n"


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A folder with an authority, two pairs, and files that are none of it."""
    authority = Authority(tmp_path)
    for name in ("mine", "other"):
        pair = authority.sign(name)
        pair.key.rename(tmp_path / f"{name}.key")
        pair.certificate.rename(tmp_path / f"{name}.pem")
    (tmp_path / "empty.pem").write_text("")
    (tmp_path / "text.pem").write_text("hello\n")
    (tmp_path / "cut.pem").write_text((tmp_path / "authority.pem").read_text()[:200])
    key = tmp_path / "mine.key"
    subprocess.run(
        ["openssl", "pkey", "-in", key, "-aes128", "-passout", "pass:x", "-out",
         tmp_path / "locked.key"],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate = (tmp_path / "mine.pem").read_text()
    (tmp_path / "both.pem").write_text(certificate + key.read_text())
    return tmp_path


@pytest.mark.parametrize(
    "right",
    [
        "ca_certs: authority.pem",
        "client_cert: mine.pem, client_key: mine.key",
        "client_cert: both.pem",
        "ca_certs: mine.pem",
    ],
)
def test_files_that_can_be_used(load: Load, files: Path, right: str) -> None:
    """Certificates and keys in PEM form are taken."""
    assert load(f"{SOURCES}elasticsearch: {{{right}}}")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("ca_certs: empty.pem", 'ca_certs: "{}/empty.pem" holds no certificate in PEM form'),
        ("ca_certs: text.pem", 'ca_certs: "{}/text.pem" holds no certificate in PEM form'),
        ("ca_certs: cut.pem", 'ca_certs: "{}/cut.pem" holds no certificate in PEM form'),
        ("ca_certs: mine.key", 'ca_certs: "{}/mine.key" holds no certificate in PEM form'),
        (
            "client_cert: mine.pem, client_key: other.key",
            'client_cert: "{0}/mine.pem" with "{0}/other.key" do not belong together: the key is '
            "another certificate's",
        ),
        (
            "client_cert: mine.pem",
            'client_cert: "{}/mine.pem" cannot be used: both certificate and key have to be there '
            "in PEM form, the key without a password; give the key in client_key",
        ),
        (
            "client_cert: mine.pem, client_key: locked.key",
            'client_cert: "{0}/mine.pem" with "{0}/locked.key" cannot be used: both certificate '
            "and key have to be there in PEM form, the key without a password",
        ),
        (
            "client_cert: mine.pem, client_key: none.key",
            'client_key: there is no file "{}/none.key"',
        ),
    ],
)
def test_files_that_cannot(mistakes: Mistakes, files: Path, wrong: str, said: str) -> None:
    """What no handshake could use is a mistake in the settings, not of the first request."""
    (mistake,) = mistakes(f"{SOURCES}elasticsearch: {{{wrong}}}")
    assert mistake.endswith(f"elasticsearch.{said.format(files)}")
