"""Who may come, and whom to trust: every message, against a server with security and TLS."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.elasticsearch.client import Client
from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.elasticsearch.shipping import Shipping
from tests.support.certificates import Authority, has_openssl
from tests.support.http_server import HttpServer
from tests.support.real_elasticsearch import RealElasticsearch, Security

pytestmark = [pytest.mark.real_es, pytest.mark.slow]

README = (Path(__file__).parents[2] / "README.md").read_text()
# What README.md says that a shipper needs, and what it needs besides to put its template.
DOCUMENTED = re.findall(r"```json\n(\{\n  \"name\": \"logship\".*?)```", README, re.DOTALL)[0]
LEAST: dict[str, Any] = json.loads(DOCUMENTED.replace("logs-*", "app-*"))["role_descriptors"][
    "logship"
]
WITH_SETUP: dict[str, Any] = {**LEAST, "cluster": ["manage_index_templates", "monitor"]}
ROLES = """
logwriter:
  cluster: [monitor, manage_index_templates]
  indices: [{names: ["app-*"], privileges: [create_doc, auto_configure]}]
onlywriter:
  indices: [{names: ["app-*"], privileges: [create_doc, auto_configure]}]
"""
REFUSES = "Nothing is dropped: delivery waits and goes on by itself."


@dataclass(frozen=True)
class Guarded:
    """A server with users, roles, API keys and TLS, and who signed its certificate."""

    server: RealElasticsearch
    authority: Authority
    client: Client

    def key(self, rights: Mapping[str, Any]) -> tuple[str, str]:
        """Make an API key; returns its id, and the key as it is given to the agent."""
        body = {"name": "shipper", "role_descriptors": {"shipper": rights}}
        made = self.client.request("PUT", "/_security/api_key", body)
        assert made.status == 200, made.body
        return made.json["id"], made.json["encoded"]

    def revoke(self, id_: str) -> None:
        """Make an API key worthless."""
        gone = self.client.request("DELETE", "/_security/api_key", {"ids": [id_]})
        assert gone.json["invalidated_api_keys"] == [id_], gone.body


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The server."""
    need_real_elasticsearch(real_version())
    if not has_openssl():
        pytest.skip("needs openssl to make certificates")
    authority = Authority(tmp_path_factory.mktemp("tls"))
    security = Security(
        users={
            "admin": ("admin-password", ("superuser",)),
            "writer": ("writer-password", ("logwriter",)),
            "poor": ("poor-password", ("onlywriter",)),
        },
        roles=ROLES,
        certificate=authority.sign("good"),
        clients=authority,
    )
    with RealElasticsearch(real_version(), security=security) as server, server.client() as client:
        yield Guarded(server, authority, client)


Prepare = Callable[..., Shipping]


@pytest.fixture
def prepare(guarded: Guarded, tmp_path: Path) -> Prepare:
    """Makes an agent's settings: by default with the least privileges."""

    def make(*, prefix: str = "", **connection: object) -> Shipping:
        connection.setdefault("hosts", guarded.server.url)
        if not {"ca_certs", "ca_fingerprint"} & connection.keys():
            connection["ca_certs"] = str(guarded.authority.certificate)
        if not {"api_key", "api_key_file", "username"} & connection.keys():
            connection["api_key"] = guarded.key(LEAST)[1]
        prefix = prefix or f"app-{tmp_path.name.replace('_', '-')}"
        return Shipping(tmp_path, guarded.client, prefix, ["a"], connection)

    return make


def test_least_privileges(prepare: Prepare) -> None:
    """A key that may create documents is enough; that it may not put the template is a warning."""
    shipping = prepare()
    shipping.write("a", 100)
    status, said = shipping.once()
    assert status == 0, said
    assert sorted(shipping.stored("a")) == list(range(100))
    assert said.count("refuses the index template") == 1
    assert "let an administrator put it, or set index.template: false" in said


def test_privileges_of_setup(guarded: Guarded, prepare: Prepare) -> None:
    """With the privileges for it the template is put, without a warning."""
    shipping = prepare(api_key=guarded.key(WITH_SETUP)[1])
    shipping.write("a", 1)
    status, said = shipping.once()
    assert (status, "WARNING" in said) == (0, False), said
    templates = guarded.client.request("GET", "/_index_template/logship-app-*").json
    patterns = [one["index_template"]["index_patterns"] for one in templates["index_templates"]]
    assert any(shipping.index("a").startswith(one[0].rstrip("*")) for one in patterns)


@pytest.mark.parametrize("user", ["writer", "poor"])
def test_password(guarded: Guarded, prepare: Prepare, user: str) -> None:
    """A user and a password do as well."""
    assert guarded.server.security is not None
    shipping = prepare(username=user, password=guarded.server.security.users[user][0])
    shipping.write("a", 5)
    status, said = shipping.once()
    assert status == 0, said
    assert ("refuses the index template" in said) == (user == "poor")


def test_writer_may_create_only(guarded: Guarded) -> None:
    """The privileges that are asked for allow creating, and nothing else."""
    with guarded.server.client("poor") as client:
        (made,) = client.create("app-x", [{"n": 1}], refresh=False)
        assert made["status"] == 201
        (refused,) = client.create("other", [{"n": 1}], refresh=False)
        assert (refused["status"], refused["error"]["type"]) == (403, "security_exception")
        for method, path in (("GET", "/app-x/_search"), ("DELETE", "/app-x")):
            assert client.request(method, path).status == 403


def kept_out(shipping: Shipping, said: str) -> str:
    """Try in vain until the agent has said *said*; returns all it said, its promise kept."""
    shipping.write("a", 7)
    with shipping.start() as agent:
        shipping.wait_for(agent, said)
        agent.signal()
        agent.wait()
        assert "delivered 0, " in agent.stderr
        assert "dead letters 0, dropped 0, unconfirmed 7" in agent.stderr
        return agent.stderr


def test_bad_key(prepare: Prepare) -> None:
    """A key that nobody knows pauses delivery, and says where to look."""
    shipping = prepare(api_key="bm8tc3VjaC1pZDpuby1zdWNoLWtleQ==")
    said = kept_out(shipping, "HTTP 401 security_exception")
    assert "bm8tc3VjaC1pZDpuby1zdWNoLWtleQ==" not in said


def test_wrong_password(prepare: Prepare) -> None:
    """A wrong password pauses delivery; the user is named, the password is not."""
    shipping = prepare(username="writer", password="not-that-one")
    said = kept_out(shipping, "HTTP 401 security_exception: unable to authenticate user [writer]")
    assert "not-that-one" not in said


def test_key_revoked_while_running(guarded: Guarded, prepare: Prepare, tmp_path: Path) -> None:
    """A revoked key pauses delivery; a new one in its file heals it, without a restart."""
    path = tmp_path / "api-key"
    id_, key = guarded.key(LEAST)
    path.write_text(key + "\n")
    shipping = prepare(api_key_file=str(path))
    shipping.write("a")
    with shipping.start() as agent:
        shipping.arrived(agent, "a")
        guarded.revoke(id_)
        shipping.write("a")
        shipping.wait_for(agent, REFUSES)
        assert "HTTP 401 security_exception" in agent.stderr
        assert "Check elasticsearch.api_key" in agent.stderr
        _, other = guarded.key(LEAST)
        path.write_text(other + "\n")
        shipping.arrived(agent, "a")
        shipping.wait_for(agent, "takes records again")
        assert f"elasticsearch.api_key_file: {path} has changed and was read again." in agent.stderr
        agent.signal()
        assert agent.wait() == 0, agent.stderr
        assert shipping.dead_letters() == []
    written = shipping.everything_written()
    assert not any(secret.encode() in written for secret in (key, other))


def test_index_not_allowed(guarded: Guarded, prepare: Prepare) -> None:
    """A key for other indices keeps the records waiting until it is given the right."""
    id_, key = guarded.key({"index": [{"names": ["app-none"], "privileges": ["create_doc"]}]})
    shipping = prepare(api_key=key)
    shipping.write("a")
    with shipping.start() as agent:
        shipping.wait_for(agent, "is unauthorized for API key")
        body = {"role_descriptors": {"shipper": LEAST}}
        assert guarded.client.request("PUT", f"/_security/api_key/{id_}", body).status == 200
        shipping.arrived(agent, "a")
        agent.signal()
        assert agent.wait() == 0, agent.stderr
    assert shipping.dead_letters() == []


def test_expired_certificate(guarded: Guarded, prepare: Prepare) -> None:
    """An expired certificate keeps everything waiting; renewed, it goes on by itself."""
    guarded.server.show(guarded.authority.sign("expired", days=-1))
    try:
        shipping = prepare(username="poor", password="poor-password")
        shipping.write("a")
        with shipping.start() as agent:
            url = guarded.server.url
            expected = f"the certificate of {url} has expired: it has to be renewed there"
            shipping.wait_for(agent, expected)
            assert "Nothing is lost" in agent.stderr
            guarded.server.show(guarded.authority.sign("good"))
            shipping.arrived(agent, "a")
            agent.signal()
            assert agent.wait() == 0, agent.stderr
    finally:
        guarded.server.show(guarded.authority.sign("good"))


def test_wrong_authority(guarded: Guarded, prepare: Prepare, tmp_path: Path) -> None:
    """A server that another authority has signed gets nothing, not even the key."""
    kept_out(
        prepare(ca_certs=str(Authority(tmp_path, "other").certificate)),
        f"the certificate of {guarded.server.url} is from an authority that is not trusted here: "
        "give the authority's certificate in elasticsearch.ca_certs",
    )


def test_without_tls(guarded: Guarded, prepare: Prepare) -> None:
    """Asked without TLS, the server ends the connection; what that may mean is said."""
    url = guarded.server.url.replace("https:", "http:")
    kept_out(
        prepare(hosts=url),
        f"{url} ends connections without a reply: if it speaks TLS, write https://",
    )


def test_wrong_host_name(guarded: Guarded, prepare: Prepare) -> None:
    """A certificate for other names is refused."""
    guarded.server.show(guarded.authority.sign("named", names="DNS:search.example"))
    try:
        kept_out(
            prepare(username="poor", password="poor-password"),
            f"the certificate of {guarded.server.url} is for other names: write one of them in "
            "elasticsearch.hosts",
        )
    finally:
        guarded.server.show(guarded.authority.sign("good"))


def test_fingerprint(guarded: Guarded, prepare: Prepare) -> None:
    """The fingerprint of the authority is enough to trust it."""
    shipping = prepare(ca_fingerprint=guarded.authority.fingerprint)
    shipping.write("a")
    status, said = shipping.once()
    assert status == 0, said


def test_wrong_fingerprint(prepare: Prepare) -> None:
    """Another fingerprint is refused, and those that are shown are named."""
    shipping = prepare(ca_fingerprint="ab" * 32)
    kept_out(shipping, "it shows has the fingerprint in elasticsearch.ca_fingerprint")


def test_client_certificate(guarded: Guarded, prepare: Prepare) -> None:
    """A certificate of our own is shown to the server."""
    mine = guarded.authority.sign("me")
    shipping = prepare(client_cert=str(mine.certificate), client_key=str(mine.key))
    shipping.write("a")
    status, said = shipping.once()
    assert status == 0, said


def test_strange_client_certificate(guarded: Guarded, prepare: Prepare, tmp_path: Path) -> None:
    """A certificate of our own that the server does not trust is said to be refused."""
    mine = Authority(tmp_path, "stranger").sign("me")
    shipping = prepare(client_cert=str(mine.certificate), client_key=str(mine.key))
    what = "does not accept the certificate in elasticsearch.client_cert"
    kept_out(shipping, f"{guarded.server.url} {what}")


def test_proxy(guarded: Guarded, prepare: Prepare) -> None:
    """Through a proxy that wants a password everything arrives."""
    with HttpServer() as proxy:
        with_login = proxy.url.replace("://", "://user:proxy-password@")
        shipping = prepare(proxy=with_login)
        shipping.write("a")
        status, said = shipping.once()
        assert status == 0, said
        assert all(request.startswith("CONNECT 127.0.0.1:") for request in proxy.requests)
        assert set(proxy.headers("proxy-authorization")) == {"Basic dXNlcjpwcm94eS1wYXNzd29yZA=="}


@contextmanager
def secrets_of(guarded: Guarded) -> Iterator[tuple[dict[str, str], dict[str, dict[str, str]]]]:
    """Ways to connect with a secret in them: what must not be seen, and the settings."""
    _, key = guarded.key(LEAST)
    with HttpServer() as proxy:
        yield (
            {"key": key, "password": "poor-password", "proxy": "proxy-password"},
            {
                "by key": {"api_key": key},
                "by password": {"username": "poor", "password": "poor-password"},
                "in the URL": {
                    "hosts": guarded.server.url.replace("://", "://poor:poor-password@")
                },
                "through a proxy": {
                    "api_key": key,
                    "proxy": proxy.url.replace("://", "://user:proxy-password@"),
                },
                "through a proxy that refuses": {
                    "api_key": key,
                    "timeout": "2s",
                    "proxy": "http://user:proxy-password@127.0.0.1:1",
                },
            },
        )


def test_no_secret_is_seen(guarded: Guarded, tmp_path: Path) -> None:
    """No secret stands in the log at its most detailed, the state, dead letters, or any output."""
    strict = {"mappings": {"dynamic": "strict"}}
    with secrets_of(guarded) as (secrets, ways):
        for number, (way, connection) in enumerate(ways.items()):
            folder = tmp_path / str(number)
            folder.mkdir()
            given = {
                "hosts": guarded.server.url,
                "ca_certs": str(guarded.authority.certificate),
                **connection,
            }
            log = {"level": "DEBUG"}
            shipping = Shipping(
                folder, guarded.client, f"app-secrets-{number}", ["a"], given, log=log
            )
            made = guarded.client.request("PUT", f"/{shipping.index('a')}", strict)
            assert made.status == 200, made.body
            shipping.write("a", 3)
            shipping.once(timeout="4s")
            assert len(shipping.dead_letters()) == (0 if way.endswith("refuses") else 3)
            seen = shipping.everything_written() + outputs(shipping, given)
            for name, secret in secrets.items():
                assert secret.encode() not in seen, f"{name} is seen: {way}"


def outputs(shipping: Shipping, connection: Mapping[str, object]) -> bytes:
    """Return what other commands print with these settings."""
    config = ("-c", str(shipping.config))
    commands = [
        ("check", *config),
        ("check", *config, "--live"),
        ("dead-letters", "list", *config),
        ("dead-letters", "replay", *config),
    ]
    if "api_key" in connection:
        given = ("--url", str(connection["hosts"]), "--api-key", str(connection["api_key"]))
        commands += [("search", "x", *given, "--dry-run"), ("search", "x", *given)]
    printed = b""
    for command in commands:
        run = subprocess.run(
            [sys.executable, "-m", "logship.cli.main", *command], capture_output=True, check=False
        )
        assert b"Traceback" not in run.stderr, run.stderr.decode()
        printed += run.stdout + run.stderr
    return printed


def test_settings_name_no_secret(prepare: Prepare) -> None:
    """What the plan says of a proxy and of the way to authenticate holds no secret."""
    shipping = prepare(proxy="http://user:proxy-password@127.0.0.1:3128", api_key="a-key")
    command = [sys.executable, "-m", "logship.cli.main", "check", "-c", str(shipping.config)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "proxy http://***@127.0.0.1:3128" in run.stdout
    assert "proxy-password" not in run.stdout
    assert "a-key" not in run.stdout
