"""A connection to one cluster: requests, replies, and the errors of both.

Requests carry plain media types: the client's typed methods send a compatibility header that ties
client and server majors together, its transport does not. Bodies pass through as bytes in both
directions.
"""

from __future__ import annotations

import json
import re
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import orjson
from elastic_transport import (
    AsyncTransport,
    ConnectionTimeout,
    NodeConfig,
    SerializationError,
    Serializer,
    TransportError,
)
from elastic_transport.client_utils import parse_cloud_id, url_to_node_config

from logship.elastic.credentials import Credentials
from logship.elastic.node import Pieces, node_class, proxy_of
from logship.elastic.tls import Trust
from logship.errors import BadReply, ConnectionFailed, ErrorReply
from logship.settings.model import ElasticsearchSettings
from logship.settings.units import format_duration

__all__ = ["JSON", "NDJSON", "Elastic", "Reply", "error_reply", "is_loopback"]

JSON = "application/json"
NDJSON = "application/x-ndjson"
REASON_CHARACTERS = 500
_MARKUP = re.compile(r"<(style|script)\b.*?</\1>|<[^<>]*>", re.DOTALL | re.IGNORECASE)
GZIP_WINDOW = 31  # zlib's number for the largest window in a gzip frame

# A body is one batch in memory already; aiohttp would rather be given a file.
warnings.filterwarnings("ignore", "Sending a large body", ResourceWarning)

_isal_zlib: Any = None
try:  # a quarter of zlib's time; not there on every platform
    from isal import isal_zlib as _isal_zlib
except ImportError:
    pass


class PassThrough(Serializer):
    """Hands bytes on untouched; the stock serializers copy and parse every body."""

    def loads(self, data: bytes) -> bytes:
        """Return *data*."""
        return data

    def dumps(self, data: bytes) -> bytes:
        """Return *data*."""
        return data


class Compressed:
    """A compressed body in the pieces in which it came about: to join them would copy it."""

    def __init__(self, pieces: Sequence[bytes]) -> None:
        self._pieces, self._size_bytes = pieces, sum(map(len, pieces))

    def __len__(self) -> int:
        return self._size_bytes

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._pieces)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status below 300.

    Attributes:
        status: The HTTP status.
        headers: Names in lower case.
        body: As received, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the parsed body; lone surrogates, which are JSON but no text, as ``?``.

        Raises:
            BadReply: The body is not JSON.
        """
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as error:
            try:
                text = json.dumps(json.loads(self.body), ensure_ascii=False)
                return orjson.loads(text.encode("utf-8", "replace"))
            except (ValueError, RecursionError):
                raise BadReply(f"the reply is not JSON: {error}") from error


class Elastic:
    """A connection to one cluster. Belongs to the event loop that first uses it.

    Nothing is contacted before the first request. The client's own retries are off:
    the caller decides.
    """

    def __init__(
        self,
        settings: ElasticsearchSettings,
        *,
        compress: Callable[[Iterable[bytes]], Pieces] | None = None,
    ) -> None:
        self.settings = settings
        self._credentials = Credentials(settings)
        nodes = _node_configs(settings)
        passed = PassThrough()
        self._transport = AsyncTransport(
            nodes,
            node_class=node_class(Trust(settings), proxy_of(settings.proxy)),
            max_retries=0,
            retry_on_status=(),
            meta_header=False,
            dead_node_backoff_factor=1.0,
            max_dead_node_backoff=10.0,
            serializers={
                JSON: passed,
                NDJSON: passed,
                "application/*": passed,
                "text/*": passed,
            },
        )
        wanted = settings.compression
        if wanted == "auto":
            wanted = not all(is_loopback(node.host) for node in nodes)
        self.compresses = bool(wanted)
        self.compress = compress or compress_level_1
        self.urls = tuple(_plain_url(node) for node in nodes)

    async def request(
        self,
        method: str,
        path: str,
        body: bytes | Pieces | None = None,
        *,
        params: Mapping[str, str | int | bool] | None = None,
        content_type: str = JSON,
        content_encoding: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """Send one request and return its answer.

        Args:
            method: ``GET``, ``POST``, …
            path: Begins with ``/``; already percent-encoded.
            body: As it goes over the wire, perhaps made while it is sent.
            params: Query parameters; booleans become ``true`` and ``false``.
            content_type: Of *body*.
            content_encoding: ``gzip`` when *body* was compressed.
            timeout_seconds: Instead of the settings' timeout.

        Raises:
            ConnectionFailed: No reply; the request may have been applied.
            BadReply: The reply has a media type that cannot be read.
            ErrorReply: A status of 300 or more.

        Cancellation closes the connection; the request may have been applied.
        """
        headers = {"accept": JSON, **self._credentials.header()}
        if body is not None:
            headers["content-type"] = content_type
            if content_encoding is not None:
                headers["content-encoding"] = content_encoding
        if params:
            texts = {key: _parameter(value) for key, value in params.items()}
            path = f"{path}?{urlencode(texts)}"
        try:
            answer = await self._transport.perform_request(
                method,
                path,
                body=body,
                headers=headers,
                request_timeout=timeout_seconds or self.settings.timeout_seconds,
            )
        except ConnectionTimeout as error:
            waited = format_duration(timeout_seconds or self.settings.timeout_seconds)
            raise ConnectionFailed(f"no reply within {waited}", timed_out=True) from error
        except SerializationError as error:
            raise BadReply(f"unreadable reply: {error.message}") from error
        except TransportError as error:
            raise ConnectionFailed(str(error.message)) from error
        except OSError as error:
            raise ConnectionFailed(str(error)) from error
        status = answer.meta.status
        raw = answer.body or b""
        if status >= 300:
            raise error_reply(status, answer.meta.headers, raw)
        return Reply(status, answer.meta.headers, raw)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()


def error_reply(status: int, headers: Mapping[str, str], body: bytes) -> ErrorReply:
    """Return the error that stands for a refused request; *body* may be anything."""
    type_, reason = "", ""
    try:
        error = orjson.loads(body)["error"]
        if isinstance(error, dict):
            if error.get("type") == "search_phase_execution_exception" and error.get("root_cause"):
                error = error["root_cause"][0]  # "all shards failed" says nothing
            type_, reason = str(error.get("type") or ""), str(error.get("reason") or "")
        else:
            reason = str(error)
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        reason = _readable(body)
    if 300 <= status < 400:
        reason = f"redirects to {_place(headers.get('location'))}, which is not followed"
    # One line: it ends in the log and on terminals.
    reason = " ".join(reason.split()) or ("" if type_ else "empty reply")
    if len(reason) > REASON_CHARACTERS:
        reason = reason[:REASON_CHARACTERS] + "…"
    return ErrorReply(
        status, type_, reason, retry_after_seconds=_retry_after(headers.get("retry-after"))
    )


def _readable(body: bytes) -> str:
    """The text of what is no error of Elasticsearch; pages of proxies without their markup."""
    text = body[: 20 * REASON_CHARACTERS].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        text = _MARKUP.sub(" ", text)
    return text[: REASON_CHARACTERS + 1]


def _place(location: str | None) -> str:
    """Where a redirect leads, without what could be a secret in it."""
    try:
        parts = urlsplit(location or "")
    except ValueError:
        parts = urlsplit("")
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="")
    return shown.geturl() or "another address"


def is_loopback(host: str) -> bool:
    """Whether *host* names this machine itself."""
    return host in {"localhost", "::1", "[::1]"} or host.startswith("127.")


def _retry_after(value: str | None) -> float | None:
    """Seconds form only; the date form needs a clock in step with the server's."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


def _parameter(value: str | int | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def compress_level_1(pieces: Iterable[bytes]) -> Compressed:
    """gzip; both libraries let go of the GIL meanwhile."""
    packer = (_isal_zlib or zlib).compressobj(1, zlib.DEFLATED, GZIP_WINDOW)
    made = [packer.compress(piece) for piece in pieces]
    return Compressed([*filter(None, made), packer.flush()])


def _node_configs(settings: ElasticsearchSettings) -> list[NodeConfig]:
    if settings.cloud_id is not None:
        cloud = parse_cloud_id(settings.cloud_id)
        host, port = cloud.es_address or ("", 443)
        nodes = [NodeConfig("https", host, port or 443)]
    else:
        nodes = [
            url_to_node_config(with_scheme(host), use_default_ports_for_scheme=False)
            for host in settings.hosts
        ]
    return [node.replace(connections_per_node=16) for node in nodes]


def with_scheme(host: str) -> str:
    """Return *host* as a URL with scheme and port: ``localhost:9200`` is plain HTTP there."""
    url = host if "://" in host else f"http://{host}"
    parts = urlsplit(url)
    if parts.port is None:
        netloc = f"{parts.netloc}:{443 if parts.scheme == 'https' else 9200}"
        url = parts._replace(netloc=netloc).geturl()
    return url


def _plain_url(node: NodeConfig) -> str:
    return f"{node.scheme}://{node.host}:{node.port}{node.path_prefix}"
