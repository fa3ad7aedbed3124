from __future__ import annotations

import asyncio
import hashlib
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from logship.elastic import Elastic
from logship.errors import ConnectionFailed
from logship.settings.model import ElasticsearchSettings
from tests.support.certificates import Authority, Pair
from tests.support.http_server import HttpServer
from tests.unit.elastic.conftest import ask, write


@contextmanager
def serving(pair: Pair, clients: Authority | None = None) -> Iterator[HttpServer]:
    """A server with a certificate; with *clients*, of those whom that authority has signed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients.certificate)
    with HttpServer(context) as server:
        yield server


def failure(url: str, **settings: Any) -> str:
    with pytest.raises(ConnectionFailed) as caught:
        ask(url, **settings)
    return str(caught.value)


def test_trusted(authority: Authority) -> None:
    """A certificate from the given authority, for this address, is taken."""
    with serving(authority.sign("good", with_authority=False)) as server:
        assert ask(server.url, ca_certs=authority.certificate)[0].status == 200


def test_expired(authority: Authority) -> None:
    """An expired certificate is called that."""
    with serving(authority.sign("expired", days=-1)) as server:
        said = failure(server.url, ca_certs=authority.certificate)
    assert said == f"the certificate of {server.url} has expired: it has to be renewed there"


@pytest.mark.parametrize("names", ["DNS:elsewhere.example", "IP:127.0.0.2"])
def test_other_names(authority: Authority, names: str) -> None:
    """A certificate for other names or addresses is refused, with what to do."""
    with serving(authority.sign("other", names=names)) as server:
        said = failure(server.url, ca_certs=authority.certificate)
        assert said == (
            f"the certificate of {server.url} is for other names: write one of them in "
            "elasticsearch.hosts, or have a certificate made for this one"
        )
        assert ask(server.url, verify=False)[0].status == 200


def test_wrong_authority(authority: Authority, tmp_path: Path) -> None:
    """A certificate from another authority, or a public one where none is given, is refused."""
    other = Authority(tmp_path)
    with serving(authority.sign("good")) as server:
        expected = f"the certificate of {server.url} is from an authority that is not trusted here"
        assert failure(server.url, ca_certs=other.certificate).startswith(expected)
        assert failure(server.url).startswith(expected)
        assert "elasticsearch.ca_certs" in failure(server.url)


def test_no_tls() -> None:
    """A server without TLS is named as one."""
    with HttpServer() as server:
        url = server.url.replace("http:", "https:")
        assert failure(url) == f"{url} does not speak TLS: write http:// in elasticsearch.hosts"


def test_tls_where_none_is_expected(authority: Authority) -> None:
    """A server that speaks TLS only, asked without, is said to be perhaps that."""
    with serving(authority.sign("good")) as server:
        url = server.url.replace("https:", "http:")
        assert failure(url) == (
            f"{url} ends connections without a reply: if it speaks TLS, write https://"
        )


def test_fingerprint_of_the_authority(authority: Authority) -> None:
    """The authority's fingerprint is enough, with or without colons, for all that it signed."""
    spelled = ":".join(authority.fingerprint[n : n + 2] for n in range(0, 64, 2)).upper()
    with serving(authority.sign("good")) as server:
        for fingerprint in (authority.fingerprint, spelled):
            replies = ask(server.url, 3, ca_fingerprint=fingerprint)
            assert [reply.status for reply in replies] == [200] * 3


def test_fingerprint_of_the_server(authority: Authority) -> None:
    """The fingerprint of the server's own certificate names that very server."""
    pair = authority.sign("own", names="DNS:elsewhere.example", with_authority=False)
    der = ssl.PEM_cert_to_DER_cert(pair.certificate.read_text())
    with serving(pair) as server:
        fingerprint = hashlib.sha256(der).hexdigest()
        assert ask(server.url, ca_fingerprint=fingerprint)[0].status == 200


def test_fingerprint_of_another(authority: Authority, tmp_path: Path) -> None:
    """With another fingerprint nothing is sent, and those that were shown are named."""
    with serving(authority.sign("good")) as server:
        said = failure(server.url, ca_fingerprint="ab" * 32, api_key="secret")
        assert "has the fingerprint in elasticsearch.ca_fingerprint" in said
        assert authority.fingerprint in said
        assert server.requests == []


def test_fingerprint_is_not_enough_by_itself(authority: Authority, tmp_path: Path) -> None:
    """Showing the authority's certificate does not help whom it has not signed."""
    forged = Authority(tmp_path, "forger").sign("good", with_authority=False)
    text = forged.certificate.read_text() + authority.certificate.read_text()
    forged.certificate.write_text(text)
    with serving(forged) as server:
        for _ in range(2):
            said = failure(server.url, ca_fingerprint=authority.fingerprint, api_key="secret")
            assert "is from an authority that is not trusted here" in said
        assert server.requests == []


def test_fingerprint_and_other_names(authority: Authority) -> None:
    """A fingerprint of the authority does not make a certificate good for other names."""
    with serving(authority.sign("other", names="DNS:elsewhere.example")) as server:
        said = failure(server.url, ca_fingerprint=authority.fingerprint)
    assert "is for other names" in said


def test_client_certificate(authority: Authority) -> None:
    """A server that wants to know who comes gets our certificate, whatever says whom to trust."""
    mine = authority.sign("me")
    pair = {"client_cert": mine.certificate, "client_key": mine.key}
    with serving(authority.sign("good"), clients=authority) as server:
        assert ask(server.url, ca_certs=authority.certificate, **pair)[0].status == 200
        assert ask(server.url, ca_fingerprint=authority.fingerprint, **pair)[0].status == 200


def test_refused_clients(authority: Authority, tmp_path: Path) -> None:
    """A server that takes no client without a certificate, or with a stranger's, is understood."""
    strange = Authority(tmp_path, "stranger").sign("me")
    trusted = {"ca_certs": authority.certificate}
    with refusing(authority.sign("good"), authority) as url:
        assert failure(url, **trusted) == (
            f"{url} wants a client certificate: give elasticsearch.client_cert and client_key"
        )
        pair = {"client_cert": strange.certificate, "client_key": strange.key}
        assert failure(url, **trusted, **pair).startswith(
            f"{url} does not accept the certificate in elasticsearch.client_cert ("
        )


@contextmanager
def refusing(pair: Pair, clients: Authority) -> Iterator[str]:
    """A server that tells clients why it ends their connections, as asyncio's does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(clients.certificate)

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:  # the test is over
                return
            with plain, plain.dup() as kept:
                with pytest.raises(ssl.SSLError):
                    context.wrap_socket(plain, server_side=True)
                kept.shutdown(socket.SHUT_WR)
                while kept.recv(65536):  # what is not read would break the connection too early
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, name="refusing")
        thread.start()
        try:
            yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize("setting", ["ca_certs", "client_cert"])
def test_unusable_file(authority: Authority, tmp_path: Path, setting: str) -> None:
    """A file without a certificate is named, with its setting."""
    path = write(tmp_path / "file.pem", "nothing")
    with serving(authority.sign("good")) as server:
        said = failure(server.url, **{"ca_certs": authority.certificate, setting: path})
    assert said.startswith(f"elasticsearch.{setting}: {path} cannot be used (")


def test_renewed_files(authority: Authority, tmp_path: Path) -> None:
    """Authorities and certificates that are replaced in their files are used from then on."""
    path = tmp_path / "ca.pem"
    shutil.copy(Authority(tmp_path).certificate, path)

    async def run(url: str) -> int:
        elastic = Elastic(ElasticsearchSettings(hosts=(url,), ca_certs=path))
        try:
            with pytest.raises(ConnectionFailed, match="not trusted"):
                await elastic.request("GET", "/")
            write(path, "half written")
            with pytest.raises(ConnectionFailed, match="not trusted"):
                await elastic.request("GET", "/")
            write(path, authority.certificate.read_text())
            return (await elastic.request("GET", "/")).status
        finally:
            await elastic.close()

    with serving(authority.sign("good")) as server:
        assert asyncio.run(run(server.url)) == 200
