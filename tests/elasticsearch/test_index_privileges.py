"""The privileges that the README names are enough, and what is missing is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from logship.cli.main import main
from tests.elasticsearch.conftest import need_real_elasticsearch, real_version
from tests.support.agent import AgentProcess
from tests.support.real_elasticsearch import RealElasticsearch, Security

pytestmark = [pytest.mark.real_es, pytest.mark.slow]

ROLES = """
agent:
  cluster: [monitor, manage_index_templates]
  indices:
    - names: ["app-*"]
      privileges: [create_doc, auto_configure, monitor, delete_index]
operator:
  cluster: [monitor, manage_index_templates]
  indices:
    - names: ["app-*"]
      privileges: [monitor, read, maintenance, manage]
writer:
  indices:
    - names: ["app-*"]
      privileges: [create_doc, auto_configure]
"""
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def guarded() -> Iterator[RealElasticsearch]:
    """A server with users and roles."""
    need_real_elasticsearch(real_version())
    users = {
        "admin": ("admin-password", ("superuser",)),
        **{name: (f"{name}-password", (name,)) for name in ("agent", "operator", "writer")},
    }
    with RealElasticsearch(real_version(), security=Security(users=users, roles=ROLES)) as server:
        yield server


@pytest.fixture
def run(
    guarded: RealElasticsearch, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Runs a command as a user; returns its status, and what it said on either way."""

    def run_as(user: str, *arguments: object) -> tuple[int, str, str]:
        monkeypatch.setenv("LOGSHIP_ES_URL", guarded.url)
        monkeypatch.setenv("LOGSHIP_ES_USERNAME", user)
        monkeypatch.setenv("LOGSHIP_ES_PASSWORD", f"{user}-password")
        status = main([str(argument) for argument in arguments])
        return status, *capsys.readouterr()

    return run_as


def ship(server: RealElasticsearch, user: str, folder: Path, name: str) -> tuple[int, str]:
    (folder / "app.log").write_text('{"message":"m"}\n')
    settings: dict[str, Any] = {
        "elasticsearch": {
            "hosts": server.url, "username": user, "password": f"{user}-password",
        },
        "index": {"name": f"{name}-%Y.%m.%d", "retention": "30d"},
        "sources": [{"paths": str(folder / "app.log")}],
        "state_dir": str(folder / "state"),
    }  # fmt: skip
    (folder / "logship.yaml").write_text(json.dumps(settings))
    command = ("run", "-c", folder / "logship.yaml", "--once", "--timeout", "60s")
    with AgentProcess(*command, log=folder / "err") as agent:
        return agent.wait(90), agent.stderr


def test_agent_with_retention(guarded: RealElasticsearch, tmp_path: Path) -> None:
    """monitor and delete_index besides what shipping needs are enough for retention."""
    with guarded.client() as client:
        for day in ("2020.01.01", "2020.01.02"):
            client.create(f"app-agent-{day}", [{"n": 1}])
        status, said = ship(guarded, "agent", tmp_path, "app-agent")
        assert status == 0, said
        assert "WARNING" not in said
        assert client.request("HEAD", "/app-agent-2020.01.01").status == 404


def test_agent_that_may_not(guarded: RealElasticsearch, tmp_path: Path) -> None:
    """Without them everything is delivered, and one line says what is missing."""
    with guarded.client() as client:
        client.create("app-writer-2020.01.01", [{"n": 1}])
        status, said = ship(guarded, "writer", tmp_path, "app-writer")
        assert status == 0, said
        assert "delivered 1, " in said
        (line,) = [one for one in said.splitlines() if "index.retention" in one]
        assert "needs monitor and delete_index there" in line
        assert client.request("HEAD", "/app-writer-2020.01.01").status == 200


def test_operator(guarded: RealElasticsearch, run: Run, tmp_path: Path) -> None:
    """setup and every verb of indices work with the privileges of the README."""
    name = "app-operator-%Y.%m.%d"
    with guarded.client() as client:
        for day in ("2020.01.01", "2020.01.02", "2020.01.03"):
            client.create(f"app-operator-{day}", [{"n": 1}])
            client.create(f"app-operator-{day}", {"x": {"n": 1}})
        assert run("operator", "setup", "-i", name)[0] == 0
        assert run("operator", "indices", "list", "-i", name)[0] == 0
        optimize = run("operator", "indices", "optimize", "-i", name)
        assert optimize[0] == 0, optimize
        archive = run("operator", "indices", "prune", "-i", name, "--older-than", "1d",
                      "--archive", tmp_path)  # fmt: skip
        assert archive[0] == 0, archive
        assert len(list(tmp_path.glob("*.jsonl.gz"))) == 2
        assert client.request("HEAD", "/app-operator-2020.01.01").status == 404


def test_commands_that_may_not(run: Run) -> None:
    """A user without the privileges is told so in one line, and nothing is shown of secrets."""
    for arguments in (("setup", "-i", "app-x-%Y"), ("indices", "list", "-i", "app-x-%Y")):
        status, out, said = run("writer", *arguments)
        assert (status, out) == (2, "")
        (line,) = said.splitlines()
        assert "HTTP 403" in line
        assert "the privileges that the README names" in line
        assert "password" not in line
