"""Plain HTTP to a server under test: what goes over the wire is what the test says."""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from types import TracebackType
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

__all__ = ["Answer", "Client", "bulk_lines", "create"]


@dataclass(frozen=True)
class Answer:
    """A reply as received; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The parsed body."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The error type of a refused request."""
        return str(self.json["error"]["type"])


class Client:
    """Sends requests to one server; as a context it closes the connection at the end."""

    def __init__(
        self,
        url: str,
        *,
        login: tuple[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = 60.0,
    ) -> None:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        self.url = url
        self._headers: dict[str, str] = {}
        if login is not None:
            token = base64.b64encode(":".join(login).encode()).decode()
            self._headers["authorization"] = f"Basic {token}"
        self._connection: HTTPConnection
        if parts.scheme == "https":
            self._connection = HTTPSConnection(host, port, timeout=timeout_seconds, context=tls)
        else:
            self._connection = HTTPConnection(host, port, timeout=timeout_seconds)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        **parameters: object,
    ) -> Answer:
        """Send one request; *body* is sent as it is when it is bytes or text, else as JSON."""
        sent = {"content-type": "application/json", **self._headers, **(headers or {})}
        if body is not None and not isinstance(body, bytes | str):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if parameters:
            path += "?" + urlencode({key: _text(value) for key, value in parameters.items()})
        try:
            self._connection.request(method, path, body=body, headers=sent)
            reply = self._connection.getresponse()
            data = reply.read()
        except BaseException:
            self._connection.close()
            raise
        return Answer(reply.status, {k.lower(): v for k, v in reply.getheaders()}, data)

    def bulk(self, *lines: object, **parameters: object) -> Answer:
        """Send a bulk request of *lines*: bytes as they are, everything else as JSON."""
        body = bulk_lines(*lines)
        headers = {"content-type": "application/x-ndjson"}
        return self.request("POST", "/_bulk", body, headers=headers, **parameters)

    def create(
        self, index: str, documents: Mapping[str, object] | Sequence[object], **parameters: object
    ) -> list[dict[str, Any]]:
        """Create documents by id, or with the ids 0, 1, …; returns the outcome of each."""
        if not isinstance(documents, Mapping):
            documents = {str(number): document for number, document in enumerate(documents)}
        lines = [
            line for id_, document in documents.items() for line in (create(index, id_), document)
        ]
        answer = self.bulk(*lines, **{"refresh": True, **parameters})
        assert answer.status == 200, answer.body
        return [item["create"] for item in answer.json["items"]]

    def search(self, index: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """Search and return the reply, which has to be a good one."""
        answer = self.request("POST", f"/{quote(index, safe=',*')}/_search", body or {})
        assert answer.status == 200, answer.body
        found: dict[str, Any] = answer.json
        return found

    def ids(self, index: str, query: Mapping[str, object]) -> list[str]:
        """Return the ids of all hits (at most 1,000), sorted."""
        reply = self.search(index, {"query": query, "size": 1000})
        return sorted(hit["_id"] for hit in reply["hits"]["hits"])

    def close(self) -> None:
        """Close the connection; the next request opens one."""
        self._connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()


def create(index: str, id_: str | None = None) -> dict[str, Any]:
    """Return the action line that creates one document."""
    return {"create": {"_index": index} | ({} if id_ is None else {"_id": id_})}


def bulk_lines(*lines: object) -> bytes:
    """Return NDJSON: bytes as they are, everything else as JSON."""
    return b"".join(
        (line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines
    )


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
