"""What settings mean together: contradictions, and values that follow from others."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain, count
from urllib.parse import unquote

from logship.settings.certificates import authorities_trouble, pair_trouble
from logship.settings.index_name import date_parts
from logship.settings.line_forms import check_line_form
from logship.settings.model import DeliverySettings, IndexSettings, SourceSettings
from logship.settings.sections import Given
from logship.settings.texts import credentials
from logship.settings.tree import quote
from logship.settings.units import format_duration, format_size

__all__ = [
    "finish_elasticsearch",
    "finish_index",
    "finish_multiline",
    "finish_settings",
    "finish_source",
    "name_from_path",
]

SECRETS = ("api_key", "password", "bearer_token")
AUTHENTICATIONS = (
    ("api_key", "api_key_file"),
    ("username", "password", "password_file"),
    ("bearer_token", "bearer_token_file"),
)
# Date parts that together name a year, month, week, day or hour.
PERIODS = ({"Y"}, {"Y", "m"}, {"G", "V"}, {"Y", "m", "d"}, {"Y", "j"},
           {"Y", "m", "d", "H"}, {"Y", "j", "H"})  # fmt: skip
SPOOL_KEYS = frozenset(("name", "type", "paths", "scan_interval"))
ANY_AUTHENTICATION = tuple(key for keys in AUTHENTICATIONS for key in keys)


def finish_elasticsearch(given: Given) -> None:
    """One way to the cluster and one way to authenticate; secrets from files take their place."""
    values = given.values
    for secret in SECRETS:
        if given.has(secret) and given.has(f"{secret}_file"):
            given.wrong(f"{secret}_file", f"{secret} is given as well; keep one of the two")
        from_file = values.get(f"{secret}_file")
        if from_file is not None:
            values[f"{secret}_file"] = from_file.path
            values.setdefault(secret, from_file.secret)
    ways = [way for way in (_first(given, keys) for keys in AUTHENTICATIONS) if way]
    if len(ways) > 1:
        given.wrong(ways[1], f"{ways[0]} is given as well; keep one way to authenticate")
    elif given.has("username") and not (given.has("password") or given.has("password_file")):
        given.wrong("username", "needs a password or password_file")
    elif ways and ways[0].startswith("password"):
        given.wrong(ways[0], "needs a username")
    _take_credentials_out_of_hosts(given)
    _check_certificates(given)
    if given.has("ca_fingerprint") and str(values.get("proxy", "")).startswith("https:"):
        given.wrong("ca_fingerprint", "cannot tell the proxy's authority; give ca_certs instead")
    if given.has("cloud_id"):
        if given.has("hosts"):
            given.wrong("cloud_id", "hosts is given as well; keep one of the two")
        values["hosts"] = ()


def _check_certificates(given: Given) -> None:
    values = given.values
    if given.has("client_key") and not given.has("client_cert"):
        given.wrong("client_key", "needs client_cert")
    if "ca_certs" in values and (trouble := authorities_trouble(values["ca_certs"])):
        given.wrong("ca_certs", trouble)
    is_whole = not given.has("client_key") or "client_key" in values
    if "client_cert" in values and is_whole:
        trouble = pair_trouble(values["client_cert"], values.get("client_key"))
        if trouble:
            given.wrong("client_cert", trouble)


def finish_index(given: Given) -> None:
    """Indices or a data stream; and a retention that index names can tell."""
    values = given.values
    is_stream = given.has("data_stream")
    for key in ("name", "timezone"):
        if is_stream and given.has(key):
            given.wrong(key, "goes with indices by name, and data_stream is given; keep one")
    retention: float | None = values.get("retention")
    if retention is None or is_stream or (given.has("name") and "name" not in values):
        return
    name: str = values.get("name", IndexSettings().name)
    if {part.replace("y", "Y") for part in date_parts(name)} not in PERIODS:
        given.wrong(
            "retention",
            f"goes by the date in index names, and {quote(name)} has none that tells their age; "
            'write for example "app-%Y.%m.%d"',
        )
    accept_past: float | None = values.get("accept_past")
    if accept_past is not None and accept_past >= retention:
        given.wrong(
            "accept_past",
            f"{format_duration(accept_past)} is not below retention "
            f"({format_duration(retention)}): older records would be stored and deleted at once",
        )


def finish_multiline(given: Given) -> None:
    """Exactly one way of telling where events begin."""
    ways = ("preset", "start", "continuation", "end", "pattern")
    chosen = [way for way in ways if given.values.get(way) is not None]
    if not any(given.has(way) for way in ways):
        given.wrong("preset", f"is missing; name a preset, or one of {', '.join(ways[1:])}")
    elif len(chosen) > 1:
        given.wrong(chosen[1], f"cannot be given together with {chosen[0]}")
    for extra in ("negate", "match"):
        if given.has(extra) and not given.has("pattern"):
            given.wrong(extra, "only goes with pattern")


def finish_source(given: Given) -> None:
    """Make globs absolute, and put ``service`` among the fields."""
    values, reading = given.values, given.reading
    root, home = glob.escape(str(reading.working_dir)), glob.escape(str(reading.home))
    if "paths" in values:
        values["paths"] = tuple(_absolute(pattern, root, home) for pattern in values["paths"])
    if "rotated" in values:
        values["rotated"] = tuple(_absolute(glob_, root, home) for glob_ in values["rotated"])
    if "exclude" in values:
        # Without a slash it is about names, wherever the file is.
        values["exclude"] = tuple(
            _absolute(pattern, root, home) if "/" in pattern else pattern
            for pattern in values["exclude"]
        )
    if values.get("type") == "spool":
        _refuse_other_keys(given)
    _check_lines(given)
    service = values.pop("service", None)
    if service is not None:
        fields = values.get("fields", {})
        if "service" in fields:
            given.wrong("service", "fields.service is given as well; keep one of the two")
        values["fields"] = {**fields, "service": service}


def _check_lines(given: Given) -> None:
    encoding, delimiter = given.values.get("encoding"), given.values.get("delimiter")
    problem = check_line_form(encoding or "utf-8", delimiter or "\n")
    if problem:
        given.wrong("delimiter" if delimiter else "encoding", problem)


def _refuse_other_keys(given: Given) -> None:
    for key in given.given_in_file():
        if key not in SPOOL_KEYS:
            given.wrong(key, "has no say in a spool: its documents are shipped as they were made")


def finish_settings(given: Given) -> None:
    """Give every source a name of its own, and check that sizes fit into one another."""
    sources: tuple[SourceSettings, ...] = given.values.get("sources", ())
    sections = _source_sections(given)
    delivery: DeliverySettings = given.values.get("delivery", DeliverySettings())
    buffers = given.section("delivery")
    buffer_size = format_size(delivery.buffer_bytes)
    if delivery.batch_bytes > delivery.buffer_bytes:
        key = "batch_bytes" if buffers.has("batch_bytes") else "buffer_bytes"
        batch_size = format_size(delivery.batch_bytes)
        buffers.wrong(key, f"batch_bytes ({batch_size}) is over buffer_bytes ({buffer_size})")
    for source, section in zip(sources, sections, strict=False):
        if source.max_line_bytes > delivery.buffer_bytes:
            line_size = format_size(source.max_line_bytes)
            what = f"max_line_bytes ({line_size}) is over buffer_bytes ({buffer_size})"
            if section.has("max_line_bytes"):
                section.wrong("max_line_bytes", what)
            else:
                buffers.wrong("buffer_bytes", what)
    _refuse_equal_names(sources, sections)
    if sources:
        given.values["sources"] = _named(sources)


def name_from_path(path: str) -> str:
    """Return a name for a source: ``api`` for ``/var/log/api/*.log`` as for ``api.log``.

    The part of the file name before its first wildcard, without extension; where that is
    nothing, the nearest folder without a wildcard.
    """
    *folders, file = path.split("/")
    fixed = re.split(r"[*?\[]", file)[0]
    candidates = [fixed.partition(".")[0] or fixed]
    candidates += [folder for folder in reversed(folders) if not re.search(r"[*?\[]", folder)]
    for candidate in candidates:
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", candidate).strip("._-")[:90]
        if name:
            return name
    return "files"


def _named(sources: Sequence[SourceSettings]) -> tuple[SourceSettings, ...]:
    taken = {source.name for source in sources}
    result = []
    for source in sources:
        name = source.name
        if not name and source.paths:
            base = name_from_path(source.paths[0])
            numbered = (f"{base}-{number}" for number in count(2))
            name = next(name for name in chain([base], numbered) if name not in taken)
            taken.add(name)
        result.append(replace(source, name=name))
    return tuple(result)


def _refuse_equal_names(sources: Sequence[SourceSettings], sections: Sequence[Given]) -> None:
    first: dict[str, str] = {}
    for source, section in zip(sources, sections, strict=False):
        if source.name in first:
            section.wrong("name", f"{quote(source.name)} is the name of {first[source.name]} too")
        elif source.name:
            first[source.name] = section.path


def _source_sections(given: Given) -> list[Given]:
    sources = given.section("sources")
    if not isinstance(sources.node.value, list):
        return [sources]
    return [
        Given({}, node, f"sources[{index}]", given.reading)
        for index, node in enumerate(sources.node.value)
    ]


def _first(given: Given, keys: Sequence[str]) -> str | None:
    return next((key for key in keys if given.has(key)), None)


def _take_credentials_out_of_hosts(given: Given) -> None:
    """URLs are shown, so user and password that stand in them move to their own settings."""
    found = set()
    hosts = []
    for host in given.values.get("hosts", ()):
        parts = credentials(host)
        if parts is None:
            hosts.append(host)
            continue
        found.add((unquote(parts.username or ""), unquote(parts.password or "")))
        hosts.append(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())
    if not found:
        return
    given.values["hosts"] = tuple(hosts)
    other = _first(given, ANY_AUTHENTICATION)
    if other:
        given.wrong("hosts", f"hold a user name, and {other} is given as well; keep one of the two")
    elif len(found) > 1 or not all(all(pair) for pair in found):
        given.wrong("hosts", "hold user names; give one username and its password beside hosts")
    else:
        given.values["username"], given.values["password"] = found.pop()


def _absolute(pattern: str, root: str, home: str) -> str:
    if pattern == "~" or pattern.startswith("~/"):
        return home + pattern[1:]
    return os.path.normpath(os.path.join(root, pattern))
