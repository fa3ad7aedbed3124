"""The real server that other tests rely on: it survives being killed, and checks who comes."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.support.agent import AgentProcess
from tests.support.chaos import write_records
from tests.support.real_elasticsearch import RealElasticsearch, Security

pytestmark = [pytest.mark.real_es, pytest.mark.slow]

ROLES = """
logwriter:
  cluster: [monitor, manage_index_templates]
  indices:
    - names: ["app-*"]
      privileges: [create_doc, auto_configure]
onlywriter:
  indices:
    - names: ["app-*"]
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
            "poor": ("poor-password", ("onlywriter",)),
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
        assert [item["status"] for item in client.create("app-a", [{"n": 1}], refresh=False)] == [
            201
        ]
        (refused,) = client.create("other", [{"n": 1}], refresh=False)
        assert (refused["status"], refused["error"]["type"]) == (403, "security_exception")
        assert client.request("GET", "/app-a/_search").status == 403


def test_no_credentials(guarded: RealElasticsearch) -> None:
    """Without credentials everything is answered 401, a bulk request as a whole."""
    with guarded.client("writer") as client:
        answer = client.request("GET", "/", headers={"authorization": "Basic bm86bm8="})
    assert (answer.status, answer.error) == (401, "security_exception")


def ship(
    server: RealElasticsearch, folder: Path, credentials: Mapping[str, str], timeout: str = "60s"
) -> tuple[int, str]:
    """Ship a hundred records over TLS; returns the exit status and what the agent said."""
    assert server.security is not None
    assert server.security.certificate is not None
    write_records(folder / "app.log", 100)
    settings = {
        "elasticsearch": {
            "hosts": server.url,
            "ca_certs": str(server.security.certificate[1]),
            **credentials,
        },
        "index": {"name": f"app-{folder.name.replace('_', '-')}-%Y.%m.%d"},
        "sources": [{"paths": [str(folder / "app.log")]}],
        "state_dir": str(folder / "state"),
    }
    config = folder / "logship.yaml"
    config.write_text(json.dumps(settings))  # JSON is YAML
    command = ("run", "-c", config, "--once", "--timeout", timeout)
    with AgentProcess(*command, log=folder / "agent.err") as agent:
        return agent.wait(90), agent.stderr


@pytest.mark.parametrize("user", ["writer", "poor"])
def test_ship_with_a_password(guarded: RealElasticsearch, tmp_path: Path, user: str) -> None:
    """A user who may create documents is enough; one who may not put templates is told so."""
    assert guarded.security is not None
    credentials = {"username": user, "password": guarded.security.users[user][0]}
    status, said = ship(guarded, tmp_path, credentials)
    assert status == 0, said
    assert "delivered 100, " in said
    assert ("refuses the index template" in said) == (user == "poor")


def test_ship_with_an_api_key(guarded: RealElasticsearch, tmp_path: Path) -> None:
    """An API key is enough; once it is invalidated the agent waits and says what is wrong."""
    key = {
        "name": "shipper",
        "role_descriptors": {
            "r": {
                "cluster": ["manage_index_templates"],
                "index": [{"names": ["app-*"], "privileges": ["create_doc", "auto_configure"]}],
            }
        },
    }
    with guarded.client() as client:
        made = client.request("PUT", "/_security/api_key", key)
        assert made.status == 200, made.body
        first, second = tmp_path / "first", tmp_path / "second"
        first.mkdir()
        second.mkdir()
        credentials = {"api_key": made.json["encoded"]}
        status, said = ship(guarded, first, credentials)
        assert status == 0, said
        gone = client.request("DELETE", "/_security/api_key", {"ids": [made.json["id"]]})
        assert gone.status == 200, gone.body
    status, said = ship(guarded, second, credentials, timeout="3s")
    assert status == 3, said
    assert "401" in said
    assert "delivered 0, " in said
    assert made.json["encoded"] not in said
