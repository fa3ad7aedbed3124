"""What a handler is given, as people write it, becomes settings."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar, get_args

from logship.handler.queue import Overflow
from logship.settings.model import MIB, DeliverySettings, ElasticsearchSettings
from logship.settings.units import parse_duration, parse_size

__all__ = [
    "delivery_settings",
    "elasticsearch_settings",
    "index_of",
    "overflow_of",
    "seconds_of",
    "size_of",
]

T = TypeVar("T")
BATCH_RECORDS = 2000  # so that one request's worth keeps the interpreter for a few milliseconds


def size_of(name: str, value: int | str) -> int:
    """Return a positive number of bytes.

    Raises:
        ValueError: *value* is none; the text begins with *name*.
    """
    size = value if isinstance(value, int) else _read(name, parse_size, value)
    if size <= 0:
        raise ValueError(f"{name}: {value!r} is not above zero")
    return size


def seconds_of(name: str, value: float | str) -> float:
    """Return a number of seconds, zero or more.

    Raises:
        ValueError: *value* is none; the text begins with *name*.
    """
    seconds = (
        float(value) if isinstance(value, (int, float)) else _read(name, parse_duration, value)
    )
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"{name}: {value!r} is no number of seconds from zero on")
    return seconds


def overflow_of(value: str, spool_dir: object) -> Overflow:
    """Return a known overflow policy.

    Raises:
        ValueError: It is unknown, or needs a folder that is not given.
    """
    for known in get_args(Overflow):
        if value == known:
            if known == "spool" and spool_dir is None:
                raise ValueError("overflow: 'spool' needs spool_dir")
            policy: Overflow = known
            return policy
    raise ValueError(f"overflow: {value!r} is none of {', '.join(get_args(Overflow))}")


def index_of(pattern: str) -> str:
    """Return *pattern* when every name it gives is one that Elasticsearch takes.

    Raises:
        ValueError: It is not; the text says why.
    """
    from logship.settings.index_name import check_index_name

    return _read("index", check_index_name, pattern)


def elasticsearch_settings(
    hosts: str | Sequence[str] | None,
    api_key: str | None,
    username: str | None,
    password: str | None,
    ca_certs: str | os.PathLike[str] | None,
    verify: bool,
) -> ElasticsearchSettings:
    """Return where records go; what is not given comes from ``LOGSHIP_ES_*``.

    Raises:
        ValueError: A host is no URL, or *ca_certs* cannot be read.
    """
    from logship.settings.texts import check_host

    if hosts is None:
        hosts = os.environ.get("LOGSHIP_ES_URL") or ElasticsearchSettings().hosts
    if isinstance(hosts, str):
        hosts = hosts.replace(",", " ").split()
    if not hosts:
        raise ValueError("hosts: is empty; write for example http://localhost:9200")
    if ca_certs is not None and not os.access(ca_certs, os.R_OK):
        raise ValueError(f"ca_certs: {os.fspath(ca_certs)!r} is not there, or cannot be read")
    return ElasticsearchSettings(
        hosts=tuple(_read("hosts", check_host, host) for host in hosts),
        api_key=api_key or os.environ.get("LOGSHIP_ES_API_KEY") or None,
        username=username or os.environ.get("LOGSHIP_ES_USERNAME") or None,
        password=password or os.environ.get("LOGSHIP_ES_PASSWORD") or None,
        ca_certs=Path(ca_certs) if ca_certs is not None else None,
        verify=verify,
    )


def delivery_settings(
    max_bytes: int, max_records: int, batch_age_seconds: float
) -> DeliverySettings:
    """Return how records are sent, of which so many may be in memory."""
    batch_bytes = min(5 * MIB, max(1, max_bytes // 4))
    # Little more than a batch is taken out of the queue ahead of time: what is in the queue
    # can still be dropped in favour of newer records.
    return DeliverySettings(
        batch_bytes=batch_bytes,
        # A batch that all of them cannot fill would always wait until it is old.
        batch_records=min(BATCH_RECORDS, max(1, max_records // 4)),
        batch_age_seconds=batch_age_seconds,
        buffer_bytes=2 * batch_bytes,
        max_in_flight=2,
    )


def _read(name: str, parse: Callable[[str], T], value: str) -> T:
    try:
        return parse(value)
    except ValueError as error:
        text = str(error)
        shown = "" if f'"{value}"' in text else f"{value!r} "
        raise ValueError(f"{name}: {shown}{text}") from None
