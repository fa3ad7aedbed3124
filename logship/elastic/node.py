"""One host of the cluster, for the official client's transport: connections, proxy, TLS.

The client's own node knows no proxy, compares a fingerprint with the server's own certificate
instead of the authority's, does not check addresses in certificates, and follows redirects, which
makes a GET of a bulk request.
"""

from __future__ import annotations

import errno
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

import aiohttp
from elastic_transport import (
    ApiResponseMeta,
    BaseAsyncNode,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    TlsError,
)
from elastic_transport import (
    ConnectionError as TransportConnectionError,
)
from elastic_transport.client_utils import basic_auth_to_header

from logship.elastic.tls import Shown, Trust, tls_trouble

__all__ = ["HttpNode", "Pieces", "Proxy", "node_class", "proxy_of"]


# asyncio does not close every TLS connection that the other side left (gh-118950).
LEAVES_TLS_OPEN = sys.version_info < (3, 12, 7) or sys.version_info[:3] == (3, 13, 0)


PROXY_WANTS_LOGIN = 407


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy without its credentials, and the header that holds them.

    Attributes:
        url: Can be shown.
        headers: ``proxy-authorization``, or none.
    """

    url: str
    headers: dict[str, str]


def proxy_of(url: str | None) -> Proxy | None:
    """Take the user and password out of the URL of a proxy."""
    if url is None:
        return None
    parts = urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if not parts.username and not parts.password:
        return Proxy(plain, {})
    login = unquote(parts.username or ""), unquote(parts.password or "")
    return Proxy(plain, {"proxy-authorization": basic_auth_to_header(login)})


class Pieces(Protocol):
    """A body that is made while it is sent; ``len`` is its size in bytes.

    It is iterated over once for every time it is sent.
    """

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[bytes]: ...


class Sending:
    """Gives out each piece once the connection has taken the one before.

    No generator: the event loop has to close those that are left in the middle, and after a fork
    there is none that could.
    """

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = iter(pieces)

    def __aiter__(self) -> Sending:
        return self

    async def __anext__(self) -> bytes:
        for piece in self._pieces:
            return piece
        raise StopAsyncIteration


class NodeReply(NamedTuple):
    """What the transport wants of a node."""

    meta: ApiResponseMeta
    body: bytes


class HttpNode(BaseAsyncNode):
    """Sends requests to one host. Belongs to the event loop of its first request."""

    trust: Trust
    proxy: Proxy | None

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        self._session: aiohttp.ClientSession | None = None
        self._has_answered = False
        is_tls = config.scheme == "https"
        self._is_tls = is_tls or (self.proxy is not None and self.proxy.url.startswith("https:"))
        self._options: dict[str, Any] = {}
        if self.proxy is not None:
            self._options["proxy"] = self.proxy.url
            if is_tls:
                self._options["proxy_headers"] = self.proxy.headers
            else:
                self.headers.update(self.proxy.headers)

    # The library's own asynchronous nodes override a synchronous method, too.
    async def perform_request(  # type: ignore[override]
        self,
        method: str,
        target: str,
        body: bytes | Pieces | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: Any = None,
    ) -> NodeReply:
        """Send one request and return the reply, whatever its status.

        Raises:
            elastic_transport.ConnectionTimeout: The time ran out.
            elastic_transport.ConnectionError: There was no reply.

        Cancellation closes the connection; the request may have been applied.
        """
        sent = {**self.headers, **(headers or {})}
        if body is not None and not isinstance(body, bytes):
            sent["content-length"] = str(len(body))
        url = self.base_url + target
        try:
            try:
                return await self._exchange(method, url, body, sent, request_timeout)
            except aiohttp.ClientOSError as error:
                shown = _cause(error)
                if not isinstance(shown, Shown):
                    raise
            if trouble := self.trust.learn(shown.certificates):
                raise TlsError(f"{self._place}: {trouble}")
            return await self._exchange(method, url, body, sent, request_timeout)
        except TimeoutError as error:
            what = "Connection timed out during request"
            raise ConnectionTimeout(what, errors=(error,)) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._failure(error) from None

    async def _exchange(
        self,
        method: str,
        url: str,
        body: bytes | Pieces | None,
        headers: dict[str, str],
        timeout: Any,
    ) -> NodeReply:
        options: dict[str, Any] = dict(self._options)
        if self._is_tls:
            options["ssl"] = self.trust.context()
        started = time.monotonic()
        async with self._opened().request(
            method,
            url,
            data=_data(body),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout),
            allow_redirects=False,
            **options,
        ) as response:
            data = await response.read()
        self._has_answered = True
        if response.status == PROXY_WANTS_LOGIN and self.proxy is not None:
            raise TransportConnectionError(self._refused_by_proxy(response.status))
        meta = ApiResponseMeta(
            node=self.config,
            duration=time.monotonic() - started,
            http_version="1.1",
            status=response.status,
            headers=HttpHeaders(response.headers),
        )
        return NodeReply(meta, data)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                skip_auto_headers=("accept", "accept-encoding", "user-agent"),
                cookie_jar=aiohttp.DummyCookieJar(),
                connector=aiohttp.TCPConnector(
                    limit_per_host=self.config.connections_per_node,
                    enable_cleanup_closed=LEAVES_TLS_OPEN,
                ),
            )
        return self._session

    def _failure(self, error: Exception) -> TransportConnectionError:
        """Return the error of the transport for *error*, in one line without secrets."""
        cause = _cause(error)
        alert, self.trust.alert = self.trust.alert, None
        if self._is_tls and isinstance(error, aiohttp.ClientError):
            cause = alert or cause
        if isinstance(cause, ssl.SSLError):
            if isinstance(cause, ssl.SSLCertVerificationError):
                self.trust.forget()
            return TlsError(tls_trouble(cause, self._place), errors=(error,))
        if isinstance(error, aiohttp.ClientHttpProxyError):
            return TransportConnectionError(self._refused_by_proxy(error.status), errors=(error,))
        if isinstance(error, aiohttp.ClientProxyConnectionError) and self.proxy is not None:
            what = f"cannot connect to the proxy {self.proxy.url} ({error.strerror})"
            return TransportConnectionError(what, errors=(error,))
        if isinstance(error, aiohttp.ClientConnectorError):
            what = f"cannot connect to {self._place} ({error.strerror or error.os_error})"
            return TransportConnectionError(what, errors=(error,))
        if not (self._is_tls or self._has_answered) and _is_cut(error):
            what = (
                f"{self._place} ends connections without a reply: if it speaks TLS, write https://"
            )
            return TransportConnectionError(what, errors=(error,))
        if isinstance(error, aiohttp.ClientResponseError):
            what = f"{self._place} answers something else than HTTP"
            return TransportConnectionError(what, errors=(error,))
        return TransportConnectionError(str(error), errors=(error,))

    def _refused_by_proxy(self, status: int) -> str:
        assert self.proxy is not None
        if status == PROXY_WANTS_LOGIN:
            what = "check the user and the password in elasticsearch.proxy"
        else:
            what = f"it may not lead to {self._place}"
        return f"the proxy {self.proxy.url} answers {status}: {what}"

    @property
    def _place(self) -> str:
        return f"{self.scheme}://{self.host}:{self.port}"

    # As above: synchronous in the library's base class.
    async def close(self) -> None:  # type: ignore[override]
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def node_class(trust: Trust, proxy: Proxy | None) -> type[HttpNode]:
    """Return the class of nodes that are reached this way: the transport makes them itself."""

    class Node(HttpNode):
        pass

    Node.trust, Node.proxy = trust, proxy
    return Node


def _data(body: bytes | Pieces | None) -> bytes | Sending | None:
    if body is None or isinstance(body, bytes):
        return body or None
    return Sending(body)


def _is_cut(error: Exception) -> bool:
    return isinstance(error, aiohttp.ServerDisconnectedError | ConnectionResetError) or (
        isinstance(error, aiohttp.ClientOSError) and error.errno == errno.ECONNRESET
    )


def _cause(error: Exception) -> BaseException | None:
    """Return what a failed handshake failed of."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error
    return error.__cause__
