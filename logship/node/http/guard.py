"""Keeps web pages away from a node on the loopback interface.

A page in a browser can send requests to any address its user can reach. Three things tell
such a request apart: a ``Host`` that is not ours (DNS rebinding), an ``Origin`` that is not
ours, and the body types that a form can send, which the node refuses anyway.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from logship.node.errors import NodeError


def is_loopback(host: str) -> bool:
    """Whether *host* is a name or address of this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_caller(headers: Mapping[str, str], listen_host: str) -> None:
    """Accept a request by its headers.

    Args:
        headers: Of the request.
        listen_host: Where the node listens; only loopback addresses check ``Host``.

    Raises:
        NodeError: 403, the request comes from a web page that is not served here.
    """
    host = _host(headers.get("Host", ""))
    if is_loopback(listen_host) and not (is_loopback(host) or host == listen_host):
        raise _forbidden(f"Host header [{headers.get('Host', '')}] does not name this node")
    origin = headers.get("Origin")
    if origin is not None and urlsplit(origin).netloc != headers.get("Host", ""):
        raise _forbidden(f"requests from pages of [{origin}] are not allowed")
    if headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}:
        raise _forbidden("requests from pages of other sites are not allowed")


def _host(value: str) -> str:
    if value.startswith("["):
        return value.partition("]")[0].strip("[]")
    return value.rpartition(":")[0] if ":" in value else value


def _forbidden(reason: str) -> NodeError:
    return NodeError(403, "security_exception", reason)
