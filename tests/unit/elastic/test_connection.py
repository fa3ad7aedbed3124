from __future__ import annotations

import asyncio
import base64
import logging
import socket
import ssl
import threading
from typing import Any

import pytest

from logship.elastic import Elastic, error_reply
from logship.errors import ConnectionFailed, ErrorReply
from logship.settings.model import ElasticsearchSettings
from tests.support.certificates import Authority
from tests.support.http_server import HttpServer
from tests.support.node import free_port
from tests.unit.elastic.conftest import ask

PASSWORD = "pass word@1"
LOGIN = "user:pass%20word%401"
AUTHORIZATION = "Basic " + base64.b64encode(f"user:{PASSWORD}".encode()).decode()


def tls(authority: Authority) -> ssl.SSLContext:
    pair = authority.sign("good")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    return context


def with_login(proxy: HttpServer) -> str:
    return proxy.url.replace("://", f"://{LOGIN}@")


def test_plain_requests(server: HttpServer) -> None:
    """Requests over http go to the proxy whole, with its user and password."""
    with HttpServer() as proxy:
        ask(server.url, 2, proxy=with_login(proxy), api_key="key")
        assert server.requests == []
        first = [request.splitlines()[0] for request in proxy.requests]
        assert first == [f"GET {server.url}/0 HTTP/1.1", f"GET {server.url}/1 HTTP/1.1"]
        assert proxy.headers("proxy-authorization") == [AUTHORIZATION] * 2
        assert proxy.headers("authorization") == ["ApiKey key"] * 2


@pytest.mark.parametrize("proxy_has_tls", [False, True])
def test_tunnels(authority: Authority, proxy_has_tls: bool) -> None:
    """Requests over https go through a tunnel; the proxy sees no key, the server no proxy's."""
    context = tls(authority)
    with HttpServer(context) as server, HttpServer(context if proxy_has_tls else None) as proxy:
        replies = ask(
            server.url,
            3,
            proxy=with_login(proxy),
            ca_certs=authority.certificate,
            api_key="key",
        )
        assert [reply.status for reply in replies] == [200] * 3
        first = [request.splitlines()[0] for request in proxy.requests]
        assert first == [f"CONNECT 127.0.0.1:{server.port} HTTP/1.1"]
        assert proxy.headers("proxy-authorization") == [AUTHORIZATION]
        assert proxy.headers("authorization") == []
        assert server.headers("authorization") == ["ApiKey key"] * 3
        assert server.headers("proxy-authorization") == []


def test_fingerprint_through_a_tunnel(authority: Authority) -> None:
    """A fingerprint is compared with what the server shows behind the proxy."""
    with HttpServer(tls(authority)) as server, HttpServer() as proxy:
        options = {"proxy": proxy.url, "ca_fingerprint": authority.fingerprint}
        assert ask(server.url, **options)[0].status == 200
        with pytest.raises(ConnectionFailed, match="none of the certificates"):
            ask(server.url, proxy=proxy.url, ca_fingerprint="ab" * 32)


def test_refused_by_the_proxy(
    authority: Authority, server: HttpServer, caplog: pytest.LogCaptureFixture
) -> None:
    """A proxy that wants another password is named; the one it got is in no message."""
    with HttpServer(status=407) as proxy, caplog.at_level(logging.DEBUG):
        with pytest.raises(ConnectionFailed) as plain:
            ask(server.url, proxy=with_login(proxy))
        with pytest.raises(ConnectionFailed) as tunnel:
            ask(server.url.replace("http:", "https:"), proxy=with_login(proxy))
        assert (
            str(plain.value)
            == str(tunnel.value)
            == (
                f"the proxy {proxy.url} answers 407: check the user and the password in "
                "elasticsearch.proxy"
            )
        )
        proxy.status = 403
        url = server.url.replace("http:", "https:")
        with pytest.raises(ConnectionFailed) as forbidden:
            ask(url, proxy=with_login(proxy))
        assert (
            str(forbidden.value) == f"the proxy {proxy.url} answers 403: it may not lead to {url}"
        )
    said = caplog.text + repr(plain.value) + repr(tunnel.value) + str(tunnel.value.__cause__)
    assert not any(part in said for part in (PASSWORD, LOGIN, AUTHORIZATION))


def test_no_proxy_there(server: HttpServer) -> None:
    """A proxy that is not there is named without its password."""
    port = free_port()
    with pytest.raises(ConnectionFailed) as caught:
        ask(server.url, proxy=f"http://{LOGIN}@127.0.0.1:{port}")
    assert str(caught.value).startswith(f"cannot connect to the proxy http://127.0.0.1:{port} (")


def test_no_proxy_from_the_environment(server: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables that other programs take a proxy from have no effect."""
    with HttpServer() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url)
        assert ask(server.url)[0].status == 200
        assert (len(server.requests), proxy.requests) == (1, [])


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects(status: int) -> None:
    """A redirect is not followed: it is an answer that says the address is wrong."""
    with HttpServer(status=status) as server:
        with pytest.raises(ErrorReply) as caught:
            ask(server.url)
        assert str(caught.value) == (
            f"HTTP {status}: redirects to /elsewhere, which is not followed"
        )
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("https://es.example:9243/x", "https://es.example:9243/x"),
        (f"https://{LOGIN}@es.example/a?token={PASSWORD}#b", "https://es.example/a"),
        ("", "another address"),
        ("http://[", "another address"),
    ],
)
def test_where_a_redirect_leads(location: str, shown: str) -> None:
    """It is told where a redirect leads, and no secret with it."""
    error = error_reply(302, {"location": location}, b"<html>moved</html>")
    assert error.reason == f"redirects to {shown}, which is not followed"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            b"<html>\r\n<head><title>502 Bad\r\n Gateway</title></head>\r\n<hr>nginx</html>\r\n",
            "502 Bad Gateway nginx",
        ),
        (b"<!DOCTYPE html><style>\nbody {}</style><h1>Sorry</h1>", "Sorry"),
        (b"upstream\n\tconnect error", "upstream connect error"),
        (b'{"error":{"type":"t","reason":"one\\n two"}}', "one two"),
        (b"<html></html>", "empty reply"),
        (b"x" * 9999, "x" * 500 + "\u2026"),
    ],
)
def test_reasons_are_one_line(body: bytes, reason: str) -> None:
    """Whatever a server or a proxy before it answers is told in one readable line."""
    assert error_reply(502, {}, body).reason == reason


def test_no_http_there() -> None:
    """A server of another protocol is told as that."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            with listening.accept()[0] as connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with pytest.raises(ConnectionFailed) as caught:
            ask(url)
        thread.join()
    assert str(caught.value) == f"{url} answers something else than HTTP"


def test_no_reply() -> None:
    """A server that is silent is told with how long it was waited for."""
    silent = socket.create_server(("127.0.0.1", 0))
    with silent, pytest.raises(ConnectionFailed) as caught:
        ask(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout_seconds=0.2)
    assert (str(caught.value), caught.value.timed_out) == ("no reply within 200ms", True)


def test_nobody_there() -> None:
    """A closed port is said with its address and the reason."""
    port = free_port()
    with pytest.raises(ConnectionFailed) as caught:
        ask(f"http://127.0.0.1:{port}")
    said = str(caught.value)
    assert said.startswith(f"cannot connect to http://127.0.0.1:{port} (")
    assert "Connect call failed" in said or "refused" in said


class Names(asyncio.SelectorEventLoop):
    """Resolves names to this machine, or none at all, without asking anyone.

    Attributes:
        knows: Whether it does.
    """

    knows = False

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        if not self.knows:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return socket.getaddrinfo("127.0.0.1", port, **options)


def test_unresolved_name(server: HttpServer) -> None:
    """A name that is not resolved is said with its host; once it is, the next request arrives."""
    host = f"http://search.example:{server.port}"

    async def run() -> int:
        elastic = Elastic(ElasticsearchSettings(hosts=(host,), timeout_seconds=5.0))
        try:
            with pytest.raises(ConnectionFailed) as caught:
                await elastic.request("GET", "/")
            assert str(caught.value) == (
                f"cannot connect to {host} (Temporary failure in name resolution)"
            )
            Names.knows = True
            return (await elastic.request("GET", "/")).status
        finally:
            Names.knows = False
            await elastic.close()

    with asyncio.Runner(loop_factory=Names) as runner:
        assert runner.run(run()) == 200
