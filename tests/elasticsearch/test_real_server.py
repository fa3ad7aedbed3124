"""The real server that other tests rely on: it survives being killed, and checks who comes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.support.real_elasticsearch import RealElasticsearch, Security

pytestmark = [pytest.mark.real_es, pytest.mark.slow]

ROLES = """
logwriter:
  cluster: [monitor, manage_index_templates]
  indices:
    - names: ["logs-*"]
      privileges: [create_doc, auto_configure]
"""


@pytest.fixture(scope="module", autouse=True)
def _needed() -> None:
    need_real_elasticsearch(real_version())


def test_kill_and_restart() -> None:
    """What was acknowledged is there after SIGKILL and a restart, at the same address."""
    with RealElasticsearch(real_version()) as server:
        with server.client() as client:
            assert client.create("kept", [{"n": 1}, {"n": 2}])[0]["status"] == 201
        server.kill()
        server.restart()
        with server.client() as client:
            assert client.ids("kept", {"match_all": {}}) == ["0", "1"]
            again = client.create("kept", [{"n": 1}])
        assert again[0]["status"] == 409


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealElasticsearch]:
    """A server with users, roles and TLS."""
    security = Security(
        users={
            "admin": ("admin-password", ("superuser",)),
            "writer": ("writer-password", ("logwriter",)),
        },
        roles=ROLES,
        certificate=make_certificate(tmp_path_factory.mktemp("tls")),
    )
    with RealElasticsearch(real_version(), security=security) as server:
        yield server


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Return a key and a certificate that signs itself, for 127.0.0.1."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *subject, *files], check=True, capture_output=True)
    return key, certificate


def test_writer_may_create_only(guarded: RealElasticsearch) -> None:
    """A role with create_doc stores documents, and is refused other indices and searches."""
    with guarded.client("writer") as client:
        assert [item["status"] for item in client.create("logs-a", [{"n": 1}], refresh=False)] == [
            201
        ]
        (refused,) = client.create("other", [{"n": 1}], refresh=False)
        assert (refused["status"], refused["error"]["type"]) == (403, "security_exception")
        assert client.request("GET", "/logs-a/_search").status == 403


def test_no_credentials(guarded: RealElasticsearch) -> None:
    """Without credentials everything is answered 401, a bulk request as a whole."""
    with guarded.client("writer") as client:
        answer = client.request("GET", "/", headers={"authorization": "Basic bm86bm8="})
    assert (answer.status, answer.error) == (401, "security_exception")
