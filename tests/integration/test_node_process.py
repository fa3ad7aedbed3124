"""``logship node`` as a process: start, stop, refusals, and what stays."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.node import RUNNER, NodeProcess, get, post, request


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUNNER, "node", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_it_says_in_one_line_what_it_is(tmp_path: Path) -> None:
    """URL, folder, and what it is good for."""
    with NodeProcess(tmp_path) as node:
        assert node.stop() == 0
    (line,) = node.errors.splitlines()
    assert "for laptops and tests" in line
    assert node.url in line
    assert str(tmp_path) in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly(tmp_path: Path, number: signal.Signals) -> None:
    """Exit status 0, and nothing more on stderr."""
    with NodeProcess(tmp_path) as node:
        os.kill(node.pid, number)
        assert node.stop() == 0
    assert len(node.errors.splitlines()) == 1


def test_a_second_node_on_the_same_folder_is_refused(tmp_path: Path) -> None:
    """Two would damage each other's data."""
    with NodeProcess(tmp_path) as node:
        second = _run("--data", str(tmp_path), "--listen", "127.0.0.1:0")
        assert second.returncode == 2
        assert second.stderr.startswith(f"logship node: {tmp_path}: another node is using")
        assert len(second.stderr.splitlines()) == 1
        assert get(node.url).status == 200


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    """Names the address, and the folder is free again afterwards."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        refused = _run("--data", str(tmp_path), "--listen", address)
    assert refused.returncode == 2
    assert f"cannot listen on {address}" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    with NodeProcess(tmp_path) as node:
        assert get(node.url).status == 200


def test_a_folder_that_cannot_be_used_is_one_clear_line(tmp_path: Path) -> None:
    """Here a file stands in its place."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    refused = _run("--data", str(blocked), "--listen", "127.0.0.1:0")
    assert refused.returncode == 2
    assert refused.stderr.startswith(f"logship node: {blocked}: cannot be used")
    assert len(refused.stderr.splitlines()) == 1


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """A file of that name that something else wrote is neither read nor overwritten."""
    (tmp_path / "node.db").write_bytes(b"not a database, but someone's data" * 100)
    refused = _run("--data", str(tmp_path), "--listen", "127.0.0.1:0")
    assert refused.returncode == 2
    assert "cannot be opened as a database" in refused.stderr
    assert (tmp_path / "node.db").read_bytes().startswith(b"not a database")


@pytest.mark.parametrize("listen", ["localhost:", "127.0.0.1:99999", "1.2.3.4:port"])
def test_a_wrong_address_is_refused(tmp_path: Path, listen: str) -> None:
    """Before anything is opened."""
    refused = _run("--data", str(tmp_path / "data"), "--listen", listen)
    assert refused.returncode == 2
    assert "is not HOST:PORT" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Documents, mappings, settings, aliases, templates, streams, cluster settings, the uuid."""
    with NodeProcess(tmp_path) as node:
        url = node.url
        before = get(url).json()["cluster_uuid"]
        template = {"index_patterns": ["ds-*"], "data_stream": {}, "priority": 5}
        request("PUT", f"{url}/_index_template/ds", template)
        body = {
            "settings": {"number_of_replicas": 0},
            "mappings": {"properties": {"k": {"type": "keyword", "normalizer": "lowercase"}}},
            "aliases": {"al": {}},
        }
        request("PUT", f"{url}/keep-1", body)
        lines = "".join(
            f'{{"create":{{"_id":"{n}"}}}}\n{{"k":"V{n}","t":"text {n}"}}\n' for n in range(50)
        )
        assert post(f"{url}/keep-1/_bulk", lines).json()["errors"] is False
        request("DELETE", f"{url}/keep-1/_doc/7")
        post(f"{url}/ds-a/_doc", {"@timestamp": "2026-11-21T10:00:00Z"})
        request(
            "PUT", f"{url}/_cluster/settings", {"persistent": {"cluster.blocks.read_only": None}}
        )
        request("PUT", f"{url}/keep-1/_settings", {"index.blocks.write": True})
        seen = [get(url + path).json() for path in ("/keep-1", "/_alias", "/_data_stream")]
        node.restart()
        assert get(url).json()["cluster_uuid"] == before
        again = [get(url + path).json() for path in ("/keep-1", "/_alias", "/_data_stream")]
        assert again == seen
        assert get(f"{url}/al/_count").json()["count"] == 49
        found = post(f"{url}/al/_search", {"query": {"term": {"k": "v12"}}}).json()
        assert [hit["_id"] for hit in found["hits"]["hits"]] == ["12"]
        item = post(f"{url}/keep-1/_bulk", '{"create":{"_id":"1"}}\n{}\n').json()["items"][0]
        assert item["create"]["status"] == 403
        request("PUT", f"{url}/keep-1/_settings", {"index.blocks.write": None})
        created = post(f"{url}/keep-1/_doc", {"k": "new"}).json()
        assert created["_seq_no"] == 51
