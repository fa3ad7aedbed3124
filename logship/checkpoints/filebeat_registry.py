"""Filebeat's registry: up to where it has read which files.

In the folder ``registry/filebeat`` of its data folder, version 1 (since 7.9)::

    <number>.json   a snapshot, the one with the highest number holds: [{"_key": K, …V…}, …]
    log.json        what came after it, in pairs of lines, numbers without a gap:
                    {"op": "set" | "remove", "id": 17}
                    {"k": K, "v": V}

    filestream   K  filestream::<input id>::<identity>[-<stream>]
                 V  {"cursor": {"offset"}, "meta": {"source", "identifier_name"}, "ttl", …}
    log input    K  filebeat::logs::[<hash>-]<identity>
                 V  {"source", "offset", "FileStateOS": {"inode", "device"}, "ttl", …}
    <identity>      native::<inode>-<device> | path::<path> | inode_marker::<inode>-<marker>
                    fingerprint::<SHA-256 of the first bytes, 1,024 unless configured>

Version 0 (7.0 to 7.8) has the log input's V in one array, ``data.json``; before that the file
``registry`` itself was that array. A ttl of 0 marks what is removed, one of -2 what no input of
the last run took care of.

Source: the layout as documented in Filebeat's own sources (memlog store, registrar).
"""

from __future__ import annotations

import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from logship.errors import LogshipError

__all__ = ["Position", "read_registry"]

REMOVED, UNMANAGED = 0, -2
_IDENTITY = re.compile(
    r"(?P<kind>native|path|inode_marker|fingerprint|growing_fingerprint)::(?P<value>.*)", re.DOTALL
)
_INODE = re.compile(r"(\d+)-(\d+)")
_DIGEST = re.compile(r"[0-9a-f]{64}(?![0-9a-f])")
_BEGINNING = re.compile(r"(?:[0-9a-f]{2})+")


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where Filebeat has read one file.

    Attributes:
        path: Where the file was when Filebeat saw it last.
        offset: In bytes.
        kind: How Filebeat tells files apart: ``native``, ``path``, ``inode_marker``,
            ``fingerprint``.
        inode: Zero where the kind has none; *device* too.
        digest: SHA-256 of the first bytes in hexadecimal; empty where the kind has none.
        beginning: The first bytes themselves, of files too short for a digest.
        is_managed: Whether an input of Filebeat's last run took care of it.
    """

    path: str
    offset: int
    kind: str = "path"
    inode: int = 0
    device: int = 0
    digest: str = ""
    beginning: bytes = b""
    is_managed: bool = True


def read_registry(directory: Path) -> list[Position]:
    """Return what Filebeat's registry says, by path.

    Args:
        directory: Filebeat's data folder, the folder ``registry`` in it, or that one's
            ``filebeat``; or the registry file of an old version.

    Raises:
        LogshipError: There is no registry, it cannot be read, or Filebeat is running.
    """
    try:
        _refuse_running(directory)
        positions = list(_positions(_find(directory)))
    except OSError as error:
        path = error.filename or directory
        raise LogshipError(f"{path}: cannot be read: {error.strerror}") from error
    return sorted(positions, key=lambda position: (position.path, position.offset))


def _refuse_running(directory: Path) -> None:
    """While Filebeat runs its offsets move on: records would be stored twice."""
    for folder in (directory, directory.parent, directory.parent.parent):
        path = folder / "filebeat.lock"
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LogshipError(
                f"{path} is locked: Filebeat is running. Stop it first, so that its offsets "
                "stay as they are imported."
            ) from None
        finally:
            os.close(descriptor)


def _find(directory: Path) -> Path:
    """The folder of the registry, or the file that an old version keeps."""
    if directory.is_file():
        return directory
    if not directory.is_dir():
        raise LogshipError(f"{directory}: there is no such folder")
    for folder in (directory / "registry" / "filebeat", directory / "filebeat", directory):
        if (folder / "log.json").is_file() or (folder / "data.json").is_file():
            return folder
        if folder.is_dir() and _snapshots(folder):
            return folder
    if (directory / "registry").is_file():
        return directory / "registry"
    raise LogshipError(
        f"{directory}: there is no registry of Filebeat here; name its data folder, for example "
        "/var/lib/filebeat"
    )


def _positions(place: Path) -> Iterator[Position]:
    if place.is_file():
        yield from _old(place)
        return
    meta = place / "meta.json"
    version = "1"
    if meta.is_file():
        content = _json(meta.read_bytes(), meta)
        version = str(content.get("version")) if isinstance(content, dict) else "?"
    if version == "0":
        yield from _old(place / "data.json")
        return
    if version != "1":
        raise LogshipError(f"{meta}: a registry of version {version} is not known")
    for key, value in _replayed(place).items():
        position = _position(key, value)
        if position is not None:
            yield position


def _old(path: Path) -> Iterator[Position]:
    """The array of versions before 7.9, in which the last entry of a file holds."""
    entries = _json(path.read_bytes(), path)
    if not isinstance(entries, list):
        raise LogshipError(f"{path}: is no registry of Filebeat")
    for entry in entries:
        if isinstance(entry, dict):
            # Every ttl of -2 comes from a restart here, and tells nothing.
            position = _of_log_input(str(entry.get("id") or ""), {**entry, "ttl": -1})
            if position is not None and entry.get("ttl") != REMOVED:
                yield position


def _snapshots(folder: Path) -> list[tuple[int, Path]]:
    return sorted(
        (int(path.stem), path)
        for path in folder.glob("*.json")
        if path.stem.isascii() and path.stem.isdigit() and path.is_file()
    )


def _replayed(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """The last snapshot with the operations that follow it, as far as they are whole."""
    entries: dict[str, Mapping[str, Any]] = {}
    number = 0
    snapshots = _snapshots(folder)
    if snapshots:
        number, path = snapshots[-1]
        for entry in _json(path.read_bytes(), path):
            if isinstance(entry, dict) and isinstance(entry.get("_key"), str):
                entries[entry["_key"]] = entry
    for id_, operation, key, value in _operations(folder / "log.json"):
        if id_ <= number:
            continue  # the snapshot has it
        if id_ != number + 1:
            break
        number = id_
        if operation == "set":
            entries[key] = value
        elif operation == "remove":
            entries.pop(key, None)
    return entries


def _operations(path: Path) -> Iterator[tuple[int, str, str, Mapping[str, Any]]]:
    """(number, ``set`` or ``remove``, key, value), up to the first line that is not whole."""
    try:
        lines = path.open("rb")
    except FileNotFoundError:
        return
    with lines:
        while True:
            try:
                action, entry = (
                    {str(name).lower(): value for name, value in orjson.loads(line).items()}
                    for line in (_next(lines), _next(lines))
                )
                id_, operation, key = int(action["id"]), str(action["op"]), str(entry["k"])
            except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
                return
            value = entry.get("v")
            yield id_, operation, key, value if isinstance(value, dict) else {}


def _next(lines: Iterable[bytes]) -> bytes:
    """The next line that is not empty; an empty one at the end."""
    for line in lines:
        if line.strip():
            return line
    return b""


def _position(key: str, value: Mapping[str, Any]) -> Position | None:
    if value.get("ttl") == REMOVED:
        return None
    if key.startswith("filestream::"):
        return _of_filestream(key, value)
    if key.startswith("filebeat::logs::"):
        return _of_log_input(key.removeprefix("filebeat::logs::"), value)
    return None


def _of_filestream(key: str, value: Mapping[str, Any]) -> Position | None:
    meta, cursor = value.get("meta"), value.get("cursor")
    if not isinstance(meta, dict) or not meta.get("source") or not isinstance(cursor, dict):
        return None  # seen, and nothing read of it
    beginning = meta.get("fingerprint")
    return _with_identity(
        str(meta["source"]),
        cursor.get("offset"),
        key.split("::", 2)[-1],
        beginning=beginning if isinstance(beginning, str) else "",
    )


def _of_log_input(identity: str, value: Mapping[str, Any]) -> Position | None:
    if not value.get("source"):
        return None
    state = value.get("FileStateOS")
    if value.get("identifier_name", "native") == "native" and isinstance(state, dict):
        identity = f"native::{state.get('inode')}-{state.get('device')}"
    managed = value.get("ttl") != UNMANAGED
    return _with_identity(str(value["source"]), value.get("offset"), identity, is_managed=managed)


def _with_identity(
    path: str, offset: object, identity: str, *, beginning: str = "", is_managed: bool = True
) -> Position | None:
    if not isinstance(offset, int) or offset < 0:
        return None
    found = _IDENTITY.search(identity)
    kind, value = (found["kind"], found["value"]) if found else ("path", "")
    if kind in ("native", "inode_marker"):
        numbers = _INODE.match(value) if kind == "native" else re.match(r"(\d+)()", value)
        if numbers is None:
            return None
        return Position(
            path, offset, kind, int(numbers[1]), int(numbers[2] or 0), is_managed=is_managed
        )
    if kind.endswith("fingerprint"):
        raw = _BEGINNING.match(value if kind == "growing_fingerprint" else beginning)
        digest = _DIGEST.match(value) if kind == "fingerprint" else None
        return Position(
            path,
            offset,
            "fingerprint",
            digest=digest[0] if digest else "",
            beginning=bytes.fromhex(raw[0]) if raw else b"",
            is_managed=is_managed,
        )
    return Position(path, offset, is_managed=is_managed)


def _json(data: bytes, path: Path) -> Any:
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise LogshipError(f"{path}: is no registry of Filebeat: {error}") from error
