from __future__ import annotations

from pathlib import Path

import pytest

from logship.host import HostId, boot_id, host_id, host_name

MACHINE = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, ...]:
    file = tmp_path / "machine-id"
    file.write_text(f"{MACHINE}\n")
    return (tmp_path / "absent", file)


@pytest.mark.parametrize(
    ("environment", "id_", "origin"),
    [
        ({}, "8117815bbe9a11724a1376793a9417c7", "machine id"),
        (
            {"LOGSHIP_NODE_NAME": "node-1"},
            "e11eff44e3a637dab071fee3e10f636a",
            "machine and node",
        ),
        (
            {"LOGSHIP_NODE_NAME": "node-1", "LOGSHIP_POD_UID": "pod-1", "HOSTNAME": "x"},
            "3a68c9a0f50526e0983da953a7754370",
            "machine and node and pod",
        ),
    ],
)
def test_host_ids_are_pinned(
    machine: tuple[Path, ...], tmp_path: Path, environment: dict[str, str], id_: str, origin: str
) -> None:
    """A host has the id that it had under every earlier version."""
    found = host_id(None, environment, tmp_path, machine_id_files=machine)
    assert found == HostId(id_, origin)


def test_node_alone_names_a_host(tmp_path: Path) -> None:
    """A container without a machine id is named by what the downward API gives."""
    environment = {"LOGSHIP_NODE_NAME": "node-1"}
    found = host_id(None, environment, tmp_path, machine_id_files=())
    assert found == HostId("21904005ba48268d57ed339cb8ab83b0", "node")


def test_configured_id_wins(machine: tuple[Path, ...], tmp_path: Path) -> None:
    """``agent.id`` is the host's id as it is written."""
    found = host_id("edge-7", {"LOGSHIP_NODE_NAME": "n"}, tmp_path, machine_id_files=machine)
    assert found == HostId("edge-7", "agent.id")


def test_node_name_in_another_encoding(tmp_path: Path) -> None:
    """Environment variables are bytes; a name that is no UTF-8 makes an id all the same."""
    environment = {"LOGSHIP_NODE_NAME": "caf\udce9"}
    found = host_id(None, environment, tmp_path, machine_id_files=())
    assert len(found.id) == 32


def test_machine_without_any_id_keeps_a_random_one(tmp_path: Path) -> None:
    """Where nothing names the machine, a random id is made once and found again."""
    first = host_id(None, {}, tmp_path, machine_id_files=())
    second = host_id(None, {}, tmp_path, machine_id_files=())
    assert first == second
    assert first.origin == f"random, kept in {tmp_path / 'agent.id'}"
    assert (tmp_path / "agent.id").read_text() == f"{first.id}\n"
    assert (tmp_path / "agent.id").stat().st_mode & 0o777 == 0o600
    other = tmp_path / "other"
    other.mkdir()
    assert host_id(None, {}, other, machine_id_files=()).id != first.id


@pytest.mark.parametrize("content", [b"uninitialized\n", b"", b"\n"])
def test_machine_id_that_is_none_yet(tmp_path: Path, content: bytes) -> None:
    """A machine id that the first boot has not set names nothing."""
    file = tmp_path / "machine-id"
    file.write_bytes(content)
    found = host_id(None, {}, tmp_path, machine_id_files=(file,))
    assert found.origin.startswith("random")


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_kept_id_that_was_damaged_is_made_anew(tmp_path: Path, content: bytes) -> None:
    """An empty or unreadable ``agent.id`` is replaced instead of used."""
    (tmp_path / "agent.id").write_bytes(content)
    found = host_id(None, {}, tmp_path, machine_id_files=())
    assert len(found.id) == 32
    assert (tmp_path / "agent.id").read_text() == f"{found.id}\n"


def test_host_name_is_the_nodes_where_one_is_given() -> None:
    """Records carry the node's name, never that of a container on it."""
    assert host_name({"LOGSHIP_NODE_NAME": "node-1"}) == "node-1"
    assert host_name({})


def test_boot_id_is_the_same_twice() -> None:
    """One boot has one name."""
    assert boot_id() == boot_id()
