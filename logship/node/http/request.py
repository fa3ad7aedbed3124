"""What handlers see of an HTTP request."""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from logship.node import jsontext
from logship.node.errors import EmptyReply, NodeError, PlainError, illegal_argument, parsing

_JSON_TYPES = re.compile(
    r"application/(?:json|x-ndjson|vnd\.elasticsearch\+(?:json|x-ndjson)"
    r"\s*;\s*compatible-with=\d+)\s*(?:;\s*charset=utf-8)?",
    re.IGNORECASE,
)
_VENDOR = re.compile(
    r"application/vnd\.elasticsearch\+(json|x-ndjson)\s*;\s*compatible-with=(\d+)", re.IGNORECASE
)
_COMPATIBLE = frozenset({"7", "8", "9"})
_TIME_VALUE = re.compile(r"(-?\d+)(nanos|micros|ms|s|m|h|d)")
_SECONDS = {
    "nanos": 1e-9,
    "micros": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_INFLATE_STEP = 1 << 20
_GZIP = b"\x1f\x8b"


@dataclass(slots=True)
class Request:
    """One request, its body decompressed.

    Attributes:
        path: Decoded, without the query string.
        uri: As sent, for messages.
        parts: What the route's placeholders stand for.
        parameters: Of the query string; a flag without value is the empty text.
        body: Empty when there was none.
    """

    method: str
    path: str
    uri: str
    parameters: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    parts: dict[str, str] = field(default_factory=dict)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean parameter; without a value it is true.

        Raises:
            NodeError: It is neither true nor false.
        """
        value = self.parameters.get(name)
        if value is None:
            return default
        if value in {"", "true"}:
            return True
        if value == "false":
            return False
        raise illegal_argument(
            f"Failed to parse value [{value}] as only [true] or [false] are allowed."
        )

    def number(self, name: str, default: int | None = None) -> int | None:
        """Return an integer parameter.

        Raises:
            NodeError: It is no integer.
        """
        value = self.parameters.get(name)
        if value is None:
            return default
        if not re.fullmatch(r"-?\d{1,10}", value):
            raise illegal_argument(
                f"Failed to parse int parameter [{name}] with value [{value}]",
                {"type": "number_format_exception", "reason": f'For input string: "{value}"'},
            )
        return int(value)

    def json(self, *, required: bool = False) -> dict[str, Any]:
        """Return the body as an object; empty without a body.

        Raises:
            NodeError: It is not JSON or no object, or missing though required.
        """
        if not self.body.strip():
            if required:
                raise NodeError(400, "parse_exception", "request body is required")
            return {}
        return as_object(parse_json(self.body))


def as_object(value: Any) -> dict[str, Any]:
    """Return *value*, which has to be an object.

    Raises:
        NodeError: It is none.
    """
    if not isinstance(value, dict):
        token = "START_ARRAY" if isinstance(value, list) else "VALUE_STRING"
        raise parsing(f"Expected [START_OBJECT] but found [{token}]")
    return value


def parse_json(body: bytes) -> Any:
    """Return the JSON value of a request body.

    Raises:
        NodeError: It is not JSON; says where.
    """
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        jsontext.check(body)
    except jsontext.JsonFault as fault:
        raise fault.as_request_error() from None
    import json

    return json.loads(body)


def is_refreshing(request: Request) -> bool:
    """Whether a write is to be answered as refreshed; checks what else says how to write.

    Raises:
        NodeError: ``refresh`` or ``timeout`` makes no sense.
    """
    refresh, timeout = request.parameters.get("refresh"), request.parameters.get("timeout")
    if refresh not in {None, "", "true", "false", "wait_for"}:
        raise illegal_argument(f"Unknown value for refresh: [{refresh}].")
    if timeout not in {None, "0", "-1"} and seconds(str(timeout), "timeout") < 0:
        raise illegal_argument(
            f"failed to parse setting [timeout] with value [{timeout}] as a time value: negative "
            "durations are not supported"
        )
    return refresh in {"", "true"}


def check_content_type(value: str | None) -> None:
    """Accept the media type of a body.

    Raises:
        NodeError: It is none that Elasticsearch reads; 406.
    """
    text = value or ""
    if not _JSON_TYPES.fullmatch(text.strip()):
        raise PlainError(406, f"Content-Type header [{text}] is not supported")
    match = _VENDOR.search(text)
    if match and match[2] not in _COMPATIBLE:
        raise _bad_version("Content-Type", text, match[2])


def check_format(request: Request) -> None:
    """Accept the ``format`` parameter.

    Raises:
        NodeError: It asks for another format than JSON, or than text of a table.
    """
    wanted = request.parameters.get("format", "json")
    allowed = {"json", "text", "txt"} if request.path.startswith("/_cat") else {"json"}
    if wanted not in allowed:
        raise illegal_argument(f"this node does not support the format [{wanted}]")


def reply_type(accept: str | None, content_type: str | None) -> str:
    """Return the media type to answer with: the vendor's where it was asked for.

    Raises:
        NodeError: A version that the node does not speak.
    """
    match = _VENDOR.search(accept or "")
    if match is None:
        if accept and not re.search(r"\*/\*|application/(\*|json|x-ndjson)|text/", accept):
            raise PlainError(406, f"Accept header [{accept}] is not supported")
        return "application/json"
    if match[2] not in _COMPATIBLE:
        raise _bad_version("Accept", accept or "", match[2])
    return f"application/vnd.elasticsearch+json;compatible-with={match[2]}"


def _bad_version(header: str, value: str, version: str) -> NodeError:
    return NodeError(
        400,
        "media_type_header_exception",
        "Invalid media-type value on headers [Content-Type, Accept]",
        caused_by={
            "type": "status_exception",
            "reason": f"{header} version must be either version 9, 8 or 7, but found {version}. "
            f"{header}={value}",
        },
    )


def inflated(body: bytes, limit: int) -> bytes | None:
    """Return a gzip *body* unpacked, as far as it goes when it is cut short.

    Returns:
        None when it is no gzip at all, or damaged.

    Raises:
        EmptyReply: It unpacks to more than *limit* bytes; 413.
    """
    parts: list[bytes] = []
    size = 0
    left = body
    try:
        while left and (not parts or left.startswith(_GZIP)):  # what is no gzip is left out
            inflater = zlib.decompressobj(31)
            while True:
                part = inflater.decompress(left, _INFLATE_STEP)
                size += len(part)
                if size > limit:
                    raise EmptyReply(413)
                parts.append(part)
                left = inflater.unconsumed_tail
                if inflater.eof or not left:
                    break
            left = inflater.unused_data
    except zlib.error:
        return None
    return b"".join(parts)


def seconds(text: str, setting: str) -> float:
    """Return a time value such as ``1m`` in seconds.

    Raises:
        NodeError: It is none.
    """
    match = _TIME_VALUE.fullmatch(text)
    if match is None:
        raise illegal_argument(
            f"failed to parse setting [{setting}] with value [{text}] as a time value: unit is "
            "missing or unrecognized"
        )
    return int(match[1]) * _SECONDS[match[2]]
