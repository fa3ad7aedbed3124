"""Which host is this? The name that goes into document ids, and the boot it is in."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from logship.durable import sync_directory

__all__ = ["HostId", "boot_id", "host_id", "host_name", "known_host_id"]

_MACHINE_ID_FILES = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")
ID_FILE = "agent.id"


@dataclass(frozen=True, slots=True)
class HostId:
    """Attributes:
    id: What goes into seeds. Final: another one doubles what is read again.
    origin: Where it comes from, for people.
    """

    id: str
    origin: str


def host_id(
    configured: str | None,
    environment: Mapping[str, str],
    state_dir: Path,
    *,
    machine_id_files: tuple[Path, ...] = _MACHINE_ID_FILES,
) -> HostId:
    """Return the host's id: configured; else of machine, node and pod; else random and kept.

    Never a container's host name, which changes with every restart.

    Raises:
        OSError: A random id cannot be kept in *state_dir*.
    """
    host = known_host_id(configured, environment, state_dir, machine_id_files=machine_id_files)
    if host is not None:
        return host
    file = state_dir / ID_FILE
    return HostId(_keep(file), f"random, kept in {file}")


def known_host_id(
    configured: str | None,
    environment: Mapping[str, str],
    state_dir: Path,
    *,
    machine_id_files: tuple[Path, ...] = _MACHINE_ID_FILES,
) -> HostId | None:
    """Return the host's id; None when :func:`host_id` would make a random one.

    Raises:
        OSError: A random id that was kept cannot be read.
    """
    if configured:
        return HostId(configured, "agent.id")
    parts = {
        "machine": _machine_id(machine_id_files),
        "node": environment.get("LOGSHIP_NODE_NAME", ""),
        "pod": environment.get("LOGSHIP_POD_UID", ""),
    }
    given = {name: value for name, value in parts.items() if value}
    if given:
        text = "\n".join(f"{name}={value}" for name, value in given.items())
        data = text.encode("utf-8", "surrogateescape")
        digest = hashlib.blake2b(data, digest_size=16, person=b"logship host").hexdigest()
        return HostId(digest, " and ".join(given) + (" id" if given.keys() == {"machine"} else ""))
    file = state_dir / ID_FILE
    try:
        text = file.read_text("ascii", "ignore").strip()
    except FileNotFoundError:
        return None
    return HostId(text, f"random, kept in {file}") if text else None


def host_name(environment: Mapping[str, str]) -> str:
    """Return what records get as ``host.name``: the node's name where one is given."""
    return environment.get("LOGSHIP_NODE_NAME") or socket.gethostname() or "unknown"


def boot_id() -> str:
    """Return what names this boot of the machine; empty where the system does not say."""
    try:
        return _BOOT_ID_FILE.read_text().strip()
    except OSError:
        return ""


def _machine_id(files: tuple[Path, ...]) -> str:
    for file in files:
        try:
            text = file.read_text("utf-8", "replace").strip()
        except OSError:
            continue
        if text and text != "uninitialized":
            return text
    return ""


def _keep(file: Path) -> str:
    text = secrets.token_hex(16)
    temporary = file.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, text.encode() + b"\n")
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(file)
    sync_directory(file.parent)
    return text
