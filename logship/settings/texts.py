"""What texts must look like: URLs, globs, time zones, names, credentials.

Each check returns the text as it is to be used, or raises ValueError with what is wrong,
worded to follow the path of the setting.
"""

from __future__ import annotations

import base64
import binascii
import re
import zoneinfo
from urllib.parse import SplitResult, urlsplit

from logship.settings.reading import did_you_mean
from logship.settings.tree import quote

__all__ = [
    "check_api_key",
    "check_ca_fingerprint",
    "check_cloud_id",
    "check_glob",
    "check_host",
    "check_pattern",
    "check_proxy",
    "check_source_name",
    "check_timezone",
    "check_timezone_or_local",
    "check_token",
    "check_username",
    "without_credentials",
]

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SOURCE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
# A number alone is no name: it would be taken for an address, and was meant as a port.
_HOST_NAME = re.compile(r"(?![0-9]+\Z)[A-Za-z0-9_][A-Za-z0-9._-]*\Z|\[[0-9A-Fa-f:.]+\]\Z", re.ASCII)
_PATH = re.compile(r"(?:/[!-.0-~]*)*\Z")


def check_host(text: str) -> str:
    """Return a host as a URL: a missing scheme is ``http``, a slash at the end is cut."""
    url = text.strip()
    shown = quote(without_credentials(url))
    scheme = _SCHEME.match(url)
    if scheme is None:
        if re.match(r"https?:/", url):
            raise ValueError(f'{shown} is no URL; there are two slashes after "http:"')
        url = f"http://{url}"
    elif scheme[1].lower() not in {"http", "https"}:
        raise ValueError(
            f"{shown} has the unknown scheme {quote(scheme[1])}"
            + did_you_mean(scheme[1], ("http", "https"))
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError(f"{shown} is no URL; write for example http://localhost:9200") from None
    host = parts.netloc.rpartition("@")[2]
    name = host if port is None else host[: host.rindex(":")]
    if not _HOST_NAME.match(name) or port == 0:
        raise ValueError(f"{shown} is no URL; write for example http://localhost:9200")
    if not _PATH.match(parts.path) or "//" in parts.path.rstrip("/"):
        raise ValueError(f"{shown} is no URL; write for example https://es.example:9200/prefix")
    if parts.query or parts.fragment:
        raise ValueError(f'{shown} may not have a part after "?" or "#"')
    return url.rstrip("/")


def without_credentials(url: str) -> str:
    """Return *url* with what stands before an ``@`` masked, whatever else it is."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme = _SCHEME.match(head)
    return f"{scheme[0] if scheme else ''}***@{tail}"


def credentials(url: str) -> SplitResult | None:
    """Return the parts of a checked *url* that has a user name or password in it, else None."""
    parts = urlsplit(url)
    return parts if "@" in parts.netloc else None


def check_proxy(secret: str) -> str:
    """Return the URL of an HTTP proxy; it may hold a user and a password, so none is quoted."""
    what = "is no URL of a proxy; write for example http://proxy.example:3128"
    try:
        parts = urlsplit(secret)
        port = parts.port
    except ValueError:
        raise ValueError(what) from None
    name = parts.netloc.rpartition("@")[2].removesuffix(f":{port}")
    if parts.scheme not in {"http", "https"} or not _HOST_NAME.match(name) or port == 0:
        raise ValueError(what)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("has more than scheme, host and port; a proxy has no path")
    return secret.rstrip("/")


def check_glob(text: str) -> str:
    """Return a glob as given; relative ones are made absolute by the caller."""
    if text.endswith("/"):
        raise ValueError(
            f"{quote(text)} names a folder; write for example {quote(text + '*.log')}, "
            "or of a spool its folder without the slash"
        )
    if re.search(r"\{[^}]*,[^}]*\}", text):
        raise ValueError(
            f"{quote(text)} has braces, which globs do not know; give each path itself"
        )
    for part in text.split("/"):
        if "**" in part and part != "**":
            raise ValueError(f'{quote(text)} has "**" beside other characters; write "**/" or "*"')
        if _has_open_bracket(part):
            raise ValueError(f'{quote(text)} has a "[" without "]"; write "[[]" for the character')
    if text.endswith("/**") or text == "**":
        raise ValueError(f"{quote(text)} names folders; write {quote(text + '/*')} for files")
    return text


def _has_open_bracket(part: str) -> bool:
    rest = part
    while "[" in rest:
        rest = rest.partition("[")[2]
        # A "]" right after "[" or "[!" is one of the characters, not the end.
        rest = rest[1:] if rest[:1] == "!" else rest
        end = rest.find("]", 1)
        if end < 0:
            return True
        rest = rest[end + 1 :]
    return False


def check_pattern(text: str) -> str:
    """Return a regular expression of Python's ``re``, as it is applied to the bytes of lines."""
    try:
        re.compile(text.encode())
    except re.error as error:
        raise ValueError(f"{quote(text)} is no regular expression: {error}") from None
    return text


def check_timezone(text: str) -> str:
    """Return an IANA time zone name."""
    try:
        zoneinfo.ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        zones = zoneinfo.available_timezones()
        meant = did_you_mean(text, zones)
        if "?" not in meant:
            meant = "; write for example Europe/Berlin or UTC"
        raise ValueError(f"unknown time zone {quote(text)}{meant}") from None
    return text


def check_timezone_or_local(text: str) -> str:
    """Return an IANA time zone name or ``local``."""
    return text if text == "local" else check_timezone(text)


def check_source_name(text: str) -> str:
    """Return the name of a source: it labels metrics and log lines."""
    if not _SOURCE_NAME.match(text):
        raise ValueError(
            f"{quote(text)} is no name; letters, digits and . _ - are possible, at most 100"
        )
    return text


def check_api_key(secret: str) -> str:
    """Return an API key in its encoded form; ``id:key`` is encoded here."""
    check_token(secret)
    if ":" in secret:
        return base64.b64encode(secret.encode()).decode()
    return secret


def check_token(secret: str) -> str:
    """Return a secret that can stand in a header as it is."""
    if not secret.isascii() or " " in secret:
        raise ValueError("contains a space or a character that is not ASCII")
    return secret


def check_username(text: str) -> str:
    """Return a user name for basic authentication."""
    if ":" in text or not text.isprintable():
        raise ValueError('contains a ":" or a character that cannot be sent')
    return text


def check_ca_fingerprint(text: str) -> str:
    """Return the SHA-256 fingerprint of a certificate; colons are possible."""
    if not re.fullmatch(r"[0-9A-Fa-f]{64}", text.replace(":", "")):
        raise ValueError(f"{quote(text)} is no SHA-256 fingerprint: 64 hexadecimal digits")
    return text


def check_cloud_id(text: str) -> str:
    """Return an Elastic Cloud id: a name, a colon, and what the host is made of in base64."""
    encoded = text.rpartition(":")[2]
    try:
        parts = base64.b64decode(encoded, validate=True).decode().split("$")
    except (binascii.Error, UnicodeDecodeError, ValueError):
        parts = []
    if len(parts) < 2 or not all(parts[:2]):
        raise ValueError(f"{quote(text)} is no cloud id; copy it from the deployment's page")
    return text
